"""`on_retire` functions and `superseded`: a generation learns of its end, and a request that holds one is named."""

from __future__ import annotations

import re
import textwrap

import pytest

FILES = {
    "log.py": "lines = []\n",
    "gate.py": "import threading\nopen = threading.Event()\n",
    "shop.py": """
        from ponyreload import *
        import log
        X = 1

        @on_retire
        def first():
            log.lines.append(f"first of {X}, {generation()}, superseded {superseded()}")

        @on_retire
        def second():
            log.lines.append(f"second of {X}")
    """,
    "app.py": """
        from ponyreload import *
        import gate, shop
        reloader = use_autoreload()

        @AutoreloadMiddleware
        def application(environ, start_response):
            start_response("200 OK", [])
            if environ["PATH_INFO"] == "/waits":
                gate.open.wait(20)
                return [b"waited"]
            return stream() if environ["PATH_INFO"] == "/stream" else [str(shop.X).encode()]

        def stream():
            while not superseded():
                yield str(shop.X).encode()
            yield b"!"
    """,
}
TO_2 = 'project.replace("shop.py", "X = 1", "X = 2"); app.reloader.wait(1, 10)'


def test_the_hooks_of_a_generation_run_once_when_its_last_request_has_ended_the_newest_first(project):
    told = project(FILES).drive(f"""
        import app, log
        body = start(app.application, "/stream")
        parts = iter(body)
        next(parts)
        {TO_2}
        during = list(log.lines)
        rest = "".join(part.decode() for part in parts)
        body.close()
        until(lambda: len(app.reloader.living) == 1)
        project.replace("shop.py", "X = 2", "X = 3")
        app.reloader.wait(2, 10)
        until(lambda: len(app.reloader.living) == 1)
        tell(during=during, rest=rest, lines=log.lines)
    """)
    assert told["during"] == []
    assert told["rest"] == "!"
    assert told["lines"] == [
        "second of 1", "first of 1, 1, superseded True", "second of 2", "first of 2, 2, superseded True"
    ]  # fmt: skip


def test_a_hook_that_fails_is_reported_alone(project):
    files = {**FILES, "shop.py": FILES["shop.py"].replace('log.lines.append(f"second of {X}")', "1 / 0")}
    told = project(files).drive(f"""
        import app, log
        request(app.application)
        {TO_2}
        until(lambda: len(app.reloader.living) == 1)
        tell(lines=log.lines)
    """)
    assert told["lines"] == ["first of 1, 1, superseded True"]
    assert "on_retire function second failed; generation 1 still retires:\nTraceback" in told["stderr"]
    assert "ZeroDivisionError: division by zero" in told["stderr"]


def test_the_hooks_of_a_load_that_fails_run_too_and_no_others(project):
    told = project(FILES).drive("""
        import app, log
        request(app.application)
        project.edit("shop.py", (project / "shop.py").read_text().replace("X = 1", "X = 2") + "\\n1 / 0\\n")
        until(lambda: app.reloader.error)
        until(lambda: len(app.reloader.living) == 1)
        tell(lines=log.lines, answer=request(app.application))
    """)
    assert told["lines"] == ["second of 2", "first of 2, 2, superseded True"]
    assert told["answer"] == "1"


def test_at_the_end_of_the_process_the_hooks_of_all_living_generations_run(project):
    files = {**FILES, "log.py": "class Lines(list):\n    append = staticmethod(print)\nlines = Lines()\n"}
    site = project(files)
    done = site.run(
        "-c",
        "from driving import *\nimport app\nbody = start(app.application, '/stream')\nnext(iter(body))\n"
        f"{TO_2}\nprint('end')",
    )
    assert done.stdout.splitlines() == [
        "end",
        "second of 1",
        "first of 1, 1, superseded True",
        "second of 2",
        "first of 2, 2, superseded True",
    ]


