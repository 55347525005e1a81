"""An unmarked script that calls a user module, which starts the server: the script is run again with each load."""

from __future__ import annotations

import os

import pytest

WSGI = """
    from ponyreload import *
    import os
    use_autoreload()
    VERSION = 1

    def make():
        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [f"{VERSION} in generation {generation()}".encode()]
        return application

    def main():
        port = int(os.environ["PORT"])
        os.write(1, f"main {VERSION}\\n".encode())
"""
CHERRYPY = """
    from ponyreload import *
    import os
    import cherrypy
    use_autoreload()
    VERSION = 1

    class Root:
        @cherrypy.expose
        def index(self):
            return f"{VERSION} in generation {generation()}"

    def main():
        os.write(1, f"main {VERSION}\\n".encode())
        cherrypy.config.update({"server.socket_port": int(os.environ["PORT"])})
"""
SERVERS = {
    "wsgiref": (WSGI, "from wsgiref.simple_server import make_server; make_server('127.0.0.1', port, make()).serve_forever()"),
    "werkzeug": (WSGI, "from werkzeug.serving import run_simple; run_simple('127.0.0.1', port, make())"),
    "waitress": (WSGI, "import waitress; waitress.serve(make(), listen=f'127.0.0.1:{port}')"),
    "cheroot": (WSGI, "from cheroot.wsgi import Server; Server(('127.0.0.1', port), make()).safe_start()"),
    "cherrypy quickstart": (CHERRYPY, "cherrypy.quickstart(Root())"),
    "cherrypy": (CHERRYPY, "cherrypy.tree.mount(Root(), '/'); cherrypy.engine.start(); cherrypy.engine.block()"),
}  # fmt: skip
LAUNCHERS = {
    "a script": ({"run.py": "from shop import main\nmain()\n"}, ("run.py",)),
    "a console script": ({"bin/shop": "import sys\nfrom shop import main\nsys.exit(main())\n"}, ("bin/shop",)),
    "python -m": ({"shop/__main__.py": "from . import main\nif __name__ == '__main__':\n    main()\n"}, ("-m", "shop")),
    "a click command": (
        {"run.py": "import click\nimport shop\ncli = click.command()(shop.main)\ncli()\n"},
        ("run.py",),
    ),
    "a function of its own": (
        {"run.py": "def run():\n    from shop import main\n    main()\nrun()\n"},
        ("run.py",),
    ),
}  # fmt: skip


def files(server: str, launcher: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """The files of a project, and the command that starts it."""
    module, serve = SERVERS[server]
    made, command = LAUNCHERS[launcher]
    return {"shop/__init__.py": f"{module}        {serve}\n", **made}, command


@pytest.mark.parametrize(
    ("server", "launcher"),
    [(server, "a script") for server in SERVERS]
    + [("cherrypy", name) for name in LAUNCHERS]
    + [("wsgiref", name) for name in LAUNCHERS][1:],
)
def test_a_launcher_is_run_again_with_each_load(project, server, launcher):
    texts, command = files(server, launcher)
    made = project(texts)
    path = os.pathsep.join((made.environment()["PYTHONPATH"], str(made.folder)))
    with made.serve(*command, PYTHONPATH=path) as live:
        assert live.get() == "1 in generation 1"
        for version in (2, 3):
            made.replace("shop/__init__.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            live.wait_for("/", f"{version} in generation {version}")
        made.replace("shop/__init__.py", "VERSION = 3", "VERSION = 1 / 0")
        live.wait_for_log("generation 4 not served: ")
        assert live.get() == "3 in generation 3"
        made.replace("shop/__init__.py", "VERSION = 1 / 0", "VERSION = 4")
        live.wait_for("/", "4 in generation 4")
        assert [live.log.count(f"main {version}\n") for version in (1, 2, 3, 4)] == [1, 1, 1, 1]


HIDDEN = "import cherrypy, shop\nUSE_AUTORELOAD = False\nshop.main()\n"


def test_a_load_that_runs_nothing_that_mounts_is_not_published(project):
    texts, _ = files("cherrypy", "a script")
    made = project(texts | {"run.py": HIDDEN})
    with made.serve("run.py") as live:
        assert live.get() == "1 in generation 1"
        made.replace("shop/__init__.py", "VERSION = 1", "VERSION = 2")
        live.wait_for_log("generation 2 not served: ")
        assert "mounts no application on cherrypy.tree: main() of shop was not run. Call it where" in live.log
        assert live.get() == "1 in generation 1"


def test_a_load_whose_code_mounts_nothing_any_more_is_published_with_a_warning(project):
    mounted = CHERRYPY.replace("    def main():", "    MOUNTED = cherrypy.tree.mount(Root(), '/')\n\n    def main():")
    serve = "        cherrypy.engine.start(); cherrypy.engine.block()\n"
    made = project({"shop/__init__.py": mounted + serve, "run.py": HIDDEN})
    with made.serve("run.py") as live:
        assert live.get() == "1 in generation 1"
        made.replace("shop/__init__.py", "MOUNTED = cherrypy.tree.mount(Root(), '/')", "MOUNTED = None")
        live.wait_for_log("generation 2 serves: ")
        assert live.log.count("generation 2 mounts no application on cherrypy.tree\n") == 1
        assert live.ask().status == 404
