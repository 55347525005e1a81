"""Large sources are compiled by another process, with the outcome that this one would have had."""

import subprocess
import sys
import warnings

import pytest

from ponyreload.code.compiling import LARGE_BYTES, compile_elsewhere, compile_source

FILLING = b"\n" + b"# filling\n" * (LARGE_BYTES // 10)
events = []
sys.addaudithook(lambda event, args: events.append((event, args)) if event in ("compile", "subprocess.Popen") else None)


def compiled(text, file="/site/shop.py"):
    """The code of a source, and whether this process and whether another one compiled it."""
    del events[:]
    code = compile_source(text, file)
    here = any(args[1] == file for event, args in events if event == "compile")
    return code, here, "subprocess.Popen" in dict(events)


def test_a_large_source_is_compiled_elsewhere_with_the_same_outcome():
    text = b"def price(net: int) -> int:\n    'doc'\n    assert net\n    return net * 2 + 0x10\n" + FILLING
    code, here, elsewhere = compiled(text)
    assert (here, elsewhere) == (False, True)
    assert code == compile(text, "/site/shop.py", "exec", dont_inherit=True)
    assert code.co_filename == "/site/shop.py"


def test_a_small_source_is_compiled_here():
    assert compiled(b"X = 1\n")[1:] == (True, False)


def test_a_large_source_that_does_not_compile_has_the_compilers_own_error():
    with pytest.raises(SyntaxError) as raised:
        compile_source(b"X = 1\nif X\n" + FILLING, "/site/shop.py")
    assert (raised.value.filename, raised.value.lineno, raised.value.text) == ("/site/shop.py", 2, "if X\n")


def test_the_compilers_warnings_are_given():
    text = b"X = 1\nY = X is 5\n" + FILLING
    with pytest.warns(SyntaxWarning, match='"is" with') as told:
        assert compiled(text)[1:] == (False, True)
    assert [(each.filename, each.lineno) for each in told] == [("/site/shop.py", 2)]


def test_a_warning_that_is_an_error_here_is_the_compilers_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SyntaxError) as raised:
            compile_source(b"X = 1\nY = X is 5\n" + FILLING, "/site/shop.py")
    assert raised.value.lineno == 2


def test_a_loader_with_a_compiler_of_its_own_has_it_called():
    class Loader:
        def source_to_code(self, data, path):
            return compile(f"X = {len(data)}", path, "exec")

    namespace = {}
    exec(compile_source(FILLING, "/site/shop.py", Loader()), namespace)
    assert namespace["X"] == len(FILLING)


@pytest.mark.parametrize("executable", ["", None, "/usr/bin/uwsgi", "/nowhere/python3", "/bin/python-that-is-none"])
def test_where_no_other_python_can_be_had_this_one_compiles(monkeypatch, tmp_path, executable):
    if executable == "/bin/python-that-is-none":
        program = tmp_path / "python-that-is-none"
        program.write_text("#!/bin/sh\necho nothing of use\n")
        program.chmod(0o755)
        executable = str(program)
    monkeypatch.setattr(sys, "executable", executable)
    code, here, _ = compiled(b"X = 1\n" + FILLING)
    assert here
    assert code.co_names == ("X",)


def test_another_version_of_python_is_not_believed(monkeypatch):
    assert compile_elsewhere([(b"X = 1\n", "/site/shop.py")])[0][0] is not None
    monkeypatch.setattr(sys, "version", "3.99")
    assert compile_elsewhere([(b"X = 1\n", "/site/shop.py")]) == [(None, [])]


def test_where_popen_is_not_pythons_own_this_one_compiles(monkeypatch):
    class Popen(subprocess.Popen):
        pass

    monkeypatch.setattr(subprocess, "Popen", Popen)
    assert compiled(b"X = 1\n" + FILLING)[1:] == (True, False)


def test_the_level_of_optimisation_is_this_ones(project):
    text = f"assert False\nX = {LARGE_BYTES}\n{FILLING.decode()}"
    site = project({"large.py": text})
    code = "from ponyreload.code.compiling import compile_source as c; exec(c(open('large.py', 'rb').read(), 'large.py')); print(X)"
    assert site.run("-O", "-c", code).stdout.strip() == str(LARGE_BYTES)


def test_what_the_first_reload_is_to_run_is_compiled_while_the_application_is_idle(project):
    body = "\n".join(f"def f{number}(x):\n    return x + {number}" for number in range(1000))
    files = {f"shop/m{number}.py": f"from ponyreload import *\n{body}\n" for number in range(5)}
    start = "from ponyreload import *\nfrom shop import m0, m1, m2, m3, m4\nreloader = use_autoreload()\n"
    files |= {"shop/__init__.py": "from ponyreload import *\n", "app.py": start}
    told = project(files).drive("""
        compiled = []
        sys.addaudithook(lambda event, args: compiled.append(args[1]) if event == "compile" else None)
        import app
        app.reloader.start()
        sources = app.reloader.serving.sources
        until(lambda: all(source.is_compiled for source in sources.values()))
        del compiled[:]
        app.reloader.reload()
        tell(here=[file for file in compiled if file in sources], answer=sys.modules["shop.m4"].f7(1))
    """)
    assert (told["here"], told["answer"]) == ([], 8)