def test_a_method_of_a_librarys_object_belongs_to_the_module_that_registers_it(project):
    site = project({
        **FILES,
        "lib.py": """
            import log
            class Pool:
                def __init__(self, name):
                    self.name = name
                def close(self):
                    log.lines.append(f"{self.name} is closed")
        """,
        "shop.py": """
            from ponyreload import *
            import lib
            X = 1
            pool = lib.Pool(f"pool {X}")
            on_retire(pool.close)
            on_reload(pool.close)
        """,
    })  # fmt: skip
    told = site.drive(f"""
        import app, log
        request(app.application)
        {TO_2}
        until(lambda: len(app.reloader.living) == 1)
        project.replace("shop.py", "X = 2", "X = 3")
        app.reloader.wait(2, 10)
        until(lambda: len(app.reloader.living) == 1)
        tell(lines=log.lines)
    """)
    assert told["lines"] == ["pool 1 is closed", "pool 1 is closed", "pool 2 is closed", "pool 2 is closed"]


def test_what_a_system_module_registers_is_called_at_each_retirement(project):
    site = project(
        {**FILES, "lib.py": "import log, ponyreload\nponyreload.on_retire(lambda: log.lines.append('lib'))\n"}
    )
    site.replace("shop.py", "import log", "import lib, log")
    told = site.drive(f"""
        import app, log
        request(app.application)
        {TO_2}
        until(lambda: len(app.reloader.living) == 1)
        tell(lines=log.lines)
    """)
    assert told["lines"] == ["second of 1", "first of 1, 1, superseded True", "lib"]
    # And at the end of the process, once for the generation that serves.
    site = site.run("-c", "import app, log\nlog.lines = type('Lines', (), {'append': print})\napp.reloader.start()")
    assert site.stdout.splitlines().count("lib") == 1


LIBRARY = """
    import functools
    import log, ponyreload

    class Pool:
        on_error = None

        def __call__(self):
            log.lines.append("library")

        def close(self):
            log.lines.append("library")

        @classmethod
        def stop(cls):
            log.lines.append("library")

        @staticmethod
        def halt():
            log.lines.append("library")

    class Watched(Pool):
        \"\"\"Notes what is asked of it: nobody is to run its code to find out whose it is.\"\"\"

        def __getattr__(self, name):
            log.lines.append(f"asked for {name}")
            raise AttributeError(name)

    class Later:
        def __init__(self, function):
            self.function = function

        def __call__(self):
            self.function()

    def retry(function):
        @functools.wraps(function)
        def call():
            function()
        return call

    def register(function):
        ponyreload.on_retire(function)

    POOL = Pool()
"""
PATCHING = """
    from ponyreload import *
    import functools, lib, log
    X = 1
    lib.Pool.debug = lambda self: X

    class Mine(lib.Pool):
        def __call__(self):
            log.lines.append(X)

        @classmethod
        def make(cls):
            log.lines.append(X)

    class Items(list):
        def __repr__(self):
            return ""

    def mine():
        log.lines.append(X)
"""


@pytest.fixture
def registering(project):
    """Have a module register a function, and a user module patch the library; return the lines of two retirements."""

    def run(lib="", shop=""):
        site = project({**FILES, "lib.py": textwrap.dedent(LIBRARY) + lib, "shop.py": textwrap.dedent(PATCHING) + shop})
        return site.drive(f"""
            import app, log
            request(app.application)
            {TO_2}
            until(lambda: len(app.reloader.living) == 1)
            project.replace("shop.py", "X = 2", "X = 3")
            app.reloader.wait(2, 10)
            until(lambda: len(app.reloader.living) == 1)
            tell(lines=log.lines)
        """)["lines"]

    return run


@pytest.mark.parametrize(
    "function",
    ["POOL.close", "POOL", "Pool.stop", "Pool.halt", "functools.partial(POOL.close)", "retry(POOL.close)", "Watched()"],
)
def test_what_a_system_module_registers_stays_its_own_though_user_code_patches_its_class(registering, function):
    assert registering(lib=f"register({function})\n") == ["library", "library"]


def test_what_a_system_module_registers_stays_its_own_though_user_code_gives_it_a_callback(registering):
    lines = registering(lib="register(POOL.close)\n", shop="lib.POOL.on_error = mine\n")
    assert lines == ["library", "library"]


