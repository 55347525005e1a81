"""Whose code a thing is: told by its type and its globals, and by no code of the application."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from ponyreload.generations.context import MARK, entered
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import is_of, is_user_code, owner_of

LIBRARY = """
    import functools

    def tick(*args):
        pass

    def feed():
        yield

    def retry(function):
        @functools.wraps(function)
        def call():
            return function()
        return call

    class Pool:
        limit = 3

        def __init__(self, callback=None):
            self.callback = callback

        def __call__(self):
            pass

        def close(self):
            pass

        @classmethod
        def stop(cls):
            pass

        @staticmethod
        def halt():
            pass

    class Slots:
        __slots__ = ("callback",)

    class Plain(list):
        pass
"""
SHOP = """
    import functools

    def total(*args):
        return 0

    def stream():
        yield

    class Order(library.Pool):
        def total(self):
            return 0

        @classmethod
        def make(cls):
            pass

    class Sized:
        size = property(total)

    class Items(list):
        @staticmethod
        def sort_key(item):
            pass

    class Error(Exception):
        pass

    class Late(Error):
        pass

    def make_local():
        class Local(Exception):
            pass
        return Local

    Local = Inner = make_local()

    library.Pool.debug = lambda self: None
    library.Pool.__len__ = lambda self: 1
    library.Slots.debug = library.Plain.debug = classmethod(total)
    library.tick.debug = 1
