"""What we assume of Python to undo what a generation leaves, where the standard library has no public way."""

from __future__ import annotations

import atexit
import codecs
import collections.abc
import concurrent.futures.thread
import contextlib
import functools
import gc
import importlib.util
import inspect
import logging
import logging.config
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import types
import warnings
import weakref

import pytest

from ponyreload.ownership import exits, filters, generics, threads
from ponyreload.ownership.views import READS, WRITES, View


def nothing(*args: object) -> None:
    pass


# -- threads -----------------------------------------------------------------------------------------------------


def test_all_threads_start_through_a_method_that_can_be_replaced(monkeypatch):
    started = []
    plain = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda self: started.append(self) or plain(self))
    thread, timer = threading.Thread(target=nothing), threading.Timer(0, nothing)
    pool = concurrent.futures.ThreadPoolExecutor(1)
    for each in (thread, timer):
        each.start()
        each.join()
    pool.submit(nothing).result()
    pool.shutdown()
    assert started[:2] == [thread, timer]
    assert len(started) == 3


def test_daemon_is_a_property():
    assert threads._is_daemon(threading.Thread(daemon=True))


def test_an_executor_can_be_told_not_to_wait():
    parameters = inspect.signature(concurrent.futures.ThreadPoolExecutor.shutdown).parameters
    assert {"wait", "cancel_futures"} <= set(parameters)


# -- exits -------------------------------------------------------------------------------------------------------


def test_atexit_compares_each_function_with_the_one_to_unregister(monkeypatch):
    class Pool:
        def close(self):
            pass

        def __call__(self):
            pass

    pool = Pool()
    mine = [nothing, pool.close, functools.partial(nothing), [].clear, Pool(), nothing]
    try:
        for each in mine:
            atexit.register(each)
        found = exits.registered()[-len(mine) :]
        assert all(one == other for one, other in zip(found, mine, strict=True))
    finally:
        for each in mine:
            atexit.unregister(each)
    assert not [each for each in exits.registered() if each is nothing]


def test_the_flags_of_code_are_those_that_inspect_has():
    assert exits.TAKES_MORE == inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


# -- logging -----------------------------------------------------------------------------------------------------


def test_a_view_stands_for_the_list_of_a_logger():
    logger = logging.Logger("shop")
    vars(logger)["handlers"] = view = View([], lambda generation: False)
    assert not logger.hasHandlers()
    handler = logging.NullHandler()
    logger.addHandler(handler)
    assert list.__len__(view) == 1
    assert logger.hasHandlers()
    logger.removeHandler(handler)
    assert list.__len__(view) == 0


def test_a_view_has_all_that_reads_or_changes_a_list():
    same = {
        "__class__", "__class_getitem__", "__delattr__", "__dir__", "__doc__", "__format__", "__getattribute__", "__getstate__",
        "__hash__", "__init__", "__init_subclass__", "__iter__", "__new__", "__reduce__", "__reduce_ex__", "__setattr__",
        "__sizeof__", "__str__", "__subclasshook__",
    }  # fmt: skip
    order = {
        "__ge__",
        "__gt__",
        "__le__",
        "__lt__",
        "__mul__",
        "__rmul__",
        "__imul__",
    }  # nobody does that with handlers
    assert set(dir(list)) - same - order == {*READS, *WRITES}


def test_the_handlers_of_logging_are_read_through_their_attribute():
    for function in (logging.Logger.callHandlers, logging.Logger.hasHandlers):
        assert "handlers" in function.__code__.co_names
    assert "filters" in logging.Filterer.filter.__code__.co_names


def test_a_logger_is_set_through_setattr(monkeypatch):
    names = []
    plain = logging.Logger.__setattr__
    monkeypatch.setattr(logging.Logger, "__setattr__", lambda *args: names.append(args[1]) or plain(*args))
    logger = logging.getLogger("a logger that is set")
    names.clear()
    logger.setLevel(13)
    assert names == ["level"]


# -- lists and registries ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("append", [False, True])
def test_a_warning_filter_is_listed_as_it_is_asked_for(append):
    place = -1 if append else 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning, 3, append=append)
        assert warnings.filters[place] == filters._simple_item("ignore", UserWarning, 3)
        warnings.filterwarnings("ignore", "about", UserWarning, r"shop\.", append=append)
        assert warnings.filters[place] == filters._item("ignore", "about", UserWarning, r"shop\.")


