"""What a generation's code leaves outside of its modules: ten reloads leave one of each, a failed load leaves none."""

from __future__ import annotations

import textwrap

import pytest

# Each kind is made by a module of its own, when the driver wants that.
MADE = """
    from ponyreload import *
    import atexit, codecs, concurrent.futures, copyreg, functools, gc, logging, multiprocessing.util, os, signal, sqlite3
    import sys, threading, warnings, weakref
    import system

    class Order:
        def total(self):
            return 0

    def work(*args):
        while not superseded(0.02):
            pass

    def nothing(*args):
        return None

"""
SYSTEM = """
    import functools, weakref

    wanted, draws, forks = set(), weakref.WeakSet(), []
    calls = []

    class Pool:
        def close(self):
            pass

        def end(self):
            pass

    pool = Pool()

    @functools.singledispatch
    def show(thing):
        return "system"

    class Finder:
        def find_spec(self, name, path=None, target=None):
            return None

    def codec(name):
        return None
"""
# name: (what a module of the generation does, what there is of it in the process)
KINDS = {
    "thread": ("threading.Thread(target=work, name='worker').start()", "[t.name for t in threading.enumerate()].count('worker')"),
    "daemon thread": ("threading.Thread(target=work, name='daemon', daemon=True).start()", "[t.name for t in threading.enumerate()].count('daemon')"),
    "timer": ("timer = threading.Timer(600, nothing); timer.name, timer.daemon = 'timer', True; timer.start()", "[t.name for t in threading.enumerate()].count('timer')"),
    "timer that starts the next": (
        "def tick():\n    global timer\n    timer = threading.Timer(0.001, tick)\n    timer.name, timer.daemon = 'tick', True\n    timer.start()\ntick()",
        "int(ticks())",
    ),
    "thread pool": (
        "pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix='pool'); pool.submit(nothing).result()",
        "pools()",
    ),
    "exit function": ("atexit.register(nothing)", "exits().count('nothing')"),
    "exit function of a library": ("atexit.register(system.Pool().end)", "exits().count('Pool.end')"),
    "exit function on the process": ("atexit.register(system.pool.close)", "exits().count('Pool.close')"),
    "signal handler": ("signal.signal(signal.SIGUSR1, nothing)", "int(callable(signal.getsignal(signal.SIGUSR1)))"),
    "handler of the root logger": ("logging.getLogger().addHandler(logging.NullHandler())", "len(logging.getLogger().handlers)"),
    "handler of a logger": ("logging.getLogger('shop').addHandler(logging.NullHandler())", "len(logging.getLogger('shop').handlers)"),
    "filter of a logger": ("logging.getLogger('shop').addFilter(lambda record: True)", "len(logging.getLogger('shop').filters)"),
    "filter of a library's handler": ("logging.lastResort.addFilter(lambda record: True)", "len(logging.lastResort.filters)"),
    "warning filter": ("warnings.filterwarnings('ignore', 'what', DeprecationWarning)", "sum(bool(f[1]) and f[1].pattern == 'what' for f in warnings.filters)"),
    "warning filter at the end": ("warnings.simplefilter('ignore', ImportWarning, 7, append=True)", "sum(f[4] == 7 for f in warnings.filters)"),
    "warning filter of a category of its own": (
        "class Late(UserWarning): pass\nwarnings.simplefilter('ignore', Late)", "sum(f[2].__name__ == 'Late' for f in warnings.filters)"
    ),
    "import path": ("sys.path.insert(0, '/there')", "sys.path.count('/there')"),
    "import path at the end": ("sys.path.append('/end')", "sys.path.count('/end')"),
    "import path that is asked for": ("if '/asked' not in sys.path: sys.path.append('/asked')", "sys.path.count('/asked')"),
    "finder": ("class Finder(system.Finder):\n    def found(self): pass\nsys.meta_path.append(Finder())", "sum(type(f).__name__ == 'Finder' and hasattr(f, 'found') for f in sys.meta_path)"),
    "finder of a library": ("sys.meta_path.append(system.Finder())", "sum(type(f).__name__ == 'Finder' for f in sys.meta_path)"),
    "path hook": ("def hook(path): raise ImportError\nsys.path_hooks.append(hook)", "len(sys.path_hooks)"),
    "callback of the collector": ("gc.callbacks.append(nothing)", "len(gc.callbacks)"),
    "finalizer": ("weakref.finalize(system.pool, nothing)", "len(weakref.finalize._registry)"),
    "finalizer that is not to run at exit": ("weakref.finalize(system.pool, nothing).atexit = False", "len(weakref.finalize._registry)"),
    "finalizer of multiprocessing": ("multiprocessing.util.Finalize(system.pool, nothing, exitpriority=1)", "len(multiprocessing.util._finalizer_registry)"),
    "finalizer of multiprocessing that is not to run at exit": ("multiprocessing.util.Finalize(system.pool, nothing)", "len(multiprocessing.util._finalizer_registry)"),
    "function at fork": ("os.register_at_fork(before=lambda: system.forks.append(1))", "forks()"),
    "function after a fork of multiprocessing": ("multiprocessing.util.register_after_fork(system.pool, nothing)", "len(multiprocessing.util._afterfork_registry)"),
    "adapter of sqlite3, class of its own": ("sqlite3.register_adapter(Order, str)", "len(sqlite3.adapters)"),
    "adapter of sqlite3, class of a library": ("sqlite3.register_adapter(system.Pool, nothing)", "len(sqlite3.adapters)"),
    "converter of sqlite3": ("sqlite3.register_converter('order', nothing)", "len(sqlite3.converters)"),
    "hook for exceptions": ("old = sys.excepthook\ndef hook(*args):\n    system.calls.append(args)\n    return old(*args)\nsys.excepthook = hook", "calls(lambda: sys.excepthook(KeyError, KeyError(), None))"),
    "hook for exceptions of threads": (
        "old = threading.excepthook\ndef hook(*args):\n    system.calls.append(args)\n    return old(*args)\nthreading.excepthook = hook",
        "calls(lambda: threading.excepthook(threading.ExceptHookArgs([KeyError, KeyError(), None, None])))",
    ),
    "factory of log records": (
        "old = logging.getLogRecordFactory()\ndef hook(*args):\n    system.calls.append(args)\n    return old(*args)\nlogging.setLogRecordFactory(hook)",
        "calls(lambda: logging.makeLogRecord({}) and logging.getLogger('a').makeRecord('a', 10, 'a.py', 1, 'a', (), None))",
    ),
    "copyreg, class of its own": ("copyreg.pickle(Order, nothing)", "sum(c.__name__ == 'Order' for c in copyreg.dispatch_table)"),
    "copyreg, class of a library": ("copyreg.pickle(system.Pool, nothing)", "sum(c.__name__ == 'Pool' for c in copyreg.dispatch_table)"),
    "copyreg, class without methods": ("class Bare: pass\ncopyreg.pickle(Bare, print)", "sum(c.__name__ == 'Bare' for c in copyreg.dispatch_table)"),
    "generic function of its own": ("@functools.singledispatch\ndef draw(thing): return Order\ndraw.register(int, nothing)\nsystem.draws.add(draw)", "len(system.draws)"),
    "extension code": ("copyreg.add_extension('made', 'Order', 4711)", "len(copyreg._extension_registry)"),
    "generic function, class of its own": ("system.show.register(Order, nothing)", "len(system.show.registry)"),
    "generic function, class of a library": ("system.show.register(int, nothing)", "len(system.show.registry)"),
    "level": ("logging.getLogger('shop').setLevel(13)", "logging.getLogger('shop').level"),
}  # fmt: skip


