"""What CherryPy has once for the process, each generation has for itself: caches, data of threads, tables of classes."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from textwrap import dedent

import pytest

# A system module: it holds the requests of all generations, and keeps what they tell.
GATES = """
    import threading
    arrived, gate = threading.Event(), threading.Event()
    told = []
"""
HEAD = """
    from ponyreload import *
    import json, os, threading
    import cherrypy
    import gates
    use_autoreload()
    VERSION = 1
    cherrypy.config.update({"server.socket_port": int(os.environ["PORT"])})

    class Base:
        @cherrypy.expose
        def version(self):
            return str(VERSION)

        @cherrypy.expose
        def arrived(self):
            return str(gates.arrived.wait(20))

        @cherrypy.expose
        def open(self):
            gates.gate.set()

        @cherrypy.expose
        def told(self):
            return json.dumps(gates.told)

        @cherrypy.expose
        def threads(self):
            return json.dumps(sorted(each.name for each in threading.enumerate()))
"""


def site(project, main, **more):
    """Make a project of a main script."""
    return project({"app.py": dedent(HEAD) + dedent(main), "gates.py": GATES, **more})


def edit(made, server, version):
    """Have the next version of the main script served."""
    made.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
    server.wait_for("/version", str(version))


# -- what is made at its first use ---------------------------------------------------------------------------

CACHING = """
    class Root(Base):
        @cherrypy.expose
        def page(self):
            gates.told.append(VERSION)
            return f"page of {VERSION}"

        @cherrypy.expose
        def slow(self):
            gates.arrived.set()
            gates.gate.wait(20)
            return f"slow page of {VERSION}"

        @cherrypy.expose
        def delay(self):
            return str(cherrypy._cache.delay)

        @cherrypy.expose
        def clear(self):
            cherrypy._cache.clear()
        page._cp_config = slow._cp_config = {"tools.caching.on": True, "tools.caching.delay": 500 + VERSION}

    cherrypy.quickstart(Root())
"""


def test_a_cached_page_is_of_the_generation_that_serves_also_if_an_old_one_comes_later(project):
    made = site(project, CACHING)
    with made.serve(ready="/version") as server, ThreadPoolExecutor() as pool:
        assert [server.get("/page"), server.get("/page")] == ["page of 1"] * 2
        slow = pool.submit(server.get, "/slow")
        server.get("/arrived")
        for version in (2, 3):
            edit(made, server, version)
            assert [server.get("/page"), server.get("/page")] == [f"page of {version}"] * 2
            assert server.get("/delay") == str(500 + version)
        server.get("/open")
        assert slow.result(20) == "slow page of 1"
        assert server.get("/slow") == "slow page of 3"
        assert server.get("/told") == "[1, 2, 3]"
        server.get("/clear")
        assert server.get("/page") == "page of 3"
        assert server.get("/told") == "[1, 2, 3, 3]"
        is_one = lambda: json.loads(server.get("/threads")).count("expire_cache") == 1  # noqa: E731
        server.wait_until(is_one, "one thread for one cache")
        assert "Exception" not in server.log


def test_a_session_class_of_ones_own_is_set_up_in_each_generation(project):
    main = """
        from cherrypy.lib.sessions import RamSession

        class OwnSession(RamSession):
            @classmethod
            def setup(cls, **kwargs):
                cls.greeting = f"set up in {VERSION}"

        class Root(Base):
            @cherrypy.expose
            def index(self):
                cherrypy.session["seen"] = True
                return cherrypy.serving.session.greeting

        cherrypy.quickstart(Root(), "/", {"/": {"tools.sessions.on": True, "tools.sessions.storage_class": OwnSession}})
    """
    made = site(project, main)
    with made.serve() as server:
        assert server.get() == "set up in 1"
        made.replace("app.py", "VERSION = 1", "VERSION = 2")
        server.wait_for("/", "set up in 2")


# -- the server's threads ------------------------------------------------------------------------------------

THREADS = """
    import sqlite3
    from ponyreload.adapters.cherrypy import threads
    threads.GRACE_SECONDS = 2.0
    engine = cherrypy.engine

    def connect(number):
        cherrypy.thread_data.database = sqlite3.connect(":memory:")
        cherrypy.thread_data.version = VERSION

    def disconnect(number):
        cherrypy.thread_data.database.close()  # fails in another thread than its own
        text = f"closed {VERSION} {cherrypy.thread_data.version} in {threading.current_thread().name}.\\n"
        os.write(1, text.encode())  # in one piece: several threads print

    def fail(number):
        if VERSION > 1:
            raise RuntimeError("cannot disconnect")

    engine.subscribe("start_thread", connect)
    engine.subscribe("stop_thread", disconnect)
    engine.subscribe("stop_thread", fail, priority=60)

    class Root(Base):
        @cherrypy.expose
        def meet(self):
            # Each of the four threads has one of these.
            gates.barrier.wait(20)
            cherrypy.thread_data.lazy = getattr(cherrypy.thread_data, "lazy", VERSION)
            return f"{VERSION} {cherrypy.thread_data.lazy} {sorted(set(vars(cherrypy.thread_data)) - {'database'})}"

        @cherrypy.expose
        def hold(self):
            before = cherrypy.thread_data.version
            gates.all[VERSION][0].set()
            gates.all[VERSION][1].wait(20)
            return f"{before} {cherrypy.thread_data.version}"

        @cherrypy.expose
        def holds(self, version):
            return str(gates.all[int(version)][0].wait(20))

        @cherrypy.expose
        def let(self, version):
            gates.all[int(version)][1].set()

    cherrypy.config.update({"server.thread_pool": 4})
    cherrypy.quickstart(Root())
