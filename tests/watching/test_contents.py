"""Contents decide (G6): what is reloaded, and what the tracebacks show."""

from __future__ import annotations

import pytest

APP = """
    from ponyreload import *
    import shop
    reloader = use_autoreload()

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{shop.X} in {generation()}".encode()]
"""
FILES = {"app.py": APP, "shop.py": "from ponyreload import *\nX = 1\n"}


@pytest.mark.parametrize(
    "touch",
    [
        "os.utime('shop.py')",
        "os.chmod('shop.py', 0o600)",
        "project.edit('shop.py', Path('shop.py').read_text())",
        "project.write_in_place('shop.py', Path('shop.py').read_text())",
        "project.edit('shop.py.swp', 'X = 2'); project.edit('unrelated.py', 'X = 2')",
    ],
)
def test_the_same_bytes_reload_nothing(project, touch):
    told = project(FILES).drive(f"""
        import app
        request(app.application)
        scans = []
        changes = app.reloader.application.files.changes
        app.reloader.application.files.changes = lambda *args: (scans.append(1), changes(*args))[1]
        {touch}
        project.edit("done.py", "a file that fires an event, so that there is something to wait for")
        until(lambda: scans)
        until(lambda: app.reloader.application.lookout.at is None)
        before = request(app.application)
        project.edit("shop.py", "from ponyreload import *\\nX = 2\\n")
        app.reloader.wait(1, 10)
        tell(before=before, after=request(app.application))
    """)
    assert told["before"] == "1 in 1"
    assert told["after"] == "2 in 2"


@pytest.mark.parametrize("bytecode", ["", "1"])
@pytest.mark.parametrize("save", ["edit", "write_in_place"])
def test_edits_of_the_same_size_within_a_second_are_all_seen(project, save, bytecode):
    told = project(FILES).drive(
        f"""
        import app
        request(app.application)
        answers = []
        for number in range(2, 10):
            project.{save}("shop.py", f"from ponyreload import *\\nX = {{number}}\\n")
            app.reloader.wait(number - 1, 10)
            answers.append(request(app.application))
        tell(answers=answers, cached=[str(path) for path in Path().rglob("*.pyc") if "shop" in path.name])
        """,
        PYTHONDONTWRITEBYTECODE=bytecode,
    )
    assert told["answers"] == [f"{number} in {number}" for number in range(2, 10)]


def test_no_bytecode_file_of_a_user_module_is_ever_run(project):
    site = project(FILES)
    told = site.drive("""
        import importlib.util, py_compile
        import app
        request(app.application)
        cached = importlib.util.cache_from_source("shop.py")
        project.edit("other.py", "from ponyreload import *\\nX = 'stale'\\n")
        project.edit("shop.py", "from ponyreload import *\\nX = 'fresh'\\n")
        # A .pyc that Python would believe: the size and the second of the source, the code of other contents.
        status = os.stat("shop.py")
        os.utime("other.py", (status.st_atime, status.st_mtime))
        py_compile.compile("other.py", cached)
        app.reloader.wait(1, 10)
        tell(answer=request(app.application))
    """)
    assert told["answer"] == "fresh in 2"


def test_stale_bytecode_at_the_start_is_made_good_by_a_reload(project):
    site = project(FILES)
    site.drive("import app; tell(ok=True)")  # leaves a .pyc of X = 1
    told = site.drive("""
        import importlib.util
        cached = importlib.util.cache_from_source("shop.py")
        before = os.stat("shop.py")
        project.edit("shop.py", "from ponyreload import *\\nX = 2\\n")
        os.utime("shop.py", ns=(before.st_atime_ns, before.st_mtime_ns + 1))  # the same second
        os.utime(cached, ns=(before.st_atime_ns, before.st_mtime_ns))
        import app
        first = request(app.application)
        app.reloader.wait(1, 10)
        tell(first=first, second=request(app.application))
    """)
    assert told["first"] == "1 in 1"  # what Python itself believed
    assert told["second"] == "2 in 2"


def test_tracebacks_of_an_old_generation_show_the_lines_that_it_ran(project):
    files = {
        "app.py": """
            from ponyreload import *
            import gate, traceback
            reloader = use_autoreload()

            @AutoreloadMiddleware
            def application(environ, start_response):
                start_response("200 OK", [])
                gate.entered.set()
                gate.go.wait(20)
                try:
                    1 / 0  # the first version
                except ZeroDivisionError:
                    return [traceback.format_exc().encode()]
        """,
        "gate.py": "import threading\nentered, go = threading.Event(), threading.Event()",
    }
    told = project(files).drive("""
        import app, gate
        slow = in_thread(lambda: request(app.application))
        gate.entered.wait(10)
        project.replace("app.py", "1 / 0  # the first", "pass\\n        1 / 0  # the second")
        app.reloader.wait(1, 10)
        gate.go.set()
        tell(old=slow(), new=request(app.application))
    """)
    assert "1 / 0  # the first version" in told["old"]
    assert "1 / 0  # the second version" in told["new"]


def test_a_burst_of_many_files_ends_on_the_newest_contents_with_few_loads(project):
    count = 300
    files = {f"shop/m{number}.py": "from ponyreload import *\nX = 1\n" for number in range(count)}
    imports = "\n".join(f"import shop.m{number}" for number in range(count))
    app = f"""
from ponyreload import *
{imports}
reloader = use_autoreload()

@AutoreloadMiddleware
def application(environ, start_response):
    start_response("200 OK", [])
    return [str({{module.X for name, module in sys.modules.items() if name.startswith("shop.m")}}).encode()]

import sys
"""
    told = project({**files, "shop/__init__.py": "", "app.py": app}).drive(f"""
        import app
        first = request(app.application)
        loads = begun_loads(app.reloader)
        for number in range({count}):
            project.edit(f"shop/m{{number}}.py", "from ponyreload import *\\nX = 2\\n")
        until(lambda: request(app.application) == "{{2}}")
        tell(first=first, loads=len(loads))
    """)
    assert told["first"] == "{1}"
    assert told["loads"] <= 10
    assert "not served" not in told["stderr"]


def test_a_module_that_is_imported_no_more_fires_no_reload(project):
    files = {
        **FILES,
        "app.py": APP.replace("import shop\n", "import shop, cart\n"),
        "cart.py": "from ponyreload import *\n",
    }
    told = project(files).drive("""
        import app
        request(app.application)
        project.replace("app.py", "import shop, cart", "import shop")
        app.reloader.wait(1, 10)
        project.edit("app.py", Path("app.py").read_text())
        project.replace("shop.py", "X = 1", "X = 2")
        app.reloader.wait(2, 10)
        tell(answer=request(app.application))
    """)
    assert told["answer"] == "2 in 3"
    assert "cart.py" not in told["stderr"]
