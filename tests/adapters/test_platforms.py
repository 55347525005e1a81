"""Where there is nothing to do, nothing happens at all (G9): the application is called straight through."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

import pytest

from nothing import NOTHING, SITE
from ponyreload.adapters.platforms import Platform, detect
from ponyreload.options.servers import TABLE
from projects import Project


def site(project) -> Project:
    return project(SITE)


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
LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "shop"}
CLOUD_RUN = {"K_SERVICE": "shop", "K_REVISION": "shop-00001-abc"}
PASSENGER = {"IN_PASSENGER": "1"}
WERKZEUG = {"WERKZEUG_RUN_MAIN": "true"}
GOOGLE = [
    {"GAE_ENV": "standard", "GAE_SERVICE": "default"},
    {"GAE_ENV": "localdev"},
    {"GAE_SERVICE": "default", "GAE_INSTANCE": "aef-1"},
]
NOT_GOOGLE = {"APPLICATION_ID": "dev~shop", "GAE_APPLICATION": ""}


ELSEWHERE = [LAMBDA, CLOUD_RUN, PASSENGER, WERKZEUG]


@pytest.mark.parametrize("environment", [{"PONYRELOAD": "off"}, *GOOGLE, *ELSEWHERE], ids=str)
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
    assert "ponyreload.reloading.reloader" in told["imported"]


@pytest.mark.parametrize("environment", [{}, NOT_GOOGLE, {"PONYRELOAD": ""}, {"PONYRELOAD": "on"}], ids=str)
def test_autoreload_is_on_elsewhere(project, environment):
    assert_on(look(site(project), "look.py", **environment))


@pytest.mark.parametrize("environment", ELSEWHERE, ids=str)
def test_ponyreload_on_turns_it_on_where_only_the_intent_was_in_doubt(project, environment):
    assert_on(look(site(project), "look.py", PONYRELOAD="on", **environment))


def test_ponyreload_on_changes_nothing_on_google_app_engine(project):
    assert look(site(project), "look.py", PONYRELOAD="on", **GOOGLE[0]) == NOTHING


def test_ponyreload_on_changes_nothing_under_mod_wsgi(project):
    code = f"import sys, types; {APACHES_OWN}; sys.modules['mod_wsgi'] = m; import look"
    assert look(site(project), "-c", code, PONYRELOAD="on") == NOTHING


def test_ponyreload_on_changes_nothing_in_an_interactive_interpreter(project):
    assert look(site(project), "-q", "-i", "look.py", PONYRELOAD="on") == NOTHING


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


# -- what the developer is told ----------------------------------------------------------------------------------

TWICE = "import app; app.use_autoreload(); app.AutoreloadMiddleware(app.plain)"
# What Python's own development mode has to say of servers is theirs.
QUIET = {"PYTHONWARNINGS": "ignore"}
ON_LAMBDA = (
    "AWS Lambda runs this process (AWS_LAMBDA_FUNCTION_NAME in the environment), so autoreload is off; "
    "PONYRELOAD=on turns it on\n"
)
TWO_RELOADERS = (
    "two reloaders meet: werkzeug's restarts this process at each change (WERKZEUG_RUN_MAIN=true in the environment), "
    "so autoreload is off; to have it instead, pass use_reloader=False to run_simple or app.run "
    "(Flask's debug=True means True)\n"
)
UNKNOWN_WORD = "PONYRELOAD=offf is ignored: it is neither on or 1 or yes or true, nor off or 0 or no or false\n"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, ""),
        ({"PONYRELOAD": "off"}, ""),
        (GOOGLE[0], ""),
        (LAMBDA, ON_LAMBDA),
        (LAMBDA | {"PONYRELOAD": "on"}, ""),
        (WERKZEUG, TWO_RELOADERS),
        ({"PONYRELOAD": "offf"}, UNKNOWN_WORD),
        (LAMBDA | {"PONYRELOAD": "offf"}, UNKNOWN_WORD + ON_LAMBDA),
    ],
    ids=str,
)
def test_what_is_said_aloud_is_said_once(project, environment, said):
    assert site(project).run("-c", TWICE, **QUIET, **environment).stderr == said


def test_what_was_found_is_logged_once_with_its_sign(project):
    code = f"import logging; logging.basicConfig(format='%(levelname)s %(name)s %(message)s', level='DEBUG'); {TWICE}"
    shop = site(project)

    def logged(**environment):
        lines = shop.run("-c", f"import cherrypy; {code}", **QUIET, **environment).stderr.splitlines()
        return [line for line in lines if " ponyreload " in line]

    assert logged() == ["DEBUG ponyreload CherryPy: autoreload is on (the module cherrypy is imported)"]
    assert logged(PONYRELOAD="no") == [
        "DEBUG ponyreload off: autoreload does nothing here (PONYRELOAD=no in the environment)"
    ]
    assert logged(**LAMBDA) == [
        "DEBUG ponyreload AWS Lambda: autoreload does nothing here (AWS_LAMBDA_FUNCTION_NAME in the environment)",
        f"INFO ponyreload {ON_LAMBDA.strip()}",
    ]
    assert logged(**WERKZEUG)[1] == f"WARNING ponyreload {TWO_RELOADERS.strip()}"


# -- werkzeug's own reloader -------------------------------------------------------------------------------------

SCRIPT = """
    import os
    from werkzeug.serving import run_simple
    from ponyreload import *

    reloader = use_autoreload()

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"one {reloader}".encode()]

    where = "127.0.0.1", int(os.environ["PORT"])
    run_simple(*where, application, use_reloader=True, reloader_interval=0.1, reloader_type="stat")
