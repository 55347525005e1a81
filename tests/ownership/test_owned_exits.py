"""Exit functions and finalizers run when their generation retires, or when the process ends; never both."""

from __future__ import annotations

import textwrap

import pytest

from ponyreload.generations.generation import Generation
from ponyreload.ownership.exits import Exit
from ponyreload.ownership.makers import Maker

APP = """
    from ponyreload import *
    import atexit, functools, weakref, log
    {before}
    reloader = use_autoreload()

    def note(*args, **kwargs):
        log.lines.append([generation(), *args, *sorted(kwargs.items())])

    {after}

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [])
        return [b""]
"""
LOG = """
    import threading

    lines = []

    class Thing:
        def __init__(self, name):
            self.name = name

        def close(self, *args):
            lines.append([self.name, *args])

    class Observer(threading.Thread):
        def __init__(self, name):
            super().__init__(name=name, daemon=True)
            self.ends = threading.Event()

        def run(self):
            self.ends.wait(20)

        def close(self):
            lines.append(self.name)
            self.ends.set()

    def close_all():
        lines.append("all")

    shared = Thing("shared")
    cache = {"connection": Thing("cached")}
    exits = True
"""
DRIVE = """
    import app, atexit, log
    reloader = app.reloader

    def alone():
        until(lambda: len(reloader.living) == 1)
        until(lambda: living_generations() == [reloader.generation])
"""


@pytest.fixture
def drive(project):
    def run(code: str, after: str = "", before: str = "", **more: str) -> dict:
        app = APP
        for place, text in (("{before}", before), ("{after}", after)):
            app = app.replace(place, textwrap.dedent(text).strip().replace("\n", "\n    "))
        site = project({"log.py": LOG, "app.py": app, **{f"{name}.py": text for name, text in more.items()}})
        return site.drive(textwrap.dedent(DRIVE) + textwrap.dedent(code))

    return run


def test_exit_functions_run_once_newest_first_with_their_arguments_and_their_generation_active(drive):
    told = drive("""
        reloader.reload()
        alone()
        atexit._run_exitfuncs()
        tell(lines=log.lines)
    """, after="""
        atexit.register(note, 1, a=2)

        @atexit.register
        def last():
            note("last")
            atexit.register(note, "registered meanwhile")

        atexit.register(functools.partial(note, 3), 4)
    """)  # fmt: skip
    of_one = [[1, 3, 4], [1, "last"], [1, "registered meanwhile"], [1, 1, ["a", 2]]]
    # When the process ends, Python does not call what is registered then.
    assert told["lines"] == [*of_one, [2, 3, 4], [2, "last"], [2, 1, ["a", 2]]]


def test_whoever_comes_first_calls_it():
    calls = []
    last = Exit(Maker(Generation(3), "shop"), calls.append, (1,), {})
    last()
    last()
    assert calls == [1]


def test_those_of_a_load_that_fails_run_too(drive):
    told = drive("""
        log.fails = True
        try:
            reloader.reload()
        except ponyreload.LoadError:
            alone()
        tell(lines=log.lines)
    """, after="""
        atexit.register(note)
        if getattr(log, "fails", False):
            1 / 0
    """)  # fmt: skip
    assert told["lines"] == [[2]]


def test_one_that_fails_is_reported_and_the_others_still_run(drive):
    told = drive("""
        reloader.reload()
        alone()
        tell(lines=log.lines)
    """, after="""
        if generation() == 1:
            atexit.register(note, "first")
            @atexit.register
            def fails():
                1 / 0
            @atexit.register
            def leaves():
                raise SystemExit(3)
            atexit.register(note, "last")
    """)  # fmt: skip
    assert told["lines"] == [[1, "last"], [1, "first"]]
    assert "exit function fails of generation 1 failed; the others still run:\nTraceback (most" in told["stderr"]
    assert "exit function leaves of generation 1 failed; the others still run:\nTraceback (most" in told["stderr"]


