"""Where modules are is remembered for as long as their folders stay as they were."""

from __future__ import annotations

import importlib
import os
from importlib.machinery import PathFinder

import pytest

from ponyreload.imports import specs
from ponyreload.imports.specs import Specs

LONG_AGO = 1_000_000_000


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/cart.py").write_text("")
    settled(tmp_path / "shop")
    return tmp_path / "shop"


@pytest.fixture
def asked(monkeypatch):
    """The names for which the import system's own finder was asked."""
    names = []

    class Finder:
        @staticmethod
        def find_spec(name, path):
            importlib.invalidate_caches()
            names.append(name)
            return PathFinder.find_spec(name, path)

    monkeypatch.setattr(specs, "PathFinder", Finder)
    return names


def settled(path):
    """Give a folder a time that tells it has not changed for long."""
    os.utime(path, (LONG_AGO, LONG_AGO))


def test_a_module_is_looked_for_once_and_each_time_gets_a_spec_of_its_own(folder, asked):
    several = Specs()
    found = [several.find("shop.cart", [str(folder)]) for _ in range(3)]
    assert asked == ["shop.cart"]
    assert [each.origin for each in found] == [str(folder / "cart.py")] * 3
    assert [each.cached for each in found] == [importlib.util.cache_from_source(str(folder / "cart.py"))] * 3
    assert len({id(each) for each in found}) == 3


def test_a_package_gets_a_list_of_folders_of_its_own(folder, asked):
    (folder / "orders").mkdir()
    (folder / "orders/__init__.py").write_text("")
    settled(folder / "orders")
    settled(folder)
    several = Specs()
    several.find("shop.orders", [str(folder)]).submodule_search_locations.append("elsewhere")
    several.find("shop.orders", [str(folder)]).submodule_search_locations.append("elsewhere")
    assert several.find("shop.orders", [str(folder)]).submodule_search_locations == [str(folder / "orders")]
    assert asked == ["shop.orders"]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_package_that_takes_the_place_of_a_module_is_found(folder, asked, is_there):
    if is_there:  # a folder that is no package yet
        (folder / "cart").mkdir()
        settled(folder / "cart")
        settled(folder)
    several = Specs()
    assert several.find("shop.cart", [str(folder)]).origin == str(folder / "cart.py")
    if not is_there:
        (folder / "cart").mkdir()
    (folder / "cart/__init__.py").write_text("")
    if is_there:
        settled(folder)
    assert several.find("shop.cart", [str(folder)]).origin == str(folder / "cart/__init__.py")


def test_a_module_that_is_gone_is_not_found(folder, asked):
    several = Specs()
    assert several.find("shop.cart", [str(folder)]) is not None
    (folder / "cart.py").unlink()
    assert several.find("shop.cart", [str(folder)]) is None


def test_a_folder_that_has_just_changed_is_looked_at_again(folder, asked):
    (folder / "cart.py").touch()
    os.utime(folder)
    several = Specs()
    for _ in range(2):
        assert several.find("shop.cart", [str(folder)]) is not None
    assert asked == ["shop.cart"] * 2


def test_a_module_that_lies_elsewhere_now_is_found_there(folder, asked, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/cart.py").write_text("")
    settled(tmp_path / "other")
    several = Specs()
    assert several.find("shop.cart", [str(folder)]).origin == str(folder / "cart.py")
    assert several.find("shop.cart", [str(tmp_path / "other")]).origin == str(tmp_path / "other/cart.py")


def test_what_is_on_several_paths_is_left_to_the_import_system(folder, asked, tmp_path):
    several = Specs()
    for _ in range(2):
        assert several.find("shop.cart", [str(tmp_path), str(folder)]).origin == str(folder / "cart.py")
        assert several.find("sys_has_none_such", None) is None
    assert len(asked) == 4


RELATIVE = """
    from ponyreload import *
    import os, sys
    sys.path.insert(0, {entry!r})
    import shop
    os.chdir("/")
    reloader = use_autoreload()

    @AutoreloadMiddleware
    def application(environ, start_response):
        import late
        try:
            from optional import X
        except ImportError:
            X = 0
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [repr((shop.X, late.X, X)).encode()]
"""


@pytest.mark.parametrize("entry", ["lib", "./lib"])
def test_a_relative_entry_of_the_path_leads_to_where_it_led_before_the_current_folder_changed(project, entry):
    mark = "from ponyreload import *\nX = "
    files = {"app.py": RELATIVE.format(entry=entry), "lib/shop.py": f"{mark}1", "lib/late.py": f"{mark}1"}
    told = project(files).drive(f"""
        project.folder = Path.cwd()
        import app
        answers = [request(app.application)]
        for number in (2, 3):
            project.edit("lib/shop.py", {mark!r} + str(number))
            app.reloader.reload()
            answers.append(request(app.application))
        # Where it was looked for in vain.
        project.edit("lib/optional.py", {mark!r} + "5")
        app.reloader.wait(3, 10)
        tell(answers=[*answers, request(app.application)])
    """)
    assert told["answers"] == ["(1, 1, 0)", "(2, 1, 0)", "(3, 1, 0)", "(3, 1, 5)"]
