"""A Python without one of the private names: autoreload turns on, serves, reloads and stops all the same."""

from __future__ import annotations

import json
import re

import pytest

# Each with what is logged on a Python that does not have it; "" for what the developer would not notice.
NAMES = {
    "_signal": "",
    "_socket": "",
    "_thread:_local": "",
    "copyreg:_extension_registry": "a reload fails when it gives copyreg.add_extension another code for the same class",
    "copyreg:_inverted_registry": "a reload fails when it gives copyreg.add_extension another code for the same class",
    "functools:singledispatch._clear_cache": "",
    "importlib._bootstrap": "",
    "importlib._bootstrap:_DeadlockError": "",
    "importlib._bootstrap:_ModuleLock": "",
    "importlib._bootstrap:_find_spec": "modules that are first imported after the first reload are not reloaded",
    "importlib._bootstrap:_gcd_import": "",
    "importlib.machinery:ModuleSpec._initializing": "",
    "importlib.util:_LazyModule": "",
    "inspect:_shadowed_dict_from_mro_tuple": "",
    "inspect:_shadowed_dict_from_weakref_mro_tuple": "",
    "logging.config:_clearExistingHandlers": "dictConfig and fileConfig of a reload close the logging handlers of older generations too",
    "logging:_lock": "",
    "logging:_logRecordFactory": "",
    "multiprocessing.util:Finalize._callback": "",
    "multiprocessing.util:_afterfork_registry": "multiprocessing calls the functions of old generations in its child processes",
    "multiprocessing.util:_finalizer_registry": "multiprocessing runs the finalizers of old generations only when the process ends",
    "sys:_current_frames": "the log cannot say what a thread is running, nor which variable keeps an old generation in memory",
    "sys:_is_gil_enabled": "",
    "threading:Thread._target": "",
    "threading:_register_atexit": "when the process ends, it waits for the threads and executors of older generations",
    "typing:_overload_registry": "",
    "typing:_cleanups": "typing may keep classes of old generations in memory",
    "warnings:_add_filter": "",
    "warnings:_filters_mutated": "",
    "weakref:finalize._Info": "",
    "weakref:finalize._registry": "weakref.finalize keeps an old generation in memory until the object is deleted that it watches",
}

# It leaves behind something of each kind.
FILES = {
    "app.py": """
        import atexit, codecs, concurrent.futures, copyreg, functools, importlib, logging.config, multiprocessing.util
        import os, signal, socket, sqlite3, sys, threading, time, typing, warnings, weakref
        from ponyreload import *
        import part, plain

        reloader = use_autoreload()

        class Order:
            def total(self):
                return 0

        def nothing(*args):
            return args

        def work():
            while not superseded() and not plain.ends.is_set():
                time.sleep(0.001)

        plain.kept.append(Order())
        plain.local.order = Order()
        weakref.finalize(plain.kept[-1], nothing)
        multiprocessing.util.Finalize(plain.kept[-1], nothing, exitpriority=1)
        multiprocessing.util.register_after_fork(plain.kept[-1], nothing)
        typing.Optional[Order]
        isinstance(Order(), typing.SupportsInt)
        functools.singledispatch(nothing).register(Order, nothing)
        plain.show.register(Order, nothing)
        copyreg.add_extension("app", "Order", 240)
        atexit.register(nothing)
        codecs.register(nothing)
        sqlite3.register_adapter(Order, nothing)
        signal.signal(signal.SIGUSR1, nothing)
        warnings.filterwarnings("ignore", "about")
        warnings.simplefilter("ignore", UserWarning, append=True)
        os.register_at_fork(before=nothing)
        logging.setLogRecordFactory(logging.LogRecord)
        logging.config.dictConfig({
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"stderr": {"class": "logging.StreamHandler"}},
            "root": {"handlers": ["stderr"], "level": "INFO"},
        })
        logging.getLogger("shop").addHandler(logging.NullHandler())
        sys.excepthook = functools.partial(sys.__excepthook__)
        pool = concurrent.futures.ThreadPoolExecutor(1)
        pool.submit(nothing).result()
        threads = [threading.Thread(target=work), threading.Timer(1000, nothing)]
        for thread in threads:
            thread.start()
        if plain.listener is None or plain.binds:
            listener = socket.socket()
            listener.bind(plain.address)
            listener.listen()
            plain.listener = listener

        @AutoreloadMiddleware
        def application(environ, start_response):
            import late
            start_response("200 OK", [])
            return [repr([generation(), part.VALUE, late.VALUE, importlib.import_module("late").VALUE]).encode()]
    """,
    "part.py": "from ponyreload import *\nVALUE = 1\n",
    "late.py": "from ponyreload import *\nimport json.tool\nVALUE = 1\n",
    "plain.py": """
        import functools, socket, threading

        kept, local, ends = [], threading.local(), threading.Event()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = probe.getsockname()
        listener, binds = None, False

        @functools.singledispatch
        def show(thing):
            pass
    """,
    "drive.py": """
        import sys
        import concurrent.futures.thread, importlib.util, inspect, logging.config, multiprocessing.util, pickle
        from renaming import rename
        rename(sys.argv[1])

        from driving import *
        import app, plain

        reloader = app.reloader
        del app

        def retired():
            return len(reloader.living) == 1

        tell(served=request(sys.modules["app"].application))
        for name in ("part.py", "late.py"):
            project.replace(name, "VALUE = 1", "VALUE = 2")
        reloader.reload()
        until(retired)
        tell(served=request(sys.modules["app"].application))
        tell(kept=[str(each) for each in reloader.retained()])
        plain.kept.clear()
        tell(kept=[str(each) for each in reloader.retained()])
        del plain.local.order
        tell(kept=[str(each) for each in reloader.retained()])
        plain.binds = True
        try:
            reloader.reload()
        except ponyreload.LoadError as error:
            tell(error=str(error.reason))
        until(retired)
        tell(served=request(sys.modules["app"].application), modules=sorted({"app", "late"} & sys.modules.keys()))
        reloader.stop()
        import late
        tell(stopped=late.VALUE)
        plain.ends.set()
        for thread in sys.modules["app"].threads:
            thread.cancel() if isinstance(thread, threading.Timer) else thread.join()
    """,
}


@pytest.mark.parametrize("name", NAMES)
def test_autoreload_goes_on_without(project, name):
    done = project(FILES).run("drive.py", name, timeout=120)
    told = [json.loads(line[5:]) for line in done.stdout.splitlines() if line.startswith("TELL ")]
    kept = [each["kept"] for each in told if "kept" in each]
    assert [each["served"] for each in told if "served" in each] == ["[1, 1, 1, 1]", "[2, 2, 2, 2]", "[2, 2, 2, 2]"]
    assert [len(each) for each in kept[:2]] == [1, 1]
    assert "this process has 127.0.0.1:" in told[-3]["error"]
    assert told[-1] == {"stopped": 2}
    assert done.stderr.count("Traceback") == 1  # of the load that took the address again
    missing = re.findall("has no (.*)", done.stderr)
    assert missing == ([f"{name.replace(':', '.')}: {NAMES[name]}"] if NAMES[name] else [])
