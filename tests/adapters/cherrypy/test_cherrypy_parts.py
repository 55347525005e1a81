"""What a CherryPy application is made of belongs to its generation: mounts, settings, tools, listeners, sessions."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from textwrap import dedent
from urllib.request import urlopen

import pytest

from live import free_port

# A system module: it holds the requests of all generations, and keeps what they tell.
GATES = """
    import threading
    arrived, gate = threading.Event(), threading.Event()
    told = []

    def tick():
        pass
"""
HEAD = """
    from ponyreload import *
    import json, os, threading
    import cherrypy
    import gates
    use_autoreload()
    VERSION = 1
    cherrypy.config.update({"server.socket_port": int(os.environ["PORT"])})
"""
MOUNTS = """
    seen = {}
    cherrypy.config.namespaces["site"] = lambda key, value: seen.update({key: value})
    cherrypy.config.update({"site.first": "yes", "site.version": VERSION})
    cherrypy.tools.first = cherrypy.Tool("before_finalize", gates.tick)

    def greet(greeting):
        cherrypy.response.headers["X-Greeting"] = f"{greeting} from {VERSION}"

    @cherrypy.tools.register("before_finalize")
    def note():
        cherrypy.response.headers["X-Note"] = f"note {VERSION}"

    cherrypy.tools.greet = cherrypy.Tool("before_finalize", greet)

    def flatten():
        pass

    cherrypy.tools.flatten = cherrypy.Tool("before_finalize", flatten)

    def hook():
        cherrypy.response.headers["X-Hook"] = f"hook {VERSION}"

    def not_found(status, message, traceback, version):
        return f"no such page in {VERSION}"

    class Root:
        @cherrypy.expose
        def index(self):
            return json.dumps({
                "mounts": sorted(cherrypy.tree.apps),
                "app": cherrypy.request.app.config["/"]["site.note"],
                "root is mine": type(cherrypy.request.app.root) is Root,
                "url": cherrypy.url("/x", base=""),
                "first": cherrypy.config.get("site.first"),
                "version": cherrypy.config["site.version"],
                "request": cherrypy.request.config["site.version"],
                "tool": hasattr(cherrypy.tools, "first"),
                "flatten": cherrypy.tools.flatten.callable.__module__,
                "seen": seen,
                "screen": cherrypy.log.screen,
            })

        @cherrypy.expose
        def hold(self):
            gates.arrived.set()
            gates.gate.wait(20)
            return self.index()

        @cherrypy.expose
        def arrived(self):
            return str(gates.arrived.wait(20))

        @cherrypy.expose
        def open(self):
            gates.gate.set()

        @cherrypy.expose
        def plugin(self):
            return "listed" if "site_plugin" in dir(cherrypy.engine) and "greet" in dir(cherrypy.tools) else "missing"

        @cherrypy.expose
        def told(self):
            return json.dumps(gates.told)

        @cherrypy.expose
        def stream(self):
            def parts():
                try:
                    yield f"{VERSION} {cherrypy.config['site.version']}\\n"
                    gates.gate.wait(20)
                    yield f"{VERSION} {cherrypy.config['site.version']}\\n"
                    from late import LATE
                    yield LATE
                finally:
                    from late import LATE
                    gates.told.append([LATE, sorted(cherrypy.tree.apps)])
            return parts()
        stream._cp_config = {"response.stream": True}

    class Things:
        exposed = True

        def GET(self, name):
            return f"got {name} from {VERSION}"

        def DELETE(self, name):
            return f"deleted {name} from {VERSION}"

    CONFIG = {"/": {
        "site.note": f"note {VERSION}", "tools.greet.on": True, "tools.greet.greeting": "hello", "tools.note.on": True,
        "error_page.404": not_found, "hooks.before_finalize": hook,
    }}
    cherrypy.engine.site_plugin = greet
    cherrypy.tree.mount(Root(), "/site", CONFIG)
    cherrypy.tree.mount(Things(), "/things", {"/": {"request.dispatch": cherrypy.dispatch.MethodDispatcher()}})
    cherrypy.tree.mount(Root(), "/first", CONFIG)
    # here it may fail
    cherrypy.quickstart(None, "/empty")
"""
LATE = """
    from ponyreload import *
    LATE = f"late {generation()}"
