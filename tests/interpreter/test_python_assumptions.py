"""What we assume of Python, where the standard library has no public way; fails where a new version breaks it."""

from __future__ import annotations

import builtins
import colorsys
import contextlib
import gc
import importlib
import importlib.util
import inspect
import linecache
import subprocess
import sys
import threading
import types
import typing
import weakref
from importlib import _bootstrap

import pytest

from ponyreload.ownership import caches


def test_the_import_system_has_a_lock_that_knows_its_owner():
    lock = _bootstrap._ModuleLock("some.name")
    lock.acquire()
    assert lock.owner == threading.get_ident()
    lock.acquire()  # by the same thread: re-entrant
    lock.release()
    lock.release()
    assert lock.owner is None
    assert issubclass(_bootstrap._DeadlockError, RuntimeError)


def test_import_module_goes_through_a_name_that_can_be_replaced(monkeypatch):
    asked = []
    plain = _bootstrap._gcd_import
    monkeypatch.setattr(_bootstrap, "_gcd_import", lambda *a: asked.append(a[0]) or plain(*a))
    assert importlib.import_module("json.tool").__name__ == "json.tool"
    assert "json.tool" in asked


@pytest.mark.parametrize(
    "look", ["import some.module", "importlib.import_module('some.module')", "importlib.util.find_spec('some.module')"]
)
def test_a_module_is_looked_for_through_a_name_that_can_be_replaced(monkeypatch, look):
    asked = []
    plain = _bootstrap._find_spec
    for holder in (_bootstrap, importlib.util):
        assert holder._find_spec is plain
        monkeypatch.setattr(holder, "_find_spec", lambda name, *rest: asked.append((name, rest)) or plain(name, *rest))
    monkeypatch.setitem(sys.modules, "some", types.ModuleType("some"))
    monkeypatch.setattr(sys.modules["some"], "__path__", ["/nowhere"], raising=False)
    with contextlib.suppress(ModuleNotFoundError):
        exec(look, {"importlib": importlib})
    assert asked == [("some.module", (["/nowhere"],))]


def test_a_reload_looks_for_the_module_through_the_same_name(monkeypatch):
    asked = []
    plain = _bootstrap._find_spec
    monkeypatch.setattr(_bootstrap, "_find_spec", lambda *given: asked.append(given) or plain(*given))
    importlib.reload(colorsys)
    assert asked == [("colorsys", None, colorsys)]


def test_the_import_statement_goes_through_builtins(monkeypatch):
    asked = []
    plain = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", lambda name, *a, **k: asked.append(name) or plain(name, *a, **k))
    exec("import json.decoder", {})
    monkeypatch.undo()
    assert asked[0] == "json.decoder"


def test_the_import_statement_touches_the_spec_of_what_sys_modules_holds(monkeypatch):
    touched = []

    class Standing(types.ModuleType):
        def __getattribute__(self, attribute):
            touched.append(attribute)
            return super().__getattribute__(attribute)

    monkeypatch.setitem(sys.modules, "stands_in", Standing("stands_in"))
    exec("import stands_in", {})
    assert touched == ["__spec__"]


def test_getline_goes_through_getlines(monkeypatch):
    monkeypatch.setattr(linecache, "getlines", lambda filename, module_globals=None: ["one\n", "two\n"])
    assert linecache.getline("no such file", 2) == "two\n"


def test_the_class_of_a_module_can_be_replaced_and_its_subclasses_have_slots():
    class Sub(types.ModuleType):
        __slots__ = ("extra",)

    module = Sub("name")
    module.extra = 1
    assert vars(Sub)["extra"].__get__(module) == 1


def test_a_star_import_asks_getattr_in_the_frame_of_the_importing_module(monkeypatch):
    frames = []
    source = types.ModuleType("source")
    source.__all__ = ["MARK"]
    source.__getattr__ = lambda name: frames.append(sys._getframe(1).f_globals.get("own")) or name
    monkeypatch.setitem(sys.modules, "source", source)
    namespace = {"own": "word"}
    exec("from source import *", namespace)
    assert namespace["MARK"] == "MARK"
    assert "word" in frames


def test_a_thread_inherits_being_a_daemon_from_the_property_of_its_maker():
    assert "current_thread().daemon" in inspect.getsource(threading.Thread.__init__)


def test_what_is_to_end_before_other_threads_can_be_registered():
    code = """
import atexit, threading
ended = threading.Event()
threading.Thread(target=ended.wait, args=(20,)).start()
atexit.register(print, "atexit")
threading._register_atexit(ended.set)
threading._register_atexit(print, "before the threads")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=10, check=True)
    assert done.stdout.split("\n")[:2] == ["before the threads", "atexit"]


def test_the_caches_that_hold_classes_can_be_emptied():
    class Order:
        pass

    kept = weakref.ref(Order)
    typing.Optional[Order]  # noqa: UP045 - the form that is cached
    isinstance(Order(), typing.SupportsInt)
    del Order
    gc.collect()
    caches.clear_caches()
    gc.collect()
    assert typing._cleanups
    assert kept() is None
