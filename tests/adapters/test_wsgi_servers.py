"""Other WSGI servers: each serves the newest generation, whether the script starts it, a command, or a front end."""

from __future__ import annotations

import ast
import http.client
import os
import signal
import socket
import sys
from pathlib import Path
from textwrap import dedent, indent
from urllib.request import urlopen

import pytest

from live import Answer, Live, free_port

pytestmark = pytest.mark.any_python

HEAD = """
    from ponyreload import *
    import gc, os, re, threading
    {imports}
    use_autoreload()
    VERSION = 1
    PORT = int(os.environ["PORT"])

    os.environ.setdefault("SERVER", str(os.getpid()))

    def threads():
        if os.environ["SERVER"] != str(os.getpid()):
            return ["those of a child, which may have to load by itself"]
        gc.collect()
        names = [re.sub("[0-9]", "", thread.name) for thread in threading.enumerate()]
        # Those of the watching, of a request, and of a generation that is being let go, come and go.
        return sorted(name for name in names if not re.search("Thread-$|process_request_thread|retires", name))

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        if environ["PATH_INFO"] == "/threads":
            return [str(threads()).encode()]
        return [f"{{VERSION}} in generation {{generation()}}".encode()]
"""
MAIN = """
    try:
        {serve}
    finally:
        print(f"cleaned up {{VERSION}}.", flush=True)
"""
WSGIREF = "from wsgiref.simple_server import *"
WERKZEUG = "from werkzeug.serving import *"
FLASK = """
    from flask import Flask
    app = Flask(__name__)
    @app.route("/")
    def index():
        return f"{VERSION} in generation {generation()}"
    @app.route("/threads")
    def threads_page():
        return str(threads())
"""
WAITRESS = "from waitress import create_server, serve"
# What the script does -> how it imports what it needs, and how it starts its server.
SCRIPTS = {
    "wsgiref": (WSGIREF, 'make_server("127.0.0.1", PORT, application).serve_forever()'),
    "wsgiref on all addresses": (WSGIREF, 'make_server("", PORT, application).serve_forever()'),
    "wsgiref in a with": (
        WSGIREF,
        """
        with make_server("localhost", PORT, application) as server:
            server.serve_forever()
        """,
    ),
    "wsgiref with threads": (
        f"{WSGIREF}\nfrom socketserver import ThreadingMixIn",
        """
        class Server(ThreadingMixIn, WSGIServer):
            daemon_threads = True
        make_server("127.0.0.1", PORT, application, Server).serve_forever()
        """,
    ),
    "wsgiref that binds in its own way": (
        f"{WSGIREF}\nfrom socketserver import TCPServer",
        """
        class Server(WSGIServer):
            def server_bind(self):
                TCPServer.server_bind(self)
                self.server_name, self.server_port = self.server_address
                self.setup_environ()
        make_server("127.0.0.1", PORT, application, Server).serve_forever()
        """,
    ),
    "wsgiref, one request after the other": (
        WSGIREF,
        """
        server = make_server("127.0.0.1", PORT, application)
        while True:
            server.handle_request()
        """,
    ),
    "wsgiref in a thread": (
        WSGIREF,
        """
        server = make_server("127.0.0.1", PORT, application)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            thread.join()
        finally:
            server.shutdown()
            server.server_close()
        """,
    ),
    "werkzeug": (WERKZEUG, 'run_simple("127.0.0.1", PORT, application)'),
    "werkzeug with threads": (WERKZEUG, 'run_simple("127.0.0.1", PORT, application, threaded=True)'),
    "werkzeug with processes": (WERKZEUG, 'run_simple("127.0.0.1", PORT, application, processes=3)'),
    "werkzeug with TLS behind it": (WERKZEUG, 'make_server("127.0.0.1", PORT, application).serve_forever()'),
    "werkzeug's debugger": (WERKZEUG, 'run_simple("127.0.0.1", PORT, application, use_debugger=True)'),
    "Flask": (FLASK, "app.run(port=PORT)"),
    "Flask in a thread": (
        FLASK,
        """
        thread = threading.Thread(target=app.run, kwargs={"port": PORT}, daemon=True)
        thread.start()
        thread.join()
        """,
    ),
    "Flask's debug mode": (FLASK, "app.run(port=PORT, debug=True, use_reloader=False)"),
    "waitress": (WAITRESS, 'serve(application, host="127.0.0.1", port=PORT, threads=3)'),
    "waitress at two addresses": (WAITRESS, 'serve(application, listen=f"127.0.0.1:{PORT} [::1]:{PORT}")'),
    "waitress, made first": (WAITRESS, "create_server(application, port=PORT).run()"),
    "waitress in a thread": (
        WAITRESS,
        """
        thread = threading.Thread(target=serve, args=[application], kwargs={"port": PORT}, daemon=True)
        thread.start()
        thread.join()
        """,
    ),
}
# Those whose main thread is ended by Ctrl-C with a KeyboardInterrupt; the others take it as the end of their work.
INTERRUPTED = {name for name in SCRIPTS if name.startswith("wsgiref") or name.endswith("thread")}
GUARD = 'if __name__ == "__main__":\n'


