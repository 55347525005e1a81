"""Source that is compiled before a load runs it, while threads of the application import more."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from types import ModuleType

import pytest

from driving import until
from ponyreload.code.sources import Source, Sources
from ponyreload.generations.generation import Generation
from ponyreload.loading.precompiling import MUCH_BYTES, compile_ahead, compile_changed, needs


def test_large_modules_of_generation_1_are_compiled_ahead():
    generation = Generation(1)
    for name, data in {"large": b"X = 1\n" * MUCH_BYTES, "broken": b"X = = 1"}.items():
        file = f"/site/{name}.py"
        generation.files[name], generation.sources[file] = file, Source(file, data)
        generation.modules[name] = ModuleType(name)
        generation.modules[name].__loader__ = SourceFileLoader(name, file)
    compile_ahead(generation, lambda: False)
    until(lambda: generation.sources["/site/large.py"].is_compiled, 60)
    assert not generation.sources["/site/broken.py"].is_compiled


def test_the_changed_files_that_do_not_compile_are_named_with_their_errors(tmp_path):
    for name, text in {"good.py": "X = 1", "bad.py": "X = = 1", "page.html": "= ="}.items():
        (tmp_path / name).write_text(text)
    changed = {f"{tmp_path}/{name}" for name in ("good.py", "bad.py", "page.html", "gone.py")}
    broken = compile_changed(Sources(), changed, Generation(1))
    assert {file: type(error) for file, error in broken.items()} == {f"{tmp_path}/bad.py": SyntaxError}


@pytest.fixture
def served():
    """A generation that has read the text of one module, and the one that served before."""
    generation, before = Generation(2), Generation(1)
    generation.sources["/site/app.py"] = Source("/site/app.py", b"def late(): import shop.cart")
    before.files["plugin"] = "/site/plugin.py"
    return generation, before


def test_a_generation_needs_a_file_if_a_source_has_its_name(served):
    assert needs(*served, "/site/shop/cart.py")
    assert needs(*served, "/site/shop/__init__.py")
    assert not needs(*served, "/site/shop/basket.py")


def test_a_generation_needs_a_file_that_requests_are_to_import(served):
    assert not needs(*served, "/site/plugin.py")
    served[0].late["plugin"] = None
    assert needs(*served, "/site/plugin.py")


def test_a_generation_needs_a_file_that_it_has_read_and_could_not_compile(served):
    source = served[0].sources["/site/basket.py"] = Source("/site/basket.py", b"1")
    assert needs(*served, "/site/basket.py")
    source.code()
    assert not needs(*served, "/site/basket.py")


def test_a_thread_may_import_while_the_source_of_a_generation_is_searched():
    generation = Generation(2)

    class Data(bytes):
        def __contains__(self, name):
            file = f"/site/late{len(generation.sources)}.py"
            generation.sources[file] = Source(file, b"")
            return super().__contains__(name)

    for file in ("/site/app.py", "/site/shop.py"):
        generation.sources[file] = Source(file, Data(b"import shop"))
    assert not needs(generation, Generation(1), "/site/cart.py")
    assert len(generation.sources) == 4
