"""Private names of CPython: one file uses them, and this Python has them."""

from __future__ import annotations

import ast
import colorsys
import contextlib
import copyreg
import functools
import gc
import importlib
import importlib.util
import logging.config
import multiprocessing.util
import re
import signal
import subprocess
import sys
import sysconfig
import threading
import types
import typing
import warnings
import weakref
from collections.abc import Iterator
from importlib import _bootstrap

import pytest

from ponyreload.interpreter import private
from projects import SOURCE

HOLDER = SOURCE / "ponyreload/interpreter/private.py"
# Names of the standard library that are private in form only.
DOCUMENTED = {"sys._getframe", "os._exit"}
PRIVATE = re.compile(r"\b_[A-Za-z]\w*")


def nothing(*args: object) -> None:
    pass


# -- in one file -------------------------------------------------------------------------------------------------


def strings(module: ast.Module) -> Iterator[ast.Constant]:
    """The strings of a module that are no docstrings."""
    docstrings = {id(each.value) for each in ast.walk(module) if isinstance(each, ast.Expr)}
    for each in ast.walk(module):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and id(each) not in docstrings:
            yield each


HELD = {name for each in strings(ast.parse(HOLDER.read_text())) for name in PRIVATE.findall(each.value)}


def is_private(module: str | None) -> bool:
    """Whether a module of the standard library is private, or part of a private one."""
    parts = str(module).split(".")
    return parts[0] in sys.stdlib_module_names and any(map(PRIVATE.fullmatch, parts))


def uses(text: str) -> list[str]:
    """What a file uses of the private names of the standard library."""
    module = ast.parse(text)
    nodes = list(ast.walk(module))
    library, found = {}, []
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                full = start + alias.name
                if full.partition(".")[0] in sys.stdlib_module_names:
                    library[alias.asname or alias.name.partition(".")[0]] = (
                        full if alias.asname or start else alias.name.partition(".")[0]
                    )
                if is_private(full):
                    found.append(f"{node.lineno} imports {full}")
    own = {each.attr for each in nodes if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store)}
    own |= {each.name for each in nodes if isinstance(each, ast.FunctionDef)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and PRIVATE.fullmatch(node.attr):
            start, _, rest = ast.unparse(node).partition(".")
            full = f"{library.get(start, '')}.{rest}"
            is_of_library = start in library and full not in DOCUMENTED
            if is_of_library or (node.attr in HELD and node.attr not in own):
                found.append(f"{node.lineno} uses {ast.unparse(node)}")
    return found + [f"{each.lineno} has {each.value!r}" for each in strings(module) if each.value in HELD]


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCE)))
def test_private_names_of_the_standard_library_are_used_in_one_file(file):
    assert (uses(file.read_text(encoding="utf-8")) == []) is (file != HOLDER)


@pytest.mark.parametrize(
    "text",
    [
        "import _thread",
        "from _thread import allocate_lock",
        "from importlib import _bootstrap",
        "import importlib._bootstrap",
        "from threading import _register_atexit as register",
        "import threading\nthreading._shutdown()",
        "import logging as log\nlog._lock.acquire()",
        "from weakref import finalize\nlist(finalize._registry)",
        "import os\nos.path._joinrealpath('a')",
        "def target(thread):\n    return thread._target",
        "def target(thread):\n    return vars(thread).get('_target')",
        "class A:\n    def lock(self):\n        return getattr(self.spec, '_initializing')",
    ],
)
def test_a_use_of_a_private_name_is_found(text):
    assert uses(text)


@pytest.mark.parametrize(
    "text",
    [
        "import sys\nsys._getframe(1)",
        "class A:\n    def __init__(self):\n        self._lock = 1\n    def use(self):\n        return self._lock",
        '"""About _gcd_import."""\nimport threading\nthreading.__excepthook__',
        "from cherrypy import _cptree\n_cptree._x",
    ],
)
def test_other_names_are_not_taken_for_private_ones_of_the_standard_library(text):
    assert uses(text) == []


# -- this Python has them ----------------------------------------------------------------------------------------

