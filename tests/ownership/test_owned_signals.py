"""A signal handler counts for as long as generations set it; then the one from before them all comes back."""

from __future__ import annotations

import textwrap

import pytest

SYSTEM = """
    import signal, threading

    version, fails, sets = 1, False, True
    lines, seen = [], []

    def handler(signum, frame):
        lines.append("system")

    def install():
        signal.signal(signal.SIGUSR2, handler)
"""
APP = """
    from ponyreload import *
    import signal, threading, system
    {before}
    reloader = use_autoreload()
    {after}

    if system.fails:
        1 / 0

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [])
        return [b""]
"""
DRIVE = """
    import signal
    import system
    {first}
    import app
    reloader = app.reloader

    def reload(version=None, **facts):
        vars(system).update(facts, version=version)
        try:
            reloader.reload()
        except ponyreload.LoadError as error:
            assert system.fails, error

    def alone():
        until(lambda: len(reloader.living) == 1)
        until(lambda: living_generations() == [reloader.generation])

    def sent(number=signal.SIGUSR1):
        system.lines.clear()
        os.kill(os.getpid(), number)
        until(lambda: system.lines)
        return system.lines.pop()

    def until_sent(expected):
        until(lambda: sent() == expected)
"""
SET = """
    def on_usr1(signum, frame):
        system.lines.append([VERSION, generation(), threading.current_thread() is threading.main_thread()])

    VERSION = system.version
    if system.sets:
        system.seen.append([str(signal.getsignal(signal.SIGUSR1)), str(signal.signal(signal.SIGUSR1, on_usr1))])
"""
BEFORE_ALL = "signal.signal(signal.SIGUSR1, system.handler)"


@pytest.fixture
def drive(project):
    def run(code: str, before: str = "", after: str = "", first: str = "", **more: str) -> dict:
        app = APP
        for place, text in (("{before}", before), ("{after}", after)):
            app = app.replace(place, textwrap.dedent(text).strip().replace("\n", "\n    "))
        site = project({"system.py": SYSTEM, "app.py": app, **{f"{name}.py": text for name, text in more.items()}})
        return site.drive(textwrap.dedent(DRIVE.replace("{first}", first)) + textwrap.dedent(code))

    return run


@pytest.mark.parametrize("place", ["before", "after"])
def test_each_generation_has_its_own_handler_and_without_one_the_first_comes_back(drive, place):
    told = drive("""
        first = sent()
        reload(2)
        until_sent([2, 2, True])
        reload(3, fails=True)
        failed = sent()
        reload(3, fails=False)
        until_sent([3, 3, True])
        alone()
        reload(4, sets=False)
        until_sent("system")
        alone()
        reload(5, sets=True)
        until_sent([5, 5, True])
        alone()
        reload(6, sets=False)
        until_sent("system")
        alone()
        tell(first=first, failed=failed, seen=system.seen[1:])
    """, first=BEFORE_ALL if place == "after" else "", **{place: SET}) if place == "after" else drive("""
        first = sent()
        reload(2)
        until_sent([2, 2, True])
        reload(3, sets=False)
        # What was there before the first generation's code ran, nobody knows; so it is what Python begins with.
        until(lambda: signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL)
        alone()
        tell(first=first, failed=[2, 2, True], seen=[])
    """, before=SET)  # fmt: skip
    assert told["first"] == [1, 1, True]
    assert told["failed"] == [2, 2, True]
    # Each sees the handler from before them all, so that none calls that of an older one.
    assert all("function handler" in each for seen in told["seen"] for each in seen)
    assert len(told["seen"]) == (4 if place == "after" else 0)


def test_a_load_sees_the_handler_that_it_has_set(drive):
    told = drive("""
        reload()
        tell(seen=system.seen)
    """, after="""
        def one(signum, frame): pass
        def two(signum, frame): pass
        signal.signal(signal.SIGUSR1, one)
        system.seen = [signal.getsignal(signal.SIGUSR1) is one, signal.signal(signal.SIGUSR1, two) is one]
        system.seen += [signal.signal(signal.SIGUSR1, signal.SIG_IGN) is two, signal.getsignal(signal.SIGUSR1)]
    """)  # fmt: skip
    assert told["seen"] == [True, True, True, 1]