"""
THREADS_GATES = """
    import threading
    told, barrier = [], threading.Barrier(4)
    all = {version: (threading.Event(), threading.Event()) for version in (1, 2, 3)}
"""


def met(server, pool):
    """What each of the four threads answers."""
    return [each.result(20) for each in [pool.submit(server.get, "/meet") for _ in range(4)]]


def closed(server, version):
    """The threads that have closed what the version has opened; no request is made, which would have one do that."""
    return re.findall(f"^closed {version} {version} in (CP Server .*)[.]$", server.log, re.MULTILINE)


def test_each_thread_has_data_for_each_generation_and_closes_them_itself(project):
    made = site(project, THREADS, **{"gates.py": THREADS_GATES})
    with made.serve(ready="/version") as server, ThreadPoolExecutor() as pool:
        assert met(server, pool) == ["1 1 ['lazy', 'version']"] * 4
        first = pool.submit(server.get, "/hold")
        server.get("/holds?version=1")
        edit(made, server, 2)
        second = pool.submit(server.get, "/hold")
        server.get("/holds?version=2")
        assert closed(server, 1) == []
        server.get("/let?version=1")
        assert first.result(20) == "1 1"
        # The first generation retires. Three threads wait for a connection, or have come to that; one is busy.
        server.wait_for_log("generation 1 has retired, but its stop_thread listeners wait for busy threads: 'CP Server")
        assert len(closed(server, 1)) == 3
        server.get("/let?version=2")
        assert second.result(20) == "2 2"
        assert met(server, pool) == ["2 2 ['lazy', 'version']"] * 4
        assert len(set(closed(server, 1))) == 4
        assert "failed" not in server.log
        edit(made, server, 3)
        server.wait_until(lambda: len(set(closed(server, 2))) == 4, "all threads of the second generation")
        assert met(server, pool) == ["3 3 ['lazy', 'version']"] * 4
        failed = "a stop_thread listener of generation 2 failed: RuntimeError: cannot disconnect\n"
        assert server.log.count(failed) == server.log.count("failed") == 1


# -- tables of classes ---------------------------------------------------------------------------------------

TABLES = """
    from cherrypy._cpreqbody import Entity
    from cherrypy._cprequest import Request
    box = cherrypy.Application.toolboxes["shop"] = cherrypy._cptools.Toolbox("shop")
    seen = {}

    class OwnTool(cherrypy.Tool):
        def mark(self):
            return VERSION

    cherrypy.tools.own = OwnTool("before_finalize", lambda: None)

    @box.register("before_finalize")
    def mark():
        cherrypy.response.headers["X-Mark"] = f"{VERSION} {cherrypy.request.site}"

    def read(entity):
        entity.params["read"] = f"{entity.fp.read().decode()} in {VERSION}"

    cherrypy.Application.namespaces["app"] = lambda key, value: seen.update({key: value})
    Request.namespaces["site"] = lambda key, value: setattr(cherrypy.request, "site", f"{key} {value} in {VERSION}")
    Request.error_page[404] = lambda **more: f"no page in {VERSION}"
    Entity.processors["text/x-own"] = read
    cherrypy.config.environments["own"] = {"own.version": VERSION}
    cherrypy.config.update({"environment": "own"})
    # here it may fail

    class Root(Base):
        @cherrypy.expose
        def index(self, read=None, hold=None):
            if hold:
                gates.arrived.set()
                gates.gate.wait(20)
            own = [name for name in cherrypy.config.environments if name.startswith("own")]
            return json.dumps([seen, own, cherrypy.config["own.version"], read, "library" in cherrypy.Application.toolboxes])
        index._cp_config = {"shop.mark.on": True, "site.x": VERSION}

    # whose plain data are can be told from here on
    cherrypy.config.environments.setdefault(f"own {VERSION}", {})
    cherrypy.quickstart(Root(), "/", {"/": {"app.note": VERSION, "request.methods_with_bodies": ("POST",)}})