PATHS = {each.value for each in strings(ast.parse(HOLDER.read_text())) if re.fullmatch(r"[\w.]+:[\w.]+", each.value)}
# What some versions do not have.
NOT_HERE = {
    "sys:_is_gil_enabled": sys.version_info < (3, 13),
    "typing:_overload_registry": sys.version_info < (3, 11),
}


@pytest.mark.parametrize("path", sorted(PATHS))
def test_this_python_has(path):
    module = path.partition(":")[0]
    importlib.import_module(module)
    assert (private._find(path) is None) is NOT_HERE.get(path, False)


def test_what_is_used_in_place_of_a_missing_name_is_not_used_here():
    generic = functools.singledispatch(nothing)
    assert private.current_frames is sys._current_frames
    assert not private.MAY_BE_INITIALIZING
    assert (_bootstrap, "_gcd_import") == private.IMPORT_BY_NAME
    assert private.DeadlockError is _bootstrap._DeadlockError
    assert private.logging_lock() is logging._lock
    assert private.closer_of_handlers() is logging.config._clearExistingHandlers
    assert private.dispatch_cache_clearer(generic) is generic._clear_cache
    assert private.plain_socket_class() in importlib.import_module("socket").socket.__bases__


@pytest.mark.parametrize("kind", [private.module_lock, private.TimedLock])
def test_the_lock_of_a_module_knows_its_owner(kind):
    lock = kind("some.name")
    lock.acquire()
    assert lock.owner == threading.get_ident()
    lock.acquire()  # by the same thread: re-entrant
    lock.release()
    assert lock.owner == threading.get_ident()
    lock.release()
    assert lock.owner is None
    assert issubclass(_bootstrap._DeadlockError, RuntimeError)


def test_import_module_goes_through_a_name_that_can_be_replaced(monkeypatch):
    asked = []
    plain = _bootstrap._gcd_import
    monkeypatch.setattr(_bootstrap, "_gcd_import", lambda *a: asked.append(a[0]) or plain(*a))
    assert importlib.import_module("json.tool").__name__ == "json.tool"
    assert "json.tool" in asked


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
    private.clear_caches()
    gc.collect()
    assert typing._cleanups
    assert kept() is None


@pytest.mark.skipif(sys.version_info < (3, 11), reason="keeps none")
def test_typing_keeps_overloads_by_module_name_and_line():
    def total(): ...

    typing.overload(total)
    kept = private.overload_registry()[__name__][total.__qualname__]
    assert kept == {total.__code__.co_firstlineno: total}
    assert typing.get_overloads(total) == [total]
    kept.clear()
    assert typing.get_overloads(total) == []


def test_a_thread_knows_its_target_until_that_has_run():
    go, thread = threading.Event(), None
    thread = threading.Thread(target=go.wait)
    thread.start()
    assert private.target_of(thread) == go.wait
    assert vars(threading.Timer(1, nothing))["function"] is nothing
    go.set()
    thread.join()
    assert private.target_of(thread) is None


