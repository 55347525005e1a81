"""What CherryPy has once for the process, each generation has for itself: caches, data of threads, tables of classes."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from textwrap import dedent

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
