"""`on_reload` functions: called once per reload, before the new modules run, and never piling up."""

from __future__ import annotations

APP = """
    from ponyreload import *
    import lib, log, shop
    reloader = use_autoreload()

    @on_reload
    def mine():
        log.lines.append(f"app {shop.X}")

    log.lines.append(f"run {shop.X}")

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [])
        return [str(shop.X).encode()]
"""
FILES = {
    "app.py": APP,
    "shop.py": "from ponyreload import *\nX = 1\n",
    "log.py": "lines = []\n",
    "lib.py": "import log, ponyreload\n@ponyreload.on_reload\ndef hook():\n    log.lines.append('lib')\n",
}


def test_hooks_of_system_modules_stay_and_those_of_user_modules_belong_to_their_generation(project):
    told = project(FILES).drive("""
        import app, log
        request(app.application)
        for number in (2, 3, 4):
            project.edit("shop.py", f"from ponyreload import *\\nX = {number}\\n")
            app.reloader.wait(number - 1, 10)
        tell(lines=log.lines)
    """)
    assert told["lines"] == ["run 1", "lib", "app 1", "run 2", "lib", "app 2", "run 3", "lib", "app 3", "run 4"]


def test_hooks_are_not_called_before_the_changed_files_compile(project):
    told = project(FILES).drive("""
        import app, log
        request(app.application)
        project.edit("shop.py", "X = = 2")
        until(lambda: app.reloader.error)
        during = list(log.lines)
        project.edit("shop.py", "from ponyreload import *\\nX = 2\\n")
        app.reloader.wait(1, 10)
        tell(during=during, after=log.lines)
    """)
    assert told["during"] == ["run 1"]
    assert told["after"] == ["run 1", "lib", "app 1", "run 2"]


def test_hooks_are_called_when_a_broken_file_is_not_needed_any_more(project):
    told = project(
        {**FILES, "old.py": "from ponyreload import *\n", "app.py": APP.replace("shop\n", "shop, old\n", 1)}
    ).drive("""
        import app, log
        request(app.application)
        project.edit("old.py", "X = = 2")
        until(lambda: app.reloader.error)
        log.lines.clear()
        project.replace("app.py", "shop, old", "shop")
        app.reloader.wait(1, 10)
        tell(lines=log.lines)
    """)
    assert told["lines"][-3:] == ["lib", "app 1", "run 1"]
    assert told["lines"].count("lib") == 1


def test_a_hook_that_fails_is_reported_and_the_others_still_run(project):
    files = {
        **FILES,
        "bad.py": "import ponyreload\n@ponyreload.on_reload\ndef bad():\n    1 / 0\n",
        "app.py": APP.replace("import lib", "import bad, lib"),
    }
    told = project(files).drive("""
        import app, log
        request(app.application)
        project.edit("shop.py", "from ponyreload import *\\nX = 2\\n")
        app.reloader.wait(1, 10)
        tell(lines=log.lines)
    """)
    assert told["lines"] == ["run 1", "lib", "app 1", "run 2"]
    assert "on_reload function bad failed; the reload continues:" in told["stderr"]
    assert "ZeroDivisionError: division by zero" in told["stderr"]


def test_what_cannot_be_called_is_refused(project):
    told = project(FILES).drive("""
        try:
            ponyreload.on_reload("close")
        except TypeError as error:
            tell(text=str(error))
    """)
    assert told["text"] == "on_reload takes a function without parameters, not 'close'"
