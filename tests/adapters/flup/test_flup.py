"""flup's servers behind real front ends: each way to run one reloads with nothing but `use_autoreload()`."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from textwrap import dedent, indent

import pytest

from frontends import BIND, front_end

pytestmark = pytest.mark.any_python

SHOP = "from ponyreload import *\nVERSION = 1\n"
# A system module.
STATE = """
    import json, os, socket, threading

    def state():
        names = [thread.name for thread in threading.enumerate()]
        stay = [name for name in names if not name.startswith("ponyreload retires")]
        return json.dumps({"threads": len(stay), "listening": listening()})

    def listening():
        return sum(map(listens, os.listdir("/proc/self/fd")))

    def listens(name):
        try:
            found = socket.socket(fileno=int(name))
        except OSError:
            return 0
        listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        found.detach()
        return listens
"""
APP = f"""
    import os, threading
    from flup.server.KIND import WSGIServer
    import shop, state
    from ponyreload import *
    use_autoreload()
    ADDRESS = {BIND}

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        if environ["PATH_INFO"] == "/state":
            return [state.state().encode()]
        if environ["PATH_INFO"] == "/endless":
            with open(f"begun-{{os.getpid()}}", "w"):
                threading.Event().wait()
        return [str(shop.VERSION).encode()]
"""
# Each line is one write, because several processes share the log.
RUN = """
    try:
        result = WSGIServer(application, bindAddress=ADDRESS).run()
    finally:
        os.write(1, f"clean-up of {shop.VERSION}\\n".encode())
    os.write(1, f"run of {shop.VERSION} returned {result}\\n".encode())