@pytest.fixture
def make(project, tmp_path):
    """Make a project whose main script starts a server in one of the ways above."""

    def make_script(how, guarded=False):
        imports, serve = SCRIPTS[how]
        head = dedent(HEAD).format(imports=dedent(imports).strip())
        main = dedent(MAIN).format(serve=indent(dedent(serve).strip(), "    ").strip())
        return project({"app.py": head + (GUARD + indent(main, "    ") if guarded else main)})

    make_script.folder = tmp_path
    return make_script


@pytest.mark.parametrize("how", SCRIPTS)
def test_a_script_that_starts_its_server_is_reloaded_and_parked_there(make, how):
    site = make(how, guarded=sorted(SCRIPTS).index(how) % 2 == 0)
    last = 21 if how in ("waitress", "waitress in a thread", "wsgiref in a thread", "werkzeug with threads") else 4
    with site.serve() as server:
        assert server.get() == "1 in generation 1"
        first = ast.literal_eval(server.get("/threads"))
        # Those of the first script, the one that holds the newest one's script, and what that has started itself.
        more = ["ponyreload generation ", *(name for name in first if name.startswith("Thread- ("))]
        threads = str(sorted([*first, *more] if "ponyreload" in first else first))
        for version in range(2, last + 1):
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_for("/", f"{version} in generation {version}")
            if "processes" in how:
                # That was the answer of a child, which may have been faster; the parent counts for itself.
                server.wait_for_log(f"\ngeneration {version} serves")
            if version > 2:
                server.wait_for_log(f"cleaned up {version - 1}.")
        server.wait_for("/threads", threads)

        site.replace("app.py", f"VERSION = {last}", f"VERSION = {last} +")
        server.wait_for_log(f"still serving generation {last}")
        assert server.get() == f"{last} in generation {last}"
        site.replace("app.py", f"VERSION = {last} +", "VERSION = 0")
        server.wait_for("/", f"0 in generation {last + 1}")
        server.wait_for_log(f"cleaned up {last}.")  # which the parent alone does

        server.wait_for("/threads", threads)
        assert "ResourceWarning" not in server.log  # of a socket that a stand-in left open
        assert "already in use" not in server.log
        assert server.stop(signal.SIGINT) == (-signal.SIGINT if how in INTERRUPTED else 0)
        cleaned = [server.log.count(f"cleaned up {version}.") for version in range(last + 1)]
        assert cleaned == [1] * (last + 1), server.log


# -- servers that a command starts --------------------------------------------------------------------------------

SHOP = """
    from ponyreload import *
    {mark}
    VERSION = 1

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{{VERSION}} in generation {{generation()}}".encode()]

    {wrap}
"""
MIDDLEWARE = "app = AutoreloadMiddleware(application)"
# The application as it is, in a user module: the server is found to have it.
BY_PLACE = "app = application"


def shop(wrap, mark=""):
    return {"shop/__init__.py": "", "shop/wsgi.py": dedent(SHOP).format(wrap=wrap, mark=mark)}


WAITRESS_SERVE = """
import os
from waitress.runner import run
run(["waitress-serve", "--port=" + os.environ["PORT"], "shop.wsgi:app"])
"""


