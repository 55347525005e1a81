"""A shop of which something is held: files of a project, and what a driver does with them."""

from __future__ import annotations

import textwrap

REGISTRY = """
    import collections, datetime, functools, threading

    CACHE = {}
    SEEN = set()
    LOCAL = threading.local()
    started, end = threading.Event(), threading.Event()

    class Pool:
        pass

    class Slots:
        __slots__ = ("order",)

    class Zone(datetime.tzinfo):
        def utcoffset(self, at):
            return datetime.timedelta()

    def wrap(function):
        def call():
            return function()
        return call

    def feed(order):
        yield 1
        yield order

    def fail(thing):
        global ERROR
        try:
            1 / 0
        except ZeroDivisionError as error:
            ERROR = error

    def run(function, *args):
        thread = threading.Thread(target=function, args=args)
        thread.start()
        thread.join()

    def start(function, *args, **more):
        threading.Thread(target=function, args=args, **more).start()
        started.wait()

    def work(job=None):
        started.set()
        end.wait()

    def work_in_a_loop():
        for _ in CACHE.pop("make")():
            work()

    def work_in_context():
        VAR.set(CACHE.pop("make")())
        work()

    @functools.lru_cache
    def load(key):
        return CACHE.pop(key)

    @functools.cache
    def load_all(key):
        return CACHE.pop(key)

    @functools.singledispatch
    def show(thing):
        pass
"""
MODELS = """
    from ponyreload import *

    class Order:
        def total(self):
            return 0

    def total(*args):
        return 0

    def stream():
        yield 1
        yield 2

    async def fetch(future):
        await future
"""
APP = """
    from ponyreload import *
    import contextvars, copyreg, functools, logging, os, signal, sys, threading, weakref
    import shop_registry as registry
    from shop import models
    from shop.models import *
    reloader = use_autoreload()

    def hold():
"""
# Generation 2 runs `hold`, and is superseded by 3.
DRIVE = """
    import random, types
    from ponyreload.ownership.owned import Owned

    # What would be undone at retirement is to stay, and to be found.
    for name in ("install", "begin", "look", "published", "retire", "uninstall"):
        setattr(Owned, name, lambda *args: None)
    import app, finding
    import shop_registry as registry
    from finding import Generation, holder_of_each, reports
    reloader = app.reloader

    def next_generation():
        reloader.reload()
        until(lambda: len(reloader.living) == 1)

    next_generation()
    sys.modules["app"].hold()
    next_generation()
"""
# No variable of a function that asks may hold the generation: that would be a holder.
FINDING = """
    import gc
    from ponyreload.generations.generation import Generation
    from ponyreload.holders.search import holder_of_each

    def superseded(living):
        found = [each for each in gc.get_objects() if type(each) is Generation and each not in living]
        return sorted(found, key=lambda each: each.number)

    def holders(reloader):
        gc.collect()
        found = holder_of_each(superseded(reloader.living), reloader.living)
        return [each for each in found if each is not None]

    def reports(reloader):
        return [each.text for each in holders(reloader)]
"""
KEPT = "generation 2 is kept alive by "
UNSEEN = "something the collector cannot see (C code: atexit, an extension module, or a call in progress)"


def by(what: str) -> str:
    """The reason, where `shop_registry` holds it."""
    return f" (system module shop_registry holds a user {what})"


def shop(code: str) -> dict[str, str]:
    """The files of a shop in which `app.hold` does *code*."""
    app = textwrap.dedent(APP) + textwrap.indent(code, "    ") + "\n"
    return {"shop_registry.py": REGISTRY, "finding.py": FINDING, "shop/models.py": MODELS, "app.py": app}