def test_a_function_that_was_taken_back_does_not_run(drive):
    told = drive("""
        reloader.reload()
        alone()
        atexit._run_exitfuncs()
        tell(lines=log.lines)
    """, after="""
        atexit.register(note, "mine")
        atexit.register(log.shared.close, "argument")
        atexit.register(note)
        atexit.unregister(note)
        atexit.unregister(log.shared.close)
        # That of the older generation is equal to it, and stays its own.
        atexit.register(log.Thing.close, log.Thing(generation()))
        if generation() == 2:
            atexit.unregister(log.Thing.close)
    """)  # fmt: skip
    assert told["lines"] == [[1]]


def test_what_a_library_registers_waits_for_the_process_to_end(drive):
    told = drive("""
        for _ in range(3):
            reloader.reload()
        alone()
        before = list(log.lines)
        atexit._run_exitfuncs()
        tell(before=before, after=log.lines)
    """, after="""
        import library
        library.open("made by a library")
    """, library="""
        import atexit, log

        def open(name):
            atexit.register(log.lines.append, name)

        open("imported")
    """)  # fmt: skip
    assert told["before"] == []
    assert told["after"] == [*["made by a library"] * 4, "imported"]


def test_a_librarys_function_runs_at_retirement_if_it_works_on_something_of_the_generation(drive):
    told = drive("""
        reloader.reload()
        alone()
        before = list(log.lines)
        atexit._run_exitfuncs()
        tell(before=before, after=log.lines)
    """, after="""
        mine = log.Thing(f"of {generation()}")
        atexit.register(mine.close)
        atexit.register(log.lines.append, f"argument of {generation()}")
        # These work on what the process has: it must not be shut down because a generation retires.
        atexit.register(log.shared.close)
        atexit.register(functools.partial(log.shared.close, True), 5, 0.5, None)
        atexit.register(log.cache["connection"].close)
        # Python has a list of all threads; but this one is of the generation.
        observer = log.Observer(f"observer of {generation()}")
        observer.start()
        atexit.register(observer.close)
        atexit.register(log.close_all)
        kept = keep("kept", lambda: log.Thing("kept"))
        atexit.register(kept.close)
    """)  # fmt: skip
    assert told["before"] == ["observer of 1", "argument of 1", ["of 1"]]
    assert told["after"] == [
        *told["before"],
        ["kept"],
        "all",
        "observer of 2",
        ["cached"],
        ["shared", True, 5, 0.5, None],
        ["shared"],
        "argument of 2",
        ["of 2"],
    ]


def test_what_a_project_module_registers_that_is_no_user_module_waits_for_the_process_to_end(drive):
    told = drive("""
        reloader.reload()
        reloader.reload()
        alone()
        log.imports = "other"
        reloader.reload()
        reloader.reload()
        alone()
        before = list(log.lines)
        atexit._run_exitfuncs()
        tell(before=before, after=log.lines)
    """, after="import system; __import__(getattr(log, 'imports', 'log'))", system="""
        import atexit, log

        @atexit.register
        def close():
            log.lines.append("system")
    """, other="""
        import atexit, log
        atexit.register(lambda: log.lines.append("other"))
    """)  # fmt: skip
    assert told["before"] == []
    assert told["after"] == ["other", "system"]


def test_functions_from_before_autoreload_was_on_run_at_retirement_unless_they_may_have_arguments(drive):
    told = drive("""
        reloader.reload()
        until(lambda: len(reloader.living) == 1)
        before = list(log.lines)
        atexit._run_exitfuncs()
        tell(before=before, after=log.lines)
    """, before="""
        class Pool:
            def close(self):
                log.lines.append("method")

        pool = Pool()

        def close():
            log.lines.append("function")

        def close_all(name="?"):
            log.lines.append(name)

        if not log.lines and log.exits:
            log.exits = False
            atexit.register(close)
            atexit.register(close_all, "with an argument")
            atexit.register(pool.close)
            atexit.register(log.shared.close)
    """)  # fmt: skip
    assert told["before"] == ["method", "function"]
    assert told["after"] == ["method", "function", ["shared"], "with an argument"]