DRIVE = """
    import app, system
    from ponyreload.ownership.exits import registered
    import atexit, codecs, concurrent.futures, copyreg, logging, multiprocessing.util, signal, sqlite3, warnings
    reloader = app.reloader
    counts, served = {counts}, set()

    def ticks():
        # Between two of them there is none for a moment.
        return any("tick" in [t.name for t in threading.enumerate()] or time.sleep(0.001) for _ in range(100))

    def pools():
        # The workers of a pool that was shut down end by and by.
        until(lambda: sum(t.name.startswith("pool") for t in threading.enumerate()) == ("thread pool" in served))
        return int("thread pool" in served)

    def forks():
        system.forks.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a process with threads forks
            child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        return len(system.forks)

    def calls(function):
        system.calls.clear()
        function()
        return len(system.calls)

    def exits():
        return [getattr(each, "function", each).__qualname__ for each in registered()]

    def count():
        until(lambda: len(reloader.living) == 1)
        until(lambda: living_generations() == [reloader.generation])
        return {{name: eval(text) for name, text in counts.items()}}

    def reload(*wanted):
        system.wanted = set(wanted)
        try:
            reloader.reload()
            served.clear()
            served.update(wanted)
        except ponyreload.LoadError as error:
            assert "ZeroDivisionError" in str(error), error
            assert "FAILS" in wanted
"""


