"""Why a retired generation stays in memory: its holder is told in words (G8)."""

from __future__ import annotations

import re

import pytest

from shops import DRIVE, KEPT, UNSEEN, by, shop

# name: (what is said, the code that holds)
KINDS = {
    "an instance": (
        "shop_registry.CACHE['order'] -> shop.models.Order" + by("object"),
        "registry.CACHE['order'] = Order()",
    ),
    "a class": (
        "shop_registry.Model -> class shop.models.Order" + by("class"),
        "registry.Model = Order",
    ),
    "a function": (
        "shop_registry.total -> function shop.models.total" + by("function"),
        "registry.total = total",
    ),
    "a module": (
        "shop_registry.models -> module shop.models" + by("module"),
        "registry.models = models",
    ),
    "a namespace": (
        "shop_registry.names -> the namespace of shop.models" + by("module"),
        "registry.names = vars(models)",
    ),
    "a module under another name": (
        "alias -> the namespace of shop.models (system module alias holds a user module)",
        "sys.modules['alias'] = models",
    ),
    "a bound method": (
        "shop_registry.CACHE[(1, b'x')] -> method shop.models.Order.total" + by("method"),
        "registry.CACHE[1, b'x'] = Order().total",
    ),
    "a list in a dict in an attribute": (
        "shop_registry.POOL.orders['open'][1] -> shop.models.Order" + by("object"),
        "registry.POOL = registry.Pool()\nregistry.POOL.orders = {'open': [0, Order()]}",
    ),
    "an attribute of a class": (
        "shop_registry.Pool.order -> shop.models.Order" + by("object"),
        "registry.Pool.order = Order()",
    ),
    "a slot": (
        "shop_registry.SLOTS.order -> shop.models.Order" + by("object"),
        "registry.SLOTS = registry.Slots()\nregistry.SLOTS.order = Order()",
    ),
    "the tzinfo of a datetime": (
        "shop_registry.AT[0].tzinfo.order -> shop.models.Order" + by("object"),
        "import datetime\nregistry.AT = (datetime.datetime(2030, 1, 1, tzinfo=registry.Zone()),)\nregistry.AT[0].tzinfo.order = Order()",
    ),
    "the tzinfo of a time": (
        "shop_registry.AT.tzinfo -> app.hold.<locals>.Zone" + by("object"),
        "import datetime\nclass Zone(datetime.tzinfo):\n    def utcoffset(self, at): pass\nregistry.AT = datetime.time(8, tzinfo=Zone())",
    ),
    "an object that the collector does not track": (
        "shop_registry.POOL.ranks[(1, 2)]['first'] -> app.hold.<locals>.Rank" + by("object"),
        "class Rank(int):\n    __slots__ = ()\n    def name(self): pass\nregistry.POOL = registry.Pool()\nregistry.POOL.ranks = {(1, 2): {'first': Rank(1)}}",
    ),
    "an element of a set": (
        "shop_registry.SEEN (an element) -> shop.models.Order" + by("object"),
        "registry.SEEN.add(Order())",
    ),
    "a key": (
        "shop_registry.CACHE (a key) -> shop.models.Order" + by("object"),
        "registry.CACHE[Order()] = 1",
    ),
    "a value with a key that cannot be shown": (
        "shop_registry.CACHE[<shop_registry.Pool>] -> shop.models.Order" + by("object"),
        "registry.CACHE[registry.Pool()] = Order()",
    ),
    "a value with a long key": (
        f"shop_registry.CACHE['{39 * 'x'}...] -> shop.models.Order" + by("object"),
        "registry.CACHE[1000 * 'x'] = Order()",
    ),
    "a deque": (
        "shop_registry.QUEUE[0] -> shop.models.Order" + by("object"),
        "registry.QUEUE = registry.collections.deque([Order()])",
    ),
    "a closure": (
        "shop_registry.CALL, closure variable function of shop_registry.wrap.<locals>.call -> function shop.models.total" + by("function"),
        "registry.CALL = registry.wrap(total)",
    ),
    "a partial": (
        "shop_registry.CALL.args[0] -> shop.models.Order" + by("object"),
        "registry.CALL = functools.partial(print, Order())",
    ),
    "a default": (
        "shop_registry.wrap.__defaults__[0] -> shop.models.Order" + by("object"),
        "registry.wrap.__defaults__ = (Order(),)",
    ),
    "a variable of a suspended generator": (
        "shop_registry.FEED, local variable order of shop_registry.feed -> shop.models.Order" + by("object"),
        "registry.FEED = registry.feed(Order())\nnext(registry.FEED)",
    ),
    "a suspended generator": (
        "shop_registry.FEED -> generator shop.models.stream" + by("generator"),
        "registry.FEED = stream()\nnext(registry.FEED)",
    ),
    "a suspended coroutine": (
        "shop_registry.TASK -> coroutine shop.models.fetch" + by("coroutine"),
        "class Once:\n    def __await__(self): yield\nregistry.TASK = fetch(Once())\nregistry.TASK.send(None)",
    ),
    "a cached result": (
        "shop_registry.load (a cached result) -> shop.models.Order" + by("object"),
        "registry.CACHE['key'] = Order()\nregistry.load('key')",
    ),
    "a cached argument": (
        "shop_registry.load (a cached argument) -> shop.models.Order" + by("object"),
        "registry.CACHE = {Order(): 1}\nregistry.load(*registry.CACHE)",
    ),
    "a result cached without limit": (
        "shop_registry.load_all (a cached result) -> shop.models.Order" + by("object"),
        "registry.CACHE['key'] = Order()\nregistry.load_all('key')",
    ),
    "an argument cached without limit": (
        "shop_registry.load_all (a cached argument) -> shop.models.Order" + by("object"),
        "registry.CACHE = {Order(): 1}\nregistry.load_all(*registry.CACHE)",
    ),
    "singledispatch": (
        "shop_registry.show.registry[int] -> function shop.models.total" + by("function"),
        "registry.show.register(int, total)",
    ),
    "the callback of a weak reference": (
        "shop_registry.REF.__callback__ -> function shop.models.total" + by("function"),
        "registry.REF = weakref.ref(registry.Pool, total)",
    ),
    "a finalizer": (
        "the weakref.finalize of class shop_registry.Pool -> function shop.models.total" + " (what it is to call then is, or has, a user function)",
        "weakref.finalize(registry.Pool, total)",
    ),
    "a thread-local": (
        "shop_registry.LOCAL.order (of a thread) -> shop.models.Order" + by("object"),
        "registry.LOCAL.order = Order()",
    ),
    "a context": (
        "shop_registry.CONTEXT, variable order -> shop.models.Order" + by("object"),
        "registry.CONTEXT = contextvars.Context()\n" + "registry.CONTEXT.run(contextvars.ContextVar('order').set, Order())",
    ),
    "a context variable": (
        "the context of a thread, variable order -> shop.models.Order (it holds a user object)",
        "contextvars.ContextVar('order').set(Order())",
    ),
    "an exception": (
        "shop_registry.ERROR.__traceback__ -> the frame of app.py:13 in hold" + " (system module shop_registry holds a frame of user code)",
        "try:\n    1 / total()\nexcept Exception as error:\n    registry.ERROR = error",
    ),
    "a variable of a function that has failed": (
        "shop_registry.ERROR.__traceback__, local variable thing of shop_registry.py:{n} in fail -> shop.models.Order" + by("object"),
        "registry.run(registry.fail, Order())",
    ),
    "sys.excepthook": (
        "sys.excepthook -> function shop.models.total (system module sys holds a user function)",
        "sys.excepthook = total",
    ),
    "a finder": (
        "sys.meta_path[{n}] -> shop.models.Order (system module sys holds a user object)",
        "sys.meta_path.append(Order())",
    ),
    "a path hook": (
        "sys.path_hooks[{n}] -> function app.hold.<locals>.hook (system module sys holds a user function)",
        "def hook(path):\n    raise ImportError\nsys.path_hooks.append(hook)",
    ),
    "copyreg": (
        "copyreg.dispatch_table[shop_registry.Pool] -> function shop.models.total" + " (system module copyreg holds a user function)",
        "copyreg.pickle(registry.Pool, total)",
    ),
    "a handler of a logger": (
        "logging.getLogger('shop.orders').handlers[0] -> app.hold.<locals>.Handler (a logger holds a user object)",
        "class Handler(logging.Handler):\n    def emit(self, record): pass\n" + "logging.getLogger('shop.orders').addHandler(Handler())",
    ),
    "a filter of the root logger": (
        "logging.getLogger().filters[0] -> app.hold.<locals>.Filter (a logger holds a user object)",
        "class Filter(logging.Filter):\n    def filter(self, record): return True\n" + "logging.getLogger().addFilter(Filter())",
    ),
    "a signal handler": (
        "signal.getsignal(signal.SIGUSR1) -> function shop.models.total (the handler of a signal is a user function)",
        "signal.signal(signal.SIGUSR1, total)",
    ),
    "what C code holds": (
        UNSEEN + " -> function shop.models.total",
        "import atexit\natexit.register(total)",
    ),
    "a list of C code": (
        UNSEEN + " -> a list[{n}] -> function shop.models.total",
        "os.register_at_fork(before=total)",
    ),
    "the context of another thread": (
        UNSEEN + " -> the context of a thread, variable order -> shop.models.Order",
        "registry.VAR = contextvars.ContextVar('order')\nregistry.CACHE['make'] = Order\n" + "registry.start(registry.work_in_context)",
    ),
    "a loop in another thread": (
        UNSEEN + " -> generator shop.models.stream",
        "registry.CACHE['make'] = stream\nregistry.start(registry.work_in_a_loop)",
    ),
    "a thread that runs user code": (
        "the thread 'refresher' (daemon, running app.py:11 in refresh)",
        "def refresh():\n    registry.work()\nregistry.start(refresh, name='refresher', daemon=True)",
    ),
    "a thread that is to run user code later": (
        "the thread 'later' (running threading.py:{n} in run).function -> function shop.models.total" + " (a thread holds a user function)",
        "timer = threading.Timer(60, total)\ntimer.name = 'later'\ntimer.start()",
    ),
    "a thread with a user object": (
        "the thread 'worker' (running shop_registry.py:{n} in work), local variable job -> shop.models.Order" + " (a function that runs holds a user object)",
        "registry.start(registry.work, Order(), name='worker')",
    ),
    "a thread that was not made by threading": (
        "a thread (running shop_registry.py:{n} in work), local variable job -> shop.models.Order" + " (a function that runs holds a user object)",
        "import _thread\n_thread.start_new_thread(registry.work, (Order(),))\nregistry.started.wait()",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_holder_is_told_in_words(project, kind):
    words, code = KINDS[kind]
    told = project(shop(code)).drive(f"""{DRIVE}
    said = reports(reloader)
    registry.end.set()
    for thread in threading.enumerate():
        if type(thread) is threading.Timer:
            thread.cancel()
    tell(said=said)
    """)
    (said,) = told["said"]
    # Lines and lists of the interpreter's own are others in each version.
    assert re.fullmatch(re.escape(KEPT + words).replace(r"\{n\}", r"\d+"), said), said


def test_a_holder_is_told_as_data(project):
    told = project(shop("registry.CACHE['order'] = Order()")).drive(f"""{DRIVE}
    holder, = finding.holders(reloader)
    tell(generation=holder.generation, path=holder.path, text=holder.text, all=len(holder))
    """)
    assert told["generation"] == 2
    assert told["path"] == ["shop_registry.CACHE['order']", "shop.models.Order"]
    assert told["text"] == KEPT + "shop_registry.CACHE['order'] -> shop.models.Order" + by("object")
    assert told["all"] == 3


def test_the_nearest_of_several_holders_is_told(project):
    code = "registry.far = [[[[Order()]]]]\nregistry.near = [Order()]\nregistry.middle = [[[Order()]]]"
    assert project(shop(code)).drive(f"{DRIVE}\n    tell(said=reports(reloader))")["said"] == [
        KEPT + "shop_registry.near[0] -> shop.models.Order" + by("object")
    ]


def test_each_of_several_generations_is_told_with_its_own_holder(project):
    told = project(shop("registry.CACHE[models.__ponyreload__.number] = Order()")).drive(f"""{DRIVE}
    for _ in range(3):
        sys.modules["app"].hold()
        next_generation()
    tell(said=reports(reloader))
    """)
    assert told["said"] == [
        f"generation {number} is kept alive by shop_registry.CACHE[{number}] -> shop.models.Order{by('object')}"
        for number in (2, 3, 4, 5)
    ]


def test_a_newer_user_module_that_holds_an_old_object_is_told(project):
    files = shop("registry.CACHE['order'] = Order()")
    files["app.py"] += "OLD = registry.CACHE.pop('order', None)\n"
    assert project(files).drive(f"{DRIVE}\n    tell(said=reports(reloader))")["said"] == [
        KEPT + "app.OLD -> shop.models.Order (app of generation 3 holds a user object of an older one)"
    ]


def test_an_object_of_a_generation_that_is_itself_kept_is_told_by_the_way_to_it(project):
    code = "registry.CACHE['order'] = order = Order()\norder.before = registry.CACHE.pop('before', None)\n"
    told = project(shop(code)).drive(f"""{DRIVE}
    registry.CACHE["before"] = registry.CACHE.pop("order")
    sys.modules["app"].hold()
    next_generation()
    tell(said=reports(reloader))
    """)
    held = "shop_registry.CACHE['order']"
    assert told["said"] == [
        f"{KEPT}{held}.before -> shop.models.Order{by('object')}",
        f"generation 3 is kept alive by {held} -> shop.models.Order{by('object')}",
    ]


def test_a_generation_that_was_never_served_is_told_from_the_one_that_got_its_number(project):
    files = shop("registry.CACHE[3] = Order()")
    files["app.py"] += "hold(), 1 / registry.DIVISOR if hasattr(registry, 'DIVISOR') else 0\n"
    told = project(files).drive(f"""{DRIVE}
    registry.DIVISOR = 0
    try:
        reloader.reload()
    except ponyreload.LoadError:
        kept = registry.CACHE.pop(3)
    registry.DIVISOR = 1
    next_generation()
    registry.CACHE["failed"], kept = kept, None
    registry.CACHE["good"] = registry.CACHE.pop(3)
    next_generation()
    tell(said=reports(reloader))
    """)
    assert sorted(told["said"]) == [
        f"generation 4 is kept alive by shop_registry.CACHE['good'] -> shop.models.Order{by('object')}",
        "generation 4, which was never served, is kept alive by shop_registry.CACHE['failed'] -> shop.models.Order"
        + by("object"),
    ]


def test_the_load_that_failed_last_is_known_and_not_told(project):
    files = shop("pass")
    files["app.py"] += """
class ShopError(Exception):
    def total(self):
        return 0


if hasattr(registry, "FAIL"):
    raise ShopError
"""
    told = project(files).drive(f"""{DRIVE}
    registry.FAIL = 1
    try:
        reloader.reload()
    except ponyreload.LoadError:
        until(lambda: len(reloader.living) == 1)
    tell(said=reports(reloader), alive=living_generations())
    """)
    assert told["said"] == []
    assert told["alive"] == [3, 4]


def test_what_ponyreload_itself_holds_is_told_as_its_own_fault(project):
    code = "import ponyreload.lifecycle.hooks\nponyreload.lifecycle.hooks.planted = {'order': Order()}"
    assert project(shop(code)).drive(f"{DRIVE}\n    tell(said=reports(reloader))")["said"] == [
        KEPT
        + "ponyreload itself, ponyreload.lifecycle.hooks.planted['order'] -> shop.models.Order (please report this)"
    ]


def test_what_an_object_of_ponyreload_holds_is_told_as_its_own_fault(project):
    code = "reloader.planted = [Order()]"
    assert project(shop(code)).drive(f"{DRIVE}\n    tell(said=reports(reloader))")["said"] == [
        KEPT
        + "ponyreload itself, ponyreload.reloading.reloader.Reloader.planted[0] -> shop.models.Order (please report this)"
    ]


def test_what_nothing_holds_has_no_holder(project):
    told = project(shop("order = Order()\norder.self = order")).drive(f"""
    gc.disable()  # the cycles of old generations stay
    {DRIVE}
    alive = [each.number for each in finding.superseded(reloader.living)]
    tell(alive=alive, said=holder_of_each(finding.superseded(reloader.living), reloader.living))
    """)
    assert told["alive"] == [1, 2]
    assert told["said"] == [None, None]