def follows_three_edits(site, server, file="shop/wsgi.py"):
    for version in range(2, 5):
        site.replace(file, f"VERSION = {version - 1}", f"VERSION = {version}")
        server.wait_for("/", f"{version} in generation {version}")


@pytest.mark.parametrize(("wrap", "mark"), [(MIDDLEWARE, ""), (BY_PLACE, "use_autoreload()")])
def test_what_waitress_serve_serves_is_reloaded(project, wrap, mark):
    site = project(shop(wrap, mark))
    with site.serve("-c", WAITRESS_SERVE) as server:
        assert server.get() == "1 in generation 1"
        follows_three_edits(site, server)
        assert server.stop(signal.SIGINT) == 0


FLASK_SHOP = {
    "flask_command.py": """
        import os
        from flask.cli import main
        os.environ["FLASK_RUN_PORT"] = os.environ["PORT"]
        main()
    """,
    "shop.py": """
        from flask import Flask
        from ponyreload import *

        use_autoreload()
        VERSION = 1

        def create_app():
            app = Flask(__name__)

            @app.route("/")
            def index():
                return f"{VERSION} in generation {generation()}"

            @app.route("/fails")
            def fails():
                raise RuntimeError(f"version {VERSION}")

            return app

        app = create_app()
    """,
}


def flask(site, *options, app="shop"):
    """``flask --app shop run``."""
    return site.serve("flask_command.py", "--app", app, "run", *options)


def test_what_flask_run_serves_is_reloaded(project):
    site = project(FLASK_SHOP)
    with flask(site) as server:
        assert server.get() == "1 in generation 1"
        follows_three_edits(site, server, "shop.py")
        assert server.stop(signal.SIGINT) == 0


@pytest.mark.parametrize("app", ["shop", "shop:create_app()"])
def test_what_flask_run_makes_is_made_again(project, app):
    site = project(FLASK_SHOP | {"shop.py": FLASK_SHOP["shop.py"].replace("app = create_app()", "")})
    with flask(site, app=app) as server:
        assert server.get() == "1 in generation 1"
        follows_three_edits(site, server, "shop.py")


def test_a_server_whose_application_cannot_be_had_again_is_named_once(project):
    site = project({
        "app.py": """
            import os
            from wsgiref.simple_server import make_server
            from library import Wrapper
            import shop

            make_server("127.0.0.1", int(os.environ["PORT"]), Wrapper([shop.application])).serve_forever()
        """,
        "library.py": """
            class Wrapper:
                def __init__(self, apps):
                    self.apps = apps

                def __call__(self, environ, start_response):
                    return self.apps[0](environ, start_response)
        """,
        "shop.py": dedent(HEAD).format(imports=""),
    })  # fmt: skip
    with site.serve() as server:
        for version in (1, 2):
            site.replace("shop.py", f"VERSION = {version}", f"VERSION = {version + 1}")
            server.wait_for_log(f"generation {version + 1} serves")
        assert server.get() == "1 in generation 1"
        assert server.log.count("goes on to call the application that it was given, with the old code") == 1


def test_what_flask_run_serves_within_its_debugger_is_reloaded(project):
    site = project(FLASK_SHOP)
    with flask(site, "--debug", "--no-reload") as server:
        follows_three_edits(site, server, "shop.py")
        failed = server.ask("/fails")
        assert failed.status == 500
        assert "RuntimeError: version 4" in failed.text
        assert "Werkzeug Debugger" in failed.text


WITH_FLASK = """
    from flask import Flask
    from ponyreload import *
    import os

    use_autoreload()
    VERSION = 1
    app = Flask(__name__)

    @app.route("/")
    def index():
        return f"{{VERSION}} in generation {{generation()}}"

    app.run(port=int(os.environ["PORT"]){options})
"""


