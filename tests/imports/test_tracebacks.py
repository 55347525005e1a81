"""What a failing import shows: the frames that Python would show, and none of ours."""

from __future__ import annotations

import sys

import pytest

APP = """
    from ponyreload import *
    import gate
    reloader = use_autoreload()

    def look(how, name):
        try:
            gate.HOW[how](name, globals())
        except BaseException as error:
            return gate.shown(error)

    @AutoreloadMiddleware
    def application(environ, start_response):
        import json
        start_response("200 OK", [("Content-Type", "text/plain")])
        how, name = environ["PATH_INFO"][1:].split("/")
        return [json.dumps(look(how, name)).encode()]
"""
GATE = """
    import importlib, os, pickle, sys

    def plainly(name, names):
        __import__(name)

    def as_user(name, names):
        __import__(name, names)

    def some_of(name, names):
        __import__(name, names, None, ("late", "gone"))

    def by_name(name, names):
        importlib.import_module(name)

    def again(name, names):
        importlib.reload(names[name])

    HOW = {each.__name__: each for each in (plainly, as_user, some_of, by_name, again)}

    def shown(error):
        entry, found = error.__traceback__.tb_next, []
        while entry is not None:
            code = entry.tb_frame.f_code
            found.append(f"{os.path.basename(code.co_filename).partition(' (as')[0]}:{code.co_name}")
            entry = entry.tb_next
        return [type(error).__name__, found]
"""
FILES = {
    "app.py": APP,
    "gate.py": GATE,
    "fails.py": "from ponyreload import *\nimport inner\n",
    "inner.py": "from ponyreload import *\ndef do():\n    1 / 0\ndo()\n",
    "lacks.py": "from ponyreload import *\nimport nowhere\n",
    "lacks_name.py": "from ponyreload import *\nfrom gate import nothing\n",
    "unmarked.py": "import nowhere\n",
    "wrong.py": "from ponyreload import *\nx = (\n",
    "pack/__init__.py": "from ponyreload import *\n",
    "pack/late.py": "from ponyreload import *\nimport nowhere\n",
}
NAMES = (
    "nowhere",
    "nowhere.at",
    "gate.at",
    "fails",
    "lacks",
    "lacks_name",
    "unmarked",
    "wrong",
    "pack.late",
    "pack.gone",
)
CASES = [(how, name) for how in ("plainly", "as_user", "by_name") for name in NAMES] + [("some_of", "pack")]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    from projects import Project

    folder = tmp_path_factory.mktemp("tracebacks") / "site"
    folder.mkdir()
    return Project(folder, FILES).drive(f"""
        import json
        cases = {CASES!r}
        import gate
        plain = {{}}
        for how, name in cases:
            # Of a marked module that fails, nothing stays: it can be imported again.
            try:
                gate.HOW[how](name, {{}})
            except BaseException as error:
                plain[f"{{how}} {{name}}"] = gate.shown(error)
        for name in {NAMES!r}:
            sys.modules.pop(name, None)
        sys.modules.pop("pack", None)
        import app
        ours = [
            {{f"{{how}} {{name}}": json.loads(request(app.application, f"/{{how}}/{{name}}")) for how, name in cases}}
            for generation in (1, 2) if generation == 1 or app.reloader.reload() or True
        ]
        tell(plain=plain, ours=ours)
    """)


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_a_failing_import_shows_the_frames_that_python_shows(answers, case, generation):
    key = " ".join(case)
    kind, frames = answers["plain"][key]
    seen, ours = answers["ours"][generation - 1][key]
    assert seen == kind
    # Python's own import by name has frames of the import system in its tracebacks.
    expected = [each for each in frames if not each.startswith("<frozen")]
    found = [each for each in ours if not each.startswith("<frozen")]
    assert len(ours) - len(found) <= len(frames) - len(expected)
    if sys.version_info < (3, 11):  # it keeps the frame of a function that takes itself out of a traceback
        found = [each for each in found if not each.endswith((".py:_import", ".py:_import_by_name"))]
    assert found == expected


@pytest.mark.parametrize("first", ["import old", "from pack import old", "from pack.old import X"])
def test_a_warning_about_an_import_names_the_line_that_imports(project, first):
    text = "from ponyreload import *\nimport warnings\nX = 1\nwarnings.warn('old', stacklevel=2)\n"
    files = {
        "app.py": APP.replace("import gate", f"import gate\n    {first} # here"),
        "gate.py": "",
        "old.py": text,
        "pack/__init__.py": "from ponyreload import *\n",
        "pack/old.py": text,
    }
    told = project(files).drive("""
        import warnings
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            import app
            app.reloader.reload()
        tell(seen=[(os.path.basename(each.filename), each.lineno) for each in seen if each.category is UserWarning])
    """)
    assert told["seen"] == [["app.py", 4], ["app.py", 4]]


BODIES = {
    "at once": "def answer():\n    fail()",
    "later": "def answer():\n    yield b'1'\n    fail()",
    "by exit": "def answer():\n    raise SystemExit(1)",
}


@pytest.mark.parametrize("when", BODIES)
def test_what_a_server_sees_of_a_failed_request_has_no_frames_of_ours(project, when):
    told = project({
        "gate.py": GATE,
        "app.py": "from ponyreload import *\nuse_autoreload()\ndef fail():\n    1 / 0\n" + BODIES[when] + """
@AutoreloadMiddleware
def application(environ, start_response):
    start_response("200 OK", [])
    return answer()
""",
    }).drive("""
        import app, gate
        try:
            list(start(app.application))
        except BaseException as error:
            tell(seen=gate.shown(error.__cause__ or error))
    """)  # fmt: skip
    at_once = ["driving.py:start", "app.py:application", "app.py:answer"]
    expected = {"at once": [*at_once, "app.py:fail"], "later": ["app.py:answer", "app.py:fail"], "by exit": at_once}
    kind, frames = told["seen"]
    assert kind == ("SystemExit" if when == "by exit" else "ZeroDivisionError")
    if sys.version_info < (3, 11):
        frames = [each for each in frames if not each.endswith((":__call__", ":__next__"))]
    assert frames == (expected[when][1:] if when == "by exit" else expected[when])