"""
# A system module: what it enters is there for all generations.
LIBRARY = """
    import cherrypy
    cherrypy.Application.toolboxes["library"] = cherrypy._cptools.Toolbox("library")
"""


def answer(server, version):
    """Check that all that a page shows is of the version."""
    found = server.ask("/", "POST", b"body", Content_Type="text/x-own")
    expected = [{"note": version}, ["own", f"own {version}"], version, f"body in {version}", True]
    assert json.loads(found.text) == expected
    assert found.headers["X-Mark"] == f"{version} x {version} in {version}"
    assert server.ask("/none").text.strip() == f"no page in {version}"


@pytest.mark.parametrize("turned_on", ["before", "after"])
def test_rows_in_tables_of_cherrypys_classes_belong_to_the_generation(turned_on, project):
    made = site(project, TABLES, **{"gates.py": f"{GATES}    import library", "library.py": LIBRARY})
    if turned_on == "after":
        text = (made / "app.py").read_text().replace("use_autoreload()\n", "")
        made.edit("app.py", text.replace("# whose", "use_autoreload()  # whose"))
    with made.serve(ready="/version") as server, ThreadPoolExecutor() as pool:
        answer(server, 1)
        held = pool.submit(server.get, "/?hold=yes")
        server.get("/arrived")
        made.replace("app.py", "# here it may fail", "if VERSION == 2: raise RuntimeError")
        server.wait_for("/version", "1")
        made.replace("app.py", "VERSION = 1", "VERSION = 2")
        server.wait_for_log("still serving generation")
        answer(server, 1)
        made.replace("app.py", "VERSION = 2\n", "VERSION = 3\n")
        server.wait_for("/version", "3")
        answer(server, 3)
        server.get("/open")
        assert json.loads(held.result(20)) == [{"note": 1}, ["own", "own 1"], 1, None, True]
        made.replace("app.py", "Request.error_page", "_ = {}; _")
        server.wait_until(lambda: "no page" not in server.ask("/none").text, "CherryPy's own error page")


# -- plugins of libraries ------------------------------------------------------------------------------------

# A system module, as ws4py and cp_sqlalchemy are: what it listens to, it subscribes when it is started.
PLUGIN = """
    import threading
    from cherrypy.process.plugins import SimplePlugin

    class Socket(SimplePlugin):
        def __init__(self, bus, name):
            super().__init__(bus)
            self.name, self.ends = name, threading.Event()

        def start(self):
            self.bus.subscribe("stop", self.clean_up)
            self.bus.subscribe("bind", self.bind)
            self.bus.subscribe("call", lambda: f"called {self.name}")
            self.thread = threading.Thread(target=self.ends.wait, name=f"socket {self.name}")
            self.thread.start()

        def stop(self):
            self.bus.unsubscribe("bind", self.bind)
            self.bus.unsubscribe("stop", self.clean_up)

        def bind(self):
            return f"bound {self.name}"

        def clean_up(self):
            print(f"clean-up of {self.name}.", flush=True)
            self.ends.set()
            self.thread.join()