def test_where_flasks_own_reloader_runs_there_is_nothing_of_ours_but_one_warning(project):
    # Not the kind that uses watchdog: version 7.1 of that floods the log where many packages are installed.
    options = ', debug=True, reloader_type="stat", reloader_interval=0.1'
    site = project({"app.py": dedent(WITH_FLASK).format(options=options)})
    with site.serve() as server:
        assert server.get() == "1 in generation 0"
        # The parent waits for its child, and does nothing else.
        assert len(list(Path(f"/proc/{server.pid}/task").iterdir())) == 1
        (first,) = children(server.pid)
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        server.wait_until(lambda: children(server.pid) not in ([], [first]) and answers(server.port), "a new child")
        assert server.get() == "2 in generation 0"
        assert server.stop() == 0
        assert server.log.count("two reloaders meet: werkzeug's restarts this process at each change") == 2
        assert "serves" not in server.log


def test_an_edit_that_asks_for_flasks_own_reloader_is_told_that_this_takes_a_restart(project):
    site = project({"app.py": dedent(WITH_FLASK).format(options="")})
    with site.serve() as server:
        site.replace("app.py", "))", "), debug=True)")
        said = "use_reloader=True (Flask's debug=True means it) asks for werkzeug's reloader: restart to apply it"
        server.wait_for_log(f"{said}; until then nothing changes\n")
        server.wait_for("/", "1 in generation 2")
        site.replace("app.py", "VERSION = 1", "VERSION = 3")
        server.wait_for("/", "3 in generation 3")
        assert children(server.pid) == []
        assert server.stop(signal.SIGINT) == 0
        # The server of the first script is the one that runs, and the only one that says so.
        assert server.log.count("Running on") == 1


# -- servers of several processes ---------------------------------------------------------------------------------

WITH_PID = """
    from ponyreload import *
    import os, threading
    VERSION = 1

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        if environ["PATH_INFO"] == "/threads":
            return [str(threading.active_count()).encode()]
        return [f"{VERSION} from {os.getpid()}".encode()]

    app = AutoreloadMiddleware(application)
"""
GUNICORN = {
    "shop.py": WITH_PID,
    # The same with an import string.
    "serving.py": """
        from ponyreload import AutoreloadMiddleware
        app = AutoreloadMiddleware("shop:application")
    """,
    # Newer ones would write a socket into the user's home, and start a thread for it.
    "gunicorn.conf.py": "control_socket_disable = True\n",
}


def workers_that_answer(server, version, number):
    """Ask until so many processes have answered with *version*; each has to do so with its next answer."""
    found = set()

    def have_answered():
        said, _, pid = server.get().partition(" from ")
        assert said == version, f"{said} from {pid} after {version} from {found}\n{server.log}"
        found.add(pid)
        return len(found) == number

    server.wait_until(have_answered, f"{number} processes with {version}", 20)
    return found