"""
# Each class of server, and what is in front of it.
FRONTS = {
    "fcgi": "nginx-fastcgi",
    "fcgi_single": "nginx-fastcgi",
    "fcgi_fork": "nginx-fastcgi",
    "scgi": "nginx-scgi",
    "scgi_fork": "nginx-scgi",
    "ajp": "apache-ajp",
    "ajp_fork": "apache-ajp",
}
ALONE = [kind for kind in FRONTS if not kind.endswith("_fork")]
FORKING = [kind for kind in FRONTS if kind.endswith("_fork")]


@pytest.fixture
def make(project):
    """Make a project whose script ends with these lines."""

    def site(run=RUN, kind="fcgi", **files):
        script = dedent(APP).replace("KIND", kind) + dedent(run)
        return project({"app.py": script, "shop.py": SHOP, "state.py": dedent(STATE), **files})

    return site


def edit(site, version):
    site.edit("shop.py", SHOP.replace("1", str(version)))


def has_no_more_than(before, server):
    """Tell whether there are no more sockets and threads; of these, the watching may have had more for a moment."""
    state = json.loads(server.get("/state"))
    return state["listening"] == before["listening"] and state["threads"] <= before["threads"]


# -- each class --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALONE)
def test_a_reload_opens_no_second_socket_and_leaves_no_threads(make, kind):
    site = make(kind=kind)
    with front_end(FRONTS[kind], site) as server:
        edit(site, 2)
        server.wait_for("/", "2")  # from here on a script is parked
        before = json.loads(server.get("/state"))
        for version in range(3, 13):
            edit(site, version)
            server.wait_for("/", str(version))
        # The last script's thread has taken the place of the one before, once that has ended.
        server.wait_until(lambda: has_no_more_than(before, server), f"state as it was: {before}")
        assert before["listening"] == 1


@pytest.mark.parametrize("kind", ALONE)
def test_a_load_that_fails_after_it_made_a_server_leaves_no_threads(make, kind):
    site = make("server = WSGIServer(application, bindAddress=ADDRESS)\n1 / shop.VERSION\nserver.run()\n", kind)
    with front_end(FRONTS[kind], site) as server:
        edit(site, 2)
        server.wait_for("/", "2")
        before = json.loads(server.get("/state"))
        edit(site, 0)
        server.wait_for_log("generation 3 not served: app.py:18 ZeroDivisionError: division by zero")
        assert server.get("/") == "2"
        server.wait_until(lambda: has_no_more_than(before, server), f"state as it was: {before}")


@pytest.mark.parametrize("kind", FRONTS)
def test_an_unmarked_launcher_is_run_again_with_each_load(make, kind):
    run = "def main():\n" + indent(dedent(RUN), "    ")
    site = make(run, kind, **{"run.py": "import app\napp.main()\n"})
    with front_end(FRONTS[kind], site, "run.py") as server:
        for version in (2, 3):
            edit(site, version)
            server.wait_for("/", str(version))
        server.wait_for_log("clean-up of 2\n")


@pytest.mark.parametrize("kind", FRONTS)
def test_a_parked_script_is_cleaned_up_when_its_generation_retires(make, kind):
    site = make(kind=kind)
    with front_end(FRONTS[kind], site) as server:
        edit(site, 2)
        server.wait_for("/", "2")
        assert "clean-up of 2\n" not in server.log
        edit(site, 3)
        server.wait_for("/", "3")
        server.wait_for_log("clean-up of 2\n")
        server.wait_for_log("run of 2 returned False\n")
        assert "clean-up of 1\n" not in server.log


@pytest.mark.parametrize("kind", FRONTS)
def test_a_broken_edit_leaves_the_old_code_serving(make, kind):
    site = make(kind=kind)
    with front_end(FRONTS[kind], site) as server:
        assert server.get("/") == "1"
        site.edit("shop.py", "from ponyreload import *\nVERSION = \n")
        server.wait_for_log("generation 2 not served: shop.py:2 SyntaxError: invalid syntax")
        assert server.get("/") == "1"
        edit(site, 2)
        server.wait_for("/", "2")


# -- ways to run one ---------------------------------------------------------------------------------------------

WAYS = {
    "guarded": 'if __name__ == "__main__":\n    WSGIServer(application, bindAddress=ADDRESS).run()',
    "in a function": """
        def main():
            server = WSGIServer(application, bindAddress=ADDRESS)
            return server.run()
        main()
    """,
    "at module level": "server = WSGIServer(application, bindAddress=ADDRESS)\nserver.run()",
    "positional": "WSGIServer(application, None, True, False, ADDRESS).run()",
    "class by another name": "from flup.server import fcgi\nfcgi.WSGIServer(application, bindAddress=ADDRESS).run()",
    "subclass": """
        class Server(WSGIServer):
            def run(self):
                print("Server.run", flush=True)
                return super().run()
            def error(self, request):
                raise AssertionError
        Server(application, bindAddress=ADDRESS).run()
    """,
    "middleware": "WSGIServer(AutoreloadMiddleware(application), bindAddress=ADDRESS).run()",
    "imported after use_autoreload": """
        def main():
            from flup.server import scgi_fork, fcgi_single
            return fcgi_single.WSGIServer(application, bindAddress=ADDRESS).run()
        main()
    """,
    "beside CherryPy": """
        import cherrypy
        cherrypy.tree.graft(application)
        WSGIServer(cherrypy.tree, bindAddress=ADDRESS).run()
    """,
    "behind an application that is no function": """
        class Application:
            def __call__(self, environ, start_response):
                return application(environ, start_response)
        WSGIServer(Application(), bindAddress=ADDRESS).run()
    """,
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_run_a_server_reloads(make, way):
    site = make(WAYS[way])
    with front_end("nginx-fastcgi", site) as server:
        for version in (2, 3):
            edit(site, version)
            server.wait_for("/", str(version))


def test_the_main_script_itself_is_reloaded_too(make):
    site = make("EXTRA = ''\n" + dedent(RUN))
    with front_end("nginx-fastcgi", site) as server:
        site.replace("app.py", "str(shop.VERSION)", "('new ' + str(shop.VERSION))")
        server.wait_for("/", "new 1")


def test_a_script_that_is_a_system_module_gets_the_application_of_the_user_module(project):
    site = project({
        "app.py": f"import os\nimport shop\nfrom flup.server.fcgi import WSGIServer\nWSGIServer(shop.site, bindAddress={BIND}).run()\n",
        "shop.py": """
            from ponyreload import *
            use_autoreload()
            VERSION = 1
            def site(environ, start_response):
                start_response("200 OK", [])
                return [str(VERSION).encode()]
        """,
    })  # fmt: skip
    with front_end("nginx-fastcgi", site) as server:
        site.replace("shop.py", "VERSION = 1", "VERSION = 2")
        server.wait_for("/", "2")
        site.replace("shop.py", "site(", "other(")
        server.wait_for_log("generation 3 makes no application shop:site for the server at 127.0.0.1:")
        assert server.get("/") == "2"


@pytest.mark.parametrize("kind", ["fcgi", "fcgi_fork"])
@pytest.mark.parametrize("how", [{"unix": True}, {"spawned": True}, {"unix": True, "spawned": True}], ids=str)
def test_each_kind_of_socket_serves_through_reloads(make, kind, how):
    site = make(kind=kind)
    with front_end("lighttpd", site, **how) as server:
        for version in (2, 3):
            edit(site, version)
            server.wait_for("/", str(version))


@pytest.mark.parametrize("kind", ["fcgi", "fcgi_fork", "fcgi_single"])
def test_a_front_end_that_starts_the_application_sees_it_reload(make, kind):
    site = make(kind=kind)
    with front_end("lighttpd-bin-path", site) as server:
        for version in (2, 3):
            edit(site, version)
            server.wait_for("/", str(version))


BUS = """
    import cherrypy
    from cherrypy.process.servers import {kind}, ServerAdapter

    class Root:
        @cherrypy.expose
        def index(self):
            return str(shop.VERSION)

    def start_again():
        if os.path.exists("again"):
            os.remove("again")
            cherrypy.engine.stop()
            cherrypy.engine.start()
            os.write(1, b"started again\\n")

    cherrypy.server.unsubscribe()
    cherrypy.tree.mount(Root())
    ServerAdapter(cherrypy.engine, {kind}({what}, bindAddress=ADDRESS), ADDRESS).subscribe()
    cherrypy.engine.signals.subscribe()
    cherrypy.engine.subscribe("main", start_again)
    cherrypy.engine.start()
    cherrypy.engine.block()