def test_at_the_end_of_the_process_all_run_newest_first_among_those_of_libraries(project):
    site = project({
        "log.py": "lines = []\n",
        "app.py": """
            from ponyreload import *
            import atexit, log
            reloader = use_autoreload()

            @atexit.register
            def close():
                print("user", generation())

            @AutoreloadMiddleware
            def application(environ, start_response):
                start_response("200 OK", [])
                yield b"part"
                yield b"part"
        """,
        "drive.py": """
            import atexit
            from driving import *
            import app
            atexit.register(print, "library, after 1")
            body = iter(start(app.application))
            next(body)  # so that generation 1 lives
            app.reloader.reload()
            atexit.register(print, "library, after 2")
        """,
    })  # fmt: skip
    done = site.run("drive.py")
    assert done.stdout.splitlines() == ["library, after 2", "user 2", "library, after 1", "user 1"]
    assert "Error" not in done.stderr


# -- finalizers --------------------------------------------------------------------------------------------------


def test_the_finalizer_of_what_is_kept_waits_for_its_end(drive):
    told = drive("""
        app.reloader.reload()
        until(lambda: len(reloader.living) == 1)
        tell(lines=log.lines)
    """, after="""
        def make():
            kept = log.Thing("kept")
            weakref.finalize(kept, note, "too early")
            return kept

        keep("kept", make)
    """)  # fmt: skip
    assert told["lines"] == []


def test_finalizers_of_living_objects_run_at_retirement_newest_first(drive):
    told = drive("""
        reloader.reload()
        alone()
        until(lambda: len(log.lines) == 5)
        tell(lines=log.lines)
    """, after="""
        class Pool:
            def close(self, name):
                note(name)

        if generation() == 1:
            pool, gone = Pool(), Pool()
            # They hold what they are to close, so that it lives for ever in a plain process.
            weakref.finalize(pool, pool.close, "object of the generation")
            weakref.finalize(log.shared, note, "object of a library")
            weakref.finalize(log.shared, functools.partial(note, "partial"))
            weakref.finalize(log.shared, note, "not at exit").atexit = False
            weakref.finalize(log.shared, lambda: 1 / 0)
            weakref.finalize(gone, note, "gone before")
            del gone
            # A library's function is called when its object goes.
            weakref.finalize(pool, log.lines.append, "library")
            weakref.finalize(log.shared, log.lines.append, "of the process")
    """)  # fmt: skip
    expected = [
        [1, "gone before"],
        [1, "partial"],
        [1, "object of a library"],
        [1, "object of the generation"],
        "library",
    ]
    assert told["lines"] == expected
    assert "exit function finalize of generation 1 failed; the others still run" in told["stderr"]


@pytest.mark.parametrize(
    "made",
    [
        "keep('state', dict).setdefault('pool', shared.Pool())",
        "keep('pool', shared.Pool)",
        "shared.pool()",
        "shared.pool_for(1)",
    ],
)
def test_an_exit_function_does_not_close_what_all_generations_share(project, made):
    files = {
        "shared.py": """
            import functools

            class Pool:
                is_open = True

                def close(self):
                    self.is_open = False

            @functools.cache
            def pool():
                return Pool()

            @functools.lru_cache(maxsize=8)
            def pool_for(number):
                return Pool()
        """,
        "app.py": f"""
            from ponyreload import *
            import atexit, shared
            reloader = use_autoreload()
            pool = {made}
            atexit.register(pool.close)

            @AutoreloadMiddleware
            def application(environ, start_response):
                start_response("200 OK", [])
                return [str(pool.is_open).encode()]
        """,
    }
    told = project(files).drive("""
        import app
        for _ in range(3):
            app.reloader.reload()
        until(lambda: len(app.reloader.living) == 1)
        tell(answer=request(app.application))
    """)
    assert told["answer"] == "True"