@pytest.mark.parametrize(
    ("kind", "preload"),
    [("sync", ""), ("sync", "--preload"), ("gthread", ""), ("gthread", "--preload"), ("gevent", "")],
)
def test_each_worker_of_gunicorn_follows_the_files(project, kind, preload):
    site = project(GUNICORN)
    app = "serving:app" if kind == "sync" else "shop:app"
    threads = ["--threads", "3"] if kind == "gthread" else []
    command = ["-m", "gunicorn", "-w", "2", "-k", kind, *threads, *filter(None, [preload]), app]
    with site.serve(*command) as server:
        workers = workers_that_answer(server, "1", 2)
        for version in ("2", "3"):
            site.replace("shop.py", f"VERSION = {int(version) - 1}", f"VERSION = {version}")
            server.wait_until(lambda: server.log.count(f"generation {version} serves") == 2, "two reports")  # noqa: B023
            assert workers_that_answer(server, version, 2) == workers
        site.replace("shop.py", "VERSION = 3", "VERSION = 3 +")
        server.wait_until(lambda: server.log.count("still serving generation 3") == 2, "two reports of the error")
        workers_that_answer(server, "3", 2)

        # gunicorn's own reload: new workers, with the newest code from their first answer on.
        site.replace("shop.py", "VERSION = 3 +", "VERSION = 4")
        server.process.send_signal(signal.SIGHUP)
        server.wait_until(lambda: len(set(children(server.pid)) - workers) == 2 == len(children(server.pid)), "workers")
        assert workers_that_answer(server, "4", 2).isdisjoint(workers)
        # The master may have imported the application, but never serves; so it has no thread.
        assert len(list(Path(f"/proc/{server.pid}/task").iterdir())) == 1
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("app", "preload"), [("shop:application", ""), ("shop:make('a')", ""), ("shop:make('a')", "--preload")]
)
def test_gunicorn_needs_no_middleware(project, app, preload):
    shop = WITH_PID.replace(
        "app = AutoreloadMiddleware(application)",
        "use_autoreload()\n    make = lambda name: lambda *given: application(*given)",
    )
    site = project(GUNICORN | {"shop.py": shop})
    with site.serve("-m", "gunicorn", *filter(None, [preload]), app) as server:
        for version in (2, 3):
            site.replace("shop.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_until(lambda: server.get().startswith(f"{version} from "), "the new version")  # noqa: B023


def test_gunicorn_that_patches_what_it_has_preloaded_is_told_so_and_serves(project):
    site = project(GUNICORN)
    with site.serve("-m", "gunicorn", "-k", "gevent", "--preload", "shop:app") as server:
        site.replace("shop.py", "VERSION = 1", "VERSION = 2")
        server.wait_for_log("threading was patched after ponyreload was imported, so nothing is reloaded")
        for _ in range(3):
            assert server.get().startswith("1 from ")
        assert server.log.count("was patched") == 1
        assert "Traceback" not in server.log


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


UWSGI = {
    "shop.py": WITH_PID,
    "uwsgi_command.py": "import pyuwsgi; pyuwsgi.run()",
    "file.py": "from shop import app as application",
    # What is forked later than this is told to those who asked in any of the ways that uWSGI has.
    "forks.py": """
        import os
        import shop
        import uwsgi

        uwsgi.post_fork_hook = lambda: print(f"plain hook in {os.getpid()}", flush=True)
        from ponyreload import *
        app = AutoreloadMiddleware("shop:application")
        from uwsgidecorators import postfork

        @postfork
        def tell():
            print(f"postfork in {os.getpid()}", flush=True)
    """,
}


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ("--enable-threads --module shop:app", 1),
        ("--enable-threads --master --module shop:app", 1),
        ("--enable-threads --master --processes 2 --module shop:app", 2),
        ("--threads 2 --master --processes 2 --lazy-apps --module shop:app", 2),
        ("--enable-threads --master --processes 2 --module forks:app", 2),
        ("--enable-threads --master --wsgi-file file.py", 1),
    ],
)
def test_each_worker_of_uwsgi_follows_the_files(project, options, number):
    site = project(UWSGI)
    command = ["uwsgi_command.py", "--http-socket", "127.0.0.1:$(PORT)", "--die-on-term", *options.split()]
    with site.serve(*command) as server:
        workers = workers_that_answer(server, "1", number)
        for version in ("2", "3"):
            site.replace("shop.py", f"VERSION = {int(version) - 1}", f"VERSION = {version}")
            said = f"generation {version} serves"
            server.wait_until(lambda: server.log.count(said) == number, "reports")  # noqa: B023
            assert workers_that_answer(server, version, number) == workers
        if "--master" in options:
            # A worker that is born now: it is a copy of the master, which has the first contents.
            os.kill(int(min(workers)), signal.SIGKILL)
            server.wait_until(lambda: len(set(children(server.pid)) - {min(workers)}) == number, "a new worker")
            new = workers_that_answer(server, "3", number) - workers
            assert len(new) == 1
            if "forks" in options:
                assert {f"postfork in {pid}" for pid in workers | new} <= set(server.log.splitlines())
        assert "enable-threads" not in server.log
        server.stop()


def test_an_older_uwsgi_without_threads_is_told_to_have_them(project):
    # Newer ones always have them; this is what uWSGI 2.0.21 shows of itself without the option.
    told = project({"shop.py": WITH_PID}).drive("""
        import types
        uwsgi = sys.modules["uwsgi"] = types.ModuleType("uwsgi")
        uwsgi.has_threads, uwsgi.worker_id, uwsgi.opt = 0, int, {"module": b"shop:app"}
        import shop, ponyreload.autoreload
        hooked = hasattr(uwsgi, "post_fork_hook")
        ponyreload.autoreload._reloader.stop()
        tell(hooked=hooked, after=hasattr(uwsgi, "post_fork_hook"))
    """)
    said = "uWSGI runs without threads, so nothing can look at the files: start it with --enable-threads\n"
    assert told["stderr"].count(said) == 1
    assert (told["hooked"], told["after"]) == (True, False)


