"""A load runs in another thread than the first start did; what only the main thread may do is carried out there."""

from __future__ import annotations

import signal

FILES = {
    "app.py": """
        import asyncio, os, signal, sys, threading, warnings
        from cheroot.wsgi import Server
        from ponyreload import *
        import log

        use_autoreload()
        VERSION = 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loop = asyncio.get_event_loop()

        def on_usr1(signum, frame):
            log.lines.append(f"{VERSION} on {threading.current_thread().name}")

        previous = signal.signal(signal.SIGUSR1, on_usr1)

        async def add(a, b):
            return a + b

        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            if environ["PATH_INFO"] == "/log":
                return [repr(log.lines).encode()]
            if environ["PATH_INFO"] == "/loop":
                return [str(loop.run_until_complete(add(1, 2))).encode()]
            if environ["PATH_INFO"] == "/daemon":
                return [repr([worker.daemon, threading.main_thread().daemon]).encode()]
            return [str(VERSION).encode()]

        worker = threading.Thread(target=int)
        server = Server(("127.0.0.1", int(os.environ["PORT"])), application)
        try:
            server.start()
        except KeyboardInterrupt:
            server.stop()
    """,
    "log.py": "lines = []\n",
}


def test_signal_handlers_of_a_reload_are_set_on_the_main_thread(project):
    site = project(FILES)
    with site.serve() as live:
        live.process.send_signal(signal.SIGUSR1)
        live.wait_for("/log", "['1 on MainThread']")
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        live.wait_for("/", "2")
        live.wait_until(lambda: _told_again(live), "the new handler")
        assert live.stop(signal.SIGINT) == 0


def _told_again(live):
    live.process.send_signal(signal.SIGUSR1)
    return "'2 on MainThread'" in live.get("/log")


def test_a_load_that_fails_sets_no_signal_handler(project):
    site = project(FILES)
    with site.serve() as live:
        site.edit(
            "app.py",
            (site / "app.py")
            .read_text()
            .replace("VERSION = 1", "VERSION = 2")
            .replace("server = Server", "1 / 0; server = Server"),
        )
        live.wait_for_log("still serving generation 1")
        live.process.send_signal(signal.SIGUSR1)
        live.wait_for("/log", "['1 on MainThread']")


def test_asyncio_finds_an_event_loop_at_module_level_in_each_generation(project):
    site = project(FILES)
    with site.serve() as live:
        assert live.get("/loop") == "3"
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        live.wait_for("/", "2")
        assert live.get("/loop") == "3"


def test_threads_of_a_reloaded_script_are_no_daemons_as_in_its_first_run(project):
    site = project(FILES)
    with site.serve() as live:
        assert live.get("/daemon") == "[False, False]"
        site.replace("app.py", "VERSION = 1", "VERSION = 2")
        live.wait_for("/", "2")
        assert live.get("/daemon") == "[False, False]"


def test_a_wrong_signal_handler_fails_as_it_does_on_the_main_thread(project):
    site = project(FILES)
    with site.serve() as live:
        site.replace("app.py", "signal.SIGUSR1, on_usr1", "signal.SIGUSR1, 'no handler'")
        live.wait_for_log("TypeError: signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
        assert live.get("/") == "1"
