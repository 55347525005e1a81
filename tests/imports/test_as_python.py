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


def files_of(answer, imports="", files=()):
    """Return the files of an application, with a system module `gate`."""
    app = APP.format(imports=imports.replace("\n", "\n    "), answer=answer)
    return {"app.py": app, "gate.py": GATE, **dict(files)}


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
    told = project(
        files_of("get()", get, {"data.py": mark + "import gate\ngate.runs.append(1)\nX = len(gate.runs)"})
    ).drive("""
        import app
        tell(answers=[request(app.application) for _ in range(3)])
    """)
    assert told["answers"] == ["(1, 1)", "(2, 2)", "(3, 3)"]


def test_a_package_that_is_deleted_from_sys_modules_has_its_new_child(project):
    get = "import sys\ndef get():\n    del sys.modules['shop.cart']\n    import shop.cart\n    return shop.cart.X"
    modules = {"shop/__init__.py": MARK, "shop/cart.py": MARK + "import gate\ngate.runs.append(1)\nX = len(gate.runs)"}
    told = project(files_of("get()", "import shop.cart\n" + get, modules)).drive("""
        import app
        tell(answers=[request(app.application) for _ in range(2)])
    """)
    assert told["answers"] == ["2", "3"]


def test_an_old_generation_keeps_a_module_that_the_new_one_deletes_from_sys_modules(project):
    get = "import data, sys\ndef get():\n    import data\n    return data.X, sys.modules['data'].X"
    data = MARK + "import gate\ngate.runs.append(1)\nX = len(gate.runs)"
    told = project(files_of("get()", get, {"data.py": data})).drive(
        HOLD
        + """
    save("import data, sys", "import data, sys; del sys.modules['data']; import data")
    del sys.modules["data"]
    tell(answers=[finish(old), request(app.application)], runs=len(gate.runs))
    """
    )
    # The second generation ran it twice, and once more when the driver had deleted it.
    assert told == {**told, "answers": ["(1, 1)", "(4, 4)"], "runs": 4}


@pytest.mark.parametrize("mark", [MARK, ""])
def test_a_module_that_failed_and_is_mended_at_once_runs_its_new_contents(project, mark):
    get = """import pathlib
def get():
    try:
        import broken
    except ZeroDivisionError:
        file = pathlib.Path("broken.py")
        file.write_text(file.read_text().replace("1 / 0", "1 / 1"))
    import broken
    return broken.X"""
    told = project(files_of("get()", get, {"broken.py": mark + "X = 1 / 0"})).drive("""
        import app
        tell(answer=request(app.application))
    """)
    assert told["answer"] == "1.0"


# -- put into sys.modules by hand --------------------------------------------------------------------------------

BY_HAND = {
    # name: what a user module does, and what it is called
    "alias": ("X = {word}\nsys.modules['handmade'] = sys.modules[__name__]", "handmade"),
    "alias below the package": (
        "X = {word}\nsys.modules[__name__ + '.handmade'] = sys.modules[__name__]",
        "shop.handmade",
    ),
    "module": (
        "sys.modules['handmade'] = types.ModuleType('handmade')\nsys.modules['handmade'].X = {word}",
        "handmade",
    ),
    "object": ("class Settings:\n    X = {word}\nsys.modules['handmade'] = Settings()", "handmade"),
    "by another": ("class Settings:\n    X = {word}\ngate.put('handmade', Settings())", "handmade"),
}
LOOK = "import shop, sys\ndef get():\n    from {name} import X\n    import {name} as it\n    return X, it.X, sys.modules['{name}'].X"


@pytest.mark.parametrize("first", ["before", "after"])
@pytest.mark.parametrize("kind", BY_HAND)
def test_what_code_puts_into_sys_modules_is_its_generations_own(project, kind, first):
    code, name = BY_HAND[kind]
    shop = MARK + "import gate, sys, types\nWORD = 1\n" + code.format(word="WORD")
    files = files_of("get()", LOOK.format(name=name), {"shop/__init__.py": shop})
    files["gate.py"] += "import sys\ndef put(name, thing):\n    sys.modules[name] = thing\n"
    told = project(files).drive(
        ("\n    import shop" if first == "before" else "")
        + HOLD
        + f"""
    project.replace("shop/__init__.py", "WORD = 1", "WORD = 2")
    app.reloader.wait(1, 10)
    second = request(app.application)
    text = (project / "shop/__init__.py").read_text()
    more = "WORD = 3; sys.modules['more'] = sys.modules[__name__]"
    project.edit("shop/__init__.py", text.replace("WORD = 2", more) + chr(10) + "1 / 0")
    until(lambda: app.reloader.error)
    until(lambda: len(app.reloader.application.living.all()) == 2)
    answers = [finish(old), second, request(app.application)]
    tell(answers=answers, left="more" in sys.modules, handmade=sys.modules[{name!r}].X)
    """
    )
    assert told == {**told, "answers": ["(1, 1, 1)", "(2, 2, 2)", "(2, 2, 2)"], "left": False, "handmade": 2}


