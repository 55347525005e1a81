"""Where there is nothing to do, nothing happens at all (G9): the application is called straight through."""

from __future__ import annotations

import json
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

from ponyreload.adapters import Platform, detect
from projects import Project

APP = """
    from ponyreload import *
    import shop.cart

    reloader = use_autoreload(include=("shop",), extra_files=("shop.toml",), poll_seconds=1)
    ANSWER = [b"answer"]
    ERROR = LookupError("broken")
    seen = []

    def plain(environ, start_response):
        seen.append((environ, start_response, generation()))
        if environ["PATH_INFO"] == "/broken":
            raise ERROR
        return ANSWER

    @on_reload
    def hook():
        seen.append("reloaded")

    wrapped = AutoreloadMiddleware(plain, include=("shop",))
    named = AutoreloadMiddleware("app:plain")
"""
# Tells what the application above does to the process that imports it.
LOOK = """
    import builtins, importlib, importlib._bootstrap, json, linecache, signal, sys, threading, types

    def hooks():
        return [
            *sys.meta_path, *sys.path_hooks, builtins.__import__, importlib._bootstrap._gcd_import, linecache.getlines,
            signal.signal, *map(signal.getsignal, sorted(signal.valid_signals())), sys.excepthook,
            *threading.enumerate(),
        ]

    def call(application, path):
        environ = {"PATH_INFO": path}
        start_response = lambda status, headers: None
        try:
            result = application(environ, start_response)
        except LookupError as error:
            result = error
        passed = app.seen.pop()
        assert passed[0] is environ and passed[1] is start_response
        return {app.ERROR: "the error", id(app.ANSWER): "the answer"}.get(
            result if isinstance(result, LookupError) else id(result), repr(result))

    before = hooks()
    import app
    import ponyreload
    print("TELL", json.dumps({
        "reloader": repr(app.reloader), "generation": ponyreload.generation(),
        "hooks": [repr(each) for each in hooks() if each not in before],
        "modules": [name for name in ("app", "shop", "shop.cart") if type(sys.modules[name]) is not types.ModuleType],
        "imported": [name for name in ("watchdog", "ponyreload.reloader", "cherrypy") if name in sys.modules],
        "answers": [call(each, path) for each in (app.wrapped, app.named) for path in ("/", "/broken")],
    }), flush=True)
"""
NOTHING = {
    "reloader": "None",
    "generation": 0,
    "hooks": [],
    "modules": [],
    "imported": [],
    "answers": ["the answer", "the error", "the answer", "the error"],
}


def site(project) -> Project:
    return project({"app.py": APP, "shop/__init__.py": "", "shop/cart.py": "from ponyreload import *", "look.py": LOOK})


