"""Each way to serve under CherryPy and cheroot reloads with nothing but `use_autoreload()` after the imports."""

from __future__ import annotations

import signal
import textwrap
import threading
from collections import Counter

import pytest

IMPORTS = """
    from ponyreload import *
    import os, threading, time
    import cherrypy, cheroot.wsgi
    import shop
    PORT = int(os.environ["PORT"])
    use_autoreload()
    VERSION = 1

    class Root:
        @cherrypy.expose
        def index(self):
            return f"{VERSION} {shop.PRICE}"

        @cherrypy.expose
        def pid(self):
            return str(os.getpid())

    def wsgi(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        text = str(os.getpid()) if environ["PATH_INFO"] == "/pid" else f"{VERSION} {shop.PRICE}"
        return [text.encode()]

    class Server(cherrypy._cpserver.Server):
        socket_port = PORT

    class OwnServer(Server):
        def httpserver_from_self(self, httpserver=None):
            return cheroot.wsgi.Server(("127.0.0.1", PORT), wsgi), ("127.0.0.1", PORT)
"""
ON_PORT = 'cherrypy.config.update({"server.socket_port": PORT, "engine.autoreload.on": True})'
RUN = """
    cherrypy.engine.signals.subscribe()
    cherrypy.engine.start()
    cherrypy.engine.block()
"""
OWN_LOOP = """
    cherrypy.engine.start()
    try:
        while True:
            time.sleep(0.1)
    finally:
        cherrypy.engine.exit()
"""
ADAPTER = """
    from cherrypy.process.servers import ServerAdapter
    cherrypy.server.unsubscribe()
    ServerAdapter(cherrypy.engine, cheroot.wsgi.Server(("127.0.0.1", PORT), wsgi)).subscribe()
"""
INSTANCE = """
    cherrypy.server.socket_port = PORT
    cherrypy.server.instance = cheroot.wsgi.Server(("127.0.0.1", PORT), wsgi)
"""
PREPARE_AND_SERVE = """
    server = cheroot.wsgi.Server(("127.0.0.1", PORT), wsgi)
    server.prepare()
    server.serve()
"""
MOUNT = 'cherrypy.tree.mount(Root(), "/")'
GRAFT_MIDDLEWARE = 'cherrypy.tree.graft(AutoreloadMiddleware(wsgi), "/")'
WAYS = {
    "quickstart": (ON_PORT, "cherrypy.quickstart(Root())"),
    "mount": (ON_PORT, MOUNT, RUN),
    "graft": (ON_PORT, 'cherrypy.tree.graft(wsgi, "/")', RUN),
    "graft-middleware": (ON_PORT, GRAFT_MIDDLEWARE, RUN),
    "graft-middleware-alone": (ON_PORT, GRAFT_MIDDLEWARE, RUN),
    "own-loop": (ON_PORT, MOUNT, OWN_LOOP),
    "server-subclass": ("cherrypy.server.unsubscribe()", "Server().subscribe()", MOUNT, RUN),
    "server-that-makes-its-own": ("cherrypy.server.unsubscribe()", "OwnServer().subscribe()", RUN),
    "server-adapter": (ADAPTER, RUN),
    "server-instance": (INSTANCE, RUN),
    "start": ('cheroot.wsgi.Server(("127.0.0.1", PORT), wsgi).start()',),
    "safe-start": ('cheroot.wsgi.Server(("127.0.0.1", PORT), wsgi).safe_start()',),
    "prepare-and-serve": (PREPARE_AND_SERVE,),
    "tree-under-cheroot": (MOUNT, 'cheroot.wsgi.Server(("127.0.0.1", PORT), cherrypy.tree).start()'),
}
SHOP = """
    from ponyreload import *
    PRICE = 1
"""


def script(way, guarded):
    """Put together the main script that serves in one way, with or without the guard of the main module."""
    imports = textwrap.dedent(IMPORTS)
    if way.endswith("-alone"):
        imports = imports.replace("use_autoreload()\n", "")
    start = "\n".join(textwrap.dedent(part).strip() for part in WAYS[way])
    return imports + ('if __name__ == "__main__":\n' + textwrap.indent(start, "    ") if guarded else start)