"""


def test_werkzeugs_reloader_restarts_the_process_as_it_does_without_us(project):
    assert find_spec("werkzeug"), "werkzeug is missing: python -m pip install werkzeug"
    shop = project({"app.py": SCRIPT})
    with shop.serve() as server:
        assert server.get() == "one None"
        shop.replace("app.py", "one", "two")
        server.wait_until(lambda: answers(server, "two None"), "two None")
        assert server.log.count(TWO_RELOADERS) == 2  # once in each process that serves
        assert "serves: " not in server.log


def answers(server, text):
    """Tell whether the server answers this; while it is restarted, nothing does."""
    try:
        return server.ask().text == text
    except OSError:
        return False


# -- how a platform is told --------------------------------------------------------------------------------------


def module(**attributes: object) -> ModuleType:
    found = ModuleType("found")
    vars(found).update(attributes)
    return found


PLAIN = {"sys": SimpleNamespace(flags=SimpleNamespace(interactive=0))}
WITH_I = {"sys": SimpleNamespace(flags=SimpleNamespace(interactive=1))}
PROMPTS = {"sys": SimpleNamespace(ps1=">>> ", flags=SimpleNamespace(interactive=0))}
IN_APACHE = {"mod_wsgi": module(version=(4, 9, 4), process_group="")}
UNKNOWN = ("WSGI server", "no sign of a server that is known by name", True)
MOD_WSGI = ("mod_wsgi", "the module mod_wsgi was made by Apache", False)
STANDARD = ("Google App Engine", "GAE_ENV=standard in the environment", False)
LOCAL = ("Google App Engine", "GAE_ENV=localdev in the environment", False)
FLEXIBLE = ("Google App Engine", "GAE_SERVICE and GAE_INSTANCE in the environment", False)
ON_AWS = ("AWS Lambda", "AWS_LAMBDA_FUNCTION_NAME in the environment", False)
IN_CLOUD_RUN = ("Cloud Run", "K_SERVICE and K_REVISION in the environment", False)
BY_PASSENGER = ("Passenger", "IN_PASSENGER in the environment", False)
RESTARTED = ("werkzeug's reloader", "WERKZEUG_RUN_MAIN=true in the environment", False)
AT_A_PROMPT = ("interactive interpreter", "sys.ps1 is set", False)
STARTED_WITH_I = ("interactive interpreter", "Python was started with -i", False)


def named(server, module):
    return (server, f"the module {module} is imported", True)


FLUP = named("flup", "flup.server.fcgi")
CHERRYPY = named("CherryPy", "cherrypy")
CHEROOT = named("cheroot", "cheroot.server")


def off(word):
    return ("off", f"PONYRELOAD={word} in the environment", False)


def in_vain(platform, word="on"):
    return (platform[0], f"{platform[1]}, and PONYRELOAD={word} changes nothing here", False)


def imported(*names):
    return dict.fromkeys(names, module())


@pytest.mark.parametrize(
    ("modules", "environment", "expected"),
    [
        ({}, {}, UNKNOWN),
        # The word of the developer.
        ({}, {"PONYRELOAD": "off"}, off("off")),
        ({}, {"PONYRELOAD": " OFF "}, off("OFF")),
        ({}, {"PONYRELOAD": "0"}, off("0")),
        ({}, {"PONYRELOAD": "no"}, off("no")),
        ({}, {"PONYRELOAD": "False"}, off("False")),
        ({}, {"PONYRELOAD": ""}, UNKNOWN),
        ({}, {"PONYRELOAD": " "}, UNKNOWN),
        ({}, {"PONYRELOAD": "on"}, UNKNOWN),
        ({}, {"PONYRELOAD": "maybe"}, UNKNOWN),
        # mod_wsgi: what Apache made, and not what was imported.
        (IN_APACHE, {}, MOD_WSGI),
        ({"mod_wsgi": module(version=(4, 9, 4))}, {}, UNKNOWN),
        ({"mod_wsgi": module(version="4.9.4", process_group="")}, {}, UNKNOWN),
        ({"mod_wsgi": module(__path__=[])}, {}, UNKNOWN),
        ({"mod_wsgi": None}, {}, UNKNOWN),
        # Google App Engine: the runtime, and not the SDK.
        ({}, {"GAE_ENV": "standard"}, STANDARD),
        ({}, {"GAE_ENV": "localdev"}, LOCAL),
        ({}, {"GAE_ENV": "flex"}, UNKNOWN),
        ({}, {"GAE_SERVICE": "default", "GAE_INSTANCE": "1"}, FLEXIBLE),
        ({}, {"GAE_SERVICE": "default", "GAE_INSTANCE": ""}, UNKNOWN),
        ({}, {"GAE_INSTANCE": "1"}, UNKNOWN),
        ({}, NOT_GOOGLE, UNKNOWN),
        (imported("google", "google.appengine.api"), {}, UNKNOWN),
        # Others that own the process.
        ({}, LAMBDA, ON_AWS),
        ({}, CLOUD_RUN, IN_CLOUD_RUN),
        ({}, {"K_SERVICE": "shop"}, UNKNOWN),
        ({}, {"K_REVISION": "shop-00001-abc"}, UNKNOWN),
        ({}, {"K_SERVICE": "shop", "K_REVISION": ""}, UNKNOWN),
        ({}, PASSENGER, BY_PASSENGER),
        ({}, {"IN_PASSENGER": ""}, UNKNOWN),
        ({}, WERKZEUG, RESTARTED),
        ({}, {"WERKZEUG_RUN_MAIN": "false"}, UNKNOWN),
        (PROMPTS, {}, AT_A_PROMPT),
        (WITH_I, {}, STARTED_WITH_I),
        # Servers, by name.
        (imported("flup.server", "flup.server.fcgi", "flup.server.fcgi_base"), {}, FLUP),
        (imported("flup.server.cgi"), {}, UNKNOWN),
        (imported("flup.server.cgi", "flup.server.fcgi"), {}, FLUP),
        (imported("flup.client.fcgi_app"), {}, UNKNOWN),
        (imported("cherrypy"), {}, CHERRYPY),
        (imported("cheroot.server"), {}, CHEROOT),
        (imported("cheroot"), {}, UNKNOWN),
        (imported("uwsgi"), {}, named("uWSGI", "uwsgi")),
        (imported("waitress.server"), {}, named("waitress", "waitress.server")),
        (imported("werkzeug.serving"), {}, named("werkzeug", "werkzeug.serving")),
        (imported("wsgiref.simple_server"), {}, named("wsgiref", "wsgiref.simple_server")),
        # Two signs at once: the one that stands higher in the table.
        (IN_APACHE, {"PONYRELOAD": "off", **GOOGLE[0]}, off("off")),
        (IN_APACHE, GOOGLE[0], MOD_WSGI),
        ({}, {**GOOGLE[0], **CLOUD_RUN}, STANDARD),
        ({}, {**LAMBDA, **CLOUD_RUN}, ON_AWS),
        ({}, {**CLOUD_RUN, **PASSENGER}, IN_CLOUD_RUN),
        ({}, {**PASSENGER, **WERKZEUG}, BY_PASSENGER),
        (PROMPTS, WERKZEUG, RESTARTED),
        (PROMPTS | imported("cherrypy"), {}, AT_A_PROMPT),
        (imported("cheroot.server", "cherrypy", "flup.server.fcgi"), {}, FLUP),
        (imported("cheroot.server", "cherrypy"), {}, CHERRYPY),
        (imported("wsgiref.simple_server", "werkzeug.serving", "uwsgi", "cheroot.server"), {}, CHEROOT),
        # PONYRELOAD=on goes by what guesses at an intent, and by nothing else.
        ({}, {"PONYRELOAD": "on", **LAMBDA}, UNKNOWN),
        ({}, {"PONYRELOAD": "On", **CLOUD_RUN, **PASSENGER, **WERKZEUG}, UNKNOWN),
        (imported("cherrypy"), {"PONYRELOAD": "1", **LAMBDA}, CHERRYPY),
        (IN_APACHE, {"PONYRELOAD": "on"}, in_vain(MOD_WSGI)),
        ({}, {"PONYRELOAD": "true", **GOOGLE[0]}, in_vain(STANDARD, "true")),
        (PROMPTS, {"PONYRELOAD": "on", **LAMBDA}, in_vain(AT_A_PROMPT)),
    ],
)
def test_signs_of_platforms(modules, environment, expected):
    assert detect({**PLAIN, **modules}, environment)[:3] == Platform(*expected)[:3]


@pytest.mark.parametrize(
    ("name", "module"),
    [(each.name, module) for each in TABLE if each.is_server and each.adapter and each.name for module in each.modules],
)
def test_every_server_with_a_name_and_an_adapter_is_told_by_each_of_its_modules(name, module):
    assert detect({**PLAIN, **imported(module)}, {})[:3] == named(name, module)


@pytest.mark.parametrize("name", ["mod_wsgi", "django", "pony.orm.sqltranslation", "socket"])
def test_what_has_no_adapter_or_no_name_or_is_no_server_is_no_sign(name):
    assert detect({**PLAIN, **imported(name)}, {})[:3] == UNKNOWN


def test_finding_it_out_imports_nothing(project):
    code = """if True:
        import os, sys
        from ponyreload.adapters.platforms import detect
        before = set(sys.modules)
        sys.addaudithook(lambda event, arguments: print(event, *arguments) if event == "import" else None)
        detect(sys.modules, os.environ), detect(sys.modules, {"AWS_LAMBDA_FUNCTION_NAME": "shop"})
        assert set(sys.modules) == before
    """
    assert project({}).run("-c", code).stdout == ""
