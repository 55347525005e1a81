"""Frames of threads can be had at any moment."""

from __future__ import annotations

import ast
import sys
import threading

import pytest

from ponyreload.interpreter import frames
from projects import SOURCE

# The collector begins often, and what it collects lets other threads run. These start and end, which Python's list of
# threads is locked for.
LOOK = """
    import faulthandler, gc, threading, time
    from ponyreload.interpreter.frames import thread_frames as frames

    class Garbage:
        def __del__(self):
            time.sleep(0.0001)

    def call(depth=5):
        return call(depth - 1) if depth else time.sleep(0.001)

    def look():
        garbage = Garbage()
        garbage.itself = garbage
        del garbage
        assert threading.get_ident() in frames()
        time.sleep(0.0005)

    def start():
        thread = threading.Thread(target=len, args=[()])
        thread.start()
        thread.join()

    def repeat(function):
        while time.monotonic() < end:
            function()

    gc.set_threshold(10)
    faulthandler.dump_traceback_later(30, exit=True)
    end = time.monotonic() + 3
    threads = [threading.Thread(target=repeat, args=[each]) for each in [*[call] * 10, look, look, start]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("end", gc.isenabled())
"""


def test_a_collection_meanwhile_does_not_stop_all_threads(project):
    assert project({"app.py": LOOK}).run("app.py").stdout == "end True\n"


def test_the_collector_stays_off_if_it_was(project):
    text = "import gc\nfrom ponyreload.interpreter.frames import thread_frames\ngc.disable()\nthread_frames()\nprint(gc.isenabled())\n"
    assert project({"app.py": text}).run("app.py").stdout == "False\n"


# Another thread turns the collector off at the n-th moment at which Python lets one in: between two lines or calls.
RACE = """
    import gc, sys, threading
    from ponyreload.interpreter.frames import thread_frames

    def moments(at):
        moments = 0

        def trace(*_):
            nonlocal moments
            moments += 1
            if moments == at:
                thread = threading.Thread(target=gc.disable)
                thread.start()
                thread.join()
            return trace

        gc.enable()
        sys.settrace(trace)
        sys.setprofile(trace)
        thread_frames()
        sys.setprofile(None)
        sys.settrace(None)
        return moments

    count = moments(at=0)
    assert gc.isenabled()
    undone = []
    for at in range(1, count + 1):
        moments(at)
        if gc.isenabled():
            undone.append(at)
    print(count > 5, undone)
"""


def test_another_thread_that_turns_the_collector_off_meanwhile_has_its_way(project):
    assert project({"app.py": RACE}).run("app.py").stdout == "True []\n"


AUDIT = """
    import gc, sys
    from ponyreload.interpreter.frames import thread_frames

    def refuse(event, args):
        if event == "sys._current_frames":
            raise PermissionError(event)

    sys.addaudithook(refuse)
    for switch in (gc.enable, gc.disable):
        switch()
        try:
            thread_frames()
        except PermissionError as error:
            print(error, gc.isenabled())
"""


def test_the_collector_is_as_before_if_an_audit_hook_refuses(project):
    told = project({"app.py": AUDIT}).run("app.py").stdout
    assert told == "sys._current_frames True\nsys._current_frames False\n"


def test_a_stack_is_walked_from_the_inside_out():
    def ask():
        return [each.f_code.co_name for each in frames.callers()][:2]

    def outer():
        return ask()

    assert outer() == ["outer", "test_a_stack_is_walked_from_the_inside_out"]
    assert next(frames.outward(sys._getframe())) is sys._getframe()
    assert list(frames.outward(None)) == []


def test_stacks_are_walked_by_one_generator():
    walking = {
        str(file.relative_to(SOURCE / "ponyreload")): node.lineno
        for file in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.While) and "f_back" in ast.unparse(node)
    }
    # The second one is in the way of each import, and says why it is written out.
    assert list(walking) == ["generations/context.py", "interpreter/frames.py"]


# -- without a GIL -----------------------------------------------------------------------------------------------


@pytest.fixture
def no_gil(monkeypatch):
    """As a build without a GIL tells it."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)


@pytest.fixture
def waiting():
    """The frame of a function that another thread runs."""
    runs, go, seen = threading.Event(), threading.Event(), []

    def wait():
        mine = "a variable"
        seen.append(sys._getframe())
        runs.set()
        go.wait(20)
        return mine

    thread = threading.Thread(target=wait)
    thread.start()
    assert runs.wait(20)
    yield seen[0]
    go.set()
    thread.join(20)


def test_variables_of_a_function_that_another_thread_runs_are_looked_at(waiting):
    assert frames.locals_of(waiting)["mine"] == "a variable"


def test_without_a_gil_they_are_not(waiting, no_gil):
    def look(mine):
        return frames.locals_of(sys._getframe())

    assert frames.locals_of(waiting) == {}
    assert look("my variable") == {"mine": "my variable"}


def test_without_a_gil_a_suspended_generator_may_be_resumed_by_another_thread(no_gil):
    def generate(value):
        yield value

    generator = generate("its variable")
    next(generator)
    assert frames.locals_of(generator.gi_frame) == {}


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="reads them safely")
def test_without_a_gil_only_the_frame_of_this_thread_is_known(waiting, no_gil):
    assert list(frames.thread_frames()) == [threading.get_ident()]
