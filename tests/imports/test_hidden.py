"""Files of the project that are named like modules which ponyreload needs: they are the user's, and are left alone."""

from __future__ import annotations

import pytest

APP = """
    from ponyreload import *
    import shop
    {more}
    reloader = use_autoreload()

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [repr(shop.X).encode()]
"""
RUNS = """
    import builtins
    getattr(builtins, "runs", []).append(__name__)
    X = 1
"""
# A file -> what is said of it when it is in the way, and whether a reload is still to be had.
HIDING = {
    "watchdog.py": ("hides the library watchdog, which ponyreload needs: rename it); polling every 1.0 s instead", True),
    "queue.py": ("hides Python's queue, which ponyreload needs: rename it); polling every 1.0 s instead", True),
    "secrets.py": ("hides Python's secrets, which ponyreload needs: rename it; pages do not refresh", True),
    "html.py": ("hides Python's html, which ponyreload needs: rename it; pages do not refresh", True),
    "inspect.py": ("hides Python's inspect, which ponyreload needs: rename it; autoreload is off", False),
    "ipaddress.py": ("hides Python's ipaddress, which ponyreload needs: rename it; autoreload is off", False),
    "csv.py": ("", True),  # Python 3.12 and newer need it, for nothing that we need
    "subprocess.py": ("hides Python's subprocess, which ponyreload needs: rename it; large files are compiled", True),
}  # fmt: skip


@pytest.mark.parametrize("is_imported", [False, True], ids=["waiting", "imported"])
@pytest.mark.parametrize("file", HIDING)
def test_a_project_file_is_neither_run_nor_hidden_by_an_import_of_ours(project, file, is_imported):
    name = file.removesuffix(".py")
    said, reloads = HIDING[file]
    text = f"from ponyreload import *\nX = 1\n{'#' * 30_000}"
    files = {file: RUNS, "shop.py": text, "app.py": APP.format(more=f"import {name}" if is_imported else "")}
    told = project(files).drive(f"""
        import builtins
        # What the test imports itself is not ours; it may have these.
        builtins.runs = []
        for name in [each for each in sys.modules if each.partition(".")[0] == {name!r}]:
            del sys.modules[name]
        import app
        answers = [request(app.application)]
        if app.reloader is not None:
            app.reloader.start()
            project.edit("shop.py", {text!r}.replace("X = 1", "X = 2"))
            app.reloader.reload()
            answers.append(request(app.application, REMOTE_ADDR="127.0.0.1", HTTP_HOST="localhost"))
            request(app.application, "/__ponyreload__/")
        runs = len(builtins.runs)
        import {name}
        tell(answers=answers, runs=runs, own={name}.X, reloads=app.reloader is not None)
    """)
    assert told["own"] == 1
    assert told["runs"] == (1 if is_imported else 0)
    assert told["reloads"] == reloads
    assert told["answers"] == (["1", "2"] if reloads else ["1"])
    lines = [line for line in told["stderr"].splitlines() if " hides " in line]
    assert any(said in line and f"{file} " in line for line in lines) or not said
    assert len(set(lines)) == len(lines), told["stderr"]
    assert "Traceback" not in told["stderr"]


def test_other_threads_import_the_projects_own_meanwhile(project):
    files = {
        "gate.py": "import threading\nentered, go = threading.Event(), threading.Event()",
        "queue.py": RUNS,
        "slow.py": "import gate\ngate.entered.set()\ngate.go.wait(20)\ntry:\n    import queue\nexcept ImportError as error:\n    said = str(error)",
    }
    told = project(files).drive("""
        import builtins, gate
        from ponyreload.project import own_imports, plain_import
        sys.modules.pop("queue", None)
        plain = builtins.__import__

        def ours():
            with own_imports():
                import slow
            return slow.said

        def nested():
            with own_imports("rich.console"), own_imports():
                kinds.append(plain_import() is plain)

        kinds = []
        said = in_thread(ours)
        gate.entered.wait(10)
        during = builtins.__import__
        nested()
        import queue
        gate.go.set()
        del sys.modules["queue"]
        said = said()
        tell(own=queue.X, said=said, kinds=kinds, during=during is plain, after=builtins.__import__ is plain)
    """)
    assert told["own"] == 1
    assert told["said"].endswith("/queue.py hides Python's queue, which ponyreload needs: rename it")
    assert (told["kinds"], told["during"], told["after"]) == ([True], False, True)


def test_a_reloader_falls_back_on_pythons_own_import(project):
    files = {"shop.py": "from ponyreload import *\nX = 1", "app.py": APP.format(more="")}
    told = project(files).drive("""
        import builtins
        plain = builtins.__import__
        import app
        app.reloader.start()
        from ponyreload.imports.modules import plain_import
        during = builtins.__import__
        app.reloader.stop()
        tell(plain=plain_import is plain, during=during is plain, after=builtins.__import__ is plain)
    """)
    assert (told["plain"], told["during"], told["after"]) == (True, False, True)
