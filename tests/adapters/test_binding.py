"""A server that is not known and binds again during a load: one clear error, and two ways out that work."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from live import free_port

HEAD = """
    from ponyreload import *
    import os, socket
    use_autoreload()
    VERSION = 1
    PORT = int(os.environ["PORT"])

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(VERSION).encode()]
"""
# What to import, the line that binds, and the one that serves.
TORNADO = """
    from tornado.httpserver import HTTPServer
    from tornado.ioloop import IOLoop
    from tornado.wsgi import WSGIContainer
    def start(app):
        HTTPServer(WSGIContainer(app)).listen(PORT, "127.0.0.1")  # here
        IOLoop.current().start()
"""
SERVERS = {
    "tornado": TORNADO,
    "tornado with SO_REUSEPORT": TORNADO.replace('"127.0.0.1"', '"127.0.0.1", reuse_port=True'),
    "gevent": """
        from gevent.pywsgi import WSGIServer
        def start(app):
            WSGIServer(("127.0.0.1", PORT), app).serve_forever()  # here
    """,
}
WAYS_OUT = (
    "ponyreload does not know what this line starts, so it cannot give it the new code. There are two ways out. "
    'Both serve AutoreloadMiddleware(application): start it under "if generation() <= 1:"; '
    "or start it in a script that does not use ponyreload, and that imports what it serves"
)
STILL = "still serving generation 1; save the file to try again\n"


def script(server, rest):
    return dedent(HEAD) + dedent(SERVERS[server]) + dedent(rest)


@pytest.mark.parametrize("server", SERVERS)
def test_the_error_names_the_line_and_the_ways_out(project, server):
    text = script(server, "start(application)")
    site = project({"app.py": text})
    (line,) = [number for number, line in enumerate(text.splitlines(), 1) if line.endswith("# here")]
    with site.serve() as live:
        assert live.get() == "1"
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        live.wait_for_log(STILL)
        place = f"app.py:{line}"
        what = f"this process has 127.0.0.1:{live.port} already since {place} ran"
        assert f"\ngeneration 2 not served: {place} AlreadyBoundError: {what}. {WAYS_OUT}\n" in live.log
        assert [live.get() for _ in range(5)] == ["1"] * 5


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("setting", ["", "off"])
def test_a_server_that_the_first_generation_alone_starts_follows_the_edits(project, server, setting):
    site = project(
        {
            "app.py": script(
                server,
                """
                app = AutoreloadMiddleware(application)
                if generation() <= 1:
                    start(app)
                """,
            )
        }
    )
    with site.serve(PONYRELOAD=setting) as live:
        for version in range(2, 5) if not setting else ():
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            live.wait_for("/", str(version))
        assert live.get() == ("1" if setting else "4")
        assert "Error" not in live.log


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_in_a_script_that_does_not_use_ponyreload_follows_the_edits(project, server):
    site = project(
        {
            "shop.py": dedent(HEAD).replace("use_autoreload()\n", "") + "app = AutoreloadMiddleware(application)\n",
            "app.py": dedent("import os\nfrom shop import app\nPORT = int(os.environ['PORT'])\n")
            + dedent(SERVERS[server])
            + "start(app)\n",
        }
    )
    with site.serve() as live:
        assert live.get() == "1"
        for version in range(2, 5):
            site.replace("shop.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            live.wait_for("/", str(version))
        site.replace("app.py", "start(app)", "start(app)  # changed")
        live.wait_for_log("is not reloaded")
        assert "Error" not in live.log


def test_a_script_that_takes_the_next_port_when_one_is_taken_does_not_start_a_second_server(project):
    text = """
        for port in range(PORT, PORT + 3):
            try:
                sock = socket.create_server(("127.0.0.1", port))
                break
            except OSError:
                pass
        sock.setblocking(False)
        server = HTTPServer(WSGIContainer(application))
        server.add_sockets([sock])
        IOLoop.current().start()
    """
    site = project({"app.py": script("tornado", text)})
    with site.serve() as live:
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        live.wait_for_log(STILL)
        assert "AlreadyBoundError" in live.log


def test_the_deleted_file_of_a_unix_socket_is_told_of(project):
    text = """
        from tornado.netutil import bind_unix_socket
        server = HTTPServer(WSGIContainer(application))
        server.add_sockets([bind_unix_socket("socket")])
        if generation() <= 1:
            server.listen(PORT, "127.0.0.1")
            IOLoop.current().start()
    """
    site = project({"app.py": script("tornado", text)})
    with site.serve() as live:
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        live.wait_for_log(STILL)
        gone = "Its file has been deleted, so nobody reaches what runs: that needs a restart"
        assert f"{WAYS_OUT}. {gone}\n" in live.log


def test_an_address_of_ipv6_is_known_too(project):
    text = """
        everywhere = socket.create_server(("::", PORT), family=socket.AF_INET6)
        if generation() <= 1:
            start(application)
    """
    site = project({"app.py": script("tornado", text)})
    with site.serve() as live:
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        live.wait_for_log(f"AlreadyBoundError: this process has :::{live.port} already since app.py:")


def test_all_other_sockets_of_a_load_are_bound_as_ever(project):
    text = """
        from tornado.netutil import bind_sockets
        free = socket.create_server(("127.0.0.1", 0))
        datagrams = socket.socket(type=socket.SOCK_DGRAM)
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        datagrams.bind(("127.0.0.1", PORT))
        pair = socket.socketpair()
        for_a_moment = socket.create_server(("127.0.0.1", int(os.environ["OTHER"])))
        caller = socket.create_connection(for_a_moment.getsockname())
        for_a_moment.accept()[0].close()  # first, so that the system remembers the port for a while
        caller.close()
        for_a_moment.close()
        both = bind_sockets(int(os.environ["FOURTH"]) if VERSION == 3 else 0)
        everywhere = socket.create_server(("", int(os.environ["THIRD"]) if VERSION == 2 else 0))
        app = AutoreloadMiddleware(application)
        if generation() <= 1:
            start(app)
    """
    site = project({"app.py": script("tornado", text)})
    with site.serve(OTHER=str(free_port()), THIRD=str(free_port()), FOURTH=str(free_port())) as live:
        for version in (2, 3):
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            live.wait_for("/", str(version))
        site.replace("app.py", "VERSION = 3", "VERSION = 2")
        live.wait_for_log("AlreadyBoundError: this process has :")
        assert live.stop(signal.SIGINT) == -signal.SIGINT


def test_a_server_that_an_adapter_knows_is_left_to_that(project):
    # flup's parent that forks has no thread of ours, so that its children begin in a sound state.
    text = """
        from flup.server.scgi_fork import WSGIServer
        WSGIServer(application, bindAddress=("127.0.0.1", PORT)).run()
    """
    site = project({"app.py": dedent(HEAD) + dedent(text)})
    port = free_port()
    command, environment = [sys.executable, "app.py"], site.environment(PORT=str(port))
    with subprocess.Popen(command, cwd=site.folder, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 20
            while not is_listening(port):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert len(list(Path(f"/proc/{process.pid}/task").iterdir())) == 1
        finally:
            process.terminate()


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


GEVENT = """
    from gevent import monkey
    monkey.patch_all()
    from gevent.pywsgi import WSGIServer
    from ponyreload import *
    import os
    import shop
    use_autoreload()

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(shop.VERSION).encode()]

    app = AutoreloadMiddleware(application)
    if generation() <= 1:
        WSGIServer(("127.0.0.1", int(os.environ["PORT"])), app).serve_forever()
"""


def test_gevent_may_have_patched_all_that_blocks(project):
    site = project({"app.py": GEVENT, "shop.py": "from ponyreload import *\nVERSION = 1\n"})
    with site.serve() as live:
        assert live.get() == "1"
        for version in range(2, 5):
            site.replace("shop.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            live.wait_for("/", str(version))
        site.edit("shop.py", "1 / 0")
        live.wait_for_log("generation 5 not served: shop.py:1 ZeroDivisionError")
        assert live.get() == "4"
        assert live.log.count("Traceback") == 1
