"""A load imports what requests have imported, so that what is published can answer them."""

from __future__ import annotations

import pytest

# "/shop.admin" imports that module in the request, by a name that no text has; "/" imports what `base.late` does.
APP = """
    import importlib
    from ponyreload import *
    import base
    reloader = use_autoreload()

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        name = environ["PATH_INFO"].strip("/")
        value = importlib.import_module(name).VALUE if name else base.late()
        return [f"{value} in {generation()}".encode()]
"""
FILES = {
    "app.py": APP,
    "base.py": "from ponyreload import *\nNAME = 1\ndef late(): return NAME\n",
    "shop/__init__.py": "from ponyreload import *\n",
    "shop/admin.py": "from ponyreload import *\nVALUE = 1\n",
}
# As a module with Flask's `current_app` at its top.
NEEDS_REQUEST = """
import threading
from ponyreload import *
if threading.current_thread().name.startswith("ponyreload"):
    raise RuntimeError("Working outside of a request")
VALUE = 1
"""
# Notes each of its runs, where all generations see it.
COUNTED = """
import sys
from ponyreload import *
sys.__dict__.setdefault("runs", []).append(__name__)
VALUE = 1
"""
START = """import app
        save = saving(app.reloader)
        mark = "from ponyreload import *\\n"
"""
HINT = 'or, if shop.admin can be imported in a request only: on_demand=["shop.admin"]'


def test_a_late_module_that_raises_fails_the_load(project):
    told = project(FILES).drive(f"""
        {START}
        first = request(app.application, "/shop.admin")
        broken = save("shop/admin.py", mark + "1 / 0")
        during = request(app.application, "/shop.admin")
        mended = save("shop/admin.py", mark + "VALUE = 2")
        # No request has imported it in this generation.
        again = save("shop/admin.py", mark + "VALUE = no_such_name")
        tell(first=first, broken=broken, during=during, mended=mended, again=again,
             last=request(app.application, "/shop.admin"))
    """)
    assert told["first"] == told["during"] == "1 in 1"
    assert told["broken"] == "ZeroDivisionError: division by zero"
    assert told["mended"] == 2
    assert told["again"] == "NameError: name 'no_such_name' is not defined"
    assert told["last"] == "2 in 2"
    assert HINT in told["stderr"]


def test_late_modules_are_imported_once_in_their_order_before_publication(project):
    files = {f"shop/{name}.py": COUNTED for name in ("a", "b", "c")}
    told = project(FILES | files).drive(f"""
        {START}
        for name in "bca":
            request(app.application, f"/shop.{{name}}")
        sys.runs.clear()
        save("base.py", mark + "def late(): return 2")
        runs = list(sys.runs)
        tell(runs=runs, home=request(app.application), late=request(app.application, "/shop.c"), all=sys.runs)
    """)
    assert told["runs"] == told["all"] == ["shop.b", "shop.c", "shop.a"]
    assert (told["home"], told["late"]) == ("2 in 2", "1 in 2")


def test_what_the_entries_import_no_more_does_not_come_back(project):
    told = project(FILES | {"extra.py": COUNTED, "base.py": "import extra\n" + FILES["base.py"]}).drive(f"""
        {START}
        request(app.application, "/extra")
        sys.runs.clear()
        save("base.py", mark + "def late(): return 2")
        save("base.py", mark + "def late(): return 3")
        tell(runs=sys.runs, home=request(app.application))
    """)
    assert told["runs"] == []
    assert told["home"] == "3 in 3"


@pytest.mark.parametrize("gone", ["shop/admin.py", "shop"])
def test_a_late_module_that_is_gone_is_dropped(project, gone):
    told = project(FILES).drive(f"""
        import shutil
        {START}
        request(app.application, "/shop.admin")
        number = app.reloader.serving.number
        os.rename({gone!r}, "away")
        outcome = save("base.py", mark + "def late(): return 2")
        os.rename("away", {gone!r})
        app.reloader.reload()
        tell(outcome=outcome, home=request(app.application), late="shop.admin" in app.reloader.serving.late)
    """)
    assert told["outcome"] in (2, 3)  # the deletion may have been seen first
    assert told["home"].startswith("2 in")
    assert not told["late"]