def assert_it_reloads(project, site, main="app.py", module="shop.py"):
    """Edit a module and the main script; all changes are served, by the same process."""
    assert site.get() == "1 1"
    project.replace(module, "PRICE = 1", "PRICE = 2")
    site.wait_for("/", "1 2")
    project.replace(main, "VERSION = 1", "VERSION = 2")
    site.wait_for("/", "2 2")
    project.replace(module, "PRICE = 2", "PRICE = 3")
    site.wait_for("/", "2 3")
    assert site.get("/pid") == str(site.process.pid)
    assert "Traceback" not in site.log
    assert "restart to apply it" not in site.log


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "bare"])
@pytest.mark.parametrize("way", WAYS)
def test_a_saved_file_is_served_by_the_next_request(way, guarded, project):
    site = project({"app.py": script(way, guarded), "shop.py": SHOP})
    with site.serve() as server:
        assert_it_reloads(site, server)


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "bare"])
def test_a_package_that_runs_as_the_main_module_is_reloaded(guarded, project):
    main = script("quickstart", guarded).replace("import shop\n", "from . import shop\n")
    site = project({"market/__init__.py": "", "market/__main__.py": main, "market/shop.py": SHOP})
    with site.serve("-m", "market") as server:
        assert_it_reloads(site, server, "market/__main__.py", "market/shop.py")


def test_the_autoreloader_of_cherrypy_is_off_and_that_is_said_once(project):
    site = project({"app.py": script("quickstart", True), "shop.py": SHOP})
    with site.serve() as server:
        server.wait_for_log("Bus STARTED")
        assert_it_reloads(site, server)
        assert server.log.count("Autoreloader, which restarts the process, is off") == 1
        assert "Started monitor thread 'Autoreloader'" not in server.log
        assert "Re-spawning" not in server.log


# -- stopping ------------------------------------------------------------------------------------------------

CLEAN_UP = """
    done = threading.Event()

    def own_loop():
        cherrypy.tree.mount(Root())
        cherrypy.engine.signals.subscribe()
        threading.Thread(target=done.wait).start()
        cherrypy.engine.start()
        while cherrypy.engine.state != cherrypy.engine.states.EXITING:
            time.sleep(0.1)

    cherrypy.config.update({"server.socket_port": PORT})
    try:
        START
    finally:
        done.set()
        cherrypy.engine.exit()
        with open("ended", "a") as ended:
            print(VERSION, file=ended)
"""
STARTS = {
    "quickstart": "cherrypy.quickstart(Root())",
    "own-loop": "own_loop()",
    "cheroot": 'cheroot.wsgi.Server(("127.0.0.1", PORT), wsgi).safe_start()',
}


def stopping_site(project, way):
    """A site whose main script has something to do after its server."""
    main = textwrap.dedent(IMPORTS) + textwrap.dedent(CLEAN_UP).replace("START", STARTS[way])
    return project({"app.py": main, "shop.py": SHOP, "ended": ""})


def ended(site):
    """The versions of the main script that have cleaned up, in the order in which they did."""
    return (site / "ended").read_text().split()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("way", STARTS)
def test_the_process_ends_as_it_does_without_autoreload(way, how, project):
    site = stopping_site(project, way)
    with site.serve(PONYRELOAD="off") as server:
        if way != "cheroot":
            server.wait_for_log("Bus STARTED")
        status = server.stop(how)
        cleans_up = ended(site) == ["1"]
    site.write_in_place("ended", "")
    with site.serve() as server:
        if way != "cheroot":
            server.wait_for_log("Bus STARTED")
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        server.wait_for("/", "2 1")
        assert server.stop(how, seconds=4) == status
        # A signal that Python has no handler for ends the process on the spot.
        assert sorted(ended(site)) == (["1", "2"] if cleans_up else [])
        assert cleans_up == (status != -signal.SIGTERM)


