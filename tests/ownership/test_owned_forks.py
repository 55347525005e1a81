"""Functions at fork are called for as long as their generation lives, in Python's order, and each fails alone."""

from __future__ import annotations

SYSTEM = """
    import os

    told = []

    def tell(what):
        told.append(what)

    def library(name):
        os.register_at_fork(before=lambda: tell(name))
"""
APP = """
    from ponyreload import *
    import functools, os, system
    reloader = use_autoreload()

    def tell(what):
        system.told.append([what, generation()])

    def fails():
        1 / 0

    # Two of a kind, one that fails, and one that a library registers for user code.
    os.register_at_fork(before=lambda: tell("one"), after_in_child=lambda: tell("child"), after_in_parent=fails)
    os.register_at_fork(before=functools.partial(tell, "two"), after_in_parent=lambda: tell("parent"))
    if generation() == 1:
        system.library("library")
"""
DRIVE = """
    import app, os, system, warnings

    def fork():
        system.told.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a process with threads forks
            read, write = os.pipe()
            child = os.fork()
        if child == 0:
            os.write(write, repr(system.told).encode())
            os._exit(0)
        os.waitpid(child, 0)
        told = [list(system.told), eval(os.read(read, 10000))]
        os.close(read)
        os.close(write)
        return told

"""


def test_functions_at_fork_are_called_in_pythons_order_and_each_fails_alone(project):
    told = project({"system.py": SYSTEM, "app.py": APP}).drive(
        DRIVE
        + """
    first = fork()
    for _ in range(3):
        app.reloader.reload()
    until(lambda: living_generations() == [4])
    tell(first=first, last=fork())
"""
    )
    before = ["library", ["two", 1], ["one", 1]]
    assert told["first"] == [[*before, ["parent", 1]], [*before, ["child", 1]]]
    # The library's own stays, and only the newest generation's others are left.
    before = ["library", ["two", 4], ["one", 4]]
    assert told["last"] == [[*before, ["parent", 4]], [*before, ["child", 4]]]
    assert told["stderr"].count("ZeroDivisionError") == 2


def test_what_cannot_be_registered_fails_as_ever(project):
    app = """
        from ponyreload import *
        import os
        use_autoreload()
        errors = []
        for arguments in ({}, {"before": 1}, {"during": print}, {"before": print, "after": print}):
            try:
                os.register_at_fork(**arguments)
            except TypeError as error:
                errors.append(str(error))
    """
    told = project({"app.py": app}).drive("""
        import app
        tell(errors=app.errors)
    """)
    assert len(told["errors"]) == 4