"""


def module(name: str, text: str, **names: Any) -> types.ModuleType:
    """Make a module of *text*."""
    made = types.ModuleType(name)
    vars(made).update(names)
    exec("\n".join(line[4:] for line in text.splitlines()), vars(made))
    return made


class Two:
    """Two generations of the module `shop`, both of which have patched the module `library`."""

    def __init__(self) -> None:
        self.library = module("library", LIBRARY)
        self.old, self.new = Generation(2), Generation(3)
        self.shop = self.load(self.old)
        self.newer = self.load(self.new)

    def load(self, generation: Generation) -> types.ModuleType:
        made = generation.modules["shop"] = module("shop", SHOP, library=self.library, **{MARK: generation})
        return made


@pytest.fixture
def two() -> Two:
    return Two()


# What it is -> the code that gives it.
OF_USER = {
    "a function": "shop.total",
    "a class": "shop.Order",
    "an instance": "shop.Order()",
    "a method": "shop.Order().total",
    "a classmethod": "shop.Order.make",
    "a method that a user class has inherited": "shop.Order().close",
    "a method of C code": "shop.Items().append",
    "a special method of C code": "shop.Items().__len__",
    "a method of a library that is bound to a user's object": "types.MethodType(library.tick, shop.Order())",
    "a method that user code has put into a library's class": "setattr(library.Pool, 'debug', shop.total) or library.Pool().debug",
    "a class with a property only": "shop.Sized",
    "a class with a static method only": "shop.Items",
    "a partial": "functools.partial(functools.partial(shop.total, 1), 2)",
    "a partial of a method": "functools.partial(shop.Order().total)",
    "a partial of a library's method that is bound to a user's object": "functools.partial(shop.Items().append, 1)",
    "what a library's decorator has made of a function": "library.retry(shop.total)",
    "what two decorators have made of it": "library.retry(library.retry(shop.total))",
    "what a user's decorator has made of a library's function": "shop.functools.wraps(library.tick)(shop.total)",
    "a cached function": "functools.lru_cache(shop.total)",
    "a classmethod by itself": "vars(shop.Order)['make']",
    "a staticmethod by itself": "vars(shop.Items)['sort_key']",
    "a dict with a user's default": "collections.defaultdict(shop.Order)",
    "a module": "shop",
    "a namespace": "vars(shop)",
    "a suspended generator": "shop.stream()",
}
CARRIED = {
    "an object with a callback": "library.Pool(shop.total)",
    "an object with a partial": "library.Pool(functools.partial(shop.total))",
    "an object with a method": "library.Pool(shop.Order().total)",
    "an object with a user's object": "library.Pool(shop.Order())",
    "a method of an object with a callback": "library.Pool(shop.total).close",
    "a partial of one": "functools.partial(library.Pool(shop.total).close)",
}
OF_LIBRARY = {
    "a function": "library.tick",
    "a patched class": "library.Pool",
    "an instance of a patched class": "library.Pool()",
    "its method": "library.Pool().close",
    "its classmethod": "library.Pool.stop",
    "its staticmethod": "library.Pool.halt",
    "a partial of its method": "functools.partial(library.Pool().close)",
    "a wrapped method": "library.retry(library.Pool().close)",
    "a method of C code": "library.Plain().append",
    "an object with one of these as its callback": "library.Pool(library.Pool().close)",
    "an object with slots": "library.Slots()",
    "a function that wraps itself": "ring",
    "an object of a library that holds one with a callback": "library.Pool(library.Pool(shop.total))",
    "a list of user functions": "[shop.total]",
    "a module": "library",
    "a namespace": "vars(library)",
    "a suspended generator": "library.feed()",
    "a function of C code": "len",
    "text": "'shop.total'",
    "nothing": "None",
}


def thing(two: Two, code: str) -> Any:
    import collections

    ring = two.library.retry(two.library.tick)
    ring.__wrapped__ = ring
    names = {"collections": collections, "functools": functools, "types": types, "ring": ring}
    return eval(code, {**names, "shop": two.shop, "library": two.library})


@pytest.mark.parametrize("kind", OF_USER)
def test_it_belongs_to_the_generation_of_its_code(two, kind):
    each = thing(two, OF_USER[kind])
    assert owner_of(each) is two.old
    assert owner_of(each, carried=True) is two.old


@pytest.mark.parametrize("kind", CARRIED)
def test_what_an_object_carries_counts_where_that_is_asked_for(two, kind):
    each = thing(two, CARRIED[kind])
    assert owner_of(each) is None
    assert owner_of(each, carried=True) is two.old


@pytest.mark.parametrize("kind", OF_LIBRARY)
def test_a_library_that_user_code_patches_stays_the_librarys(two, kind):
    each = thing(two, OF_LIBRARY[kind])
    assert owner_of(each) is None
    assert owner_of(each, carried=True) is None
    assert not is_of(each, two.old)


def test_a_shared_module_is_of_the_generation_in_its_mark_whichever_runs_its_code(two):
    two.old.shares = two.new.shares = True
    two.new.modules["shop"] = two.shop
    with entered(two.new):
        assert owner_of(two.shop.Order().total) is two.old
        assert is_of(two.shop.Order, two.old)


# -- a given generation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["Error", "Error()", "Late", "Order", "Order()", "total", "stream()"])
def test_things_of_one_name_are_told_apart(two, code):
    old, new = (eval(code, vars(each)) for each in (two.shop, two.newer))
    assert is_of(old, two.old)
    assert not is_of(old, two.new)
    assert is_of(new, two.new)


@pytest.mark.parametrize(
    "code", ["functools.partial(total)", "library.retry(total)", "library.Pool(total)", "library.Pool", "Inner()"]
)
def test_what_only_calls_or_carries_code_is_not_of_it(two, code):
    # Nor a local class without functions: nobody can tell which generation has made it.
    assert not is_of(eval(code, vars(two.shop)), two.old)


@pytest.mark.parametrize("code", ["Error", "Error()", "Inner", "Inner()", "Order", "total", "vars()"])
def test_code_of_any_generation_is_user_code_to_the_newest_one(two, code):
    assert is_user_code(eval(code, vars(two.shop)), two.new)


@pytest.mark.parametrize("code", ["library.Pool", "library.Pool()", "library.tick", "library", "[total]", "len"])
def test_code_of_a_library_is_none(two, code):
    assert not is_user_code(eval(code, vars(two.shop)), two.new)


# -- nothing runs ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["its own __dict__", "Python's __dict__"])
def strange(request: pytest.FixtureRequest) -> Iterator[type]:
    """A class of which all that can be asked is code of its own, which must not run."""

    def note(*args: object) -> Any:
        called.append(sys._getframe(1).f_code.co_name)
        raise AssertionError

    called: list[str] = []
    names = (
        "eq repr str bool len iter getattribute contains getitem dir format getattr instancecheck subclasscheck hash"
    )
    space: dict[str, Any] = {f"__{name}__": note for name in names.split()}
    space |= {"__name__": property(note), "__module__": property(note), "__class__": property(note)}
    meta = type("Meta", (type,), space)
    own = {**space, "__dict__": property(note), "__self__": property(note), "__func__": property(note)}
    own |= {"__globals__": property(note), "__wrapped__": property(note), "__module__": "shop", "__call__": note}
    if request.param == "Python's __dict__":
        del own["__dict__"]
    yield meta.__new__(meta, "Strange", (), own)
    assert called == []


def test_no_code_of_an_object_runs_when_it_is_asked_for(two, strange):
    each = object.__new__(strange)
    for asked in (each, strange, functools.partial(each), types.MethodType(each, each), two.library.Pool(each)):
        assert owner_of(asked) is None
        assert owner_of(asked, carried=True) is None
        assert not is_of(asked, two.old)
        is_user_code(asked, two.old)