@pytest.fixture
def drive(project):
    """Run code in a process whose application makes what is `wanted`, and fails to load if that has FAILS."""
    files = {"system.py": SYSTEM, "app.py": "from ponyreload import *\nreloader = use_autoreload()\n"}
    for number, (name, (makes, _)) in enumerate(KINDS.items()):
        files["app.py"] += f"import made{number}\n"
        made = textwrap.dedent(MADE) + f"if {name!r} in system.wanted:\n" + textwrap.indent(makes, "    ")
        files[f"made{number}.py"] = made
    # The last to be loaded: when it fails, all others have made what they make.
    files["app.py"] += "import system\nif 'FAILS' in system.wanted: 1 / 0\n"
    counts = {name: count for name, (_, count) in KINDS.items()}
    site = project(files)
    return lambda code: site.drive(textwrap.dedent(DRIVE.format(counts=counts)) + textwrap.dedent(code))


def test_ten_reloads_leave_one(drive):
    told = drive("""
        reload()
        before = count()
        reload(*counts)
        once = count()
        for _ in range(10):
            reload(*counts)
        tell(before=before, once=once, often=count(), alive=living_generations())
    """)
    assert not {name for name in KINDS if told["once"][name] == told["before"][name]}
    assert told["often"] == told["once"]
    assert told["alive"] == [13]
    assert "please report" not in told["stderr"]


def test_a_load_that_fails_leaves_none(drive):
    told = drive("""
        reload()
        before = count()
        reload("FAILS", *counts)
        reload("FAILS", *counts)
        tell(before=before, after=count(), alive=living_generations())
    """)
    assert told["after"] == told["before"]
    assert told["alive"] == [2]
    assert "please report" not in told["stderr"]


def test_a_load_that_fails_leaves_what_serves_as_it_is(drive):
    told = drive("""
        reload(*counts)
        before = count()
        reload("FAILS", *counts)
        reload("FAILS")
        tell(before=before, after=count(), alive=living_generations())
    """)
    assert told["after"] == told["before"]
    assert told["alive"] == [2]


# Code may ask first whether these are there; then a newer generation relies on what an older one has put in.
STAY = {"import path", "import path at the end", "import path that is asked for"}
STAY |= {"finder of a library", "extension code"}


def test_what_a_newer_generation_does_not_make_any_more_goes_with_the_older_one(drive):
    told = drive("""
        reload()
        before = count()
        reload(*counts)
        during = count()
        reload()
        tell(before=before, during=during, after=count(), alive=living_generations())
    """)
    assert {name for name in KINDS if told["after"][name] != told["before"][name]} == STAY
    assert told["alive"] == [4]


def test_what_was_added_though_it_was_there_goes_when_nobody_adds_it_any_more(drive):
    told = drive("""
        reload()
        before = count()
        reload(*counts)
        reload(*counts)
        reload()
        tell(before=before, after=count(), alive=living_generations())
    """)
    left = {name for name in KINDS if told["after"][name] != told["before"][name]}
    assert left == STAY - {"import path", "import path at the end"}