@pytest.mark.parametrize(
    ("function", "lines"),
    [
        ("mine", [1, 2]),
        ("Mine()", [1, 2]),
        ("Mine().close", ["library", "library"]),
        ("Mine.make", [1, 2]),
        ("functools.partial(mine)", [1, 2]),
        ("lib.retry(mine)", [1, 2]),
        ("lib.Later(mine)", [1, 2]),
        ("lib.Later(mine).__call__", [1, 2]),
        ("Items().clear", []),
    ],
)
def test_what_a_system_module_registers_for_user_code_goes_with_its_generation(registering, function, lines):
    # A system module's would be called at both retirements, each time it was registered.
    assert registering(shop=f"lib.register({function})\n") == lines


def test_what_a_system_module_registers_that_a_load_imports_first_is_called_at_each_retirement_and_reload(project):
    site = project({
        **FILES,
        "lib.py": """
            import log, ponyreload
            ponyreload.on_retire(lambda: log.lines.append("retire"))
            ponyreload.on_reload(lambda: log.lines.append("reload"))
        """,
    })  # fmt: skip
    told = site.drive("""
        import app, log
        request(app.application)
        log.lines.clear()
        for number in (2, 3, 4):
            project.replace("shop.py", f"X = {number - 1}", f"X = {number}; import lib")
            app.reloader.wait(number - 1, 10)
            until(lambda: len(app.reloader.living) == 1)
        tell(lines=[line for line in log.lines if line.startswith("re")])
    """)
    assert told["lines"] == ["retire", "reload", "retire", "reload", "retire"]


def test_what_is_registered_at_any_moment_is_called(project):
    # In the midst of each line that works on what is registered, as a signal handler or another thread may.
    site = project({
        **FILES,
        "lib.py": """
            import ponyreload
            from ponyreload.lifecycle import hooks

            lines = []
            called = {"on_reload": set(), "on_retire": set()}

            def trace(frame, event, arg):
                if frame.f_code.co_filename == hooks.__file__:
                    if is_on and frame.f_lineno not in lines:
                        lines.append(frame.f_lineno)
                        for kind, numbers in called.items():
                            getattr(ponyreload, kind)(lambda numbers=numbers, line=lines[-1]: numbers.add(line))
                    return trace

            is_on = True
        """,
    })  # fmt: skip
    site.replace("shop.py", "X = 1", "X = 1\non_reload(log.lines.clear)")
    told = site.drive(f"""
        import app, lib
        threading.settrace(lib.trace)
        request(app.application)
        {TO_2}
        until(lambda: len(app.reloader.living) == 1)
        lib.is_on = False
        project.replace("shop.py", "X = 2", "X = 3")
        app.reloader.wait(2, 10)
        until(lambda: len(app.reloader.living) == 1)
        tell(lines=lib.lines, called={{kind: sorted(lines) for kind, lines in lib.called.items()}})
    """)
    assert len(told["lines"]) > 20
    assert told["called"] == {"on_reload": sorted(told["lines"]), "on_retire": sorted(told["lines"])}


def test_of_equal_functions_that_two_threads_register_at_once_one_is_called(project):
    told = project({
        **FILES,
        "lib.py": """
            import threading, ponyreload
            both = threading.Barrier(2)
            called = []

            class Function:
                def __init__(self, name):
                    self.name = name

                def __eq__(self, other):
                    if self.name == "first" and isinstance(other, Function):
                        both.wait(10)  # both have begun to compare
                    return isinstance(other, Function) and self.name == other.name

                def __call__(self):
                    called.append(self.name)

            def register(name):
                ponyreload.on_retire(Function(name))

            register("first")
        """,
        "app.py": "import lib\n" + textwrap.dedent(FILES["app.py"]),
    }).drive(f"""
        import app, lib
        for wait in [in_thread(lambda: lib.register("second")) for _ in range(2)]:
            wait()
        request(app.application)
        {TO_2}
        until(lambda: len(app.reloader.living) == 1)
        tell(called=lib.called)
    """)  # fmt: skip
    assert told["called"] == ["second", "first"]


def test_a_hook_that_hangs_holds_up_nothing(project):
    site = project(
        {
            **FILES,
            "log.py": "import gate\nclass Lines(list):\n    def append(self, line):\n        gate.open.wait(20)\nlines = Lines()\n",
        }
    )
    told = site.drive(f"""
        import app, gate
        request(app.application)
        {TO_2}
        answer = request(app.application)
        project.replace("shop.py", "X = 2", "X = 3")
        app.reloader.wait(2, 10)
        last = request(app.application)
        gate.open.set()
        tell(answer=answer, last=last)
    """)
    assert (told["answer"], told["last"]) == ("2", "3")


