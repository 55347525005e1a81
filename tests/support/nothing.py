"""Nothing: what autoreload does where it has nothing to do. One definition, for the command line and for every host.

    site = project({**SITE, "shop.wsgi": WRAPPED})      # or BARE: the same application, without ponyreload
    with serve(site) as server:
        assert look_at(server) == NOTHING
        bytes_of_it = exchange(server.port, *REQUESTS[0])

Such a project has the script that a host runs, and `SITE`, which is the application and the module that looks at it.
"""

from __future__ import annotations

import json
import re
import socket

from live import Live

# An application in a user module that tries everything that turns autoreload on.
APP = """
    from ponyreload import *
    import shop.cart

    reloader = use_autoreload(include=("shop",), extra_files=("shop.toml",), poll_seconds=1)
    ANSWER = [b"answer"]
    ERROR = LookupError("broken")
    seen = []

    def plain(environ, start_response):
        seen.append((environ, start_response, generation()))
        if environ["PATH_INFO"] == "/broken":
            raise ERROR
        return ANSWER

    @on_reload
    def hook():
        seen.append("reloaded")

    wrapped = AutoreloadMiddleware(plain, include=("shop",))
    named = AutoreloadMiddleware("app:plain")
"""
# Tells what the application above does, and has done by now, to the process that imports it.
LOOK = """
    import atexit, builtins, importlib, importlib._bootstrap, importlib.util, json, linecache, logging, os, signal, sys, threading
    import tokenize, traceback, weakref

    threading.current_thread()  # a thread that Python did not start is listed from here on, on its own account
    asked_for = []
    plain_import = builtins.__import__

    def noting_import(name, globals=None, *rest, **more):
        if globals is not None and str(globals.get("__name__")).partition(".")[0] == "ponyreload":
            asked_for.append(name.partition(".")[0])
        return plain_import(name, globals, *rest, **more)

    builtins.__import__ = noting_import

    def watches():
        links = [f"/proc/self/fd/{each}" for each in os.listdir("/proc/self/fd")]
        return sum("inotify" in os.readlink(link) for link in links if os.path.islink(link))

    def hooks():
        return [
            *sys.meta_path, *sys.path_hooks, builtins.__import__, importlib._bootstrap._gcd_import,
            importlib._bootstrap._find_spec, importlib.util._find_spec, importlib.import_module, linecache.getlines, signal.signal,
            *map(signal.getsignal, sorted(signal.valid_signals())),
            sys.excepthook, threading.excepthook, ("atexit functions", atexit._ncallbacks()),
            ("watches", watches()), ("path", *sys.path), *threading.enumerate(),
        ]

    def call(application, path):
        environ = {"PATH_INFO": path}
        start_response = lambda status, headers: None
        try:
            result = application(environ, start_response)
        except LookupError as error:
            result = error
        passed = app.seen.pop()
        assert passed[0] is environ and passed[1] is start_response
        return {app.ERROR: "the error", id(app.ANSWER): "the answer"}.get(
            result if isinstance(result, LookupError) else id(result), repr(result))

    modules, before = dict(sys.modules), hooks()
    import app
    import ponyreload

    def look():
        after = hooks()
        return {
            "reloader": repr(app.reloader), "generation": ponyreload.generation(),
            "hooks": [repr(each) for each in after if each not in before],
            "gone": [repr(each) for each in before if each not in after],
            "modules": sorted(
                {name for name, module in modules.items() if sys.modules.get(name) is not module}
                | {name for name, module in sys.modules.items() if type(module).__module__.startswith("ponyreload")}
            ),
            "asked for": sorted(set(asked_for) - sys.stdlib_module_names - {"ponyreload"}),
            "imported": [name for name in ("watchdog", "ponyreload.reloading.reloader", "cherrypy") if name in sys.modules],
            "answers": [call(each, path) for each in (app.wrapped, app.named) for path in ("/", "/broken")],
        }

    print("TELL", json.dumps(look()), flush=True)
"""
NOTHING = {
    "reloader": "None",
    "generation": 0,
    "hooks": [],
    "gone": [],
    "modules": [],
    "asked for": [],
    "imported": [],
    "answers": ["the answer", "the error", "the answer", "the error"],
}

# What an application can do to an answer. It knows nothing of ponyreload.
ANSWERS = """
    import io, json, os

    def application(environ, start_response):
        def start(*headers, status="200 OK"):
            return start_response(status, [("Content-Type", "text/plain; charset=utf-8"), *headers])

        path = environ["PATH_INFO"]
        if path == "/process":
            start()
            return [str(os.getpid()).encode()]
        if path == "/look":
            import look

            start()
            return [json.dumps(look.look()).encode()]
        if path == "/streamed":
            start(("X-Streamed", "yes"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))
            return (f"{number}\\n".encode() * 1000 for number in range(20))
        if path == "/file":
            start(("Content-Length", "30000"))
            return environ["wsgi.file_wrapper"](io.BytesIO(b"tea" * 10000))
        if path == "/written":
            write = start()
            write(b"one ")
            return [b"two"]
        if path == "/broken":
            raise LookupError("broken")
        if path == "/empty":
            start(("Content-Length", "0"), status="204 No Content")
            return []
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        answer = f"{environ['REQUEST_METHOD']} {path!r} {environ['QUERY_STRING']!r} {len(body)} {sum(body)}"
        start(("Content-Length", str(len(answer))))
        return [answer.encode("latin-1")]
"""
BARE = """
    from answers import application
"""
WRAPPED = """
    from ponyreload import *
    import look  # first: it notes how things are before anything is turned on
    from answers import application

    assert use_autoreload() is None
    bare = application
    application = AutoreloadMiddleware(bare)
"""
SITE = {
    "app.py": APP,
    "shop/__init__.py": "",
    "shop/cart.py": "from ponyreload import *",
    "look.py": LOOK,
    "answers.py": ANSWERS,
}
REQUESTS = [
    ("GET", "/some%20page/%C3%A9?a=1&b=%20", b""),
    ("HEAD", "/", b""),
    ("POST", "/post", b"tea" * 66_667),
    ("POST", "/nothing", b""),
    ("GET", "/streamed", b""),
    ("HEAD", "/streamed", b""),
    ("GET", "/file", b""),
    ("GET", "/written", b""),
    ("GET", "/empty", b""),
    ("GET", "/broken", b""),
]


def look_at(server: Live) -> dict:
    """What a host tells of itself, after it has answered some requests."""
    for path in ("/", "/streamed", "/written"):
        server.get(path)
    return json.loads(server.get("/look"))


def exchange(port: int, method: str, path: str, body: bytes) -> bytes:
    """Every byte that a server answers to one request, but for the date, and for where a chunk ends: that is by chance."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        start = f"{method} {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(start.encode() + body)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    head, _, body = re.sub(rb"\r\nDate: [^\r]*", b"", b"".join(parts), count=1).partition(b"\r\n\r\n")
    if b"\r\nTransfer-Encoding: chunked" in head and body:
        body = joined(body)
    return head + b"\r\n\r\n" + body


def joined(body: bytes) -> bytes:
    """The chunks of a body without their lengths; the last one has none."""
    parts = []
    while length := int(body.partition(b"\r\n")[0], 16):
        parts.append(body.partition(b"\r\n")[2][:length])
        body = body.partition(b"\r\n")[2][length + 2 :]
    assert body == b"0\r\n\r\n"
    return b"".join(parts)
