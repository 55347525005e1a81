"""The package as others get it: its public names, what importing it does, and its wheel."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import ponyreload

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"

PUBLIC = [
    "AutoreloadMiddleware", "LoadError", "PerGeneration", "USE_AUTORELOAD", "generation", "keep", "on_reload",
    "on_retire", "superseded", "use_autoreload",
]  # fmt: skip
PUBLIC_OF_MAIN = sorted([*PUBLIC, "http"])

# The files of the package that are not Python.
DATA = [
    "devtools/client.js", "devtools/overlay.css", "devtools/status.css", "devtools/status.html", "devtools/status.js",
    "devtools/status.svg", "py.typed",
]  # fmt: skip


def module_files() -> dict[str, Path]:
    folder = SOURCE / "ponyreload"
    return {".".join(file.relative_to(folder).with_suffix("").parts): file for file in sorted(folder.rglob("*.py"))}


# -- public names ------------------------------------------------------------------------------------------------


def tell_names(project, *lines: str) -> list[str]:
    """The names in the namespace of a module that consists of these lines, but for Python's own."""
    site = project({"app.py": "\n".join(lines) + "\n"})
    code = "import app, json; print(json.dumps([name for name in vars(app) if not name.startswith('__')]))"
    return json.loads(site.run("-c", code).stdout)


def test_the_public_names_are_all_that_dir_shows():
    assert dir(ponyreload) == ponyreload.__all__ == PUBLIC


def test_the_public_names_of_main_are_the_same_and_http(project):
    code = "import ponyreload.main as main; assert dir(main) == main.__all__ == {0!r}, dir(main)"
    project({}).run("-c", code.format(PUBLIC_OF_MAIN))


@pytest.mark.parametrize(("module", "names"), [("ponyreload", PUBLIC), ("ponyreload.main", PUBLIC_OF_MAIN)])
def test_a_star_import_brings_in_the_public_names_and_nothing_else(project, module, names):
    assert sorted(tell_names(project, f"from {module} import *")) == names


@pytest.mark.parametrize("module", ["ponyreload", "ponyreload.main"])
@pytest.mark.parametrize(
    ("above", "below", "expected"),
    [
        ("", "", True),
        ("USE_AUTORELOAD = False", "", False),
        ("USE_AUTORELOAD = True", "", True),
        ("", "USE_AUTORELOAD = False", False),
    ],
)
def test_a_star_import_marks_a_module_unless_that_says_no(project, module, above, below, expected):
    site = project({"app.py": f"{above}\nfrom {module} import *\n{below}\n", "other.py": f"from {module} import *\n"})
    # Two modules: what one of them says is no matter of the other.
    done = site.run("-c", "import app, other; print(app.USE_AUTORELOAD, other.USE_AUTORELOAD)")
    assert done.stdout.split() == [str(expected), "True"]


def test_a_name_that_is_not_there_gives_pythons_own_error():
    with pytest.raises(AttributeError) as raised:
        ponyreload.use_autoload  # noqa: B018
    assert str(raised.value) == "module 'ponyreload' has no attribute 'use_autoload'"


def sorted_names(names: list[str]) -> list[str]:
    """Constants, classes, functions, each in the order of the alphabet, as ruff wants them."""
    return sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


