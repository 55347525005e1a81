"""What we assume of Python, where the standard library has no public way; fails where a new version breaks it."""

from __future__ import annotations

import builtins
import inspect
import linecache
import sys
import threading
import types


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
