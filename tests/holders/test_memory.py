"""A retired generation is freed (G8)."""

from __future__ import annotations

import pytest

APP = """
    from __future__ import annotations
    from ponyreload import *
    import abc, collections, dataclasses, enum, functools, inspect, threading, typing
    import shop
    reloader = use_autoreload()

    class Order:
        def total(self):  # a method holds its module, and so the generation
            return 0

    {code}

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [])
        return [str(shop.X).encode()]
"""
ORDINARY = {
    "nothing": "",
    "optional": "Maybe = typing.Optional[Order]; Both = typing.Union[Order, int]; Many = typing.Dict[str, Order]",
    "generic": "T = typing.TypeVar('T')\n    class G(typing.Generic[T]): pass\n    Mine = G[Order]",
    "protocol": "@typing.runtime_checkable\n    class P(typing.Protocol):\n        def f(self): ...\n    isinstance(Order(), P)",
    "hints": "@dataclasses.dataclass\n    class Item:\n        order: Order\n    typing.get_type_hints(Item)",
    "enum": "class Colour(enum.Enum):\n        RED = 1",
    "abstract": "class A(abc.ABC):\n        @abc.abstractmethod\n        def f(self): ...\n    A.register(Order)\n    isinstance(Order(), A)",
    "dispatch": "@functools.singledispatch\n    def f(x): ...\n    f.register(Order, print)\n    f(Order())",
    "cached": "@functools.lru_cache\n    def f(x): return x\n    f(Order())",
    "signature": "inspect.signature(Order)",
    "thread": "threading.Thread(target=Order).start()",
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_code_leaves_no_old_generation_in_memory(project, name):
    files = {"app.py": APP.replace("{code}", ORDINARY[name]), "shop.py": "from ponyreload import *\nX = 1\n"}
    told = project(files).drive("""
        import app
        reloader, application = app.reloader, app.application
        request(application)
        for number in range(2, 8):
            project.edit("shop.py", f"from ponyreload import *\\nX = {number}\\n")
            reloader.wait(number - 1, 10)
        until(lambda: len(reloader.living) == 1)
        until(lambda: living_generations() == [7])
        tell(answer=request(application))
    """)
    assert told["answer"] == "7"


@pytest.mark.parametrize(
    ("data", "number"),
    [
        pytest.param("b'x' * 6_000_000", 14, id="large"),
        pytest.param("None", 80, id="small"),
    ],
)
def test_reloads_without_a_pause_do_not_pile_up_generations(project, data, number):
    files = {"app.py": APP.replace("{code}", ""), "shop.py": f"from ponyreload import *\nX = 1\nDATA = {data}\n"}
    told = project(files).drive(
        """
        import ponyreload.interpreter.collecting
        ponyreload.interpreter.collecting.QUIET_SECONDS = 1000  # the reloads leave no time for that
        ponyreload.interpreter.collecting.MOST_BYTES = 25_000_000
        gc.disable()
        import app
        # Not `gc.get_objects()`: that list holds all there is, also while the other thread collects.
        made, most = [], 0
        for _ in range({number} + 10):
            app.reloader.reload()
            made.append(weakref.ref(app.reloader.serving))
            until(lambda: not any(each.name.startswith("ponyreload retires") for each in threading.enumerate()))
            most = max(most, sum(each() is not None for each in made))
        tell(most=most)
    """.replace("{number}", str(number))
    )
    # The one that serves, those that wait for the collection, and those that retire until it comes.
    assert told["most"] < number


def test_an_object_that_a_system_module_keeps_stays_what_it_was(project):
    files = {
        "kept.py": "cache = {}\n",
        "price.py": "from ponyreload import *\nPRICE = 1\n",
        "shop.py": """
            from ponyreload import *

            class Order:
                def total(self):
                    from price import PRICE
                    import sys
                    return [PRICE, sys.modules["price"].PRICE, type(self).__module__, VERSION]

            VERSION = 1
        """,
        "app.py": """
            from ponyreload import *
            import kept, price, shop
            reloader = use_autoreload()

            @AutoreloadMiddleware
            def application(environ, start_response):
                start_response("200 OK", [])
                order = kept.cache.setdefault("order", shop.Order())
                return [repr([*order.total(), type(order) is shop.Order]).encode()]
        """,
    }
    told = project(files).drive("""
        import app, kept
        reloader, application = app.reloader, app.application
        first = request(application)
        project.replace("shop.py", "VERSION = 1", "VERSION = 2")
        project.replace("price.py", "PRICE = 1", "PRICE = 2")
        reloader.wait(1, 10)
        until(lambda: len(reloader.living) == 1)
        number = reloader.generation
        second = request(application)
        alive = living_generations()
        kept.cache.clear()
        until(lambda: living_generations() == [number])
        tell(first=first, second=second, alive=alive, number=number, third=request(application))
    """)
    assert told["first"] == "[1, 1, 'shop', 1, True]"
    # Its code and its imports are those of its own generation; what is looked up by name in the request, the request's.
    assert told["second"] == "[1, 2, 'shop', 1, False]"
    assert told["alive"] == [1, told["number"]]
    assert told["third"] == "[2, 2, 'shop', 2, True]"


def test_what_a_request_leaves_in_context_variables_does_not_stay_in_the_servers_threads(project):
    files = {
        "app.py": """
            from ponyreload import *
            import contextvars, shop
            from system import user
            reloader = use_autoreload()

            class User:
                def name(self):
                    return str(shop.X)

            def application(environ, start_response):
                start_response("200 OK", [])
                before = user.get()
                user.set(User())
                yield f"{shop.X} {before}".encode()
                yield f" {user.get().name()}".encode()  # it is there to the end of the request

            application = AutoreloadMiddleware(application)
        """,
        "system.py": "import contextvars\nuser = contextvars.ContextVar('user', default=None)\n",
        "shop.py": "from ponyreload import *\nX = 1\n",
    }
    told = project(files).drive("""
        import http.client
        from cheroot.wsgi import Server
        import app
        server = Server(("127.0.0.1", 0), app.application, numthreads=3)
        server.prepare()
        threading.Thread(target=server.serve).start()

        def ask():
            connection = http.client.HTTPConnection(*server.bind_addr, timeout=10)
            connection.request("GET", "/")
            return connection.getresponse().read().decode()

        answers = []
        for number in range(1, 5):
            answers.append(sorted({ask() for _ in range(20)}))
            if number < 4:
                project.edit("shop.py", f"from ponyreload import *\\nX = {number + 1}\\n")
                app.reloader.wait(number, 10)
        until(lambda: living_generations() == [4])
        server.stop()
        tell(answers=answers)
    """)
    assert told["answers"] == [[f"{number} None {number}"] for number in range(1, 5)]


def test_a_generation_that_serves_keeps_nothing_of_its_load(project):
    files = {"app.py": APP.replace("{code}", ""), "shop.py": "from ponyreload import *\nX = 1\n"}
    told = project(files).drive("""
        import app
        app.reloader.reload()
        serving = app.reloader.serving
        tell(names=sorted(serving.modules), locks=len(serving.import_locks), runs=len(serving.runs))
    """)
    assert told["names"] == ["app", "shop"]
    assert told["locks"] == told["runs"] == 0


def test_threads_that_somebody_keeps_keep_no_generation(project):
    files = {
        "keeper.py": """
            import threading
            threads = []
            plain = threading.Thread.start

            def start(thread):
                threads.append(thread)
                plain(thread)

            threading.Thread.start = start
        """,
        "app.py": APP.replace("{code}", ORDINARY["thread"]).replace("import shop", "import keeper, shop"),
        "shop.py": "from ponyreload import *\nX = 1\n",
    }
    told = project(files).drive("""
        import app, keeper
        for _ in range(3):
            app.reloader.reload()
        until(lambda: len(app.reloader.living) == 1)
        until(lambda: living_generations() == [4])
        tell(threads=len(keeper.threads))
    """)
    assert told["threads"] >= 6