def test_the_table_of_a_generic_function_can_be_reached():
    @functools.singledispatch
    def show(thing):
        return "any"

    table = generics.table_of(show)
    show.register(int, nothing)
    assert table == dict(show.registry)
    assert show(1) is None
    del table[int]
    show._clear_cache()
    assert show(1) == "any"


def test_generic_functions_are_found_by_their_code(monkeypatch):
    module = types.ModuleType("shows")

    class Viewer:
        @functools.singledispatchmethod
        def show(self, thing):
            pass

    module.show, module.Viewer = functools.singledispatch(nothing), Viewer
    Viewer.__module__ = "shows"
    monkeypatch.setitem(sys.modules, "shows", module)
    found = list(generics.generic_functions())
    assert module.show in found
    assert vars(Viewer)["show"].dispatcher in found


def test_a_codec_can_be_unregistered():
    def search(name):
        return codecs.lookup("utf-8") if name == "shop" else None

    codecs.register(search)
    assert codecs.lookup("shop")
    codecs.unregister(search)
    with pytest.raises(LookupError):
        codecs.lookup("shop")


def test_an_abstract_class_keeps_nothing_of_what_is_registered_with_it():
    class Order:
        pass

    kept = weakref.ref(Order)
    collections.abc.Sized.register(Order)
    assert isinstance(Order(), collections.abc.Sized)
    del Order
    gc.collect()
    assert kept() is None


# -- signals -----------------------------------------------------------------------------------------------------


def test_the_handlers_that_python_begins_with():
    code = "import signal; print({s.name: str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM)})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    found = eval(done.stdout)
    assert found.pop("SIGINT") == str(signal.default_int_handler)
    assert found == {"SIGPIPE": str(signal.SIG_IGN), "SIGXFSZ": str(signal.SIG_IGN), "SIGTERM": str(signal.SIG_DFL)}


# -- forks, sqlite3, multiprocessing, singles --------------------------------------------------------------------


def test_a_function_at_fork_cannot_be_taken_back_and_is_checked_when_it_is_registered():
    assert not [name for name in dir(os) if "at_fork" in name and name != "register_at_fork"]
    with pytest.raises(TypeError):
        os.register_at_fork()
    with pytest.raises(TypeError):
        os.register_at_fork(before=1)
    with pytest.raises(TypeError):
        os.register_at_fork(nothing)


def test_functions_before_a_fork_run_newest_first_and_the_others_oldest_first():
    code = """
import os
for number in (1, 2):
    os.register_at_fork(
        before=lambda number=number: print("before", number, flush=True),
        after_in_parent=lambda number=number: print("after", number, flush=True),
    )
child = os.fork()
child or os._exit(0)
os.waitpid(child, 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.split() == ["before", "2", "before", "1", "after", "1", "after", "2"]


def test_sqlite3_has_its_adapters_and_converters_in_tables():
    class Order:
        pass

    sqlite3.register_adapter(Order, nothing)
    sqlite3.register_converter("shop_order", nothing)
    assert sqlite3.adapters.pop((Order, sqlite3.PrepareProtocol)) is nothing
    assert sqlite3.converters.pop("SHOP_ORDER") is nothing
    # They are those that count.
    with contextlib.closing(sqlite3.connect(":memory:")) as connection, pytest.raises(sqlite3.Error):
        connection.execute("select ?", (Order(),))


def test_a_thread_keeps_the_excepthook_that_it_finds(monkeypatch):
    def hook(*args):
        pass

    kept = weakref.ref(hook)
    monkeypatch.setattr(sys, "excepthook", hook)
    thread = threading.Thread(target=nothing)
    monkeypatch.undo()
    del hook
    gc.collect()
    assert kept() is not None
    del thread
    gc.collect()
    assert kept() is None


def test_an_import_takes_the_path_anew_each_time(monkeypatch, tmp_path):
    (tmp_path / "module_on_another_path.py").touch()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert importlib.util.find_spec("module_on_another_path")
    monkeypatch.undo()
    assert not importlib.util.find_spec("module_on_another_path")
