"""The namespaces of modules are found without running code of a library or of the application."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from ponyreload.imports.names import namespace_of, own_namespace, unrouted_modules
from ponyreload.imports.routed import RoutedModule

touched: list[str] = []


class Touchy:
    """Notes each attribute that is read, and each question what it is, and fails."""

    def __getattribute__(self, name):
        touched.append(name)
        raise RuntimeError(name)


class TouchyModule(Touchy, ModuleType):
    pass


class MakesUp:
    @property
    def __dict__(self):
        touched.append("__dict__")
        raise RuntimeError("__dict__")


class Slotted:
    __slots__ = ("X",)


class Holder:
    def __init__(self, **names):
        vars(self).update(names)


def compiled(text, name):
    """Run the code of a module; return its namespace."""
    namespace = {"__name__": name}
    exec(text, namespace)
    return namespace


@pytest.fixture(autouse=True)
def nothing_is_touched():
    touched.clear()
    yield
    assert touched == []


def test_a_module_has_its_own_whatever_its_class_does():
    module = TouchyModule("shop")
    ModuleType.__setattr__(module, "X", 1)
    ModuleType.__setattr__(module, "__builtins__", {})
    assert namespace_of("shop", module)["X"] == 1
    assert namespace_of("shop", module) is own_namespace(module)


@pytest.mark.parametrize("base", ["", "(ModuleType)"])
def test_an_object_in_the_place_of_a_module_leads_to_the_module(base):
    text = f"""if True:
        from types import ModuleType
        class Shop{base}:
            def price(self): return 1
            def __getattribute__(self, name): raise RuntimeError(name)
        shop = Shop({"'shop'" if base else ""})
    """
    namespace = compiled(text, "shop")
    assert namespace_of("shop", namespace["shop"]) is namespace
    # Another library's class does not.
    assert "price" not in namespace_of("other", namespace["shop"])


def test_an_object_that_was_given_the_namespace_has_it():
    namespace = compiled("X = 1", "shop")
    assert namespace_of("shop", SimpleNamespace(**namespace)) == namespace
    assert namespace_of("shop", Holder(**namespace)) == namespace


@pytest.mark.parametrize("thing", [None, 1, Touchy, MakesUp(), Slotted(), Slotted, len])
def test_what_has_no_namespace_gives_an_empty_one(thing):
    assert namespace_of("shop", thing) == {}


def test_touchy_objects_are_left_alone(monkeypatch):
    touchy = Touchy()
    monkeypatch.setitem(sys.modules, "touchy", touchy)
    monkeypatch.setitem(sys.modules, "touchy.module", TouchyModule("touchy.module"))
    monkeypatch.setitem(sys.modules, "touchy.blocked", None)
    monkeypatch.setitem(sys.modules, "touchy.routed", RoutedModule("touchy.routed", None))
    monkeypatch.setitem(sys.modules, "__mp_main__", sys.modules["__main__"])
    found = {name: namespace for name, _, namespace in unrouted_modules()}
    assert found["touchy"] == {}
    assert found["touchy.module"]["__name__"] == "touchy.module"
    assert found["sys"] is vars(sys)
    assert found.keys().isdisjoint({"touchy.blocked", "touchy.routed", "__mp_main__"})


def test_no_code_of_a_library_runs_when_autoreload_looks_through_the_modules(project):
    told = project({
        "touchy.py": """
            import sys
            from types import ModuleType
            touched = []

            class Touchy:
                def __getattribute__(self, name):
                    touched.append(name)
                    raise RuntimeError(name)

            class Module(Touchy, ModuleType):
                pass

            sys.modules["touchy.proxy"] = Touchy()
            sys.modules["touchy.module"] = Module("touchy.module")
        """,
        "shop.py": "from ponyreload import *\nX = 1",
        "app.py": """
            import touchy, shop
            from ponyreload import *
            reloader = use_autoreload(isolate=("shelf",))

            @AutoreloadMiddleware
            def application(environ, start_response):
                start_response("200 OK", [])
                return [str(shop.X).encode()]
        """,
    }).drive("""
        import app, touchy
        first = request(app.application)
        project.edit("shop.py", "from ponyreload import *\\nX = 2\\n")
        app.reloader.wait(1, 10)
        from ponyreload.imports.reasons import system_modules
        tell(first=first, second=request(app.application), touched=touchy.touched, system=[row.name for row in system_modules()])
    """)  # fmt: skip
    assert (told["first"], told["second"]) == ("1", "2")
    assert told["touched"] == []
    assert "touchy" in told["system"]


def test_an_edit_of_a_system_module_that_another_object_stands_for_is_reported(project):
    told = project({
        "odd.py": """
            import sys

            class Odd:
                def price(self): return 1

            sys.modules[__name__] = Odd()
        """,
        "app.py": """
            import odd
            from ponyreload import *
            reloader = use_autoreload()

            @AutoreloadMiddleware
            def application(environ, start_response):
                start_response("200 OK", [])
                return [str(odd.price()).encode()]
        """,
    }).drive("""
        import app
        request(app.application)
        app.reloader.reload()
        project.replace("odd.py", "return 1", "return 2")
        app.reloader.reload()
        tell(answer=request(app.application))
    """)  # fmt: skip
    assert told["answer"] == "1"
    assert "odd.py changed" in told["stderr"]
