"""Each finder of `sys.meta_path` is asked once for a module, with what Python asks it, as without autoreload."""

from __future__ import annotations

from textwrap import dedent

import pytest

MARK = "from ponyreload import *\n"

FILES = {
    **dict.fromkeys(
        (*(f"shop/{name}.py" for name in ("__init__", "cart", "order", "wheel")), "late.py", "other.py"), MARK
    ),
    "shop/parts.py": "X = 1",
    "tool.py": "X = 1",
    "app.py": """
        from ponyreload import *
        import shop
        from importlib import import_module, util
        reloader = use_autoreload()

        @AutoreloadMiddleware
        def application(environ, start_response):
            try:
                exec(environ["PATH_INFO"], globals())
                answer = "found"
            except ImportError as error:
                answer = type(error).__name__
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [answer.encode()]
    """,
}
# Two finders that were there before autoreload, and two that came later. They find nothing, and note what they are
# asked. Those of Python itself stand before the last two.
NOTE = dedent("""
    asked = []

    class Noting:
        def __init__(self, place):
            self.place = place

        def find_spec(self, name, path, target):  # Python gives all three
            if name.partition(".")[0] in ("shop", "late", "other", "tool", "gone"):
                asked.append((name, self.place, target))

    sys.meta_path.insert(0, Noting("second"))
    sys.meta_path.append(Noting("last but one"))
    import app
    sys.meta_path.insert(0, Noting("first"))
    sys.meta_path.append(Noting("last"))

    def asked_by(function):
        asked.clear()
        result = function()
        return result, [each[:2] for each in asked]

    def ask(statement):
        return asked_by(lambda: request(app.application, statement))
""")
SOME = ["first", "second"]
ALL = [*SOME, "last but one", "last"]

# In this order, in one process:  (statement, answer, name that finders are asked for, finders that are asked)
STATEMENTS = [
    ("import late", "found", "late", SOME),
    ("import shop.cart", "found", "shop.cart", SOME),
    ("from shop import order", "found", "shop.order", SOME),
    ("import_module('shop.wheel')", "found", "shop.wheel", SOME),
    ("util.find_spec('tool')", "found", "tool", SOME),
    ("import tool", "found", "tool", SOME),
    ("import gone", "ModuleNotFoundError", "gone", ALL),
    ("import shop.gone", "ModuleNotFoundError", "shop.gone", ALL),
    ("from shop import gone", "ImportError", "shop.gone", ALL),
    ("import_module('gone')", "ModuleNotFoundError", "gone", ALL),
    ("util.find_spec('gone')", "found", "gone", ALL),
]


def test_each_finder_is_asked_once(project):
    told = project(FILES).drive(
        NOTE + f"tell(answers=[ask(statement) for statement in {[row[0] for row in STATEMENTS]}])"
    )
    expected = [[answer, [[name, place] for place in places]] for _, answer, name, places in STATEMENTS]
    assert told["answers"] == expected


def test_a_load_asks_each_finder_once(project):
    told = project(FILES).drive(
        NOTE
        + dedent("""
            ask("import late")
            load = asked_by(app.reloader.reload)[1]
            tell(load=load, found=ask("import other"))
        """)
    )
    assert told["load"] == [[name, place] for name in ("shop", "late") for place in SOME]
    assert told["found"] == ["found", [["other", place] for place in SOME]]


@pytest.mark.parametrize("name", ["tool", "shop.parts"])
def test_a_finder_is_told_which_module_is_loaded_again(project, name):
    told = project(FILES).drive(
        NOTE
        + dedent(f"""
            import importlib
            ask("import {name}")
            module = sys.modules[{name!r}]
            project.edit("{name.replace(".", "/")}.py", "X = 2")
            asked.clear()
            result = importlib.reload(module)
            asked = [[*each[:2], each[2] is module] for each in asked]
            tell(asked=asked, is_same=result is sys.modules[{name!r}] is module, X=module.X)
        """)
    )
    assert told["asked"] == [[name, place, True] for place in SOME]
    assert (told["is_same"], told["X"]) == (True, 2)