def test_a_late_module_that_needs_a_request_stays_on_demand(project):
    told = project(FILES | {"shop/admin.py": NEEDS_REQUEST}).drive(f"""
        {START}
        request(app.application, "/shop.admin")
        outcomes = [save("base.py", mark + f"def late(): return {{n}}") for n in (2, 3)]
        answers = [request(app.application), request(app.application, "/shop.admin")]
        # It is tried with each load, and may be mended.
        save("shop/admin.py", mark + "VALUE = 4")
        tell(outcomes=outcomes, answers=answers, late=app.reloader.serving.late)
    """)
    assert told["outcomes"] == [2, 3]
    assert told["answers"] == ["3 in 3", "1 in 3"]
    assert told["late"] == {"shop": "", "shop.admin": ""}
    text = "shop.admin is left to the requests that import it, as before: in the load it raised RuntimeError"
    assert told["stderr"].count(text) == 1  # not with each load


def test_one_that_changed_and_needs_a_request_fails_the_load_unless_an_option_says_so(project):
    told = project(FILES | {"shop/admin.py": NEEDS_REQUEST}).drive(f"""
        {START}
        text = Path("shop/admin.py").read_text()
        request(app.application, "/shop.admin")
        fails = save("shop/admin.py", text + "# changed")
        exec('use_autoreload(on_demand=["shop"])', vars(app))
        served = save("shop/admin.py", text.replace("VALUE = 1", "VALUE = 2"))
        broken = save("shop/admin.py", "VALUE = = 3")
        tell(fails=fails, served=served, broken=broken, late=request(app.application, "/shop.admin"))
    """)
    assert told["fails"] == "RuntimeError: Working outside of a request"
    assert HINT in told["stderr"]
    assert told["served"] == 2
    assert told["broken"].startswith("SyntaxError")
    assert told["late"] == "2 in 2"


BROKEN_BY_ANOTHER = {
    "a-name-that-is-gone": ("from base import NAME\nVALUE = NAME\n", {}),
    "in-a-function-of-another": ("import helper\nVALUE = helper.get()\n", {}),
    "a-module-that-it-runs": ("import shop.part\nVALUE = 1\n", {"shop/part.py": "1 / 0\n"}),
}


@pytest.mark.parametrize("name", BROKEN_BY_ANOTHER)
def test_a_late_module_that_another_edit_breaks_fails_the_load(project, name):
    admin, edit = BROKEN_BY_ANOTHER[name]
    files = {"shop/admin.py": "from ponyreload import *\n" + admin, "shop/part.py": "from ponyreload import *\n"}
    helper = {"helper.py": "from ponyreload import *\nimport base\ndef get(): return base.NAME\n"}
    edit = edit or {"base.py": "from ponyreload import *\ndef late(): return 2\n"}
    told = project(FILES | files | helper | {"base.py": FILES["base.py"] + "import helper\n"}).drive(f"""
        {START}
        request(app.application, "/shop.admin")
        (file, text), = {edit!r}.items()
        tell(outcome=save(file, text + "import helper\\n"), late=request(app.application, "/shop.admin"))
    """)
    assert not isinstance(told["outcome"], int)
    assert told["late"] == "1 in 1"


def test_deleting_the_import_of_a_broken_module_helps(project):
    base = "from ponyreload import *\ndef late():\n    from shop import admin\n    return admin.VALUE\n"
    told = project(FILES | {"base.py": base}).drive(f"""
        {START}
        request(app.application)
        broken = [save("shop/admin.py", text) for text in ("1 / 0", "VALUE = = 2")]
        helped = save("base.py", mark + "def late(): return 3")
        tell(broken=broken, helped=helped, home=request(app.application))
    """)
    assert [error.partition(":")[0] for error in told["broken"]] == ["ZeroDivisionError", "SyntaxError"]
    assert told["helped"] == 2
    assert told["home"] == "3 in 2"


@pytest.mark.parametrize("when", ["in a request", "in the load, caught"])
def test_a_module_that_does_not_compile_is_not_published_though_no_text_names_it(project, when):
    files = FILES | {"plugin_a.py": "from ponyreload import *\nVALUE = 1\n"}
    if when != "in a request":
        code = "import importlib\ntry: importlib.import_module('plug' 'in_a')\nexcept Exception: pass\n"
        files["base.py"] += code
    told = project(files).drive(f"""
        {START}
        request(app.application, "/plugin_a")
        outcome = save("plugin_a.py", "VALUE = = 2")
        tell(outcome=outcome, late=request(app.application, "/plugin_a"))
    """)
    assert str(told["outcome"]).startswith("SyntaxError")
    assert told["late"] == "1 in 1"


