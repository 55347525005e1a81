"""Requests that register something, or import, in modules that a newer generation shares, with ``scope="affected"``."""

import pytest

from affected import RAN, drive, shop_files

# A request begins, and goes on while newer generations serve that have the same modules.
APP = (
    RAN
    + "import views, base, {names}\nreloader = use_autoreload(scope='affected')\n"
    + "def answer():\n    return {{each.__name__: each.answer() for each in ({names},)}}\n"
    + "@AutoreloadMiddleware\ndef application(environ, start_response):\n"
    + "    start_response('200 OK', [])\n    yield b'{{}}'\n    yield repr(answer()).encode()\n    yield repr(answer()).encode()\n"
)
# A module that makes something at its first use: `things` is a system module.
USES = (
    RAN
    + "import things\nmade = None\ndef answer():\n    global made\n    if made is None:\n        made = make()\n    return is_open()\n"
)
THINGS = """
class Pool:
    is_open = True
    def close(self):
        self.is_open = False
"""
KINDS = {
    "by_on_retire": "def make():\n    pool = things.Pool()\n    on_retire(pool.close)\n    return pool\ndef is_open():\n    return made.is_open\n",
    "by_keep": "def make():\n    return keep('pool', things.Pool, close=True)\ndef is_open():\n    return made.is_open\n",
    "by_atexit": "import atexit\ndef make():\n    pool = things.Pool()\n    atexit.register(pool.close)\n    return pool\ndef is_open():\n    return made.is_open\n",
    "by_thread": "import threading\ndef make():\n    thread = threading.Thread(target=superseded, args=(60,), daemon=True)\n    thread.start()\n    return thread\ndef is_open():\n    return made.is_alive()\n",
    "by_timer": "import threading\ndef make():\n    timer = threading.Timer(60, print)\n    timer.daemon = True\n    timer.start()\n    return timer\ndef is_open():\n    return not made.finished.is_set()\n",
    "by_executor": "from concurrent.futures import ThreadPoolExecutor\ndef make():\n    return ThreadPoolExecutor(1)\ndef is_open():\n    try:\n        return made.submit(bool, 1).result(5)\n    except RuntimeError:\n        return False\n",
    "by_handler": "import logging\nclass Handler(logging.Handler):\n    is_open = True\n    def emit(self, record):\n        pass\n    def close(self):\n        self.is_open = False\n        super().close()\ndef make():\n    logging.getLogger('shop').addHandler(handler := Handler())\n    return handler\ndef is_open():\n    return made.is_open and made in list(logging.getLogger('shop').handlers)\n",
    "by_signal": "import signal\ndef make():\n    signal.signal(signal.SIGUSR1, on_usr1)\n    return on_usr1\ndef on_usr1(*args):\n    pass\ndef is_open():\n    return signal.getsignal(signal.SIGUSR1) is made\n",
    "by_codec": "import codecs\ndef find(name):\n    return codecs.lookup('utf-8') if name == 'shop_codec' else None\ndef make():\n    codecs.register(find)\n    return find\ndef is_open():\n    try:\n        return bool(codecs.lookup('shop_codec'))\n    except LookupError:\n        return False\n",
}


@pytest.fixture
def kinds(project):
    names = ", ".join(KINDS)
    return project(
        shop_files(app=APP.format(names=names), things=THINGS, **{kind: USES + KINDS[kind] for kind in KINDS})
    )


def test_what_a_slow_request_registers_lasts_as_long_as_the_module(kinds):
    told = drive(
        kinds,
        """
    old, first = start(app.application), reloader.serving.modules
    parts = iter(old)
    next(parts)
    edit("leaf.py", "X = 1", "X = 2")
    kinds = [name for name in first if name.startswith("by_")]
    shared = all(reloader.serving.modules[name] is first[name] for name in kinds)
    slow = [eval(next(parts))]
    # Another generation has its own modules, and the slow request still those that were shared.
    ran = edit("leaf.py", "X = 2", "X = 3")
    idle = reloader.application.living.idle()
    living = [each.number for each in reloader.living if not each.retires and each not in idle]
    slow.append(eval(next(parts)))
    old.close()
    pause()
    ended = {name: not first[name].is_open() for name in kinds}
    tell(shared=shared, ran=ran, slow=slow, living=living, ended=ended)
    """,
    )
    good = dict.fromkeys(KINDS, True)
    assert told["shared"] is True
    assert told["living"] == [2, 3, 4]
    # There is one handler of a signal, which the newest generation sets. A superseded one's threads are to end.
    assert [each | {"by_signal": True, "by_thread": True} for each in told["slow"]] == [good, good]
    assert set(told["ran"]) >= set(KINDS)
    # A request asked for what is kept, so what serves now may still ask for it.
    assert told["ended"] == good | {"by_keep": False}


