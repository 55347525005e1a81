"""What generations that share a package have of its children, with ``scope="affected"``."""

import pytest

from affected import RAN, STAR, drive, shop_files


@pytest.fixture
def shop(project):
    return lambda **files: project(shop_files(**{"pk__init": STAR, "pk__m": RAN + "X = 1\n"} | files))


# Each way to get hold of a child that the package does not import itself: one module for each.
WAYS = {
    "by_from": "from pk import m\ndef answer():\n    return m.X\n",
    "by_star": "from pk import *\ndef answer():\n    return m.X\n",
    "by_as": "import pk.m as m\ndef answer():\n    return m.X\n",
    "by_attribute": "import pk.m\ndef answer():\n    return pk.m.X\n",
    "by_another": "import pk\nZ = pk.m.X\ndef answer():\n    return Z\n",
    "late_from": "import pk\ndef answer():\n    from pk import m\n    return m.X\n",
    "late_import": "import pk\ndef answer():\n    import pk.m\n    return pk.m.X\n",
}


@pytest.fixture
def ways(shop):
    names = list(WAYS)
    views = (
        RAN + f"import {', '.join(names)}\ndef answer():\n    return [each.answer() for each in ({', '.join(names)})]\n"
    )
    return shop(pk__init=STAR + "__all__ = ['m']\n", views=views, **{name: RAN + WAYS[name] for name in names})


def test_a_child_that_has_changed_is_there_anew(ways):
    told = drive(
        ways,
        """
    pk = reloader.serving.modules["pk"]
    answers = [ask()]
    for number in (1, 2):
        edit("pk/m.py", f"X = {number}", f"X = {number + 1}")
        pause()
        answers.append(ask())
    tell(answers=answers, shared=reloader.serving.modules["pk"] is pk)
    """,
    )
    assert told["answers"] == [2 * str([number] * len(WAYS)) for number in (1, 2, 3)]
    assert told["shared"] is True


def test_a_request_keeps_the_child_of_its_generation(ways):
    told = drive(
        ways,
        """
    old = start(app.application)
    parts = iter(old)
    answers = [next(parts).decode()]
    edit("pk/m.py", "X = 1", "X = 2")
    answers += [ask(), next(parts).decode(), ask()]
    old.close()
    tell(answers=answers)
    """,
    )
    one, two = (str([number] * len(WAYS)) for number in (1, 2))
    assert told["answers"] == [one, 2 * two, one, 2 * two]


@pytest.mark.parametrize("way", ["by_from", "by_star", "by_attribute"])
def test_a_child_that_cannot_be_run_is_not_published(shop, way):
    told = drive(
        shop(pk__init=STAR + "__all__ = ['m']\n", views=RAN + WAYS[way]),
        """
    project.replace("pk/m.py", "X = 1", "X = 1 / 0")
    until(lambda: reloader.error is not None)
    tell(error=str(reloader.error), answer=ask(), number=reloader.generation)
    """,
    )
    assert "ZeroDivisionError" in told["error"]
    assert (told["answer"], told["number"]) == ("11", 2)


def test_a_late_child_of_an_older_generation_is_not_the_newer_ones(shop):
    site = shop(
        views=RAN + "import leaf, pk\ngate = []\ndef answer():\n    if gate:\n        import pk.m\n    return leaf.X\n"
    )
    told = drive(
        site,
        """
    old, views, older = start(app.application), reloader.serving.modules["views"], reloader.serving
    parts = iter(old)
    next(parts)
    views.gate.append(1)
    edit("leaf.py", "X = 1", "X = 2")
    next(parts)
    tell(mixed=vars(reloader.serving.modules["pk"])["m"] is older.modules["pk.m"])
    old.close()
    """,
    )
    assert told["mixed"] is False


# What `lazy_loader` does.
LAZY = """
import importlib, sys

def attach(package, names):
    def find(name):
        if name not in names:
            raise AttributeError(name)
        value = getattr(importlib.import_module(f"{package}.{name}"), name)
        sys.modules[package].__dict__[name] = value
        return value
    return find
"""


@pytest.mark.parametrize(
    "way",
    [
        "import pk\ndef answer():\n    return pk.m()\n",
        "from pk import m\ndef answer():\n    return m()\n",
        "import pk\ndef answer():\n    from pk import m\n    return m()\n",
    ],
)
@pytest.mark.parametrize("scope", ["all", "affected"])
def test_a_package_that_keeps_what_it_finds_in_a_child_is_loaded_with_it(shop, way, scope):
    site = shop(
        lazy=LAZY,
        pk__init=RAN + "import lazy\n__getattr__ = lazy.attach(__name__, ['m'])\n",
        pk__m=RAN + "X = 1\ndef m():\n    return X\n",
        views=RAN + way,
    )
    site.replace("app.py", "affected", scope)
    told = drive(
        site,
        """
    first = ask()
    edit("pk/m.py", "X = 1", "X = 2")
    pause()
    tell(answers=[first, ask()])
    """,
    )
    assert told["answers"] == ["11", "22"]


def test_a_child_that_is_gone_is_no_attribute_any_more(shop):
    site = shop(
        views=RAN
        + "import pk\ntry:\n    from pk import m\nexcept ImportError:\n    m = None\n"
        + "def answer():\n    return m is None, hasattr(pk, 'm')\n"
    )
    told = drive(
        site,
        """
    first, number = ask(), reloader.generation
    os.unlink("pk/m.py")
    reloader.wait(number, 20)
    pause()
    tell(answers=[first, ask()])
    """,
    )
    assert told["answers"] == ["(False, True)(False, True)", "(True, False)(True, False)"]


def test_a_package_that_has_changed_is_run_for_its_children_that_are_shared(shop):
    told = drive(
        shop(pk__init=RAN, views=RAN + "from pk.m import X\ndef answer():\n    return X\n"),
        """
    ran = edit("pk/__init__.py", "__name__)", "__name__)  # edited")
    project.replace("pk/__init__.py", "# edited", "; 1 / 0")
    until(lambda: reloader.error is not None)
    tell(ran=ran, error=str(reloader.error), number=reloader.generation)
    """,
    )
    assert told["ran"] == ["app", "pk"]
    assert "ZeroDivisionError" in told["error"]
    assert told["number"] == 3


@pytest.mark.parametrize("way", ["by_attribute", "by_from"])
def test_a_package_that_has_become_a_module_has_no_children(shop, way):
    told = drive(
        shop(views=RAN + WAYS[way]),
        """
    os.unlink("pk/__init__.py")
    project.edit("pk.py", "from ponyreload import *\\nclass m:\\n    X = 2\\n")
    until(lambda: reloader.error is not None or reloader.generation > 2)
    tell(error=str(reloader.error), answer=ask())
    """,
    )
    if way == "by_attribute":
        assert "ModuleNotFoundError: No module named 'pk.m'; 'pk' is not a package" in told["error"]
        assert told["answer"] == "11"
    else:
        assert told["answer"] == "22"
