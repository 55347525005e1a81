"""What ponyreload looks through for itself: modules, registries, loggers. It runs nobody's module by that."""

from __future__ import annotations

# By the recipe in the documentation of Python: each is run when one of its attributes is read.
LAZILY = """
    import importlib.util, sys, types

    NAMES = (
        "concurrent.futures.thread", "logging.config", "multiprocessing.util", "pony.orm.sqltranslation", "sqlite3",
        "gevent.monkey", "waitress.server", "werkzeug.serving", "wsgiref.simple_server", "colorsys", "settings",
    )

    def lazy_import(name):
        try:
            spec = importlib.util.find_spec(name)
        except ImportError:
            return
        if spec is not None and name not in sys.modules:
            spec.loader = loader = importlib.util.LazyLoader(spec.loader)
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            loader.exec_module(module)
            made[name] = module

    made, touched = {}, []
    for name in NAMES:
        lazy_import(name)

    class Touchy(types.ModuleType):
        def __getattribute__(self, name):
            if sys._getframe(1).f_globals["__name__"].startswith("ponyreload"):
                touched.append(name)
            return super().__getattribute__(name)

    def __getattr__(name):
        touched.extend(each for each in (name,) if each != "__path__")  # an import statement asks for that one
        raise AttributeError(name)

    touchy = sys.modules["touchy"] = Touchy("touchy")

    class Plain:
        __getattribute__ = Touchy.__getattribute__

    # In the place of a module, as a key and a value of a registry, and in a collection.
    plain = sys.modules["plain"] = Plain()
    table = {"all": [touchy, plain, made]}
"""
FILES = {
    "lazily.py": LAZILY,
    "settings.py": "VALUE = 1",
    "shop.py": """
        from ponyreload import *
        import atexit, copyreg, functools, lazily, logging, sys, threading
        from lazily import made, plain, table, touchy

        X = 1
        copyreg.dispatch_table[lazily.Plain] = table
        copyreg.dispatch_table[plain] = touchy
        atexit.register(lazily.made.get, plain)
        sys.path_hooks.append(plain)
        sys.path_hooks.remove(plain)
        logging.getLogger("shop").addFilter(touchy)
        threading.Thread(target=lambda module: None, args=(touchy,)).start()
        lazily.shared = functools.partial(print, touchy)
    """,
    "app.py": """
        from ponyreload import *
        import shop
        reloader = use_autoreload(browser_refresh=True)

        @AutoreloadMiddleware
        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [repr(shop.X).encode()]
    """,
}


def test_nothing_that_waits_in_a_lazy_module_or_a_proxy_is_run(project):
    told = project(FILES).drive("""
        import lazily
        import app
        browser = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost"}
        answers = [request(app.application, **browser)]
        for number in (1, 2):
            project.replace("shop.py", f"X = {number}", f"X = {number + 1}")
            app.reloader.reload()
            answers.append(request(app.application, **browser))
        app.reloader.retained()
        request(app.application, "/__ponyreload__/", **browser)
        request(app.application, "/__ponyreload__/status.json", **browser)
        waiting = [name for name, module in lazily.made.items() if type(module).__name__ == "_LazyModule"]
        pool = lazily.made["concurrent.futures.thread"].ThreadPoolExecutor
        wrapped = hasattr(pool.__init__, "__wrapped__")
        app.reloader.stop()
        tell(answers=answers, ran=sorted(lazily.made.keys() - set(waiting)), touched=lazily.touched, wrapped=wrapped)
    """)
    assert told["answers"] == ["1", "2", "3"]
    assert told["ran"] == []
    assert told["touched"] == []
    # One that is used later is one that is imported later.
    assert told["wrapped"]
