"""Imports behave as Python's: modules that are deleted from `sys.modules`, that several threads import at once, …"""

from __future__ import annotations

import pytest

MARK = "from ponyreload import *\n"

APP = """
    from ponyreload import *
    import gate
    reloader = use_autoreload()
    WORD = "one"
    {imports}

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b""
        yield repr({answer}).encode()
"""
GATE = "import threading\nentered, go = threading.Event(), threading.Event()\nruns, found = [], []\n"


def files_of(answer, imports="", **modules):
    """Return an application, a system module `gate`, and *modules*: ``shop_cart`` becomes ``shop/cart.py``."""
    app = APP.format(imports=imports.replace("\n", "\n    "), answer=answer)
    named = {f"{name.replace('__', '/')}.py": text for name, text in modules.items()}
    return {"app.py": app, "gate.py": GATE, **named}


# Keeps the first generation by an open request, and has the second one serve.
HOLD = """
    import app, gate
    table = app.reloader.application.modules.table
    old = iter(start(app.application))
    next(old)
    def save(old, new):
        number = app.reloader.generation
        project.replace("app.py", old, new)
        app.reloader.wait(number, 10)
    def retire():
        finish(old)
        until(lambda: len(app.reloader.application.living.all()) == 1)
"""


# -- deleted from sys.modules ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [MARK, ""])
@pytest.mark.parametrize("statement", ["import data", "from data import X", "data = importlib.import_module('data')"])
def test_a_module_that_is_deleted_from_sys_modules_runs_again(project, mark, statement):
    get = f"import importlib, sys\ndef get():\n    sys.modules.pop('data', None)\n    {statement}\n    return len(gate.runs), sys.modules['data'].X"
    told = project(files_of("get()", get, data=mark + "import gate\ngate.runs.append(1)\nX = len(gate.runs)")).drive("""
        import app
        tell(answers=[request(app.application) for _ in range(3)])
    """)
    assert told["answers"] == ["(1, 1)", "(2, 2)", "(3, 3)"]


def test_a_package_that_is_deleted_from_sys_modules_has_its_new_child(project):
    get = "import sys\ndef get():\n    del sys.modules['shop.cart']\n    import shop.cart\n    return shop.cart.X"
    modules = {"shop____init__": MARK, "shop__cart": MARK + "import gate\ngate.runs.append(1)\nX = len(gate.runs)"}
    told = project(files_of("get()", "import shop.cart\n" + get, **modules)).drive("""
        import app
        tell(answers=[request(app.application) for _ in range(2)])
    """)
    assert told["answers"] == ["2", "3"]


def test_an_old_generation_keeps_a_module_that_the_new_one_deletes_from_sys_modules(project):
    get = "import data, sys\ndef get():\n    import data\n    return data.X, sys.modules['data'].X"
    data = MARK + "import gate\ngate.runs.append(1)\nX = len(gate.runs)"
    told = project(files_of("get()", get, data=data)).drive(
        HOLD
        + """
    save("import data, sys", "import data, sys; del sys.modules['data']; import data")
    del sys.modules["data"]
    tell(answers=[finish(old), request(app.application)], runs=len(gate.runs))
    """
    )
    # The second generation ran it twice, and once more when the driver had deleted it.
    assert told == {**told, "answers": ["(1, 1)", "(4, 4)"], "runs": 4}


# -- at once -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [MARK, ""])
def test_threads_that_import_a_module_at_once_run_it_once(project, mark):
    helper = mark + "import gate\ngate.runs.append(1)\ngate.entered.set()\ngate.go.wait(20)\nX = 1"
    told = project(files_of("get()", "def get():\n    import helper\n    return helper.X", helper=helper)).drive("""
        import app, gate
        waits = [in_thread(lambda: request(app.application))]
        gate.entered.wait(10)
        waits += [in_thread(lambda: request(app.application)) for _ in range(2)]
        from ponyreload.interpreter.private import current_frames
        def is_waiting(frame):
            while frame is not None and frame.f_code.co_name != "acquire":
                frame = frame.f_back
            return frame is not None
        until(lambda: sum(map(is_waiting, list(current_frames().values()))) == 2)
        gate.go.set()
        import helper
        tell(answers=[wait() for wait in waits], runs=len(gate.runs))
    """)
    assert told == {**told, "answers": ["1", "1", "1"], "runs": 1}


@pytest.mark.parametrize("statement", ["import shop.late", "from shop import late", "import shop.late as late"])
def test_a_late_import_while_an_older_generation_retires_is_not_lost(project, statement):
    get = f"import shop, sys\ndef get():\n    {statement}\n    return sys.modules['shop.late'].X, shop.late.X"
    modules = {"shop____init__": MARK, "shop__late": MARK + "X = 1"}
    told = project(files_of("get()", get, **modules)).drive(
        HOLD
        + """
    import shop.late
    save('"one"', '"two"')
    # The second generation is about to run it. The routed module is there because the first one has it.
    plain = table.begin
    def begin(*args):
        gate.entered.set()
        assert gate.go.wait(10)
        return plain(*args)
    table.begin = begin
    answer = in_thread(lambda: request(app.application))
    assert gate.entered.wait(10)
    retire()
    gate.go.set()
    tell(answers=[answer(), request(app.application)], there="shop.late" in sys.modules)
    """
    )
    assert told == {**told, "answers": ["(1, 1)"] * 2, "there": True}