def test_the_clean_up_of_a_generation_runs_when_it_retires_and_stops_nothing(project):
    site = stopping_site(project, "quickstart")
    with site.serve() as server:
        server.wait_for_log("Bus STARTED")
        for version in (2, 3, 4):
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_for("/", f"{version} 1")
        server.wait_until(lambda: ended(site) == ["2", "3"], "clean-up")
        assert server.get() == "4 1"
        assert "Bus STOPPING" not in server.log
        assert "Bus EXITING" not in server.log
        assert server.stop() == 0
        assert sorted(ended(site)) == ["1", "2", "3", "4"]


def test_a_thread_that_asks_whether_it_is_superseded_does_not_hold_up_the_end_of_the_process(project):
    threads = """
        def work():
            while not superseded(timeout=10):
                pass
            print(f"thread of {VERSION} ends.", flush=True)

        threading.Thread(target=work).start()
        cherrypy.config.update({"server.socket_port": PORT})
        cherrypy.quickstart(Root())
    """
    site = project({"app.py": textwrap.dedent(IMPORTS) + textwrap.dedent(threads), "shop.py": SHOP})
    with site.serve() as server:
        server.wait_for_log("Bus STARTED")
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        server.wait_for("/", "2 1")
        server.wait_for_log("thread of 1 ends.")
        assert server.stop(seconds=4) == 0
        assert "thread of 2 ends." in server.log


# -- signals -------------------------------------------------------------------------------------------------

SIGNALS = """
    import signal

    def handle(number, frame):
        print(f"signal in {VERSION} on {threading.current_thread().name}.")

    signal.signal(signal.SIGUSR2, handle)
    cherrypy.config.update({"server.socket_port": PORT})
    cherrypy.quickstart(Root())
"""


def test_a_signal_handler_that_the_script_sets_is_the_newest_and_runs_on_the_main_thread(project):
    site = project({"app.py": textwrap.dedent(IMPORTS) + textwrap.dedent(SIGNALS), "shop.py": SHOP})
    with site.serve() as server:
        server.wait_for_log("Bus STARTED")
        for version in (1, 2, 3):
            if version > 1:
                site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
                server.wait_for("/", f"{version} 1")
            server.process.send_signal(signal.SIGUSR2)
            server.wait_for_log(f"signal in {version} on MainThread.")
        assert server.log.count("signal in") == 3


# -- under load ----------------------------------------------------------------------------------------------

LOADED = """
    from shop import PRICE

    class Loaded(Root):
        @cherrypy.expose
        def prices(self):
            from late import PRICE as late
            import late as module
            config = cherrypy.request.app.config["/"]["price"]
            yield f"{PRICE} {shop.PRICE} {config} {cherrypy.config['price']} "
            yield f"{late} {module.PRICE} {cherrypy.response.headers['X-Price']}"
        prices._cp_config = {"response.stream": True, "tools.priced.on": True}

    @cherrypy.tools.register("before_handler")
    def priced():
        cherrypy.response.headers["X-Price"] = str(PRICE)

    cherrypy.config.update({"server.socket_port": PORT, "price": PRICE, "log.screen": False})
    cherrypy.quickstart(Loaded(), "/", {"/": {"price": PRICE}})
"""
LATE = """
    from ponyreload import *
    from shop import PRICE
"""


def test_no_request_fails_or_mixes_generations_while_files_are_edited_under_load(project):
    main = textwrap.dedent(IMPORTS) + textwrap.dedent(LOADED)
    site = project({"app.py": main, "shop.py": SHOP, "late.py": LATE})
    answers, failures, done = Counter(), [], threading.Event()

    def ask(server):
        while not done.is_set():
            try:
                answers[server.get("/prices", Connection="close")] += 1
            except Exception as error:
                failures.append(repr(error))

    with site.serve() as server:
        clients = [threading.Thread(target=ask, args=(server,)) for _ in range(5)]
        for client in clients:
            client.start()
        try:
            for price in range(2, 22):
                site.replace("shop.py", f"PRICE = {price - 1}", f"PRICE = {price}")
                server.wait_for("/", f"1 {price}")
        finally:
            done.set()
            for client in clients:
                client.join()
        assert failures == []
        mixed = [answer for answer in answers if len(set(answer.split())) != 1]
        assert mixed == []
        # The clients did see the generations come and go.
        assert len(answers) > 10
        assert sum(answers.values()) > 100