"""
# What the page tells.
FIRST = {
    "mounts": ["/empty", "/first", "/site", "/things"], "app": "note 1", "root is mine": True, "url": "/site/x",
    "first": "yes", "version": 1, "request": 1, "tool": True, "screen": True,
    "flatten": "__main__", "seen": {"first": "yes", "version": 1},
}  # fmt: skip
SECOND = {
    "mounts": ["/empty", "/second", "/site", "/things"], "app": "note 2", "root is mine": True, "url": "/site/x",
    "first": None, "version": 2, "request": 2, "tool": False, "screen": True,
    "flatten": "cherrypy.lib.cptools", "seen": {"version": 2},
}  # fmt: skip


def script(*parts):
    """Put a main script together."""
    return "".join(map(dedent, parts))


@pytest.fixture
def site(project):
    """A site of four mounts."""
    return project({"app.py": script(HEAD, MOUNTS), "gates.py": GATES, "late.py": LATE})


def edit_all(site, server):
    """Change and remove parts of the site, all at once, and wait until that is served."""
    text = (site / "app.py").read_text()
    text = text.replace("VERSION = 1", "VERSION = 2").replace('"/first"', '"/second"')
    text = text.replace('"site.first": "yes", ', "").replace("cherrypy.tools.first =", "_ =")
    text = text.replace("cherrypy.tools.flatten =", "_ =")
    site.edit("app.py", text)
    server.wait_for("/things/x", "got x from 2")


# -- mounts, settings, tools ---------------------------------------------------------------------------------


def test_a_request_finds_the_mounts_settings_and_tools_of_its_generation(site):
    with site.serve(ready="/things/x") as server, ThreadPoolExecutor() as pool:
        assert json.loads(server.get("/site/")) == FIRST
        assert json.loads(server.get("/first/")) == {**FIRST, "url": "/first/x"}
        held = pool.submit(server.get, "/site/hold")
        server.get("/site/arrived")
        edit_all(site, server)
        assert json.loads(server.get("/site/")) == SECOND
        assert json.loads(server.get("/second/")) == {**SECOND, "url": "/second/x"}
        assert server.ask("/first/").status == 404
        server.get("/site/open")
        assert json.loads(held.result(20)) == FIRST


def test_tools_error_pages_and_dispatchers_are_those_of_the_generation(site):
    with site.serve(ready="/things/x") as server:
        for version in (1, 2):
            answer = server.ask("/site/")
            assert answer.headers["X-Greeting"] == f"hello from {version}"
            assert answer.headers["X-Note"] == f"note {version}"
            assert answer.headers["X-Hook"] == f"hook {version}"
            missing = server.ask("/site/none")
            assert (missing.status, missing.text.strip()) == (404, f"no such page in {version}")
            assert server.get("/things/x", method="DELETE") == f"deleted x from {version}"
            assert server.ask("/things/x", "POST").status == 405
            if version == 1:
                edit_all(site, server)


def test_cherrypys_checker_finds_the_tools_of_the_application(site):
    site.replace("app.py", '"tools.note.on": True,', '"tools.note.on": True, "tools.none.on": False,')
    with site.serve(ready="/things/x") as server:
        server.wait_for_log("Bus STARTED")
        assert server.log.count("tool was not found") == server.log.count("because the 'none' tool was not found") > 0
        assert server.get("/site/plugin") == "listed"


def test_a_streaming_page_runs_on_its_generation_to_the_last_byte_and_in_its_close(site):
    with site.serve(ready="/things/x") as server:
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
            connection.request("GET", "/site/stream")
            response = connection.getresponse()
            assert response.readline() == b"1 1\n"
            edit_all(site, server)
            server.get("/site/open")
            assert response.read() == b"1 1\nlate 1"
        server.wait_for("/site/told", json.dumps([["late 1", FIRST["mounts"]]]))


def test_a_load_that_fails_half_way_changes_nothing(site):
    half = """
        cherrypy.tree.mount(Root(), "/half", CONFIG)
        cherrypy.config.update({"log.screen": False, "site.half": True})
        cherrypy.tools.half = cherrypy.Tool("before_finalize", gates.tick)
        cherrypy.engine.subscribe("before_request", lambda: gates.told.append("half"))
        cherrypy.engine.subscribe("start", lambda: gates.told.append("half"))
        cherrypy.engine.half = cherrypy.process.plugins.SimplePlugin(cherrypy.engine)
        raise RuntimeError("half-way")
    """
    with site.serve(ready="/things/x") as server:
        site.edit(
            "app.py",
            (site / "app.py")
            .read_text()
            .replace("# here it may fail", dedent(half))
            .replace("VERSION = 1", "VERSION = 2"),
        )
        server.wait_for_log("still serving generation 1")
        assert "generation 2 not served: app.py:" in server.log
        assert json.loads(server.get("/site/")) == FIRST
        assert server.ask("/site/").headers["X-Note"] == "note 1"
        assert server.ask("/half/").status == 404
        assert server.get("/site/told") == "[]"
        site.replace("app.py", "raise RuntimeError", "RuntimeError")
        server.wait_for("/things/x", "got x from 2")
        assert server.ask("/half/").status == 200
        assert json.loads(server.get("/site/"))["screen"] is False
        assert set(json.loads(server.get("/site/told"))) == {"half"}


def test_changed_server_options_are_said_to_need_a_restart_and_the_server_goes_on(project):
    serve = """
        class Root:
            @cherrypy.expose
            def index(self):
                return f"{VERSION} {cherrypy.server.thread_pool}"

        cherrypy.server.socket_timeout = 9 + VERSION
        cherrypy.config.update({"server.thread_pool": 4 + VERSION})
        cherrypy.quickstart(Root())
    """
    site = project({"app.py": script(HEAD, serve), "gates.py": GATES})
    with site.serve() as server:
        assert "restart to apply it" not in server.log
        site.edit("app.py", (site / "app.py").read_text().replace("VERSION = 1", "VERSION = 2"))
        server.wait_for("/", "2 5")
        rest = "restart to apply it; until then nothing changes\n"
        assert f"server.socket_timeout changed from 10 to 11: {rest}" in server.log
        assert f"server.thread_pool changed from 5 to 6: {rest}" in server.log
        assert server.log.count("restart to apply it") == 2


def test_a_changed_file_of_settings_fires_a_reload(project):
    serve = """
        class Root:
            @cherrypy.expose
            def index(self):
                return f"{cherrypy.config.get('site.name')} {cherrypy.request.config.get('site.motto')} {TEXT}"

        cherrypy.config.update("global.conf")
        cherrypy.engine.autoreload.files.add("text[1].txt")
        with open("text[1].txt") as file:
            TEXT = file.read()
        cherrypy.quickstart(Root(), "/", "site.conf")
    """
    files = {"global.conf": '[global]\nsite.name = "one"\n', "site.conf": '[/]\nsite.motto = "first"\n'}
    site = project({"app.py": script(HEAD, serve), "gates.py": GATES, "text[1].txt": "text", **files})
    with site.serve() as server:
        assert server.get() == "one first text"
        site.replace("site.conf", '"first"', '"second"')
        server.wait_for("/", "one second text")
        site.replace("text[1].txt", "text", "words")
        server.wait_for("/", "one second words")
        site.edit("global.conf", "[global]\nsite.name = (\n")
        server.wait_for_log("still serving generation 3")
        assert server.get() == "one second words"
        site.edit("global.conf", '[global]\nsite.other = "x"\n')
        server.wait_for("/", "None second words")


# -- the bus -------------------------------------------------------------------------------------------------

LISTENERS = """
    import gc
    from ponyreload.generations.generation import Generation
    from cherrypy.process.plugins import BackgroundTask, Monitor, SimplePlugin
    engine = cherrypy.engine

    class Plugin(SimplePlugin):
        def start(self):
            gates.told.append(f"start {VERSION}")

        def stop(self):
            gates.told.append(f"stop {VERSION}")

        def exit(self):
            print(f"exit {VERSION}.")

        def before_request(self):
            cherrypy.request.heard = [*getattr(cherrypy.request, "heard", []), VERSION]

    def work():
        assert threading.current_thread().name.endswith(str(VERSION))

    engine.plugin = Plugin(engine)
    engine.plugin.subscribe()
    Monitor(engine, work, frequency=0.02, name=f"monitor {VERSION}").subscribe()
    Monitor(engine, gates.tick, frequency=0.02, name=f"system monitor {VERSION}").subscribe()
    task = BackgroundTask(0.02, work)
    task.name = f"task {VERSION}"
    engine.subscribe("start", task.start)
    engine.subscribe("stop", task.cancel)

    @engine.subscribe("start_thread")
    def connect(number):
        cherrypy.thread_data.connection = f"connection of {VERSION}"

    class Root:
        @cherrypy.expose
        def index(self):
            cherrypy.session["seen"] = True
            return json.dumps([cherrypy.request.heard, cherrypy.thread_data.connection, type(engine.plugin) is Plugin])

        @cherrypy.expose
        def version(self):
            return str(VERSION)

        @cherrypy.expose
        def told(self):
            return json.dumps(gates.told)

        @cherrypy.expose
        def alive(self):
            gc.collect()
            numbers = {each.number for each in gc.get_objects() if type(each) is Generation}
            names = sorted(thread.name for thread in threading.enumerate())
            threads = [name for name in names if name.startswith(("monitor", "system", "task", "Session"))]
            return json.dumps([threads, sorted(numbers)])

    cherrypy.quickstart(Root(), "/", {"/": {"tools.sessions.on": True}})