# -- what scripts do besides --------------------------------------------------------------------------------------

TWO_PORTS = """
    from ponyreload import *
    import os, threading, time
    from wsgiref.simple_server import *
    from waitress import serve
    use_autoreload()
    VERSION = 1
    PORT, OTHER = int(os.environ["PORT"]), int(os.environ["OTHER"])

    def answering(text):
        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [text.encode()]
        return application
"""


@pytest.fixture
def serve(project):
    """Serve a script that may use two ports; the second one is ``server.other``."""

    def start(text, modules=(), **files):
        site = project({"app.py": dedent(TWO_PORTS) + dedent(text), **dict(modules)})
        other = free_port()
        server = site.serve(OTHER=str(other))
        server.other = other
        return site, server

    return start


def at(port, path="/"):
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return answer.read().decode()


def test_a_server_that_ran_for_a_while_before_the_main_one_does_so_in_each_generation(serve):
    site, running = serve("""
        from urllib.request import urlopen
        first = make_server("127.0.0.1", OTHER, answering("login"))
        threading.Thread(target=urlopen, args=[f"http://127.0.0.1:{OTHER}/"]).start()
        first.handle_request()
        first.server_close()
        print(f"logged in {VERSION}", flush=True)
        serve(answering(f"{VERSION}"), port=PORT)
    """)
    with running as server:
        for version in range(2, 5):
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_for("/", f"{version}")
            assert f"logged in {version}\n" in server.log
        assert "Traceback" not in server.log


