"""Frames of threads can be had at any moment."""

from __future__ import annotations

import ast

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


def test_nobody_asks_python_itself():
    asking = [
        file.name
        for file in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "_current_frames"
    ]
    assert asking == ["frames.py"]
