"""cheroot's servers, straight: each keeps its socket and its threads, and each generation brings its applications."""

from __future__ import annotations

import json
import signal
from textwrap import dedent
from urllib.request import urlopen

import pytest

from live import free_port

HEAD = """
    from ponyreload import *
    import json, os, threading
    from cheroot.wsgi import Server
    use_autoreload()
    VERSION = 1
    PORT, OTHER = int(os.environ["PORT"]), int(os.environ["OTHER"])

    def site(name):
        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            if environ["PATH_INFO"] == "/living":
                from driving import living_generations
                return [json.dumps(living_generations()).encode()]
            if environ["PATH_INFO"] == "/threads":
                names = [thread.name for thread in threading.enumerate()]
                return [json.dumps(sorted(name for name in names if name.startswith("serves "))).encode()]
            return [f"{name} {VERSION}".encode()]
        return application
"""
TWO_SERVERS = """
    servers = [Server(("127.0.0.1", PORT), site("shop")), Server(("127.0.0.1", OTHER), site("stock"))]
    threads = [threading.Thread(target=server.start, name=f"serves {VERSION}") for server in servers]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        print(f"cleaned up {VERSION}.")
        for server in servers:
            server.stop()
"""
ONE_SERVER = """
    server = Server(("127.0.0.1", PORT), site("shop"), numthreads=5)
    try:
        server.start()
    finally:
        server.stop()
"""
REST = "restart to apply it; until then nothing changes\n"


@pytest.fixture
def serve(project):
    """Serve a main script; the second port is ``server.other``."""

    def start(text):
        site = project({"app.py": dedent(HEAD) + dedent(text)})
        other = free_port()
        server = site.serve(OTHER=str(other))
        server.other = other
        return site, server

    return start


def at(port):
    """What is served at another port."""
    with urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
        return answer.read().decode()


def test_servers_in_threads_of_their_own_each_get_their_application(serve):
    site, running = serve(TWO_SERVERS)
    with running as server:
        server.wait_until(lambda: "Traceback" not in server.log and at(server.other) == "stock 1", "second server")
        for version in range(2, 8):
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_for("/", f"shop {version}")
            assert at(server.other) == f"stock {version}"
        # The threads of retired generations have ended, and only those of the first one serve.
        server.wait_for("/threads", json.dumps(["serves 1", "serves 1", "serves 7", "serves 7"]))
        # Their scripts clean up when those threads have ended, so a moment later.
        server.wait_until(lambda: "cleaned up 6." in server.log, "the clean-up of the last one retired")
        assert [server.log.count(f"cleaned up {version}.") for version in range(1, 8)] == [0, 1, 1, 1, 1, 1, 0]
        assert "Traceback" not in server.log


def test_a_server_that_is_a_global_of_its_script_keeps_no_old_generation(serve):
    site, running = serve(ONE_SERVER)
    with running as server:
        for version in range(2, 7):
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            server.wait_for("/", f"shop {version}")
        # The first one is that of the script which goes on running.
        server.wait_for("/living", "[1, 6]")


def test_ctrl_c_ends_servers_in_threads_and_the_scripts_of_all_generations(serve):
    site, running = serve(TWO_SERVERS)
    with running as server:
        server.wait_until(lambda: at(server.other) == "stock 1", "second server")
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        server.wait_for("/", "shop 2")
        assert server.stop(signal.SIGINT, seconds=4) == -signal.SIGINT
        assert [server.log.count(f"cleaned up {version}.") for version in (1, 2)] == [1, 1]


def test_servers_are_told_apart_by_their_addresses_and_not_by_their_order(serve):
    site, running = serve(TWO_SERVERS)
    with running as server:
        server.wait_until(lambda: at(server.other) == "stock 1", "second server")
        site.edit(
            "app.py", (site / "app.py").read_text().replace("in servers]", "in servers[::-1]]").replace("= 1", "= 2")
        )
        server.wait_for("/", "shop 2")
        assert at(server.other) == "stock 2"


def test_a_server_that_the_script_does_not_start_any_more_keeps_the_old_generation(serve):
    site, running = serve(TWO_SERVERS)
    with running as server:
        server.wait_until(lambda: at(server.other) == "stock 1", "second server")
        site.edit("app.py", dedent(HEAD).replace("VERSION = 1", "VERSION = 2") + dedent(ONE_SERVER))
        server.wait_for_log("still serving generation 1")
        assert f"generation 2 makes no application for the server at 127.0.0.1:{server.other}" in server.log
        assert server.get() == "shop 1"
        assert at(server.other) == "stock 1"
        site.edit("app.py", dedent(HEAD).replace("VERSION = 1", "VERSION = 3") + dedent(TWO_SERVERS))
        server.wait_for("/", "shop 3")
        assert at(server.other) == "stock 3"


def test_a_new_server_is_said_to_need_a_restart_and_the_one_that_runs_goes_on(serve):
    site, running = serve(ONE_SERVER)
    with running as server:
        site.edit("app.py", dedent(HEAD).replace("VERSION = 1", "VERSION = 2") + dedent(TWO_SERVERS))
        server.wait_for("/", "shop 2")
        said = f"a new server at 127.0.0.1:{server.other} needs a restart to run\n"
        server.wait_for_log(said)
        with pytest.raises(OSError, match="refused"):
            at(server.other)


def test_a_changed_address_or_number_of_threads_is_said_to_need_a_restart_and_the_server_goes_on(serve):
    site, running = serve(ONE_SERVER)
    with running as server:
        text = (site / "app.py").read_text().replace('("127.0.0.1", PORT)', '("127.0.0.1", OTHER)')
        site.edit("app.py", text.replace("numthreads=5", "numthreads=6").replace("VERSION = 1", "VERSION = 2"))
        server.wait_for("/", "shop 2")
        changed = f"the server's address changed from 127.0.0.1:{server.port} to 127.0.0.1:{server.other}: {REST}"
        assert changed in server.log
        assert f"the server's number of threads changed from 5 to 6: {REST}" in server.log
        assert server.log.count("restart to apply it") == 2


def test_a_script_whose_main_thread_waits_for_the_thread_of_its_server_is_reloaded(project):
    site = project(
        {
            "app.py": """
                import os, threading
                from cheroot.wsgi import Server
                from ponyreload import *

                use_autoreload()

                def application(environ, start_response):
                    start_response("200 OK", [("Content-Type", "text/plain")])
                    return [b"one"]

                server = Server(("127.0.0.1", int(os.environ["PORT"])), application)
                thread = threading.Thread(target=server.start)
                thread.start()
                thread.join()
            """
        }
    )
    with site.serve() as live:
        assert live.get() == "one"
        site.replace("app.py", 'b"one"', 'b"two"')
        live.wait_for("/", "two")
        site.replace("app.py", 'b"two"', 'b"three"')
        live.wait_for("/", "three")
