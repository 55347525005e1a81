"""The application that `soak.py` reloads: 20 user modules, with what a generation can leave, and a system module."""

from __future__ import annotations

import textwrap
from collections.abc import Container

__all__ = ["INGREDIENTS", "files"]

APP = """
    import os, sys
    # With App Engine's SDK installed, Pony believes to be there, and has all threads share a connection.
    sys.modules["google.appengine"] = None
    import cherrypy
    from ponyreload import *
    from shop.pages import Shop
    import probe
    VERSION = 0
    GENERATION = generation() or 1  # not turned on yet
    use_autoreload()
    cherrypy.config.update({
        "server.socket_port": int(os.environ["PORT"]), "log.screen": False, "log.error_file": "errors.log",
        "checker.on": False,
    })
    cherrypy.tree.graft(probe.application, "/probe")
    cherrypy.quickstart(Shop())
"""
# A system module: what all generations share, and what tells of the process.
PROBE = """
    USE_AUTORELOAD = False
    import gc, json, threading
    from collections import Counter
    from ponyreload import PerGeneration, use_autoreload
    from ponyreload.generations.generation import Generation

    routes = PerGeneration(dict)
    done = Counter()

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "application/json")])
        reloader = use_autoreload()
        told = {"serves": reloader.generation, "living": len(reloader.living), "done": dict(done)}
        told["threads"] = sorted(each.name for each in threading.enumerate())
        if environ["PATH_INFO"] == "/collected":
            retained = reloader.retained()
            gc.collect()
            objects = gc.get_objects()
            told |= {"objects": len(objects), "retained": [each.text for each in retained]}
            told["generations"] = sum(type(each) is Generation for each in objects)
            told["types"] = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in objects)
        return [json.dumps(told).encode()]
"""
HEAD = """
    from ponyreload import *
    VERSION = 0
    GENERATION = generation() or 1  # not turned on yet
"""
PAGES = """
    import importlib, pickle, sys
    import cherrypy
    from shop import NAMES
    from shop.money import Money
    import probe

    class Shop:
        @cherrypy.expose
        def index(self):
            # Imported the one way and the other.
            late = {name: importlib.import_module(name) for name in NAMES[::2]}
            late |= {name: sys.modules[name] for name in NAMES[1::2]}
            late["app"] = sys.modules["__main__"]
            money = pickle.loads(pickle.dumps(Money(3)))
            generations = [GENERATION, generation(), type(money).GENERATION]
            generations += [module.GENERATION for module in late.values()]
            version = max(VERSION, *(module.VERSION for module in late.values()))
            return f"{version} {' '.join(map(str, generations))}"

        @cherrypy.expose
        def work(self):
            return f"{GENERATION} " + " ".join(str(work()) for work in probe.routes.values())

        @cherrypy.expose
        @cherrypy.config(**{"response.stream": True})
        def stream(self):
            for number in range(5):
                from shop import late
                yield f"{late.GENERATION} {generation()} "
"""
MONEY = """
    import dataclasses, enum, functools, typing

    class Currency(enum.Enum):
        EURO = "EUR"

    @dataclasses.dataclass(frozen=True)
    class Money:
        amount: int
        currency: typing.Optional[Currency] = Currency.EURO
        GENERATION: typing.ClassVar[int] = GENERATION

    @functools.lru_cache(maxsize=None)
    def twice(money: Money) -> Money:
        return Money(2 * money.amount)

    @functools.singledispatch
    def show(thing):
        return str(thing)

    @show.register
    def _(thing: Money):
        return f"{thing.amount} {thing.currency.value}"

    typing.get_type_hints(Money)
    show(twice(Money(1)))
"""
# What the rest of the modules is: some code.
PLAIN = """
    class Thing:
        def __init__(self, name):
            self.name = name

        def price(self):
            return {number: f"{self.name} {number}" for number in range(50)}

    THINGS = [Thing(str(number)) for number in range(100)]
"""
# What every generation has of its own, and leaves running or registered. Each is a module, and adds something to do to
# the page /work, which tells the generation that did it.
INGREDIENTS = {
    "threads": """
        import threading
        import probe

        def work():
            while not superseded(timeout=0.05):
                probe.done["threads"] += 1

        for _ in range(2):
            threading.Thread(target=work).start()
    """,
    "timers": """
        import threading
        import probe

        def tick():
            probe.done["timers"] += 1
            start()

        def start(seconds=0.05):
            timer = threading.Timer(seconds, tick)
            timer.daemon = True
            timer.start()

        start()
        start(3600)
    """,
    "executors": """
        import concurrent.futures
        import probe

        pool = concurrent.futures.ThreadPoolExecutor(1)
        pool.submit(print, end="")

        def work():
            return GENERATION

        probe.routes["/executors"] = lambda: pool.submit(work).result()
    """,
    "handlers": """
        import logging
        import probe

        log = logging.getLogger("shop")
        log.propagate = False
        log.addHandler(logging.FileHandler("shop.log", "w"))
        log.setLevel(logging.INFO)

        class Counting(logging.Handler):
            def emit(self, record):
                probe.done["handlers"] += 1

        log.addHandler(Counting())

        def work():
            log.info("asked")
            return GENERATION

        probe.routes["/handlers"] = work
    """,
    "signals": """
        import signal
        import probe

        def answer(number, frame):
            probe.done["signal of"] = GENERATION

        signal.signal(signal.SIGUSR2, answer)
    """,
    "exits": """
        import atexit, weakref
        import probe

        class Opened:
            def close(self):
                probe.done["atexit"] += 1

        opened = Opened()
        atexit.register(opened.close)
        weakref.finalize(opened, print, end="")

        @on_retire
        def retire():
            probe.done["on_retire"] += 1

        @on_reload
        def reload():
            probe.done["on_reload"] += 1
    """,
    "database": """
        from pony.orm import Database, Required, Optional, Set, db_session, select
        import probe

        db = Database()

        class Shelf(db.Entity):
            name = Required(str)
            articles = Set("Article")

        class Article(db.Entity):
            name = Required(str)
            sold = Required(int, default=0)
            shelf = Optional(Shelf)

        connections = []

        @db.on_connect
        def remember(db, connection):
            connection.execute("pragma synchronous = off")  # what the disk takes is not the matter
            connections.append(connection)

        @on_retire
        def close():
            for connection in connections:
                connection.close()

        db.bind("sqlite", "shop.sqlite", create_db=True, check_same_thread=False)
        db.generate_mapping(create_tables=True)

        with db_session:
            if not Shelf.get(name="top"):
                Article(name="tea", shelf=Shelf(name="top"))

        @db_session
        def work():
            [article] = select(article for article in Article if article.shelf.name == "top").for_update()
            article.sold += 1
            return GENERATION if isinstance(article, Article) else 0

        probe.routes["/database"] = work
    """,
    "kept": """
        import threading
        import probe

        class Basket:
            def __init__(self, things):
                self.things = things

        lock = keep("lock", threading.Lock)
        cache = keep("cache", dict)
        basket = keep("basket", lambda: Basket([1]), migrate=lambda old: Basket(list(old.things)))

        def work():
            with lock:
                cache["asked"] = cache.get("asked", 0) + 1
            return GENERATION if isinstance(basket, Basket) else 0

        probe.routes["/kept"] = work
    """,
    "registrations": """
        import copyreg, functools, sys, warnings
        import probe

        class Code:
            pass

        class Finder:
            @staticmethod
            def find_spec(name, path=None, target=None):
                return None

        copyreg.pickle(Code, lambda code: (Code, ()))
        warnings.filterwarnings("ignore", message="shop")
        sys.path.append("/nowhere/shop")
        sys.meta_path.append(Finder)
    """,
}

OTHERS = ("late", "orders", "prices", "stock", "taxes", "texts", "users")


def files(ingredients: Container[str]) -> dict[str, str]:
    """Return the application's files. What is not among *ingredients* is some other code."""
    bodies = dict.fromkeys(OTHERS, PLAIN) | {"money": MONEY}
    bodies |= {name: body if name in ingredients else PLAIN for name, body in INGREDIENTS.items()}
    names = [f"shop.{name}" for name in bodies]
    imports = "\n".join(f"import {name}" for name in names if name != "shop.late")
    written = {f"shop/{name}.py": _user_module(body) for name, body in bodies.items()}
    written["shop/__init__.py"] = _user_module(f"NAMES = {[*names, 'shop', 'shop.pages']}")
    written["shop/pages.py"] = _user_module(imports, PAGES)
    return {**written, "app.py": textwrap.dedent(APP), "probe.py": textwrap.dedent(PROBE)}


def _user_module(*parts: str) -> str:
    return "\n".join(textwrap.dedent(part) for part in (HEAD, *parts))
