"""Many requests through many reloads: none failed, refused or mixed, and nothing stays behind (G1, G2, G8)."""

from __future__ import annotations

import json
import threading

import pytest

RELOADS = 300

FILES = {
    "serve.py": """
        import os
        from cheroot.wsgi import Server
        from app import application
        server = Server(("127.0.0.1", int(os.environ["PORT"])), application, numthreads=10)
        try:
            server.start()
        finally:
            server.stop()
    """,
    "app.py": """
        from __future__ import annotations
        from ponyreload import *
        import copy, gc, importlib, pickle, sys, typing
        from shop import models
        from shop.models import VERSION
        from ponyreload.generations.generation import Generation
        use_autoreload()

        def facts():
            from shop.late import VERSION as late
            from shop import late as module
            order = models.Order(models.Colour.RED)
            return [
                VERSION, late, module.VERSION, importlib.import_module("shop.models").VERSION,
                sys.modules["shop.late"].VERSION, pickle.loads(pickle.dumps(order)).version, copy.deepcopy(order).version,
                typing.get_type_hints(models.Order)["colour"].RED.value, pickle.loads(pickle.dumps(models.Colour.RED)).value,
                __import__("shop.late", fromlist=["VERSION"]).VERSION, sys.modules[__name__].VERSION,
            ]

        def stream():
            for part in range(5):
                yield repr(facts()).encode() + b"\\n"

        def alive():
            gc.collect()
            return sorted(each.number for each in gc.get_objects() if type(each) is Generation)

        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            if environ["PATH_INFO"] == "/stream":
                return stream()
            if environ["PATH_INFO"] == "/alive":
                return [repr(alive()).encode()]
            return [repr(facts()).encode()]

        application = AutoreloadMiddleware(application)
    """,
    "shop/__init__.py": "from ponyreload import *\nfrom .models import Order\n",
    "shop/models.py": """
        from __future__ import annotations
        import dataclasses, enum
        from ponyreload import *
        VERSION = 1
        class Colour(enum.Enum):
            RED = VERSION
        @dataclasses.dataclass
        class Order:
            colour: Colour
            @property
            def version(self):
                return self.colour.value
    """,
    "shop/late.py": "from ponyreload import *\nfrom .models import VERSION\n",
}


class Client(threading.Thread):
    """Asks again and again, and notes every answer that is not of one version."""

    def __init__(self, live, path, ended):
        super().__init__()
        self.live, self.path, self.ended = live, path, ended
        self.answers = 0
        self.wrong = []

    def run(self):
        while not self.ended.is_set():
            try:
                answer = self.live.ask(self.path)
                versions = {each for line in answer.text.splitlines() for each in json.loads(line)}
                if answer.status != 200 or len(versions) != 1:
                    self.wrong.append(answer)
            except Exception as error:
                self.wrong.append(error)
            self.answers += 1


@pytest.mark.timeout(240)
def test_eight_clients_through_three_hundred_reloads(project):
    site = project(FILES)
    with site.serve("serve.py") as live:
        ended = threading.Event()
        clients = [Client(live, "/stream" if number % 2 else "/", ended) for number in range(8)]
        for client in clients:
            client.start()
        try:
            for version in range(2, RELOADS + 2):
                site.replace("shop/models.py", f"VERSION = {version - 1}\n", f"VERSION = {version}\n")
                live.wait_for_log(f"generation {version} serves", 20)
        finally:
            ended.set()
            for client in clients:
                client.join()
        wrong = [each for client in clients for each in client.wrong]
        assert not wrong, f"{len(wrong)} of {sum(client.answers for client in clients)}: {wrong[0]}\n{live.log[-3000:]}"
        assert sum(client.answers for client in clients) > RELOADS
        # Every request sees the newest code now, and nothing else lives.
        assert json.loads(live.get("/")) == [RELOADS + 1] * 11
        live.wait_for("/alive", f"[{RELOADS + 1}]")