"""


@pytest.mark.parametrize("turned_on", ["before", "after"])
def test_ten_reloads_leave_one_of_each_listener_and_thread(turned_on, project):
    main = script(HEAD, LISTENERS)
    if turned_on == "after":
        # As for a module that is imported before autoreload is turned on. Who subscribed a function of a system
        # module cannot be told afterwards.
        main = main.replace("use_autoreload()\n", "").replace("engine, gates.tick", "engine, work")
        main = main.replace("cherrypy.quickstart", "use_autoreload()\ncherrypy.quickstart")
    site = project({"app.py": main, "gates.py": GATES})

    def alone(version):
        threads = ["Session cleanup", f"monitor {version}", f"system monitor {version}", f"task {version}"]
        return json.dumps([threads, sorted({1, version})])

    with site.serve("app.py", ready="/version") as server:
        server.wait_for_log("Bus STARTED")
        assert json.loads(server.get()) == [[1], "connection of 1", True]
        server.wait_for("/alive", alone(1))
        for version in range(2, 12):
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_for("/version", str(version))
            assert json.loads(server.get()) == [[version], f"connection of {version}", True]
        # Generation 1 stays with the main thread, which runs its script.
        server.wait_for("/alive", alone(11))
        told = json.loads(server.get("/told"))
        assert sorted(told) == sorted(
            [f"start {each}" for each in range(1, 12)] + [f"stop {each}" for each in range(1, 11)]
        )
        assert server.stop() == 0
        assert [server.log.count(f"exit {version}.") for version in range(1, 12)] == [1] * 11
        assert "failed" not in server.log


def test_reloads_leave_no_logs_of_applications_and_no_application_that_was_checked(project):
    shop = """
        import probe

        class Root:
            @cherrypy.expose
            def index(self):
                return str(VERSION)

        cherrypy.tree.mount(Root())
        cherrypy.tree.graft(probe.alive, "/alive")
        cherrypy.Application(Root())
    """
    probe = """
        import gc, json, logging
        from cherrypy._cplogging import LogManager
        from ponyreload.generations.generation import Generation

        def alive(environ, start_response):
            start_response("200 OK", [("Content-Type", "application/json")])
            gc.collect()
            objects = gc.get_objects()
            names = [name for name in logging.Logger.manager.loggerDict if name.startswith("cherrypy.access.")]
            logs = [each.appid for each in objects if type(each) is LogManager]
            numbers = sorted(each.number for each in objects if type(each) is Generation)
            return [json.dumps([len(logs), len(names), numbers]).encode()]
    """
    # A system module runs the server, and so no generation.
    serve = """
        import cherrypy
        import app
        cherrypy.engine.signals.subscribe()
        cherrypy.engine.start()
        cherrypy.engine.block()
    """
    files = {"app.py": script(HEAD, shop), "probe.py": dedent(probe), "serve.py": dedent(serve), "gates.py": GATES}
    site = project(files)
    with site.serve("serve.py") as server:
        server.wait_for_log("Bus STARTED")
        logs, names, _ = json.loads(server.get("/alive"))
        for version in range(2, 7):
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_for("/", str(version))
        server.wait_for("/alive", json.dumps([logs, names, [6]]))


def test_a_generation_that_is_loaded_while_the_bus_starts_is_started_and_cleaned_up_as_well(project):
    serve = """
        def start():
            gates.told.append(VERSION)
            while VERSION == 1 and not os.path.exists("go"):
                threading.Event().wait(0.01)

        class Root:
            @cherrypy.expose
            def index(self):
                return f"{VERSION} {gates.told}"

        cherrypy.engine.subscribe("start", start, priority=90)
        print(f"loading {VERSION}.")
        cherrypy.quickstart(Root())
        print(f"after the server {VERSION}.")
    """
    site = project({"app.py": script(HEAD, serve), "gates.py": GATES})
    with site.serve() as server:
        server.wait_for("/", "1 [1]")
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        server.wait_for_log("loading 2.")
        assert server.get() == "1 [1]"
        site.edit("go", "")
        server.wait_for("/", "2 [1, 2]")
        site.replace("app.py", "VERSION = 2", "VERSION = 3")
        server.wait_for("/", "3 [1, 2, 3]")
        server.wait_for_log("after the server 2.")


def test_a_load_that_comes_while_the_bus_starts_a_second_server_finds_that_too(project):
    serve = """
        class Root:
            @cherrypy.expose
            def index(self):
                return str(VERSION)

        def start():
            while VERSION == 1 and not os.path.exists("go"):
                threading.Event().wait(0.01)

        second = cherrypy._cpserver.Server()
        second.socket_port = int(os.environ["OTHER"])
        cherrypy.engine.subscribe("start", start, priority=78)
        cherrypy.engine.subscribe("start", second.start, priority=80)
        cherrypy.engine.subscribe("stop", second.stop)
        print(f"loading {VERSION}.")
        cherrypy.quickstart(Root())
    """
    site = project({"app.py": script(HEAD, serve), "gates.py": GATES})
    other = free_port()
    with site.serve(OTHER=str(other)) as server:
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        server.wait_for_log("loading 2.")
        assert server.get() == "1"
        site.edit("go", "")
        server.wait_for("/", "2")
        server.wait_for_log("Bus STARTED")
        with urlopen(f"http://127.0.0.1:{other}/") as answer:
            assert answer.read() == b"2"
        assert "restart to apply" not in server.log
        assert "needs a restart" not in server.log


def test_a_listener_that_fails_to_start_keeps_the_old_generation(project):
    serve = """
        class Root:
            @cherrypy.expose
            def index(self):
                return str(VERSION)

        def start():
            if VERSION == 2:
                raise RuntimeError("no connection")

        cherrypy.engine.subscribe("start", start)
        cherrypy.quickstart(Root())
    """
    site = project({"app.py": script(HEAD, serve), "gates.py": GATES})
    with site.serve() as server:
        server.wait_for_log("Bus STARTED")
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        server.wait_for_log("still serving generation 1")
        assert "no connection" in server.log
        assert server.get() == "1"
        site.replace("app.py", "VERSION = 2", "VERSION = 3")
        server.wait_for("/", "3")


def test_what_only_a_start_of_the_process_may_do_is_not_done_again(project):
    serve = """
        from cherrypy.process.plugins import PIDFile

        class Root:
            @cherrypy.expose
            def index(self):
                return str(VERSION)

        PIDFile(cherrypy.engine, os.path.abspath("site.pid")).subscribe()
        cherrypy.engine.signal_handler.subscribe()
        cherrypy.tree.mount(Root())
        cherrypy.engine.start()
        cherrypy.engine.block()
    """
    site = project({"app.py": script(HEAD, serve), "gates.py": GATES})
    with site.serve() as server:
        server.wait_for_log("Bus STARTED")
        for version in (2, 3):
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_for("/", str(version))
        # Retired generations take nothing along that the process needs: its file, its signals.
        assert (site / "site.pid").read_text().strip() == str(server.process.pid)
        assert server.stop() == 0
        assert not (site / "site.pid").exists()
        assert server.log.count("PID") == 2  # written once, removed once


# -- sessions ------------------------------------------------------------------------------------------------

SESSIONS = """
    import carts

    class Wish:
        version = VERSION

    class Root:
        @cherrypy.expose
        def index(self):
            return str(VERSION)

        @cherrypy.expose
        def add(self, thing):
            cherrypy.session.setdefault("cart", carts.Cart()).things.append(thing)
            cherrypy.session.setdefault("wishes", []).append(Wish())

        @cherrypy.expose
        def show(self):
            cart, wishes = cherrypy.session["cart"], cherrypy.session["wishes"]
            mine = [isinstance(wish, Wish) for wish in wishes]
            return json.dumps([isinstance(cart, carts.Cart), cart.shown(), mine, wishes[0].version])

    os.makedirs("sessions", exist_ok=True)
    cherrypy.quickstart(Root(), "/", {"/": {
        "tools.sessions.on": True,
        "tools.sessions.storage_class": cherrypy.lib.sessions.STORAGE,
        "tools.sessions.storage_path": "sessions",
    }})