def test_a_server_in_a_thread_beside_the_main_one_does_not_end_the_load_before_the_script_is_there(serve):
    beside = """
        from ponyreload import *
        import os, threading
        from wsgiref.simple_server import *
        VERSION = 1

        def metrics(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [f"metrics {VERSION}".encode()]

        server = make_server("127.0.0.1", int(os.environ["OTHER"]), metrics)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        threading.Event().wait(0.3)  # it has more to do
    """
    site, running = serve(
        """
        import beside
        time.sleep(0.3)
        class Main:
            pass
        serve(answering(f"{VERSION}"), port=PORT)
        """,
        {"beside.py": beside},
    )
    with running as server:
        for version in (2, 3):
            site.replace("beside.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_until(lambda: at(server.other) == f"metrics {version}", "metrics")  # noqa: B023
            assert server.get() == "1"
        site.replace("app.py", "VERSION = 1", "VERSION = 4")
        server.wait_for("/", "4")
        assert at(server.other) == "metrics 3"
        assert "not served" not in server.log


def test_a_script_that_waits_in_its_own_way_for_servers_in_threads_is_reloaded(serve):
    site, running = serve("""
        for each in [
            threading.Thread(target=make_server("127.0.0.1", PORT, answering(f"{VERSION}")).serve_forever),
            threading.Thread(target=serve, args=[answering(f"other {VERSION}")], kwargs={"port": OTHER}, daemon=True),
        ]:
            each.start()
        while True:
            time.sleep(0.5)
    """)
    with running as server:
        server.wait_until(lambda: answers(server.other), "second server")
        for version in (2, 3):
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_for("/", f"{version}")
            assert at(server.other) == f"other {version}"
        assert "Traceback" not in server.log


REST = "restart to apply it; until then nothing changes\n"


@pytest.mark.parametrize(
    ("start", "what"),
    [
        ('make_server("127.0.0.1", PORT, answering(f"{VERSION}")).serve_forever()', ""),
        (
            'serve(answering(f"{VERSION}"), host="127.0.0.1", port=PORT, threads=2 + VERSION)',
            "number of threads changed from 3 to 4",
        ),
        (
            'run_simple("127.0.0.1", PORT, answering(f"{VERSION}"), threaded=VERSION == 2)',
            "number of threads changed from 1 to one for each request",
        ),
    ],
)
def test_another_address_or_number_of_threads_is_said_to_take_a_restart(serve, start, what):
    site, running = serve(f"from werkzeug.serving import run_simple\n{start}")
    with running as server:
        site.edit(
            "app.py",
            (site / "app.py")
            .read_text()
            .replace("1, PORT", "1, OTHER")
            .replace("VERSION = 1", "VERSION = 2")
            .replace("port=PORT", "port=OTHER")
            .replace('127.0.0.1", PORT', '127.0.0.1", OTHER'),
        )
        server.wait_for("/", "2")
        said = f"the server's address changed from 127.0.0.1:{server.port} to 127.0.0.1:{server.other}: {REST}"
        assert server.log.count(said) == 1
        assert what in server.log
        assert not answers(server.other)


def test_a_server_that_a_request_starts_for_itself_is_its_own(serve):
    site, running = serve("""
        from urllib.request import urlopen
        from waitress import create_server

        def application(environ, start_response):
            if environ["PATH_INFO"] == "/stays":
                mine = create_server(answering(f"mine {VERSION}"), port=OTHER)
                threading.Thread(target=mine.run, daemon=True).start()
            mine = make_server("127.0.0.1", 0, answering(f"mine {VERSION}"))
            thread = threading.Thread(target=mine.handle_request)
            thread.start()
            got = urlopen(f"http://127.0.0.1:{mine.server_port}").read()
            thread.join()
            mine.server_close()
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [got]
        make_server("127.0.0.1", PORT, application).serve_forever()
    """)
    with running as server:
        assert server.get("/stays") == "mine 1"
        for version in (2, 3):
            assert at(server.other) == "mine 1"
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_for("/", f"mine {version}")
        assert "not served" not in server.log


@pytest.mark.parametrize(
    "start",
    [
        'make_server("127.0.0.1", PORT, application).serve_forever()',
        "serve(application, port=PORT)",
    ],
)
def test_the_end_of_the_server_is_that_of_the_scripts_that_are_parked_there(serve, start):
    site, running = serve(
        f"""
        import gate
        application = answering(f"{{VERSION}}")
        try:
            {start}
        except KeyboardInterrupt:
            pass
        finally:
            if generation() == 1:
                print("in time:", gate.passed.wait(10), flush=True)
            gate.passed.set()
        """,
        {"gate.py": "import threading\npassed = threading.Event()\n"},
    )
    with running as server:
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        server.wait_for("/", "2")
        assert server.stop(signal.SIGINT) == 0
        assert "in time: True\n" in server.log


@pytest.mark.parametrize("module", ["wsgiref.simple_server", "werkzeug.serving"])
def test_a_later_generation_can_shut_the_server_down(serve, module):
    site, running = serve(f"""
        from {module} import make_server

        def application(environ, start_response):
            if environ["PATH_INFO"] == "/quit":
                threading.Thread(target=server.shutdown).start()
            return answering(str(VERSION))(environ, start_response)

        server = make_server("127.0.0.1", PORT, application)
        try:
            server.serve_forever()
        finally:
            server.shutdown()
            server.server_close()
            print(f"cleaned up {{VERSION}}.", flush=True)
    """)
    with running as server:
        for version in (2, 3):
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_for("/", f"{version}")
        assert server.get("/quit") == "3"
        assert server.process.wait(10) == 0
        assert [server.log.count(f"cleaned up {version}.") for version in (1, 2, 3)] == [1, 1, 1]


@pytest.mark.parametrize(
    "make", ['make_server("127.0.0.1", PORT, application)', "create_server(application, port=PORT)"]
)
def test_a_generation_that_has_retired_is_freed_though_its_script_has_its_server(serve, make):
    site, running = serve(f"""
        import gc
        from waitress import create_server
        from ponyreload.generations.generation import Generation

        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            gc.collect()
            living = sorted(each.number for each in gc.get_objects() if type(each) is Generation)
            return [f"{{VERSION}} of {{living}}".encode()]

        server = {make}
        getattr(server, "serve_forever", getattr(server, "run", None))()
    """)
    with running as server:
        for version in range(2, 6):
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_until(lambda: server.get().startswith(f"{version} "), "answer")  # noqa: B023
        # The first one's script has not ended.
        server.wait_for("/", "5 of [1, 5]")


def test_a_script_that_would_serve_for_ever_ends_with_its_generation(serve):
    site, running = serve("""
        while True:
            print(f"serving {VERSION}.", flush=True)
            try:
                serve(answering(f"{VERSION}"), port=PORT)
            finally:
                print(f"served {VERSION}.", flush=True)
                if generation() == 1:
                    break
    """)
    with running as server:
        for version in (2, 3, 4):
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_for("/", f"{version}")
        server.wait_until(lambda: server.log.count("served 3.") == 2, "the end of the script")
        assert server.stop(signal.SIGINT) == 0
        # Once more each, which ends it.
        assert [server.log.count(f"serving {version}.") for version in (1, 2, 3, 4)] == [1, 2, 2, 2]


def test_a_server_that_is_imported_late_is_known_too(serve):
    site, running = serve("""
        def main():
            from werkzeug.serving import run_simple
            run_simple("127.0.0.1", PORT, answering(f"{VERSION}"))
        main()
    """)
    with running as server:
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        server.wait_for("/", "2")


@pytest.mark.parametrize("module", ["wsgiref.simple_server", "werkzeug.serving"])
def test_what_stands_in_knows_the_port_that_the_system_gave(serve, module):
    site, running = serve(f"""
        from {module} import make_server
        other = make_server("127.0.0.1", 0, answering(f"other {{VERSION}}"))
        thread = threading.Thread(target=other.serve_forever, daemon=True)
        thread.start()
        port, name = other.server_address[1], getattr(other, "server_name", "")
        make_server("127.0.0.1", PORT, answering(f"{{VERSION}} beside {{port}} of {{name}}")).serve_forever()
    """)
    with running as server:
        _, _, beside = server.get().partition(" ")
        for version in (2, 3):
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_for("/", f"{version} {beside}")
            assert at(beside.split()[1]) == f"other {version}"


class OverPath(Live):
    """A server at a unix socket."""

    path: Path

    def ask(self, path="/", *args, **kwargs):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(self.path))
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())