"""
LOCAL = "(lambda: lambda environ, start_response: application(environ, start_response))()"


@pytest.mark.parametrize(("kind", "front"), [("FlupFCGIServer", "nginx-fastcgi"), ("FlupSCGIServer", "nginx-scgi")])
@pytest.mark.parametrize("what", ["cherrypy.tree", "application=application", LOCAL])
def test_flup_on_the_bus_of_cherrypy_reloads(make, kind, front, what):
    site = make(BUS.format(kind=kind, what=what))
    with front_end(front, site) as server:
        for version in (2, 3):
            edit(site, version)
            server.wait_for("/", str(version))
        server.wait_for_log("Bus STARTED")
        assert server.stop() == 0


def test_flup_on_the_bus_reloads_after_the_bus_was_stopped_and_started(make):
    site = make(BUS.format(kind="FlupFCGIServer", what="application"))
    with front_end("nginx-fastcgi", site) as server:
        edit(site, 2)
        server.wait_for("/", "2")
        site.edit("again", "")
        server.wait_for_log("started again\n")
        assert server.get("/") == "2"
        edit(site, 3)
        server.wait_for("/", "3")


# -- the end -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FRONTS)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_and_its_children(make, kind, how):
    site = make(kind=kind)
    with front_end(FRONTS[kind], site) as server:
        edit(site, 2)
        server.wait_for("/", "2")
        assert server.stop(how, seconds=5) == 0
        for version in (1, 2):
            assert f"clean-up of {version}\n" in server.log
            assert f"run of {version} returned False\n" in server.log
        assert server.processes() == []


@pytest.mark.parametrize("kind", FRONTS)
def test_after_a_hang_up_run_returns_true(make, kind):
    site = make(kind=kind)
    with front_end(FRONTS[kind], site) as server:
        edit(site, 2)
        server.wait_for("/", "2")
        assert server.stop(signal.SIGHUP, seconds=5) == 0
        assert "run of 1 returned True\n" in server.log
        assert server.processes() == []


@pytest.mark.parametrize("kind", ["fcgi", "fcgi_fork", "scgi_fork"])
def test_a_script_that_serves_again_after_a_hang_up_goes_on_with_the_newest_code(make, kind):
    site = make(
        """
        while WSGIServer(application, bindAddress=ADDRESS).run():
            print(f"again {shop.VERSION}.", flush=True)
        os.write(1, f"ended {shop.VERSION}.\\n".encode())
        """,
        kind,
    )
    with front_end(FRONTS[kind], site) as server:
        edit(site, 2)
        server.wait_for("/", "2")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_log("again 1.")
        server.wait_until(lambda: server.ask("/").text == "2", "answer of the server that was started again")
        assert kind.endswith("_fork") or "ended 2." not in server.log  # children have ended, and new ones begun
        edit(site, 3)
        server.wait_until(lambda: server.ask("/").text == "3", "newest answer")
        assert "again 2." not in server.log
        assert server.stop(seconds=5) == 0


@pytest.mark.parametrize("kind", FORKING)
def test_a_child_that_is_busy_does_not_keep_its_parent_from_ending(make, kind):
    site = make(kind=kind)
    with (
        front_end(FRONTS[kind], site) as server,
        closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection,
    ):
        connection.request("GET", "/endless")
        server.wait_until(lambda: any(site.folder.glob("begun-*")), "request that is under way")
        assert server.stop(seconds=8) == 0
        assert server.processes() == []


# -- children ----------------------------------------------------------------------------------------------------

WITH_PROCESS = """
    def answer(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{os.getpid()} {shop.VERSION}".encode()]
    WSGIServer(answer, bindAddress=ADDRESS).run()
"""


def ask_children(server, times=60):
    """What each process answered last, of those that answered many requests from six clients: process -> version."""
    with ThreadPoolExecutor(6) as clients:
        answers = clients.map(lambda _: server.get("/").split(), range(times))
    return {process: int(version) for process, version in answers}


@pytest.mark.parametrize("kind", FORKING)
def test_all_children_of_a_server_answer_with_the_newest_code(make, kind):
    site = make(WITH_PROCESS, kind)
    with front_end(FRONTS[kind], site) as server:
        known = {}
        server.wait_until(lambda: known.update(ask_children(server)) or len(known) >= 3, "answers of three children")
        for version in range(2, 6):
            edit(site, version)

            def all_know_it():
                known.update(ask_children(server))
                living = map(str, server.processes())
                return {known[each] for each in living if each in known} == {version}  # noqa: B023

            server.wait_until(all_know_it, f"{version} from each child")
            # One that has never answered has the newest code at once.
            assert set(ask_children(server).values()) == {version}


@pytest.mark.parametrize("kind", FORKING)
def test_the_parent_of_children_has_no_threads(make, kind):
    site = make(kind=kind)
    with front_end(FRONTS[kind], site) as server:
        edit(site, 2)
        server.wait_for("/", "2")
        assert len(list(Path(f"/proc/{server.pid}/task").iterdir())) == 1
        assert len(server.processes()) >= 6


def test_children_that_are_born_after_an_edit_serve_the_newest_code_at_once(make):
    # Each child serves one request, so whoever answers has not answered before.
    site = make("WSGIServer(application, bindAddress=ADDRESS, maxRequests=1).run()", "fcgi_fork")
    with front_end("nginx-fastcgi", site) as server:
        for version in range(2, 8):
            edit(site, version)
            assert [server.get("/") for _ in range(3)] == [str(version)] * 3


def test_children_that_are_born_while_a_file_is_broken_serve_what_the_server_began_with(make):
    site = make("WSGIServer(application, bindAddress=ADDRESS, maxRequests=1).run()", "fcgi_fork")
    with front_end("nginx-fastcgi", site) as server:
        edit(site, 2)
        server.wait_for("/", "2")
        site.edit("shop.py", "from ponyreload import *\nVERSION = \n")
        assert [server.get("/") for _ in range(3)] == ["1"] * 3
        edit(site, 3)
        assert server.get("/") == "3"


def test_what_children_report_names_their_process(make):
    site = make(kind="fcgi_fork")
    with front_end("nginx-fastcgi", site) as server:
        edit(site, 2)
        server.wait_for("/", "2")
        numbers = re.findall(r"^process (\d+): generation 2 serves: shop.py changed", server.log, re.MULTILINE)
        assert numbers
        assert {int(each) for each in numbers} <= set(server.processes()) - {server.pid}


# -- what flup does not say --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "more"), [("cgi", {}), ("fcgi", {"FCGI_FORCE_CGI": "y"})])
def test_cgi_is_told_that_there_is_nothing_to_reload(make, kind, more):
    site = make(RUN.replace("bindAddress=ADDRESS", ""), kind)
    done = site.run("app.py", check=False, REQUEST_METHOD="GET", PATH_INFO="/", REQUEST_URI="/", **more)
    assert "CGI has a process for each request: there is nothing to reload\n" in done.stderr
    assert done.stdout.startswith("Status: 200 OK\nContent-Type: text/plain\n")


def test_a_server_that_has_no_socket_is_told_so(make):
    done = make().run("app.py", check=False)
    said = "flup was given no bindAddress, and standard input is no socket: give it one, or have the front end start"
    assert said in done.stderr


@pytest.mark.parametrize("kind", ["scgi", "scgi_fork", "ajp", "ajp_fork"])
def test_a_port_that_is_taken_is_named(make, kind):
    site = make(kind=kind)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = site.run("app.py", check=False, ADDRESS="127.0.0.1", PORT=str(port))
    assert f"\nflup cannot listen at 127.0.0.1:{port}: [Errno 98] Address already in use\n" in done.stderr
    assert "TypeError: 'OSError' object is not subscriptable\n" in done.stderr


@pytest.mark.parametrize("kind", ["fcgi", "scgi", "ajp_fork"])
@pytest.mark.parametrize("has_cgitb", [True, False])
def test_debugging_that_this_python_cannot_do_is_told(make, kind, has_cgitb):
    hide = "" if has_cgitb else "import sys\nsys.modules['cgitb'] = None\n"
    site = make(f"{hide}WSGIServer(application, bindAddress=ADDRESS, debug=True).run()", kind, **{"cgitb.py": ""})
    with front_end(FRONTS[kind], site) as server:
        said = "flup's debug=True shows errors with the module cgitb, which this Python no longer has: a request that"
        assert (said in server.log) is not has_cgitb