def names_in_all(file: Path) -> list[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    lists = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    assert len(lists) == 1, f"{file} has no __all__"
    return list(ast.literal_eval(lists[0]))


@pytest.mark.parametrize("name", module_files())
def test_each_module_has_a_sorted_all(name):
    names = names_in_all(module_files()[name])
    assert names == (sorted(names) if name in ("__init__", "main") else sorted_names(names))


def test_each_module_has_what_its_all_names(project):
    """A package has its modules: a star import imports those that its list names."""
    names = {name: names_in_all(file) for name, file in module_files().items()}
    done = project({}).run(
        "-c",
        f"""if True:
        import importlib, json
        for name, wanted in {names!r}.items():
            module = importlib.import_module(f"ponyreload.{{name}}".removesuffix(".__init__"))
            exec(f"from {{module.__name__}} import *", {{}})
            print(*[f"{{name}}.{{each}}" for each in wanted if not hasattr(module, each)], end="")
    """,
    )
    assert done.stdout == ""


# -- importing it ------------------------------------------------------------------------------------------------

# Notes, in a fresh interpreter, what `import ponyreload` does to it.
IMPORT = """
    import builtins, gc, importlib, importlib._bootstrap, json, linecache, os, signal, socket, sys, threading

    def state():
        return {
            "threads": [thread.name for thread in threading.enumerate()],
            "meta_path": list(map(id, sys.meta_path)), "path_hooks": list(map(id, sys.path_hooks)),
            "path": list(sys.path), "excepthook": id(sys.excepthook), "displayhook": id(sys.displayhook),
            "import": id(builtins.__import__), "import_by_name": id(importlib._bootstrap._gcd_import),
            "import_module": id(importlib.import_module), "find_spec": id(importlib._bootstrap._find_spec),
            "getlines": id(linecache.getlines), "signal": id(signal.signal),
            "handlers": [repr(signal.getsignal(each)) for each in sorted(signal.valid_signals())],
            "environment": dict(plain), "folder": os.getcwd(), "trace": [sys.gettrace(), sys.getprofile()],
        }

    class Environment(type(os.environ)):
        def __getitem__(self, name):
            frame = sys._getframe(1)
            while frame is not None:  # the reads that the standard library makes on its own account are not ours
                if os.sep + "ponyreload" + os.sep in frame.f_code.co_filename:
                    read.append(f"{name} at {frame.f_code.co_filename}:{frame.f_lineno}")
                    break
                frame = frame.f_back
            return super().__getitem__(name)

    read = []
    plain = dict(os.environ)
    for name in sys.argv[1:]:
        importlib.import_module(name)
    os.environ.__class__ = Environment
    before = state()
    import ponyreload
    after = state()
    print(json.dumps({
        "differs": {name: [str(before[name]), str(after[name])] for name in before if before[name] != after[name]},
        "read": read, "modules": list(sys.modules),
    }))
"""


@pytest.fixture
def imported(project) -> dict:
    """What `import ponyreload` did in a process of its own; the standard library had been imported before."""
    site = project({"look.py": IMPORT})
    code = "import sys; before = {*sys.modules}; import ponyreload; print(*sys.modules.keys() - before)"
    names = site.run("-c", code).stdout.split()
    preload = [name for name in names if name.partition(".")[0] in sys.stdlib_module_names]
    return {"names": names, **json.loads(site.run("look.py", *preload).stdout)}


def test_importing_it_starts_no_thread_and_sets_no_hook(imported):
    assert imported["differs"] == {}


def test_importing_it_reads_no_environment(imported):
    assert imported["read"] == []


@pytest.mark.parametrize(("statement", "most"), [("import ponyreload", 8), ("from ponyreload import *", 14)])
def test_importing_it_imports_few_of_its_modules(project, statement, most):
    code = f"import sys; {statement}; print(*[name for name in sys.modules if name.partition('.')[0] == 'ponyreload'])"
    names = project({}).run("-c", code).stdout.split()
    assert len(names) <= most, names


def test_importing_all_of_it_imports_no_more_than_it_takes_to_decorate_and_to_ask(project):
    """What a user module costs where autoreload is off: none of what takes long in the standard library."""
    slow = {"asyncio", "dataclasses", "inspect", "ipaddress", "logging", "socket", "traceback"}
    code = "import sys; before = {*sys.modules}; from ponyreload import *; print(*sys.modules.keys() - before)"
    names = project({}).run("-c", code).stdout.split()
    assert slow & {*names} == set()
    rooms = {name.split(".")[1] for name in names if name.startswith("ponyreload.")}
    assert rooms == {"autoreload", "errors", "generations", "lifecycle", "options", "project", "tracebacks"}


def test_a_type_checker_sees_the_types_of_the_public_names(project):
    site = project({"app.py": "from ponyreload import *\nimport ponyreload.main as main\n" + REVEALED})
    done = site.run("-m", "mypy", "--strict", "app.py", check=False, MYPYPATH=str(SOURCE))
    found = re.findall(r'Revealed type is "(.*)"', done.stdout)
    assert found == ["int", "ponyreload.reloading.reloader.Reloader | None", "bool", "bool"], done.stdout


REVEALED = """
reveal_type(generation())
reveal_type(main.use_autoreload(scope="all"))
reveal_type(superseded(timeout=1.0))
reveal_type(USE_AUTORELOAD)
"""


def test_turning_it_on_does_not_wait_for_the_developers_tools(project):
    """They are imported when a server has started, or for the first page, whichever comes first."""
    told = project({"app.py": "from ponyreload import *\nreloader = use_autoreload()\n"}).drive("""
        import app
        before = sorted(name for name in sys.modules if name.startswith("ponyreload.devtools."))
        app.reloader.start()
        until(lambda: "ponyreload.devtools.page" in sys.modules)
        tell(before=before)
    """)
    assert told["before"] == []


def test_importing_it_imports_no_server_and_no_watcher_and_not_its_own_engine(imported):
    servers = {"cherrypy", "cheroot", "flup", "watchdog", "watchfiles", "mod_wsgi", "google", "gunicorn", "asyncio"}
    assert {name.partition(".")[0] for name in imported["names"]} & {*servers, "click", "rich"} == set()
    lazy = {"reloading", "imports", "loading", "watching", "ownership", "holders", "adapters", "devtools", "main"}
    assert {name.split(".")[1] for name in imported["names"] if name.startswith("ponyreload.")} & lazy == set()


# -- the wheel ---------------------------------------------------------------------------------------------------


def test_the_wheel_holds_the_packages_files_and_no_others(tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith("ponyreload-")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = (archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    expected = {str(file.relative_to(SOURCE)) for file in module_files().values()}
    expected |= {f"ponyreload/{name}" for name in DATA}
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert {name.partition(".dist-info/")[2] for name in names} - {""} == {
        "METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"
    }  # fmt: skip
    assert "ponyreload = ponyreload.__main__:main" in entry_points
    extras = [f"Provides-Extra: {name}" for name in ("cherrypy", "cli", "flup")]
    for line in ("Name: ponyreload", "Requires-Python: >=3.10", "License-Expression: MIT", *extras):
        assert f"\n{line}\n" in metadata
