"""The source is laid out in rooms, and imports go one way: from a room to those on lower levels."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from rooms import Tree

pytestmark = pytest.mark.any_python

SOURCE = Path(__file__).parents[2] / "src" / "ponyreload"

# From the top down. Rooms of one level do not import each other.
LEVELS = (
    "__main__",
    "cli",
    "main",
    "__init__",
    "autoreload",
    "devtools",
    "reloading",
    "adapters",
    "ownership loading watching",
    "imports wsgi holders lifecycle",
    "generations",
    "code options interpreter",
    "project",
    "errors reporting tracebacks",
)


@pytest.fixture(scope="module")
def tree() -> Tree:
    # Methods of flup's servers.
    return Tree(SOURCE, LEVELS, foreign=("_intHandler", "_hupHandler"))


def test_each_package_and_each_file_of_the_root_has_a_level(tree):
    assert tree.unplaced() == []


def test_imports_go_down(tree):
    assert tree.upward() == []


def test_no_packages_import_each_other(tree):
    assert tree.circles() == []


def test_private_names_stay_in_their_package(tree):
    assert tree.private_across() == []


# What breaks the rules, as a tree of two rooms, `top` above `low`.
FINE = {"top/a.py": "from shop.low import b\nb.open()", "low/b.py": "def open(): return _shut()\ndef _shut(): pass"}
TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop.top.a import A"


@pytest.fixture
def small(tmp_path):
    def make(files: dict[str, str]) -> Tree:
        for path, text in {"top/__init__.py": "", "low/__init__.py": "", **files}.items():
            file = tmp_path / "shop" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return Tree(tmp_path / "shop", ("top", "low"))

    return make


def test_a_tree_that_keeps_the_rules_is_fine(small):
    found = small(FINE)
    assert found.unplaced() + found.upward() + found.circles() + found.private_across() == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import shop.top.a", 1),
        ("from shop.top import a", 1),
        ("from shop.top.a import A", 1),
        ("def late():\n    from shop.top.a import A", 2),
        (TYPES, 3),
    ],
)
def test_an_import_that_goes_up_is_found_wherever_it_stands(small, text, line):
    assert small({**FINE, "low/b.py": text}).upward() == [f"low.b:{line} imports top.a"]


def test_an_import_from_a_room_of_the_same_level_is_found(tmp_path):
    for name, text in {"one": "from shop.two import b", "two": ""}.items():
        (tmp_path / "shop" / name).mkdir(parents=True)
        (tmp_path / "shop" / name / ("a.py" if text else "b.py")).write_text(text)
    (tmp_path / "shop/two/__init__.py").write_text("")
    assert Tree(tmp_path / "shop", ("one two",)).upward() == ["one.a:1 imports two.b"]


def test_a_circle_of_packages_within_a_room_is_found(small):
    files = {"top/x/a.py": "from shop.top.y import b", "top/y/b.py": "from shop.top.x import a"}
    assert small({**files, "top/x/__init__.py": "", "top/y/__init__.py": ""}).circles() == ["top.x", "top.y"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from shop.low.b import _shut", "top.a:1 imports _shut"),
        ("from shop.low import b\nb._shut()", "top.a:2 uses ._shut"),
        ("from shop.low import b\nb._shut = None", "top.a:2 uses ._shut"),
        ("def look(box):\n    return box._lid", "top.a:2 uses ._lid"),
    ],
)
def test_a_private_name_of_another_package_is_found(small, text, found):
    low = "def _shut(): pass\nclass Box:\n    def __init__(self):\n        self._lid = 1"
    assert small({"top/a.py": text, "low/b.py": low}).private_across() == [found]


def test_a_room_without_a_level_is_found(small):
    assert small({"attic/__init__.py": ""}).unplaced() == ["attic"]


# -- what a room looks like ------------------------------------------------------------------------------------------

PACKAGES = sorted(path.parent.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*/__init__.py"))
MOST_LINES = 300
MOST_LINES_OF_A_CLASS = 250


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_it_is_and_imports_nothing(tree, package):
    module = tree.modules[f"{package.replace('/', '.')}.__init__"]
    text = (SOURCE / package / "__init__.py").read_text()
    assert "In:" in text, "it says what comes in"
    assert "Out:" in text, "it says what goes out"
    assert [type(node).__name__ for node in module.body] == ["Expr", "Assign"], "no more than __all__"


@pytest.mark.parametrize("package", PACKAGES)
def test_others_import_what_a_package_names(tree, package):
    """A package's ``__all__`` has the modules that other packages may import."""
    name = package.replace("/", ".")
    names = ast.literal_eval(tree.modules[f"{name}.__init__"].body[1].value)
    used = {each.imported for each in tree.imports if not each.importer.startswith(f"{name}.")}
    assert {each for each in used if each.rpartition(".")[0] == name} <= {f"{name}.{each}" for each in names}


def test_cherrypy_is_imported_in_its_own_room_alone(tree):
    found = {
        name
        for name, module in tree.modules.items()
        for node in ast.walk(module)
        if (isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "cherrypy")
        or (isinstance(node, ast.Import) and any(each.name.partition(".")[0] == "cherrypy" for each in node.names))
    }
    # The command line starts a bare server of CherryPy's.
    assert {name.rpartition(".")[0] for name in found} == {"adapters.cherrypy", "cli"}


@pytest.mark.parametrize("file", sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py")))
def test_a_file_and_its_classes_are_small(tree, file):
    name = file.removesuffix(".py").replace("/", ".")
    classes = [node for node in ast.walk(tree.modules[name]) if isinstance(node, ast.ClassDef)]
    assert len((SOURCE / file).read_text().splitlines()) <= MOST_LINES
    assert [each.name for each in classes if each.end_lineno - each.lineno > MOST_LINES_OF_A_CLASS] == []
