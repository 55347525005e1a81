"""What a generation leaves is undone in the order in which a process ends."""

from __future__ import annotations

SYSTEM = """
    import io

    lines, out = [], io.StringIO()

    class Pool:
        pass

    pool = Pool()
"""
APP = """
    from ponyreload import *
    import atexit, concurrent.futures, logging, threading, weakref, system
    reloader = use_autoreload()
    log = logging.getLogger("shop")

    def note(what):
        if generation() == 2:
            system.lines.append(what)

    class Handler(logging.StreamHandler):
        def close(self):
            note("handler")
            super().close()

    handler = Handler(system.out)
    handler.setFormatter(logging.Formatter(f"{generation()}:%(message)s"))
    logging.getLogger().addHandler(handler)

    @on_retire
    def hook():
        note("hook")
        # All is there still.
        note(pool.submit(int).result())

    def work():
        superseded(20)
        while generation() == 2 and not pool._shutdown:
            pass
        note("thread")

    def close():
        note("exit function")
        log.warning("closing")

    pool = concurrent.futures.ThreadPoolExecutor(1)
    timer = threading.Timer(600, print)
    timer.start()
    threading.Thread(target=work).start()
    weakref.finalize(system.pool, note, "finalizer")
    atexit.register(close)
    FAILS = False

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [])
        return [b""]
"""


def test_hooks_then_threads_then_exit_functions_then_finalizers_then_logging(project):
    told = project({"system.py": SYSTEM, "app.py": APP}).drive("""
        import app, system
        reloader = app.reloader
        reloader.reload()
        until(lambda: len(reloader.living) == 1)
        timer = sys.modules["app"].timer
        reloader.reload()
        until(lambda: len(reloader.living) == 1)
        tell(lines=system.lines, logged=[line for line in system.out.getvalue().split() if "closing" in line], timer=timer.is_alive())
        sys.modules["app"].timer.cancel()
    """)
    assert told["lines"] == ["hook", 0, "thread", "exit function", "finalizer", "handler"]
    assert told["logged"] == ["1:closing", "2:closing"]
    assert not told["timer"]


def test_the_clean_up_of_a_script_comes_before_its_exit_functions(project):
    site = project({
        "app.py": """
            import atexit, os
            from cheroot.wsgi import Server
            from ponyreload import *
            use_autoreload()
            VERSION = 1

            def application(environ, start_response):
                start_response("200 OK", [("Content-Type", "text/plain")])
                return [str(VERSION).encode()]

            atexit.register(print, "exit function of", VERSION)
            server = Server(("127.0.0.1", int(os.environ["PORT"])), application)
            atexit.register(server.stop)
            try:
                server.start()
            except KeyboardInterrupt:
                server.stop()
            print("clean-up of", VERSION)
        """,
    })  # fmt: skip
    with site.serve() as live:
        for version in (2, 3, 4):
            site.replace("app.py", f"VERSION = {version - 1}", f"VERSION = {version}")
            live.wait_for("/", str(version))
            live.wait_for_log(f"exit function of {version - 1}")
        assert live.stop(2) == 0
        lines = [line for line in live.log.splitlines() if " of " in line]
    assert lines[:5] == [
        "exit function of 1",
        *(f"{what} of {version}" for version in (2, 3) for what in ("clean-up", "exit function")),
    ]
    # The first script runs to the end of the process; its functions were called when its generation retired.
    assert sorted(lines[5:7]) == ["clean-up of 1", "clean-up of 4"]
    assert lines[7:] == ["exit function of 4"]


def test_a_load_begins_when_what_a_failed_one_has_changed_is_changed_back(project):
    files = {
        "system.py": """
            import functools, threading
            go, fails, seen = threading.Event(), False, []

            @functools.singledispatch
            def show(thing):
                return None
        """,
        "app.py": """
            from ponyreload import *
            import logging, sys, warnings, system
            reloader = use_autoreload()
            system.seen = ["/there" in sys.path, any(each[4] == 7 for each in warnings.filters), system.show(1),
                           logging.getLogger("shop").level]
            if generation() == 2:
                sys.path.append("/there")
                warnings.simplefilter("error", UserWarning, 7)
                system.show.register(int, lambda thing: "failed")
                logging.getLogger("shop").setLevel(13)

            if system.fails:
                @on_retire
                def wait():
                    system.go.wait(20)
                1 / 0
        """,
    }
    told = project(files).drive("""
        import app, system, logging, warnings
        system.fails = True
        try:
            app.reloader.reload()
        except ponyreload.LoadError:
            pass
        # The load that failed is being let go of, for a while.
        system.fails = False
        app.reloader.reload()
        # Generation 1 goes its own way meanwhile.
        living = [each.number for each in app.reloader.living if each.number > 1]
        system.go.set()
        until(lambda: len(app.reloader.living) == 1)
        tell(living=living, seen=system.seen, path="/there" in sys.path, level=logging.getLogger("shop").level,
             shown=system.show(1), filters=sum(each[4] == 7 for each in warnings.filters))
    """)
    assert told["living"] == [2, 2]
    assert told["seen"] == [False, False, None, 0]
    # Both had the number 2. What the second one has set is not taken back with the first.
    assert (told["path"], told["level"], told["shown"], told["filters"]) == (True, 13, "failed", 1)


def test_a_load_that_fails_does_not_bring_back_what_went_with_an_older_generation_meanwhile(project):
    files = {
        "system.py": """
            import functools, threading
            busy, go, retires, fails = threading.Event(), threading.Event(), threading.Event(), False

            @functools.singledispatch
            def show(thing):
                return "system"
        """,
        "app.py": """
            from ponyreload import *
            import gc, sys, system
            reloader = use_autoreload()

            class Finder:
                def find_spec(self, name, path=None, target=None):
                    return None

            def nothing(*args):
                return None

            if generation() == 2:
                sys.meta_path.append(Finder())
                gc.callbacks.append(nothing)

                @on_retire
                def wait():
                    system.retires.wait(20)

            if generation() in (2, 4):
                system.show.register(int, nothing)

            if system.fails:
                system.busy.set()
                system.go.wait(20)
                1 / 0
        """,
    }
    told = project(files).drive("""
        import app, system

        def fails():
            try:
                app.reloader.reload()
            except ponyreload.LoadError:
                pass

        def count():
            found = [each for each in sys.meta_path if type(each).__module__ == "app"]
            return [len(found), sum(each.__module__ == "app" for each in gc.callbacks), len(system.show.registry)]

        app.reloader.reload()
        until(lambda: [each.number for each in app.reloader.living] == [2])
        app.reloader.reload()
        during = count()
        system.fails = True
        failed = in_thread(fails)
        system.busy.wait(20)
        system.retires.set()
        until(lambda: [each.number for each in app.reloader.living] == [3, 4])
        system.go.set()
        failed()
        until(lambda: [each.number for each in app.reloader.living] == [3])
        until(lambda: living_generations() == [3])
        tell(during=during, after=count())
    """)
    # Generation 2 has begun to retire then.
    assert told["during"] == [1, 1, 2]
    assert told["after"] == [0, 0, 1]