def test_what_is_ignored_is_given_back_too(drive):
    told = drive("""
        now = [signal.getsignal(signal.SIGUSR1), signal.getsignal(signal.SIGINT)]
        reload(sets=False)
        until(lambda: signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        tell(now=now, then=signal.getsignal(signal.SIGUSR1))
    """, after="""
        if system.sets:
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    """)  # fmt: skip
    assert told == {"now": [1, 1], "then": 0, "stderr": told["stderr"]}


def test_a_handler_that_somebody_else_has_put_there_stays(drive):
    told = drive("""
        # As a server does that starts after the script has set its own.
        signal.signal(signal.SIGUSR1, system.handler)
        reload(2)
        alone()
        second = sent()
        reload(3, sets=False)
        alone()
        tell(second=second, third=sent())
    """, after=SET)  # fmt: skip
    assert told["second"] == told["third"] == "system"


def test_what_a_library_sets_while_user_code_calls_it_stays(drive):
    told = drive("""
        reload()
        until(lambda: signal.getsignal(signal.SIGUSR2) is system.handler)
        reload(sets=False)
        alone()
        tell(sent=sent(signal.SIGUSR2))
    """, after="if system.sets and generation() == 2: system.install()")  # fmt: skip
    assert told["sent"] == "system"


def test_a_handler_that_is_set_later_goes_with_its_generation(drive):
    told = drive("""
        sys.modules["app"].set_now()
        reload()
        until_sent("system")
        alone()
        tell(restored=app.restored())
    """, after="""
        def on_usr1(signum, frame):
            system.lines.append("mine")

        def set_now():
            signal.signal(signal.SIGUSR1, on_usr1)

        def restored():
            # For a while, as is usual.
            before = signal.signal(signal.SIGUSR1, on_usr1)
            signal.signal(signal.SIGUSR1, before)
            return before is system.handler
    """, first=BEFORE_ALL)  # fmt: skip
    assert told["restored"]


def test_a_handler_that_an_older_generation_sets_when_it_is_superseded_goes_with_it(drive):
    told = drive("""
        body = start(app.application)
        reload()
        sys.modules["app"]  # of generation 2 from here on
        "".join(map(bytes.decode, body))
        mine = sent()
        body.close()
        until_sent("system")
        del body
        alone()
        tell(mine=mine)
    """, after="""
        @AutoreloadMiddleware
        def application(environ, start_response):
            start_response("200 OK", [])
            yield b""
            signal.signal(signal.SIGUSR1, lambda signum, frame: system.lines.append("mine"))

        AutoreloadMiddleware = lambda ignored: application
    """, first=BEFORE_ALL)  # fmt: skip
    assert told["mine"] == "mine"


def test_a_request_of_a_later_generation_may_set_a_handler(drive):
    told = drive("""
        reload()
        in_thread(lambda: request(app.application))()
        until(lambda: signal.getsignal(signal.SIGUSR1) is not system.handler)
        mine = sent()
        reload()
        until_sent("system")
        alone()
        tell(mine=mine)
    """, after="""
        def application(environ, start_response):
            signal.signal(signal.SIGUSR1, lambda signum, frame: system.lines.append("mine"))
            start_response("200 OK", [])
            return [b""]
        middleware = AutoreloadMiddleware
        AutoreloadMiddleware = lambda ignored: middleware(application)
    """, first=BEFORE_ALL)  # fmt: skip
    assert told["mine"] == "mine"


def test_a_handler_that_cannot_be_set_is_reported(drive):
    told = drive("""
        reload()
        alone()
        tell()
    """, after="if generation() == 2: signal.signal(signal.SIGKILL, signal.SIG_IGN)")  # fmt: skip
    assert "a signal handler could not be set: [Errno 22] Invalid argument" in told["stderr"]


def test_a_wrong_number_or_handler_fails_as_it_does_on_the_main_thread(drive):
    told = drive("""
        reload()
        tell(seen=system.seen)
    """, after="""
        for number, handler in ((12345, print), (signal.SIGUSR1, "no handler")):
            try:
                signal.signal(number, handler)
            except (TypeError, ValueError) as error:
                system.seen.append(f"{type(error).__name__}: {error}")
    """)  # fmt: skip
    first, second = told["seen"][:2], told["seen"][2:]
    assert first == second
