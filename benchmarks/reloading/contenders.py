"""Contenders: what serves the application and takes up edits. Each is a dozen lines.

A command may say ``{port}``; a script finds the port in ``$PORT``, and in ``$RELOAD`` whether it is to reload ("1") or
only to serve ("0"), which tells what reloading costs a request while nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["CONTENDERS", "Contender"]


class Contender(NamedTuple):
    """One way of reloading.

    Sample row: ``Contender("waitress", "restarts", ("waitress",), ("serve.py",), {"serve.py": "…"})``.
    """

    name: str
    kind: str  # "generations", "restarts", "patches"
    requires: tuple[str, ...]  # distributions, whose versions are stated
    command: tuple[str, ...]  # python's arguments
    files: Mapping[str, str] = {}
    on: tuple[str, ...] = ()  # further arguments when it is to reload …
    off: tuple[str, ...] = ()  # … and when it is only to serve


# -- servers -----------------------------------------------------------------------------------------------------

CHEROOT = """\
from cheroot.wsgi import Server

Server(("127.0.0.1", int(os.environ["PORT"])), application).start()
"""

PONYRELOAD = f"""\
import os

from ponyreload import *

from shop.wsgi import application

use_autoreload(include=("shop",), %s)

{CHEROOT}"""

NAIVE = f"""\
# Pops the modules and imports them again, as Pony's reloader did; but when events come, not at each look.
import importlib, os, sys, threading, traceback
from watchdog.observers import Observer
import shop.wsgi

lock = threading.Lock()
running = shop.wsgi.application

class Reloader:
    def dispatch(self, event):
        global running
        if event.event_type in ("closed", "moved"):
            with lock:
                for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
                    del sys.modules[name]
                try:
                    running = importlib.import_module("shop.wsgi").application
                except Exception:
                    traceback.print_exc()

def application(environ, start_response):
    return running(environ, start_response)

if os.environ["RELOAD"] == "1":
    observer = Observer()
    observer.schedule(Reloader(), "shop", recursive=True)
    observer.start()

{CHEROOT}"""

JURIGGED = f"""\
import os, jurigged
if os.environ["RELOAD"] == "1":
    jurigged.watch(os.path.abspath("shop/*.py"))  # a star stands for slashes too

from shop.wsgi import application

{CHEROOT}"""

WERKZEUG = """\
import logging, os
from werkzeug.serving import run_simple
from shop.wsgi import application

logging.getLogger("werkzeug").setLevel(logging.ERROR)
reloads = os.environ["RELOAD"] == "1"
run_simple("127.0.0.1", int(os.environ["PORT"]), application, use_reloader=reloads, reloader_type="%s", threaded=True)
"""

HUPPER = """\
import os, hupper, waitress

def main():
    from shop.wsgi import application
    waitress.serve(application, host="127.0.0.1", port=int(os.environ["PORT"]), threads=10)

if __name__ == "__main__":
    if os.environ["RELOAD"] == "1":
        hupper.start_reloader("serve.main")
    main()
"""

CHERRYPY = """\
import os, cherrypy
from shop.wsgi import application

cherrypy.config.update({
    "server.socket_port": int(os.environ["PORT"]), "engine.autoreload.on": os.environ["RELOAD"] == "1",
    "log.screen": False,
})
cherrypy.tree.graft(application, "/")
cherrypy.engine.start()
cherrypy.engine.block()
"""

TORNADO = """\
import logging, os
from tornado import autoreload, httpserver, ioloop, wsgi
from shop.wsgi import application

logging.getLogger("tornado.access").setLevel(logging.ERROR)
httpserver.HTTPServer(wsgi.WSGIContainer(application)).listen(int(os.environ["PORT"]), "127.0.0.1")
if os.environ["RELOAD"] == "1":
    autoreload.start()
ioloop.IOLoop.current().start()
"""

DJANGO = """\
SECRET_KEY = "none"
DEBUG = True
ALLOWED_HOSTS = ["*"]
WSGI_APPLICATION = "shop.wsgi.application"
ROOT_URLCONF = "urls"
LOGGING = {"version": 1, "loggers": {"django.server": {"level": "ERROR"}}}
"""

ASGI = """\
from a2wsgi import WSGIMiddleware
from shop.wsgi import application

app = WSGIMiddleware(application)
"""

SCRIPT = ("serve.py",)
GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--worker-class", "gthread", "--threads", "10")
UVICORN = ("asgi:app", "--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning")
GRANIAN = ("-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning")

CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("ponyreload", "generations", ("ponyreload", "cheroot"), SCRIPT, {"serve.py": PONYRELOAD % ""}),
        Contender(
            "ponyreload-affected",
            "generations",
            ("ponyreload", "cheroot"),
            SCRIPT,
            {"serve.py": PONYRELOAD % 'scope="affected"'},
        ),
        Contender("naive", "patches", ("cheroot", "watchdog"), SCRIPT, {"serve.py": NAIVE}),
        Contender("jurigged", "patches", ("jurigged", "cheroot"), SCRIPT, {"serve.py": JURIGGED}),
        Contender(
            "hmr",
            "patches",
            ("uvicorn-hmr", "hmr", "uvicorn", "a2wsgi"),
            ("-m",),
            {"asgi.py": ASGI},
            on=("uvicorn_hmr", *UVICORN),
            off=("uvicorn", *UVICORN),
        ),
        Contender(
            "granian",
            "restarts",
            ("granian", "watchfiles"),
            GRANIAN,
            on=("--reload", "shop.wsgi:application"),
            off=("shop.wsgi:application",),
        ),
        Contender(
            "gunicorn",
            "restarts",
            ("gunicorn", "inotify"),
            GUNICORN,
            on=("--reload", "shop.wsgi:application"),
            off=("shop.wsgi:application",),
        ),
        Contender(
            "uvicorn",
            "restarts",
            ("uvicorn", "watchfiles", "a2wsgi"),
            ("-m", "uvicorn", *UVICORN),
            {"asgi.py": ASGI},
            on=("--reload",),
        ),
        Contender("tornado", "restarts", ("tornado",), SCRIPT, {"serve.py": TORNADO}),
        Contender("cherrypy", "restarts", ("cherrypy", "cheroot"), SCRIPT, {"serve.py": CHERRYPY}),
        Contender("werkzeug-stat", "restarts", ("werkzeug",), SCRIPT, {"serve.py": WERKZEUG % "stat"}),
        Contender(
            "werkzeug-watchdog", "restarts", ("werkzeug", "watchdog"), SCRIPT, {"serve.py": WERKZEUG % "watchdog"}
        ),
        Contender(
            "django",
            "restarts",
            ("django",),
            ("-m", "django", "runserver", "--settings", "settings"),
            {"settings.py": DJANGO, "urls.py": "urlpatterns = []\n"},
            on=("127.0.0.1:{port}",),
            off=("--noreload", "127.0.0.1:{port}"),
        ),
        Contender("hupper", "restarts", ("hupper", "waitress"), SCRIPT, {"serve.py": HUPPER}),
    )
}
