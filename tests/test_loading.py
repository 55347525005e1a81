"""A load that fails changes nothing (G3), and the next save tries again."""

from __future__ import annotations

import re

import pytest

APP = """
    from ponyreload import *
    from shop import cart
    reloader = use_autoreload()

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{cart.PRICE} in {generation()}".encode()]
"""
FILES = {"app.py": APP, "shop/__init__.py": "", "shop/cart.py": "from ponyreload import *\nPRICE = 1\n"}

BROKEN = {
    "syntax-error": ("shop/cart.py", "from ponyreload import *\nPRICE = = 2\n", "SyntaxError"),
    "exception": ("shop/cart.py", "from ponyreload import *\nPRICE = 2 / 0\n", "ZeroDivisionError"),
    "exits-at-import": ("shop/cart.py", "import sys\nfrom ponyreload import *\nsys.exit('bye')\n", "SystemExit"),
    "interrupts": ("shop/cart.py", "from ponyreload import *\nraise KeyboardInterrupt\n", "KeyboardInterrupt"),
    "recursion": ("shop/cart.py", "def f(): f()\nf()\n", "RecursionError"),
    "null-bytes": ("shop/cart.py", "PRICE = 2\0\n", "(SyntaxError|ValueError)"),
    "encoding": ("shop/cart.py", "# coding: ascii\nPRICE = 'é'\n", "SyntaxError"),
    "unknown-encoding": ("shop/cart.py", "# coding: no-such-thing\nPRICE = 2\n", "SyntaxError"),
    "missing-dependency": ("shop/cart.py", "from ponyreload import *\nimport no_such_thing\n", "ModuleNotFoundError"),
    "import-cycle": ("shop/cart.py", "from ponyreload import *\nfrom app import application\n", "ImportError"),
    "missing-name": ("app.py", APP.replace("import cart", "import cart, basket"), "ImportError"),
    "no-application": ("app.py", "from ponyreload import *\nuse_autoreload()\n", "LookupError"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_save_leaves_what_serves_as_it_is(project, name):
    path, text, error = BROKEN[name]
    told = project(FILES).drive(f"""
        import app, re
        request(app.application)
        good = Path({path!r}).read_text()
        before = {{name: id(module) for name, module in sys.modules.items()}}
        project.edit({path!r}, {text!r})
        until(lambda: app.reloader.error)
        error = app.reloader.error
        after = {{name: id(module) for name, module in sys.modules.items() if name in before}}
        during = request(app.application)
        project.edit({path!r}, good.replace("PRICE = 1", "PRICE = 3").replace("{{generation()}}", "{{generation()}}!"))
        app.reloader.wait(1, 10)
        tell(kind=type(error.reason).__name__, serving=error.serving, number=error.number, text=str(error), during=during,
             untouched=before == after, new=sorted(set(sys.modules) & {{"no_such_thing", "shop.basket"}}),
             mended=request(app.application), cleared=app.reloader.error is None)
    """)
    assert re.fullmatch(error, told["kind"])
    assert told["during"] == "1 in 1"
    assert told["untouched"]
    assert told["new"] == []
    assert told["mended"] in ("3 in 2", "1 in 2!")
    assert told["cleared"]
    assert f"generation 2 not served: {told['text'].partition(': ')[2]}" in told["stderr"]
    assert "still serving generation 1; save the file to try again" in told["stderr"]


@pytest.mark.parametrize("how", ["project.delete('shop/cart.py')", "os.rename('shop', 'store')"])
def test_files_that_vanish_leave_what_serves_as_it_is(project, how):
    told = project(FILES).drive(f"""
        import app
        request(app.application)
        {how}
        until(lambda: app.reloader.error)
        kind, during = type(app.reloader.error.reason).__name__, request(app.application)
        if os.path.isdir("store"):
            os.rename("store", "shop")
        project.edit("shop/cart.py", "from ponyreload import *\\nPRICE = 1\\n")
        until(lambda: app.reloader.error is None)
        same = request(app.application)
        project.edit("shop/cart.py", "from ponyreload import *\\nPRICE = 2\\n")
        app.reloader.wait(1, 10)
        tell(kind=kind, during=during, same=same, after=request(app.application))
    """)
    assert told["kind"] in ("ModuleNotFoundError", "ImportError")
    assert told["during"] == told["same"] == "1 in 1"
    assert told["after"] == "2 in 2"


def test_a_file_made_unreadable_leaves_what_serves_as_it_is(project):
    # A folder in place of the file: root, who runs the tests in CI, can read whatever the mode says.
    told = project(FILES).drive("""
        import app
        request(app.application)
        os.rename("shop/cart.py", "shop/kept")
        os.mkdir("shop/cart.py")
        until(lambda: app.reloader.error)
        during = request(app.application)
        os.rmdir("shop/cart.py")
        project.edit("shop/cart.py", "from ponyreload import *\\nPRICE = 2\\n")
        app.reloader.wait(1, 10)
        tell(during=during, after=request(app.application))
    """)
    assert (told["during"], told["after"]) == ("1 in 1", "2 in 2")


def test_an_error_is_cleared_without_a_reload_when_the_old_contents_come_back(project):
    told = project(FILES).drive("""
        import app
        request(app.application)
        project.replace("shop/cart.py", "PRICE = 1", "PRICE = = 1")
        until(lambda: app.reloader.error)
        project.replace("shop/cart.py", "PRICE = = 1", "PRICE = 1")
        until(lambda: app.reloader.error is None)
        tell(serving=app.reloader.generation, answer=request(app.application))
    """)
    assert told["serving"] == 1
    assert told["answer"] == "1 in 1"
    assert "generation 1 serves: the files are again what it was loaded from" in told["stderr"]


def test_a_half_typed_save_that_is_mended_at_once_shows_no_error(project):
    told = project(FILES).drive("""
        import app
        request(app.application)
        tried = []
        load = app.reloader._updater._load
        app.reloader._updater._load = lambda hooks: (tried.append(hooks), load(hooks))[1]
        for number in range(2, 12):
            tried.clear()
            project.edit("shop/cart.py", "from ponyreload import *\\nPRICE = = 1\\n")
            until(lambda: tried)
            project.edit("shop/cart.py", f"from ponyreload import *\\nPRICE = {number}\\n")
            app.reloader.wait(number - 1, 10)
        tell(answer=request(app.application))
    """)
    assert told["answer"] == "11 in 11"
    assert "not served" not in told["stderr"]


def test_a_broken_file_that_nobody_imports_any_more_does_not_matter(project):
    told = project(FILES).drive("""
        import app
        request(app.application)
        project.edit("shop/cart.py", "PRICE = = 1")
        until(lambda: app.reloader.error)
        project.edit("app.py", Path("app.py").read_text().replace("from shop import cart", "class basket: PRICE = 5")
                     .replace("cart.PRICE", "basket.PRICE"))
        app.reloader.wait(1, 10)
        tell(answer=request(app.application))
    """)
    assert told["answer"] == "5 in 2"


def test_a_load_that_never_ends_does_not_stop_a_later_save(project):
    told = project(FILES).drive("""
        import app
        request(app.application)
        project.edit("shop/cart.py", "from ponyreload import *\\nimport time\\nwhile True: time.sleep(0.01)\\n")
        until(lambda: len(app.reloader.living) == 2)
        during = request(app.application)
        project.edit("shop/cart.py", "from ponyreload import *\\nPRICE = 2\\n")
        app.reloader.wait(1, 10)
        tell(during=during, after=request(app.application))
    """)
    assert told["during"] == "1 in 1"
    assert told["after"] == "2 in 2"


def test_a_load_that_runs_long_says_so_and_where_it_is(project):
    told = project(FILES).drive("""
        import app, ponyreload.updating
        ponyreload.updating.LONG_LOAD_SECONDS = 0.2
        request(app.application)
        project.edit("gate.py", "import threading\\ngate = threading.Event()\\n")
        project.edit("shop/cart.py", "from ponyreload import *\\nimport gate\\ngate.gate.wait(20)\\nPRICE = 2\\n")
        from gate import gate
        import io, contextlib
        log = io.StringIO()
        with contextlib.redirect_stderr(log):
            until(lambda: "is still loading" in log.getvalue())
        gate.set()
        app.reloader.wait(1, 10)
        tell(log=log.getvalue(), after=request(app.application))
    """)
    assert "generation 2 is still loading after 0 s: shop/cart.py:3" in told["log"]
    assert told["after"] == "2 in 2"


def test_reload_loads_without_a_change_and_raises_what_went_wrong(project):
    told = project(FILES).drive("""
        import app
        number = app.reloader.reload()
        Path("shop/cart.py").write_text("1 / 0")
        try:
            app.reloader.reload()
        except ponyreload.LoadError as error:
            failed = str(error)
        tell(number=number, answer=request(app.application), failed=failed)
    """)
    assert told["number"] == 2
    assert told["answer"] == "1 in 2"
    assert told["failed"] == "generation 3 not served: shop/cart.py:1 ZeroDivisionError: division by zero"


def test_reload_from_a_module_that_is_being_loaded_is_refused(project):
    told = project(FILES).drive("""
        import app
        request(app.application)
        project.edit("shop/cart.py", "from ponyreload import *\\nfrom ponyreload import use_autoreload\\nuse_autoreload().reload()\\n")
        until(lambda: app.reloader.error)
        tell(text=str(app.reloader.error.reason))
    """)
    assert told["text"] == "reload() was called by a module that is being loaded; call it from elsewhere"