@pytest.mark.parametrize(
    "start",
    [
        'run_simple("unix://" + PATH, 0, application, threaded=True)',
        "serve(application, unix_socket=PATH)",
    ],
)
def test_a_server_at_a_unix_socket_keeps_that(make, monkeypatch, start):
    path = make.folder / "socket"
    monkeypatch.setitem(SCRIPTS, "unix", (f"{WERKZEUG}\n{WAITRESS}\nPATH = os.environ['SOCKET']", start))
    site = make("unix")
    monkeypatch.setattr(OverPath, "path", path, raising=False)
    with OverPath([sys.executable, "app.py"], site.folder, site.environment(SOCKET=str(path)), "/") as server:
        which = path.stat().st_ino
        for version in range(2, 5):
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_for("/", f"{version} in generation {version}")
        assert path.stat().st_ino == which
        assert server.stop(signal.SIGINT) == 0
        assert [server.log.count(f"cleaned up {version}.") for version in range(1, 5)] == [1, 1, 1, 1]


def test_what_was_wrapped_is_as_before_when_autoreload_is_stopped(project):
    told = project({"shop.py": WITH_PID}).drive("""
        import socket, waitress.server, werkzeug.serving, werkzeug._reloader, wsgiref.simple_server
        owners = [
            socket.socket, wsgiref.simple_server.WSGIServer, werkzeug.serving, werkzeug.serving.BaseWSGIServer,
            werkzeug._reloader, waitress.server.BaseWSGIServer, waitress.server.MultiSocketServer,
        ]
        before = [dict(vars(owner)) for owner in owners]
        import shop, ponyreload.autoreload
        changed = [dict(vars(owner)) != old for owner, old in zip(owners, before)]
        ponyreload.autoreload._reloader.stop()
        tell(changed=changed, left=[dict(vars(owner)) != old for owner, old in zip(owners, before)])
    """)
    assert told["changed"] == [True] * 7
    assert told["left"] == [False] * 7


def answers(port):
    try:
        at(port)
    except OSError:
        return False
    return True