@pytest.mark.parametrize("used", ["at once", "late"])
def test_a_stub_that_code_puts_only_once_is_there_for_later_generations(project, used):
    imports = "import sys, types\nsys.modules.setdefault('stub', types.ModuleType('stub'))"
    get = (
        imports
        + ("\nimport stub" if used == "at once" else "")
        + "\ndef get():\n    import stub\n    return stub.__name__"
    )
    told = project(files_of("get()", get)).drive(
        HOLD
        + """
    answers = [request(app.application)]
    for number, (word, new) in enumerate((("one", "two"), ("two", "three"))):
        save(f'"{word}"', f'"{new}"')
        answers.append(request(app.application))
    tell(answers=[*answers, finish(old)])
    """
    )
    assert told["answers"] == ["'stub'"] * 4


def test_a_script_that_gives_itself_a_second_name_runs_once_in_each_generation(project):
    site = project({
        "app.py": """
            from ponyreload import *
            import gate, sys
            sys.modules["app"] = sys.modules["__main__"]
            reloader = use_autoreload()
            WORD = 1
            import shop
            gate.runs.append(shop.get() is sys.modules["app"].gate)
            if not gate.found:
                gate.found.append(1)
                reloader.reload()
                reloader.reload()
                print(gate.runs)
        """,
        "shop.py": MARK + "from app import WORD\ndef get():\n    import app\n    return app.gate",
        "gate.py": GATE,
    })  # fmt: skip
    assert site.run("app.py").stdout.splitlines() == ["[True, True, True]"]


# -- lazily ------------------------------------------------------------------------------------------------------

LAZILY = """
    import importlib.util, sys

    def lazy_import(name):  # as Python's documentation has it
        spec = importlib.util.find_spec(name)
        loader = importlib.util.LazyLoader(spec.loader)
        spec.loader = loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        loader.exec_module(module)
        return module
"""


@pytest.mark.parametrize("mark", [MARK, ""])
def test_a_module_that_is_loaded_lazily_runs_when_it_is_used(project, mark):
    imports = "import lazily\nshop = lazily.lazy_import('shop')\nis_lazy = not gate.runs"
    shop = mark + "import gate\ngate.runs.append(1)\nX = 1"
    files = files_of("(is_lazy, shop.X, __import__('shop').X)", imports, {"lazily.py": LAZILY, "shop.py": shop})
    told = project(files).drive(
        HOLD
        + """
    answers, kind = [request(app.application)], type(sys.modules["shop"]).__name__
    project.replace("shop.py", "X = 1", "X = 2")
    if kind == "module":  # the edit of that fires no reload
        project.replace("app.py", '"one"', '"two"')
    app.reloader.wait(1, 10)
    tell(answers=[*answers, request(app.application), finish(old)], runs=len(gate.runs), kind=kind)
    """
    )
    # The recipe makes a new module each time. Of a system module, the old generation holds the one that it has made.
    answers = ["(True, 1, 1)", "(False, 2, 2)", "(True, 1, 1)" if mark else "(True, 1, 2)"]
    assert told == {**told, "answers": answers, "runs": 2, "kind": "RoutedModule" if mark else "module"}


# -- at once -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [MARK, ""])
def test_threads_that_import_a_module_at_once_run_it_once(project, mark):
    helper = mark + "import gate\ngate.runs.append(1)\ngate.entered.set()\ngate.go.wait(20)\nX = 1"
    told = project(
        files_of("get()", "def get():\n    import helper\n    return helper.X", {"helper.py": helper})
    ).drive("""
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
    modules = {"shop/__init__.py": MARK, "shop/late.py": MARK + "X = 1"}
    told = project(files_of("get()", get, modules)).drive(
        HOLD
        + """
    import shop.late
    exec("use_autoreload(on_demand=['shop.late'])", vars(app))  # or the load would import it
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


def test_a_module_may_put_a_child_beside_it_though_it_is_no_package(project):
    """As `bottle.py` does: ``bottle.ext``."""
    code = "X = 1\next = sys.modules.setdefault('shop.ext', types.ModuleType('shop.ext'))\next.__dict__.update(X=X)"
    files = files_of(
        "(shop.X, sys.modules['shop.ext'].X)", "import shop, sys", {"shop.py": f"{MARK}import sys, types\n{code}"}
    )
    told = project(files).drive("""
    import app
    save = saving(app.reloader)
    request(app.application)
    text = Path("shop.py").read_text()
    outcomes = [save("shop.py", text.replace("X = 1", f"X = {number}")) for number in (2, 3)]
    tell(outcomes=outcomes, answer=request(app.application))
    """)
    assert told == {**told, "outcomes": [2, 3], "answer": "(3, 3)"}