def look(site: Project, *command: str, stdin: str = "", **environment: str) -> dict:
    """Run the two scripts above as ``python *command*``; return what was told."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=site.folder,
        env=site.environment(**environment),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    told = [line.partition("TELL ")[2] for line in done.stdout.splitlines() if "TELL " in line]
    assert len(told) == 1, f"--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"
    return json.loads(told[0])


# What each platform puts into the environment.
GOOGLE = [
    {"GAE_ENV": "standard", "GAE_SERVICE": "default"},
    {"GAE_ENV": "localdev"},
    {"GAE_SERVICE": "default", "GAE_INSTANCE": "aef-1"},
]
NOT_GOOGLE = {"APPLICATION_ID": "dev~shop", "GAE_APPLICATION": ""}


@pytest.mark.parametrize("environment", [{"PONYRELOAD": "off"}, *GOOGLE], ids=str)
def test_nothing_happens_where_the_environment_says_so(project, environment):
    assert look(site(project), "look.py", **environment) == NOTHING


APACHES_OWN = "m = types.ModuleType('mod_wsgi'); m.version = (4, 9, 4); m.process_group = 'shop'"
FROM_THE_INDEX = "m = types.ModuleType('mod_wsgi'); m.__path__ = ['/site-packages/mod_wsgi']"


def test_nothing_happens_under_mod_wsgi(project):
    code = f"import sys, types; {APACHES_OWN}; sys.modules['mod_wsgi'] = m; import look"
    assert look(site(project), "-c", code) == NOTHING


@pytest.mark.parametrize(
    ("command", "stdin"),
    [
        (["-q", "-i"], "import look\n"),
        (["-q", "-i", "look.py"], ""),
        (["-c", "import code; code.interact()"], "import look\n"),
    ],
    ids=["python -i", "python -i script.py", "code.interact"],
)
def test_nothing_happens_in_an_interactive_interpreter(project, command, stdin):
    assert look(site(project), *command, stdin=stdin) == NOTHING


def assert_on(told):
    assert told["reloader"] == "<Reloader: generation 1 serves>"
    assert told["generation"] == 1
    assert told["hooks"] != []
    assert told["modules"] == ["app", "shop", "shop.cart"]
    assert "ponyreload.reloader" in told["imported"]


@pytest.mark.parametrize("environment", [{}, NOT_GOOGLE, {"PONYRELOAD": ""}, {"PONYRELOAD": "on"}], ids=str)
def test_autoreload_is_on_elsewhere(project, environment):
    assert_on(look(site(project), "look.py", **environment))


def test_autoreload_is_on_where_the_package_mod_wsgi_is_merely_imported(project):
    code = f"import sys, types; {FROM_THE_INDEX}; sys.modules['mod_wsgi'] = m; import look"
    assert_on(look(site(project), "-c", code))


def test_autoreload_is_on_for_a_program_that_comes_through_a_pipe(project):
    assert_on(look(site(project), "-", stdin="import look\n"))


def test_the_platform_is_found_once_and_remembered(project):
    code = "import app, os; os.environ['PONYRELOAD'] = 'off'; print(app.use_autoreload() is app.reloader is not None)"
    assert site(project).run("-c", code).stdout == "True\n"


def test_where_nothing_happens_wrong_options_are_still_refused(project):
    code = "import app; app.use_autoreload(include='shop')"
    done = site(project).run("-c", code, check=False, PONYRELOAD="off")
    assert "TypeError: include= takes a list or tuple of package or module names" in done.stderr


def test_cherrypy_keeps_its_own_autoreloader_where_ours_is_off(project):
    done = site(project).run(
        "-c",
        "import app, cherrypy as c; print(c.engine.autoreload.start in c.engine.listeners['start'], type(c.tree))",
        PONYRELOAD="off",
    )
    assert done.stdout == "True <class 'cherrypy._cptree.Tree'>\n"


# -- how a platform is told --------------------------------------------------------------------------------------


def module(**attributes: object) -> ModuleType:
    found = ModuleType("found")
    vars(found).update(attributes)
    return found


PLAIN = {"sys": SimpleNamespace(flags=SimpleNamespace(interactive=0))}
MOD_WSGI = ("mod_wsgi", "the module mod_wsgi was made by Apache", False)
GAE_FLEXIBLE = ("Google App Engine", "GAE_SERVICE and GAE_INSTANCE are set", False)
INTERACTIVE = ("interactive interpreter", "sys.ps1 or the -i option", False)
UNKNOWN = ("WSGI server", "no sign of a server that is known by name", True)


@pytest.mark.parametrize(
    ("modules", "environment", "expected"),
    [
        ({}, {}, UNKNOWN),
        ({}, {"PONYRELOAD": "off"}, ("off", "PONYRELOAD=off in the environment", False)),
        ({}, {"PONYRELOAD": " OFF "}, ("off", "PONYRELOAD= OFF  in the environment", False)),
        ({}, {"PONYRELOAD": "0"}, ("off", "PONYRELOAD=0 in the environment", False)),
        ({}, {"PONYRELOAD": "no"}, ("off", "PONYRELOAD=no in the environment", False)),
        ({}, {"PONYRELOAD": "false"}, ("off", "PONYRELOAD=false in the environment", False)),
        ({}, {"PONYRELOAD": ""}, UNKNOWN),
        ({}, {"PONYRELOAD": "on"}, UNKNOWN),
        ({"mod_wsgi": module(version=(4, 9, 4), process_group="")}, {}, MOD_WSGI),
        ({"mod_wsgi": module(version=(4, 9, 4))}, {}, UNKNOWN),
        ({"mod_wsgi": module(version="4.9.4", process_group="")}, {}, UNKNOWN),
        ({"mod_wsgi": module(__path__=[])}, {}, UNKNOWN),
        ({"mod_wsgi": None}, {}, UNKNOWN),
        ({}, {"GAE_ENV": "standard"}, ("Google App Engine", "GAE_ENV=standard", False)),
        ({}, {"GAE_ENV": "localdev"}, ("Google App Engine", "GAE_ENV=localdev", False)),
        ({}, {"GAE_ENV": "flex"}, UNKNOWN),
        ({}, {"GAE_SERVICE": "default", "GAE_INSTANCE": "1"}, GAE_FLEXIBLE),
        ({}, {"GAE_SERVICE": "default", "GAE_INSTANCE": ""}, UNKNOWN),
        ({}, {"GAE_INSTANCE": "1"}, UNKNOWN),
        ({}, NOT_GOOGLE, UNKNOWN),
        ({"google": module()}, {}, UNKNOWN),
        ({"sys": module(ps1=">>> ", flags=SimpleNamespace(interactive=0))}, {}, INTERACTIVE),
        ({"sys": module(flags=SimpleNamespace(interactive=1))}, {}, INTERACTIVE),
        ({"cherrypy": module()}, {}, ("cherrypy", "the module cherrypy is imported", True)),
        ({"cheroot.server": module()}, {}, ("cheroot", "the module cheroot.server is imported", True)),
        ({"cherrypy": module()}, {"PONYRELOAD": "off"}, ("off", "PONYRELOAD=off in the environment", False)),
        ({"cherrypy": module()}, {"GAE_ENV": "standard"}, ("Google App Engine", "GAE_ENV=standard", False)),
    ],
)
def test_signs_of_platforms(modules, environment, expected):
    assert detect({**PLAIN, **modules}, environment) == Platform(*expected)