def test_the_argument_is_checked(project):
    done = project({"app.py": "import ponyreload\nponyreload.on_retire(3)\n"}).run("app.py", check=False)
    assert "TypeError: on_retire takes a function without parameters, not 3" in done.stderr


# -- superseded --------------------------------------------------------------------------------------------------


def test_a_thread_of_an_old_generation_learns_that_it_is_superseded(project):
    site = project({
        **FILES,
        "shop.py": """
            from ponyreload import *
            import log, threading
            X = 1
            def work():
                while not superseded(timeout=20):
                    log.lines.append("woke up")
                log.lines.append(f"thread of {X} ends")
            threading.Thread(target=work, name="worker").start()
        """,
    })  # fmt: skip
    told = site.drive(f"""
        import app, log
        request(app.application)
        {TO_2}
        until(lambda: sum(thread.name == "worker" for thread in threading.enumerate()) == 1)
        tell(lines=log.lines)
    """)  # and the process ends, although the newest thread is no daemon
    assert told["lines"] == ["thread of 1 ends"]


@pytest.mark.parametrize("environment", [{}, {"PONYRELOAD": "off"}])
def test_what_is_newest_is_not_superseded(project, environment):
    site = project(
        {**FILES, "look.py": "from ponyreload import *\nuse_autoreload()\nprint(superseded(), superseded(0.01))\n"}
    )
    assert site.run("look.py", **environment).stdout == "False False\n"


# -- draining ----------------------------------------------------------------------------------------------------


def test_requests_that_hold_an_old_generation_are_named_once(project):
    site = project(FILES)
    site.replace("app.py", "use_autoreload()", "use_autoreload(drain_seconds=0.2)")
    site.replace("app.py", "while not superseded()", "while True")
    told = site.drive(f"""
        import app, gate, sys, io
        said = sys.stderr = io.StringIO()
        began = time.monotonic()
        body = start(app.application, "/stream", SCRIPT_NAME="/shop")
        next(iter(body))
        waits = in_thread(lambda: request(app.application, "/waits", REQUEST_METHOD="POST"))
        until(lambda: len(app.reloader.living[0].leases) == 2)
        {TO_2}
        until(lambda: "is held by" in said.getvalue())
        most = time.monotonic() - began
        project.replace("shop.py", "X = 2", "X = 3")  # newer ones are not delayed
        app.reloader.wait(2, 10)
        answer = request(app.application)
        gate.open.set()
        waits()
        body.close()
        until(lambda: len(app.reloader.living) == 1)
        sys.stderr = sys.__stderr__
        said = [line for line in said.getvalue().splitlines() if "is held by" in line]
        tell(said=said, answer=answer, most=most)
    """)
    assert told["answer"] == "3"
    (said,) = told["said"]
    stream, waits, superseded = map(int, re.findall(r"(\d+) s\b", said))
    assert superseded <= waits <= stream <= round(told["most"])
    assert said == (
        f"generation 1 is held by GET /shop/stream, open for {stream} s, POST /waits, open for {waits} s, {superseded} s after "
        "it was superseded; newer requests are not delayed"
    )


@pytest.mark.parametrize("error", ["SystemExit(3)", "KeyboardInterrupt()", "asyncio.CancelledError()"])
def test_a_hook_that_would_end_the_process_is_reported_and_the_others_still_run(project, error):
    shop = (
        FILES["shop.py"]
        + f"""
        @on_retire
        def third():
            import asyncio
            raise {error}
    """
    )
    told = project({**FILES, "shop.py": shop}).drive(f"""
        import app, log
        request(app.application)
        {TO_2}
        until(lambda: len(app.reloader.living) == 1)
        tell(lines=log.lines, answer=request(app.application))
    """)
    assert [line.split(",")[0] for line in told["lines"][:2]] == ["second of 1", "first of 1"]
    assert told["answer"] == "2"
    assert "on_retire function third failed; generation 1 still retires" in told["stderr"]