def test_what_a_slow_request_has_registered_is_there_for_the_newer_generation(kinds):
    told = drive(
        kinds,
        """
    old = start(app.application)
    parts = iter(old)
    next(parts)
    edit("leaf.py", "X = 1", "X = 2")
    next(parts)
    old.close()
    pause()
    tell(new=eval(list(start(app.application))[1]))
    """,
    )
    assert told["new"] == dict.fromkeys(KINDS, True)


def test_what_a_slow_request_imports_in_a_shared_module_is_known(project):
    late = RAN + "def answer():\n    import third\n    return third.X\n"
    files = shop_files(
        app=APP.format(names="late, third"), late=late, third=RAN + "X = 1\ndef answer():\n    return X\n"
    )
    told = drive(
        project(files),
        """
    old = start(app.application)
    parts = iter(old)
    next(parts)
    edit("leaf.py", "X = 1", "X = 2")
    until(lambda: reloader.serving.importers is not None)
    next(parts)
    old.close()
    tell(ran=edit("third.py", "X = 1", "X = 2"))
    """,
    )
    assert told["ran"] == ["app", "late", "third"]


# A module that fills something which each generation has for itself, and remembers that it has.
FILLS = (
    RAN
    + "import registry\nis_filled = False\ndef answer():\n    global is_filled\n    if not is_filled:\n        registry.routes['/'] = 1\n        is_filled = True\n    return '/' in registry.routes\n"
)
REGISTRY = "import ponyreload\nroutes = ponyreload.PerGeneration(dict)\n"


@pytest.fixture
def filling(project):
    return project(shop_files(app=APP.format(names="fills"), fills=FILLS, registry=REGISTRY))


def test_what_a_request_puts_into_a_per_generation_is_put_in_again(filling):
    told = drive(
        filling,
        """
    first = ask()
    ran = edit("leaf.py", "X = 1", "X = 2")
    tell(ran=ran, answers=[first, ask()])
    """,
    )
    assert told["ran"] == ["app", "fills", "leaf", "views"]
    assert told["answers"] == 2 * ["{}{'fills': True}{'fills': True}"]


def test_all_is_loaded_when_a_slow_request_has_put_something_into_its_own(filling):
    told = drive(
        filling,
        """
    old = start(app.application)
    parts = iter(old)
    next(parts)
    edit("leaf.py", "X = 1", "X = 2")
    del runs.ran[:]
    next(parts)
    old.close()
    reloader.wait(3, 20)
    tell(ran=sorted(runs.ran), answer=ask())
    """,
    )
    assert told["ran"] == ["app", "base", "fills", "leaf", "views"]
    assert told["answer"] == "{}{'fills': True}{'fills': True}"


def test_all_is_loaded_when_a_slow_request_has_imported_what_differs(project):
    keeps = (
        RAN
        + "kept = None\ndef answer():\n    global kept\n    if kept is None:\n        import leaf as kept\n    return kept.X\n"
    )
    told = drive(
        project(shop_files(app=APP.format(names="keeps"), keeps=keeps)),
        """
    old = start(app.application)
    parts = iter(old)
    next(parts)
    edit("leaf.py", "X = 1", "X = 2")
    slow = next(parts).decode()
    old.close()
    reloader.wait(3, 20)
    tell(slow=slow, new=ask())
    """,
    )
    assert (told["slow"], told["new"]) == ("{'keeps': 1}", "{}{'keeps': 2}{'keeps': 2}")
