"""Which modules are user modules, and how each generation gets its own of them (G1, G2, G5)."""

from __future__ import annotations

import pytest

APP = """
    from ponyreload import *
    reloader = use_autoreload()
    {imports}

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [repr({answer}).encode()]
"""


def app(imports, answer):
    return "".join(line[4:] + "\n" if line.startswith("    ") else line + "\n" for line in APP.splitlines()).format(
        imports=imports, answer=answer
    )


def reloaded(project, files, path, old, new, before="", after=""):
    """Ask, edit one file, and ask again; return both answers and what *after* noted in ``facts``."""
    return project(files).drive(f"""
        import app
        facts = {{}}
        first = request(app.application)
        {before}
        project.replace({path!r}, {old!r}, {new!r})
        app.reloader.wait(1, 10)
        second = request(app.application)
        {after}
        tell(first=first, second=second, **facts)
    """)


MARK = "from ponyreload import *\n"

SHAPES = {
    "submodule": ({"shop/__init__.py": MARK, "shop/cart.py": MARK + "X = 1"}, "import shop.cart", "shop.cart.X"),
    "unmarked-package": ({"shop/__init__.py": "", "shop/cart.py": MARK + "X = 1"}, "import shop.cart", "shop.cart.X"),
    "from-unmarked-package": ({"shop/__init__.py": "", "shop/cart.py": MARK + "X = 1"}, "from shop import cart", "cart.X"),
    "as": ({"shop/__init__.py": MARK, "shop/cart.py": MARK + "X = 1"}, "import shop.cart as c", "c.X"),
    "deep": (
        {"a/__init__.py": MARK, "a/b/__init__.py": MARK, "a/b/c.py": MARK + "X = 1"},
        "from a.b.c import X",
        "X",
    ),
    "relative": (
        {"shop/__init__.py": MARK + "from .api import X", "shop/api.py": MARK + "from .cart import X", "shop/cart.py": MARK + "X = 1"},
        "import shop",
        "shop.X",
    ),
    "namespace-package": ({"space/shop/cart.py": MARK + "X = 1"}, "import space.shop.cart", "space.shop.cart.X"),
    "from-namespace-package": ({"space/cart.py": MARK + "X = 1"}, "from space import cart", "cart.X"),
    "circular": (
        {"one.py": MARK + "import two\nX = 1\ndef get(): return two.get()", "two.py": MARK + "import one\ndef get(): return one.X"},
        "import one",
        "one.get()",
    ),
    "circular-in-package": (
        {"shop/__init__.py": MARK, "shop/a.py": MARK + "from . import b\nX = 1", "shop/b.py": MARK + "from . import a\ndef get(): return a.X"},
        "from shop import a, b",
        "b.get()",
    ),
    "module-getattr": ({"lazy.py": MARK + "def __getattr__(name): return 1 if name == 'X' else name\n# 1"}, "import lazy", "lazy.X"),
    "replaces-itself": (
        {"odd.py": MARK + "import sys\nclass Odd:\n    def get(self): return 1\nsys.modules[__name__] = Odd()\n"},
        "import odd",
        "odd.get()",
    ),
    "wraps-itself": (
        {"odd.py": MARK + "import sys\nclass Odd:\n    def __init__(self, module): self.module = module\n    def __getattr__(self, name): return getattr(self.module, name)\nX = 1\nsys.modules[__name__] = Odd(sys.modules[__name__])\n"},
        "import odd",
        "odd.X",
    ),
    "wraps-itself-in-a-closure": (
        {"odd.py": MARK + "import sys\ndef wrap(module):\n    class Odd:\n        def __getattr__(self, name): return getattr(module, name)\n    return Odd()\nX = 1\nsys.modules[__name__] = wrap(sys.modules[__name__])\n"},
        "def get():\n    import odd, sys\n    return odd.X * sys.modules['odd'].X // odd.X",
        "get()",
    ),
    "replaces-its-class": (
        {"odd.py": MARK + "import sys, types\nclass Odd(types.ModuleType):\n    @property\n    def X(self): return 1\nsys.modules[__name__].__class__ = Odd\n"},
        "import odd",
        "odd.X",
    ),
    "namespace-package-in-package": ({"a/__init__.py": MARK, "a/b/c.py": MARK + "X = 1"}, "import a.b.c", "a.b.c.X"),
    "unmarked-package-in-package": (
        {"a/__init__.py": MARK, "a/b/__init__.py": "", "a/b/c.py": MARK + "X = 1"},
        "import a.b.c",
        "a.b.c.X",
    ),
    "from-namespace-package-in-package": (
        {"a/__init__.py": MARK, "a/b/c.py": MARK + "X = 1"},
        "import a\nfrom a.b.c import X",
        "max(X, a.b.c.X)",
    ),
    "looked-up-in-namespace-package": (
        {"a/__init__.py": MARK, "a/b/c.py": MARK + "X = 1\nclass C: pass", "tool.py": "import pickle\ndef load():\n    pickle.loads(b'ca.b.c\\nC\\n.')"},
        "import a, a.b.c, tool\ndef load():\n    tool.load()\n    return a",
        "load().b.c.X",
    ),
    "unmarked-module-in-package": (
        {"a/__init__.py": MARK + "X = 1", "a/b.py": "Y = 1", "tool.py": "def get():\n    import a.b\n    return a.X * a.b.Y"},
        "import tool, a",
        "tool.get()",
    ),
    "star-import": ({"shop.py": MARK + "X = 1"}, "from shop import *", "X"),
    "dotted-by-name": (
        {"shop/__init__.py": MARK, "shop/cart.py": MARK + "X = 1"},
        "import importlib\ncart = importlib.import_module('.cart', 'shop')",
        "cart.X",
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_modules_of_each_shape_are_reloaded(project, shape):
    files, imports, answer = SHAPES[shape]
    path = next(path for path, text in files.items() if "1" in text)
    old = next(each for each in ("X = 1", "return 1") if each in files[path])
    told = reloaded(project, {**files, "app.py": app(imports, answer)}, path, old, old.replace("1", "2"))
    assert (told["first"], told["second"]) == ("1", "2")


@pytest.mark.parametrize("first", ["imported", "lazily"])
def test_the_constant_decides(project, first):
    names = ["starred", "by_hand", "says_false", "false_above_star", "silent"]
    files = {
        "starred.py": MARK + "X = []",
        "by_hand.py": "USE_AUTORELOAD = 1\nX = []",
        "says_false.py": MARK + "USE_AUTORELOAD = False\nX = []",
        "false_above_star.py": "USE_AUTORELOAD = False\n" + MARK + "X = []",
        "silent.py": "X = []",
        "touched.py": MARK + "X = 1",
        "app.py": app(f"import touched, {', '.join(names)}", "0")
        if first == "imported"
        else app(
            "import touched\ndef names():\n    import " + ", ".join(names) + "\n    return locals()", "sorted(names())"
        ),
    }
    told = reloaded(
        project, files, "touched.py", "X = 1", "X = 2",
        before=f"before = {{name: id(sys.modules[name].X) for name in {names}}}",
        after=f"facts['same'] = [name for name in {names} if id(sys.modules[name].X) == before[name]]",
    )  # fmt: skip
    assert told["same"] == ["says_false", "false_above_star", "silent"]


def test_a_lazy_module_is_not_woken_by_the_look_for_the_constant(project):
    files = {
        "lazy.py": "asked = []\ndef __getattr__(name):\n    asked.append(name)\n    raise AttributeError(name)\n",
        "touched.py": MARK + "X = 1",
        "app.py": app("import touched, lazy", "[name for name in lazy.asked if not name.startswith('__')]"),
    }
    told = reloaded(project, files, "touched.py", "X = 1", "X = 2")
    assert (told["first"], told["second"]) == ("[]", "[]")


def test_system_modules_keep_their_objects(project):
    files = {
        "pool.py": "connection = object()",
        "shop.py": MARK + "import pool",
        "app.py": app("import shop, pool", "id(shop.pool.connection)"),
    }
    told = reloaded(project, files, "shop.py", "import pool", "import pool # 2")
    assert told["first"] == told["second"]


def test_a_system_module_of_the_project_sees_the_user_modules_of_the_request(project):
    files = {
        "shop.py": MARK + "X = 1",
        "tool.py": "import shop\ndef get(): return shop.X",
        "app.py": app("import tool, shop", "tool.get()"),
    }
    told = reloaded(project, files, "shop.py", "X = 1", "X = 2")
    assert (told["first"], told["second"]) == ("1", "2")


def test_a_user_module_that_a_later_generation_imports_first_is_reloaded_from_then_on(project):
    files = {"app.py": app("X = 1", "X"), "new.py": MARK + "X = 2"}
    told = reloaded(
        project, files, "app.py", "X = 1", "from new import X",
        after="project.replace('new.py', 'X = 2', 'X = 3'); app.reloader.wait(2, 10); facts['third'] = request(app.application)",
    )  # fmt: skip
    assert (told["first"], told["second"], told["third"]) == ("1", "2", "3")


def test_a_module_that_is_taken_out_stays_as_it_is_from_then_on(project):
    files = {
        "shop.py": MARK + "X = 1",
        "touched.py": MARK + "Y = 1",
        "app.py": app("import touched, shop", "(shop.X, touched.Y)"),
    }
    told = reloaded(
        project, files, "shop.py", MARK + "X = 1", "X = 2",
        after="""
        kept = id(vars(sys.modules["shop"]))
        project.replace('touched.py', 'Y = 1', 'Y = 2'); app.reloader.wait(2, 10); facts['third'] = request(app.application)
        facts["same"] = id(vars(sys.modules["shop"])) == kept
        facts["kind"] = type(sys.modules["shop"]).__name__
        """,
    )  # fmt: skip
    assert (told["first"], told["second"], told["third"]) == ("(1, 1)", "(2, 1)", "(2, 2)")
    assert told["same"]
    assert told["kind"] == "module"


def test_what_a_load_imported_first_is_gone_when_it_fails(project):
    files = {
        "app.py": app("X = 1", "X"),
        "shop/__init__.py": "",
        "shop/new.py": MARK,
        "silent.py": "",
        "shop/bad.py": MARK + "1 / 0",
    }
    told = project(files).drive("""
        import app, shop
        request(app.application)
        project.replace("app.py", "X = 1", "import shop.new, silent, shop.bad")
        until(lambda: app.reloader.error)
        tell(left=sorted(name for name in ("shop.new", "silent", "shop.bad") if name in sys.modules), attributes=hasattr(shop, "new"))
    """)
    assert told["left"] == []
    assert not told["attributes"]


def test_two_threads_that_import_a_module_at_once_both_get_it_whole(project):
    files = {
        "app.py": app("import gate", "__import__('late').DONE"),
        "gate.py": "import threading\nentered, go, runs = threading.Event(), threading.Event(), []",
        "late.py": MARK + "import gate\ngate.runs.append(1)\ngate.entered.set()\ngate.go.wait(20)\nDONE = True",
    }
    told = project(files).drive("""
        import app, gate
        one = in_thread(lambda: request(app.application))
        gate.entered.wait(10)
        two = in_thread(lambda: request(app.application))
        gate.go.set()
        tell(one=one(), two=two(), runs=len(gate.runs))
    """)
    assert told == {**told, "one": "True", "two": "True", "runs": 1}


def test_a_module_that_is_being_loaded_is_seen_by_nobody_else(project):
    files = {
        "app.py": app("import gate, shop, sys", "(shop.A, sys.modules['shop'].A, sys.modules['shop'].B)"),
        "gate.py": "import threading\nentered, go = threading.Event(), threading.Event()",
        "shop.py": MARK + "A = 1\nB = 1\n",
    }
    told = project(files).drive("""
        import app, gate
        request(app.application)
        project.edit("shop.py", "from ponyreload import *\\nimport gate\\nA = 2\\ngate.entered.set()\\ngate.go.wait(20)\\nB = 2")
        gate.entered.wait(10)
        during = request(app.application), sys.modules["shop"].A
        gate.go.set()
        app.reloader.wait(1, 10)
        tell(during=during, after=request(app.application))
    """)
    assert told["during"] == ["(1, 1, 1)", 1]
    assert told["after"] == "(2, 2, 2)"


@pytest.mark.parametrize("is_late", [False, True])
def test_a_module_may_wait_for_a_thread_that_looks_at_it(project, is_late):
    imports = (
        "def late():\n    import shop\n    return shop.FOUND"
        if is_late
        else "import shop\ndef late(): return shop.FOUND"
    )
    files = {
        "app.py": app(imports, "late()"),
        "shop.py": MARK + """
import sys, threading, typing
class Price(int): pass
class Item:
    price: "Price"
FOUND = []
def look():
    FOUND.append(typing.get_type_hints(Item)["price"] is Price)
    sys.modules[__name__].SET = True
    FOUND.append(hasattr(sys.modules[__name__], "LAST"))
thread = threading.Thread(target=look, daemon=True)
thread.start()
thread.join(10)
FOUND.append(SET)
LAST = 1
""",
    }  # fmt: skip
    told = reloaded(project, files, "shop.py", "LAST = 1", "LAST = 2")
    assert (told["first"], told["second"]) == ("[True, False, True]", "[True, False, True]")


def test_an_import_that_cannot_be_is_refused_in_pythons_words(project):
    files = {
        "app.py": app("import gate", "gate.refusals(globals())"),
        "gate.py": """
            def refusals(names):
                said = []
                for name in (5, b"shop", "", "gate.none"):
                    said.append(refusal(name, names))
                said.append(refusal("shop", names, None, (), -1))
                for name, fromlist in (("cart", ()), ("", ("cart",))):
                    for package, level in (("", 1), ("", 2), ("gate", 2), ("gone", 1)):
                        said.append(refusal(name, {**names, "__package__": package}, None, fromlist, level))
                return "; ".join(said)

            def refusal(*what):
                try:
                    return str(__import__(*what))
                except Exception as error:
                    return f"{type(error).__name__}: {error}"
        """,
    }
    told = reloaded(
        project, files, "app.py", "import gate", "import gate # 2",
        before="import gate; facts['plain'] = repr(gate.refusals({'__name__': 'app'}))",
    )  # fmt: skip
    assert told["plain"].count("Error: ") == 13
    assert (told["first"], told["second"]) == (told["plain"], told["plain"])


def test_threads_in_a_circular_import_do_not_wait_for_ever(project):
    files = {
        "app.py": app("import gate", "0"),
        "gate.py": "import threading\nboth = threading.Barrier(2)",
        "one.py": MARK + "import gate\ngate.both.wait(10)\nimport two\n",
        "two.py": MARK + "import gate\ngate.both.wait(10)\nimport one\n",
        "work.py": MARK + "def one():\n    import one\n    return True\ndef two():\n    import two\n    return True\n",
    }
    told = project(files).drive("""
        import app, work
        app.reloader.start()
        tell(done=[wait() for wait in (in_thread(work.one), in_thread(work.two))])
    """)
    assert told["done"] == [True, True]


def test_a_thread_of_an_old_generation_stays_on_it(project):
    files = {
        "app.py": app("import worker, shop", "shop.X"),
        "shop.py": MARK + "X = 1\nclass Order: pass",
        "gate.py": "import threading\ngo, told = threading.Event(), []",
        "worker.py": MARK + """
import importlib, pickle, sys, threading, gate, ponyreload
def run():
    gate.go.wait(20)
    from shop import X, Order
    again = pickle.loads(pickle.dumps(Order()))
    gate.told.append([X, importlib.import_module("shop").X, sys.modules["shop"].X, type(again) is Order, ponyreload.generation()])
thread = threading.Thread(target=run)
thread.start()
""",
    }  # fmt: skip
    told = project(files).drive("""
        import app, gate
        old = sys.modules["worker"].thread
        request(app.application)
        project.replace("shop.py", "X = 1", "X = 2")
        app.reloader.wait(1, 10)
        gate.go.set()
        old.join(10)
        until(lambda: len(gate.told) == 2)
        tell(told=sorted(gate.told))
    """)
    assert told["told"] == [[1, 1, 1, True, 1], [2, 2, 2, True, 2]]


def test_late_lookups_by_name_stay_on_the_generation_in_both_directions(project):
    files = {
        "app.py": app("import shop", "shop.look()"),
        "gate.py": "import threading\ngates = {'1': threading.Event(), '2': threading.Event()}\nentered = threading.Event()",
        "shop.py": MARK + """
from __future__ import annotations
import copy, dataclasses, enum, gate, pickle, typing, sys
VERSION = 1
class Colour(enum.Enum):
    RED = VERSION
@dataclasses.dataclass
class Item:
    price: Price = 0
class Price(int): pass
def look():
    gate.entered.set()
    gate.gates[str(VERSION)].wait(20)
    hints = typing.get_type_hints(Item)
    made = dataclasses.make_dataclass("Made", [("x", int)], namespace={"__module__": __name__})
    return [VERSION, hints["price"] is Price, pickle.loads(pickle.dumps(Colour.RED)) is Colour.RED,
            type(copy.deepcopy(Item())) is Item, sys.modules[__name__].VERSION, made(1).x]
""".replace("from __future__ import annotations\n", ""),
    }  # fmt: skip
    files["shop.py"] = "from __future__ import annotations\n" + files["shop.py"]
    told = project(files).drive("""
        import app, gate
        old = in_thread(lambda: request(app.application))
        gate.entered.wait(10)
        gate.entered.clear()
        project.replace("shop.py", "VERSION = 1", "VERSION = 2")
        app.reloader.wait(1, 10)
        new = in_thread(lambda: request(app.application))
        gate.entered.wait(10)
        gate.gates["2"].set()
        second = new()
        gate.gates["1"].set()
        tell(first=old(), second=second)
    """)
    assert told["first"] == "[1, True, True, True, 1, 1]"
    assert told["second"] == "[2, True, True, True, 2, 1]"


def test_zipped_modules_are_refused_with_a_clear_word(project):
    told = project(
        {"app.py": app("import sys; sys.path.append('shop.egg'); import boxed", "boxed.X"), "boxed.py": MARK + "X = 1"}
    ).drive("""
        import zipfile
        with zipfile.ZipFile("shop.egg", "w") as archive:
            archive.write("boxed.py")
        os.unlink("boxed.py")
        import app
        first = request(app.application)
        app.reloader.reload()
        tell(first=first, second=request(app.application))
    """)
    assert (told["first"], told["second"]) == ("1", "1")
    assert "boxed is marked, but has no source file to reload (shop.egg/boxed.py)" in told["stderr"]


def test_an_import_string_leads_to_the_newest_generation(project):
    files = {"shop/__init__.py": "", "shop/wsgi.py": "import shop.cart\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    return [shop.cart.X]\n", "shop/cart.py": MARK + "X = b'1'", "app.py": MARK + "application = AutoreloadMiddleware('shop.wsgi:app')\nreloader = use_autoreload()"}  # fmt: skip
    told = reloaded(project, files, "shop/cart.py", "b'1'", "b'2'")
    assert (told["first"], told["second"]) == ("1", "2")


@pytest.mark.parametrize("folder", ["my-site-packages", "site-packages.old", "dist-packages2"])
def test_a_folder_whose_name_only_contains_that_of_the_installed_packages_is_the_projects(project, folder):
    more = f"import sys\nsys.path.append({folder!r})\ndef late():\n    import shop\n    return shop.X"
    files = {"app.py": app(more, "late()"), f"{folder}/shop.py": MARK + "X = 1"}
    told = reloaded(project, files, f"{folder}/shop.py", "X = 1", "X = 2")
    assert (told["first"], told["second"]) == ("1", "2")


@pytest.mark.parametrize("is_early", [True, False])
def test_a_marked_module_of_an_installed_package_is_reloaded_if_it_is_imported_before_the_first_reload(
    project, is_early
):
    more = "import sys\nsys.path.append('site-packages')\ndef late():\n    import shop\n    return shop.X"
    files = {"app.py": app(more, "late()"), "site-packages/shop.py": MARK + "X = 1"}
    told = project(files).drive(f"""
        import app
        if not {is_early}:
            app.reloader.reload()
        first = request(app.application)
        project.replace("site-packages/shop.py", "X = 1", "X = 2")
        app.reloader.reload()
        tell(first=first, second=request(app.application))
    """)
    assert (told["first"], told["second"]) == ("1", "2" if is_early else "1")


def test_what_imports_a_broken_late_module_hears_of_it(project):
    files = {
        "app.py": app(
            "import tool\ndef late():\n    try:\n        tool.load('broken')\n    except ZeroDivisionError:\n        return 'heard'",
            "late()",
        ),
        "tool.py": "import importlib\ndef load(name): return importlib.import_module(name)",
        "broken.py": MARK + "1 / 0",
    }
    told = reloaded(project, files, "app.py", "import tool\n", "import tool # 2\n")
    assert (told["first"], told["second"]) == ("'heard'", "'heard'")


def test_import_hooks_of_others_keep_compiling_in_their_own_way(project):
    files = {
        "hook.py": """
            import importlib.machinery, sys

            class Loader(importlib.machinery.SourceFileLoader):
                def source_to_code(self, data, path, **more):
                    return super().source_to_code(data.replace(b"UNITS", b"100"), path, **more)

            class Finder:
                def find_spec(self, name, path=None, target=None):
                    spec = importlib.machinery.PathFinder.find_spec(name, path)
                    if name == "shop":
                        spec.loader = Loader(spec.loader.name, spec.loader.path)
                    return spec

            sys.meta_path.insert(0, Finder())
        """,
        "shop.py": MARK + "X = 1 * UNITS",
        "app.py": app("import hook, shop", "shop.X"),
    }
    told = reloaded(project, files, "shop.py", "X = 1", "X = 2")
    assert (told["first"], told["second"]) == ("100", "200")


def test_a_late_import_from_an_unmarked_package_gives_the_real_module(project):
    files = {
        "shop/__init__.py": "",
        "shop/cart.py": MARK + "X = 1",
        "held.py": "functions = []",
        "app.py": app(
            "import held\ndef late():\n    from shop import cart\n    return cart.X\nheld.functions.append(late)",
            "[each() for each in held.functions]",
        ),
    }
    told = reloaded(project, files, "shop/cart.py", "X = 1", "X = 2")
    # The old function runs within a request of the new generation, and stays what it is.
    assert (told["first"], told["second"]) == ("[1]", "[1, 2]")


@pytest.mark.parametrize("imported", ["before", "after"])
def test_a_module_that_a_library_wraps_in_a_proxy_is_reloaded(project, imported):
    files = {
        # As zope.deprecation does it: the proxy is the library's, and has nothing of the module but the module.
        "site-packages/wrapping.py": """
            import sys, types
            get, calls = object.__getattribute__, []

            class Proxy:
                __class__ = property(lambda self: types.ModuleType)

                def __init__(self, module):
                    object.__setattr__(self, "module", module)

                def __getattribute__(self, name):
                    if name == "X":
                        calls.append(name)
                    return getattr(get(self, "module"), name)

            def wrap(name):
                sys.modules[name] = Proxy(sys.modules[name])
        """,
        "odd.py": MARK + "import sys, wrapping\nX = 1\nitself = sys.modules[__name__]\nwrapping.wrap(__name__)",
        "app.py": app("import odd, wrapping", "(odd.X, vars(odd.itself)['X'])"),
    }
    site = project(files)
    told = site.drive(f"""
        sys.path.append(str(project / "site-packages"))
        if {imported == "before"}:
            import odd
        import app
        import wrapping
        answers, calls = [request(app.application)], [len(wrapping.calls)]
        project.replace("odd.py", "X = 1", "X = 2")
        app.reloader.wait(1, 10)
        answers.append(request(app.application))
        calls.append(len(wrapping.calls))
        tell(answers=answers, calls=calls, looked_up=sys.modules["odd"].X)
    """)
    assert told == {**told, "answers": ["(1, 1)", "(2, 2)"], "calls": [1, 2], "looked_up": 2}


@pytest.mark.parametrize("first", ["imported", "loaded", "requested"])
def test_a_module_hands_itself_to_a_registry(project, first):
    get = "def get():\n    import helper\n    return helper"
    files = {
        "registry.py": "found = []",
        "helper.py": "import sys, registry\nregistry.found.append(sys.modules[__name__])",
        "app.py": app("import registry\n" + ("import helper\n" if first == "imported" else "") + get, "0"),
    }
    told = reloaded(
        project, files, "app.py", get, get + ("\nimport helper" if first == "loaded" else "\n# 2"),
        after="""
        import helper, registry
        facts["same"] = [each is helper is sys.modules["app"].get() for each in registry.found]
        """,
    )  # fmt: skip
    assert told["same"] == [True]


def test_what_a_user_module_hands_to_a_registry_leads_each_generation_to_its_own(project):
    files = {
        "registry.py": "found = []",
        "shop.py": MARK + "import sys, registry\nX = 1\nregistry.found.append(sys.modules[__name__])",
        "app.py": app("import registry, shop", "[each.X == shop.X for each in registry.found[1:]]"),
    }
    told = reloaded(
        project, files, "shop.py", "X = 1", "X = 2",
        after="facts['X'] = [each.X for each in sys.modules['registry'].found]",
    )  # fmt: skip
    assert (told["first"], told["second"], told["X"]) == ("[]", "[True]", [1, 2])


def test_what_was_looked_up_during_a_load_leads_to_the_module_that_became_a_system_module(project):
    files = {
        "registry.py": "found, runs = [], []",
        "helper.py": "import registry\nregistry.runs.append(1)\nX = 1",
        "app.py": app("import registry", "0"),
    }
    told = reloaded(
        project, files, "app.py", "import registry", "import registry, helper, sys\nregistry.found.append(sys.modules['helper'])",
        after="""
        import helper, registry
        registry.found[0].X = 2
        facts["X"], facts["runs"] = helper.X, len(registry.runs)
        """,
    )  # fmt: skip
    assert (told["X"], told["runs"]) == (2, 1)


def test_attributes_that_raise_when_they_are_touched_are_left_alone(project):
    files = {
        # As six has them: an attribute of the class of a module, which imports something when it is asked for anything.
        "lazies.py": """
            import sys, types

            class Lazy:
                def __getattr__(self, name):
                    raise ImportError(f"asked for {name}")

            class Module(types.ModuleType):
                moved = Lazy()

            sys.modules["lazies.moves"] = Module("lazies.moves")
        """,
        "shop.py": MARK + "X = 1",
        "app.py": MARK + "import lazies\n" + app("import shop", "shop.X"),
    }
    told = reloaded(project, files, "shop.py", "X = 1", "X = 2")
    assert (told["first"], told["second"]) == ("1", "2")