def test_a_pool_registers_what_waits_for_it_when_it_is_imported():
    code = """
import threading
ended = []
plain = threading._register_atexit
threading._register_atexit = lambda function: ended.append(function.__module__) or plain(function)
import concurrent.futures.thread
import contextlib
print(ended)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() == "['concurrent.futures.thread']"


def test_finalizers_stand_in_a_registry_oldest_first():
    class Thing:
        pass

    thing = Thing()
    made = [weakref.finalize(thing, nothing, number) for number in range(3)]
    try:
        assert [each for each in private.finalizers() if each in made] == made
        assert made[1].peek() == (thing, nothing, (1,), {})
    finally:
        for each in made:
            each.detach()


def test_the_lock_of_logging_can_be_entered_twice():
    with private.logging_lock(), private.logging_lock():
        pass


def test_config_closes_all_handlers_through_a_function_that_can_be_replaced(monkeypatch):
    called = []
    monkeypatch.setattr(logging.config, "_clearExistingHandlers", lambda: called.append("dict"))
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    assert called == ["dict"]
    assert "_clearExistingHandlers" in logging.config.fileConfig.__code__.co_names
    assert "disabled" in logging.config._handle_existing_loggers.__code__.co_names


def test_copyreg_has_its_extension_codes_in_tables():
    copyreg.add_extension("shop.cart", "Order", 4711)
    codes, names = private.extension_tables()
    assert codes["shop.cart", "Order"] == 4711
    assert names[4711] == ("shop.cart", "Order")
    copyreg.remove_extension("shop.cart", "Order", 4711)


def test_multiprocessing_has_registries_of_what_it_is_to_call():
    class Pool:
        pass

    pool = Pool()
    multiprocessing.util.register_after_fork(pool, nothing)
    found = [key for key in private.after_fork_registry() if key[2] is nothing]
    assert len(found) == 1
    assert private.after_fork_registry().pop(found[0]) is pool
    at_end = multiprocessing.util.Finalize(pool, nothing, exitpriority=10)
    for finalizer, number in ((at_end, 10), (multiprocessing.util.Finalize(pool, nothing), None)):
        assert private.callback_of(finalizer) is nothing
        keys = [key for key, each in private.exit_registry().items() if each is finalizer]
        assert [key[0] for key in keys] == [number]
        finalizer.cancel()
        assert keys[0] not in private.exit_registry()


def test_where_the_locks_of_modules_are_missing_a_deadlock_ends(monkeypatch):
    monkeypatch.setattr(private, "DEADLOCK_SECONDS", 0.2)
    locks, both, failed = [private.TimedLock("one"), private.TimedLock("two")], threading.Barrier(2), []

    def work(mine, other):
        mine.acquire()
        both.wait(20)
        try:
            other.acquire()
            other.release()
        except private.DeadlockError:
            failed.append(mine)
        mine.release()

    workers = [threading.Thread(target=work, args=pair) for pair in (locks, locks[::-1])]
    for each in workers:
        each.start()
    for each in workers:
        each.join(20)
    assert failed
    assert [each.owner for each in locks] == [None, None]


def test_a_thread_has_its_frame_among_those_that_run():
    assert private.current_frames()[threading.get_ident()].f_code.co_name == sys._getframe().f_code.co_name


def test_the_handler_of_a_signal_is_not_compared():
    compared = []

    class Handler:
        def __eq__(self, other):
            compared.append(other)
            return False

        def __call__(self, *args):
            pass

    before, handler = signal.getsignal(signal.SIGUSR1), Handler()
    signal.signal(signal.SIGUSR1, handler)
    try:
        assert private.signal_handler(signal.SIGUSR1) is handler
        assert not compared
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_finalize_keeps_what_it_is_to_call_in_an_object_of_its_own():
    class Thing:
        pass

    thing = Thing()
    finalizer = weakref.finalize(thing, nothing)
    assert type(finalizer._registry[finalizer]) is private.Finalizer
    assert finalizer.detach()


def test_a_spec_has_a_flag_while_its_module_runs(monkeypatch, tmp_path):
    (tmp_path / "module_that_runs.py").write_text("seen = __spec__._initializing")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("module_that_runs")
    assert module.seen is True
    assert getattr(module.__spec__, private.INITIALIZING) is False


def test_code_that_has_warned_minds_filters_changed_in_place_once_that_is_told():
    registry: dict[object, object] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        seen = []
        for tell in (nothing, nothing, private.warning_filters_changed):
            tell()
            warnings.warn_explicit("old", UserWarning, "file.py", 1, registry=registry)
            seen.append(len(caught))
    assert seen == [1, 1, 2]


def test_this_python_has_a_gil():
    assert private.has_gil() is not bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


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


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock, threading.Condition])
def test_a_lock_that_another_thread_holds_can_be_made_free_in_a_child(make):
    lock = make()
    holder = threading.Thread(target=lock.acquire)
    holder.start()
    holder.join()
    assert not lock.acquire(blocking=False)
    private.free_in_child(lock)
    assert lock.acquire(blocking=False)