"""
CARTS = """
    from ponyreload import *

    class Cart:
        def __init__(self):
            self.things = []

        def shown(self):
            return "1: " + ",".join(self.things)
"""


@pytest.mark.parametrize("storage", ["RamSession", "FileSession"])
def test_objects_in_a_session_are_of_the_new_classes_after_a_reload(storage, project):
    main = script(HEAD, SESSIONS).replace("STORAGE", storage)
    site = project({"app.py": main, "carts.py": CARTS, "gates.py": GATES})
    with site.serve() as server:
        cookie = server.ask("/add?thing=tea").headers["Set-Cookie"].partition(";")[0]
        assert json.loads(server.get("/show", Cookie=cookie)) == [True, "1: tea", [True], 1]
        site.replace("carts.py", '"1: "', '"2: "')
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        server.wait_for("/", "2")
        assert json.loads(server.get("/show", Cookie=cookie)) == [True, "2: tea", [True], 2]
        server.get("/add?thing=milk", Cookie=cookie)
        site.replace("app.py", "VERSION = 2", "VERSION = 3")
        server.wait_for("/", "3")
        assert json.loads(server.get("/show", Cookie=cookie)) == [True, "2: tea,milk", [True, True], 3]
        assert "a session keeps" not in server.log


# -- scripts that are not reloaded ---------------------------------------------------------------------------


def test_what_a_system_module_mounts_stays_and_a_retired_generation_goes_all_the_same(project):
    files = {
        "app.py": """
            USE_AUTORELOAD = False
            import os
            import wsgiref.simple_server
            import cherrypy
            import ponyreload
            import shop

            class Tools:
                @cherrypy.expose
                def index(self):
                    return " ".join(each.text for each in reloader.retained()) or "nothing"

            cherrypy.tree.mount(Tools(), "/before")
            reloader = ponyreload.use_autoreload()
            cherrypy.tree.mount(Tools(), "/after")
            cherrypy.tree.graft(wsgiref.simple_server.demo_app, "/graft")
            cherrypy.config.update({"server.socket_port": int(os.environ["PORT"])})
            cherrypy.engine.signals.subscribe()
            cherrypy.engine.start()
            cherrypy.engine.block()
        """,
        "shop.py": """
            from ponyreload import *
            import cherrypy

            class Root:
                @cherrypy.expose
                def index(self):
                    return "shop 1"

            # CherryPy's checker looks at an application with a configuration.
            cherrypy.tree.mount(Root(), "/shop", {"/static": {"tools.staticdir.on": False}})
        """,
    }
    site = project(files)
    with site.serve(ready="/shop/") as server:
        for number in (2, 3):
            site.replace("shop.py", f"shop {number - 1}", f"shop {number}")
            server.wait_for("/shop/", f"shop {number}")
            assert server.get("/graft").startswith("Hello world!")
            server.wait_for("/before/", "nothing")
            server.wait_for("/after/", "nothing")
        assert "kept alive" not in server.log


def test_what_a_system_module_has_given_to_cherrypy_stays_though_user_code_patches_its_class(project):
    files = {
        "library.py": """
            import threading
            import cherrypy
            from cherrypy.process.plugins import SimplePlugin

            told = []

            class Plugin(SimplePlugin):
                def before_request(self):
                    told.append("heard")

            class Page:
                @cherrypy.expose
                def index(self):
                    return "library"

            cherrypy.engine.library = Plugin(cherrypy.engine)
            cherrypy.engine.library.subscribe()
            cherrypy.tree.mount(Page(), "/library", {"/": {"tools.library.on": True}})
            cherrypy.tools.library = cherrypy.Tool("before_finalize", lambda: told.append("tool"))
        """,
        "app.py": script(
            HEAD.replace("import gates", "import library"),
            """
            for patched in (library.Plugin, library.Page, cherrypy.Tool, cherrypy.Application):
                patched.debug = lambda self: VERSION

            class Root:
                @cherrypy.expose
                def index(self):
                    return str(VERSION)

                @cherrypy.expose
                def told(self):
                    found, library.told[:] = sorted(library.told), []
                    return json.dumps([found, hasattr(cherrypy.engine, "library")])

            cherrypy.quickstart(Root())
            """,
        ),
    }
    site = project(files)
    with site.serve() as server:
        for version in (1, 2, 3):
            server.wait_for("/", str(version))
            server.get("/told")
            assert server.get("/library/") == "library"
            assert json.loads(server.get("/told")) == [["heard", "heard", "tool"], True]
            site.replace("app.py", f"VERSION = {version}", f"VERSION = {version + 1}")