def test_a_late_module_that_exits_fails_the_load(project):
    told = project(FILES).drive(f"""
        {START}
        request(app.application, "/shop.admin")
        tell(outcome=save("shop/admin.py", "import sys\\nsys.exit('bye')"), late=request(app.application, "/shop.admin"))
    """)
    assert told["outcome"] == "SystemExit: bye"
    assert told["late"] == "1 in 1"


def test_a_module_that_a_request_imports_is_watched_wherever_it_lies(project):
    told = project(
        FILES
        | {
            "app.py": "import sys\nsys.path.append('elsewhere')\n" + APP.strip("\n").replace("\n    ", "\n").lstrip(),
            "elsewhere/lazy.py": "from ponyreload import *\nVALUE = 1\n",
        }
    ).drive(f"""
        {START}
        request(app.application)
        until(lambda: app.reloader.application.lookout.watched)
        request(app.application, "/lazy")
        until(lambda: os.path.abspath("elsewhere") in app.reloader.application.lookout.watched)
        save("elsewhere/lazy.py", mark + "VALUE = 2")
        tell(late=request(app.application, "/lazy"))
    """)
    assert told["late"] == "2 in 2"


def test_a_request_that_exits_is_answered_as_an_error(project):
    told = project(FILES).drive(f"""
        {START}
        def exits(environ, start_response):
            sys.exit("bye")
        def exits_later(environ, start_response):
            start_response("200 OK", [])
            yield b"one"
            raise SystemExit(3)
        raised = []
        for each in exits, exits_later:
            try:
                request(ponyreload.AutoreloadMiddleware(each))
            except Exception as error:
                raised.append([str(error), type(error.__cause__).__name__, str(error.__cause__)])
        tell(raised=raised, home=request(app.application))
    """)
    assert told["raised"] == [
        ["the request raised SystemExit('bye'); the server goes on", "SystemExit", "bye"],
        ["the request raised SystemExit(3); the server goes on", "SystemExit", "3"],
    ]


def test_a_signal_handler_may_end_the_process_from_a_request(project):
    told = project(FILES).drive("""
        import app, signal
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(7))

        def terminated(environ, start_response):
            os.kill(os.getpid(), signal.SIGTERM)
            while True:
                time.sleep(0.01)
        try:
            request(ponyreload.AutoreloadMiddleware(terminated))
        except SystemExit as error:
            tell(code=error.code)
    """)
    assert told["code"] == 7


def test_a_system_script_has_the_complete_user_modules_of_the_serving_generation_loaded(project):
    files = {
        "shop.py": "import tools\ntry:\n    import optional\nexcept ImportError:\n    optional = None\nVALUE = 1\n",
        "optional.py": "import no_such_library\n",
        "tools.py": COUNTED.replace("from ponyreload import *\n", ""),
    }
    told = project(files).drive("""
        USE_AUTORELOAD = False
        reloader = ponyreload.use_autoreload(include=["shop", "optional"])
        import shop
        save = saving(reloader)
        reloader.reload()
        text = Path("shop.py").read_text()
        outcomes = [save("shop.py", text.replace("VALUE = 1", f"VALUE = {n}")) for n in (2, 3)]
        tell(outcomes=outcomes, value=shop.VALUE, runs=sys.runs)
    """)
    assert told["outcomes"] == [3, 4]
    assert told["value"] == 3
    assert told["runs"] == ["tools"]


def test_a_module_that_is_left_to_requests_runs_the_contents_of_its_generations_time(project):
    told = project(FILES | {"shop/admin.py": NEEDS_REQUEST}).drive(f"""
        {START}
        exec('use_autoreload(on_demand=["shop.admin"])', vars(app))
        request(app.application, "/shop.admin")
        save("base.py", mark + "def late(): return 2")
        app.reloader.updater.stop()  # so that no load comes, as for a request that has just got its generation
        project.edit("shop/admin.py", mark + "VALUE = 2")
        tell(late=request(app.application, "/shop.admin"))
    """)
    assert told["late"] == "1 in 2"