"""
PLUGINS = """
    import plugin
    cherrypy.engine.socket = plugin.Socket(cherrypy.engine, VERSION)
    cherrypy.engine.socket.subscribe()
    # here it may fail

    class Root(Base):
        @cherrypy.expose
        def index(self):
            return json.dumps([cherrypy.engine.socket.name, *cherrypy.engine.publish("bind"), *cherrypy.engine.publish("call")])

        @cherrypy.expose
        def listeners(self):
            return json.dumps([len(cherrypy.engine.listeners.get(each, ())) for each in ("bind", "call", "stop")])

    cherrypy.quickstart(Root())
"""


def test_what_a_plugin_subscribes_in_its_start_belongs_to_its_generation(project):
    made = site(project, PLUGINS, **{"plugin.py": PLUGIN})
    with made.serve(ready="/version") as server:
        server.wait_for_log("Bus STARTED")
        listeners = server.get("/listeners")
        for version in (1, 2, 3):
            if version > 1:
                edit(made, server, version)
                server.wait_for_log(f"clean-up of {version - 1}.")
            assert json.loads(server.get()) == [version, f"bound {version}", f"called {version}"]
        made.replace("app.py", "# here it may fail", "raise RuntimeError")
        server.wait_for_log("still serving generation 3")
        assert json.loads(server.get()) == [3, "bound 3", "called 3"]
        is_one = lambda: [each for each in json.loads(server.get("/threads")) if "socket" in each] == ["socket 3"]  # noqa: E731
        server.wait_until(is_one, "one thread")
        assert server.get("/listeners") == listeners
        assert server.stop() == 0
        assert [server.log.count(f"clean-up of {version}.") for version in (1, 2, 3)] == [1, 1, 1]


# -- tasks ---------------------------------------------------------------------------------------------------

TASKS = """
    from cherrypy.process.plugins import BackgroundTask, Monitor, PerpetualTimer

    def tick():
        pass

    def named(thread, name):
        thread.name, thread.daemon = f"{name} {VERSION}", True
        return thread

    # Pauses of an hour, so that none ends by itself.
    named(BackgroundTask(3600, tick), "task").start()
    named(BackgroundTask(3600, gates.arrived.is_set), "system task").start()
    named(PerpetualTimer(3600, tick), "timer").start()
    Monitor(cherrypy.engine, tick, 3600, f"started monitor {VERSION}").start()
    Monitor(cherrypy.engine, tick, 3600, f"subscribed monitor {VERSION}").subscribe()

    cherrypy.quickstart(Base())
"""


def test_tasks_and_timers_of_a_retired_generation_end_at_once(project):
    made = site(project, TASKS)

    def alive():
        names = json.loads(server.get("/threads"))
        return [
            each for each in names if each.partition(" ")[0] in ("started", "subscribed", "system", "task", "timer")
        ]

    def names(version):
        kinds = ("started monitor", "subscribed monitor", "system task", "task", "timer")
        return [f"{each} {version}" for each in kinds]

    with made.serve(ready="/version") as server:
        server.wait_for_log("Bus STARTED")
        assert alive() == names(1)
        for version in (2, 3):
            edit(made, server, version)
            server.wait_until(lambda: alive() == names(version), f"threads of {version} alone", 4)  # noqa: B023
        assert "still run" not in server.log
        assert server.stop() == 0
