"""Of what the process has one, as `sys.excepthook`, that of the newest generation counts, and calls no older one."""

from __future__ import annotations

import pytest

LIBRARY = """
    import logging, sys, threading

    lines, wants, fails = [], True, False

    def hook(*args):
        lines.append("process")

    sys.excepthook = threading.excepthook = hook

    def record(*args, **kwargs):
        lines.append("process")
        return logging.LogRecord(*args, **kwargs)

    logging.setLogRecordFactory(record)
"""
APP = """
    from ponyreload import *
    import logging, sys, threading, library
    {first}
    reloader = use_autoreload()
    {then}
    if library.fails:
        1 / 0
"""
# Sets all three. Each calls the one that it has found.
SETS = """
    def calls(old):
        def function(*args, **kwargs):
            library.lines.append(generation())
            return old(*args, **kwargs)
        return function

    if library.wants:
        sys.excepthook, threading.excepthook = calls(sys.excepthook), calls(threading.excepthook)
        logging.setLogRecordFactory(calls(logging.getLogRecordFactory()))
"""
DRIVE = """
    import app, library, logging
    reloader = app.reloader

    def reload():
        try:
            reloader.reload()
        except ponyreload.LoadError:
            assert library.fails
        until(lambda: living_generations() == [reloader.generation])

    def said():
        said = []
        logger = logging.Logger("shop")
        logger.addHandler(logging.NullHandler())
        for call in (
            lambda: sys.excepthook(SystemExit, None, None),
            lambda: threading.excepthook(threading.ExceptHookArgs([SystemExit, None, None, None])),
            lambda: logger.warning("hello"),
        ):
            library.lines.clear()
            call()
            said.append(list(library.lines))
        return said

"""
CALLS = """
    first = said()
    for _ in range(3):
        reload()
    newest = said()
    library.fails = True
    reload()
    after_failure = said()
    library.fails = library.wants = False
    reload()
    tell(first=first, newest=newest, after_failure=after_failure, last=said())
"""


def test_that_of_the_newest_generation_calls_the_one_of_the_process_which_comes_back_when_there_is_none(project):
    app = APP.replace("    {first}\n", "").replace("    {then}", SETS)
    told = project({"library.py": LIBRARY, "app.py": app}).drive(DRIVE + CALLS)
    assert told["first"] == [[1, "process"]] * 3
    assert told["newest"] == told["after_failure"] == [[4, "process"]] * 3
    assert told["last"] == [["process"]] * 3


def test_what_a_generation_1_has_set_before_autoreload_was_on_goes_too(project):
    app = APP.replace("    {then}\n", "").replace("    {first}", SETS)
    told = project({"library.py": LIBRARY, "app.py": app}).drive(DRIVE + CALLS)
    assert told["first"] == [[1, "process"]] * 3
    # What there was before that, nobody knows: it is taken for what Python begins with.
    assert told["newest"] == told["after_failure"] == [[4]] * 3
    assert told["last"] == [[]] * 3


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_library_puts_in_during_a_load_stays(project, fails):
    app = APP.replace("    {first}\n", "").replace(
        "    {then}", "    if library.fails or generation() > 1: library.take()\n"
    )
    more = """
    def other(*args):
        lines.append("other")

    def take():
        sys.excepthook = other
    """
    told = project({"library.py": LIBRARY + more, "app.py": app}).drive(
        DRIVE + f"    library.fails = {fails}\n    reload()\n    tell(said=said()[0], number=reloader.generation)\n"
    )
    assert told == {"said": ["other"], "number": 1 if fails else 2, **{key: told[key] for key in ("stderr",)}}
