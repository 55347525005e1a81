"""Google App Engine: there, nothing happens at all; with its SDK on a developer's machine, autoreload is on."""

from __future__ import annotations

from importlib.metadata import distributions

import pytest

from nothing import NOTHING, REQUESTS, SITE, exchange, look_at
from pages import ROOT, steps_of
from projects import Project

pytestmark = pytest.mark.any_python

# What the runtimes for Python 3 put into the environment.
COMMON = {
    "GAE_INSTANCE": "0066d924809d6d92ccf3",
    "GAE_MEMORY_MB": "384",
    "GAE_SERVICE": "default",
    "GAE_VERSION": "20261122t120000",
    "GOOGLE_CLOUD_PROJECT": "shop",
}
STANDARD = {
    **COMMON,
    "GAE_ENV": "standard",
    "GAE_APPLICATION": "s~shop",
    "GAE_DEPLOYMENT_ID": "463298110293847562",
    "GAE_RUNTIME": "python312",
    "NODE_ENV": "production",
}
FLEXIBLE = {**COMMON, "GCLOUD_PROJECT": "shop"}
LOCALDEV = {"GAE_ENV": "localdev", "GAE_APPLICATION": "dev~shop", "GAE_RUNTIME": "python312", "GAE_SERVICE": "default"}

# The SDK changes os.environ and threads when it wraps an application. Here it does so first, and is not our doing.
BARE = """
    from google.appengine.api import wrap_wsgi_app

    application = wrap_wsgi_app(lambda environ, start_response: inner(environ, start_response))
    from answers import application as inner
"""
WRAPPED = """
    from google.appengine.api import wrap_wsgi_app
    from ponyreload import *

    application = wrap_wsgi_app(lambda environ, start_response: inner(environ, start_response))
    import look
    from answers import application as inner

    assert use_autoreload() is None
    inner = AutoreloadMiddleware(inner)
"""
# Nothing turns it on before the first request, which finds what the SDK has put in the place of os.environ.
LATE = """
    from google.appengine.api import wrap_wsgi_app
    from answers import application

    application = wrap_wsgi_app(application)
"""
# The same in a thread of the application's own, which on Python 3.13 finds that empty.
THREAD = """
    import threading
    from google.appengine.api import wrap_wsgi_app
    from answers import application as inner

    def application(environ, start_response):
        thread = threading.Thread(target=__import__, args=("app",))
        thread.start()
        thread.join()
        return inner(environ, start_response)

    application = wrap_wsgi_app(application)
"""
# On a developer's machine. `around` makes the application that gunicorn gets.
SHOP = """
    import os
    from google.appengine.api import wrap_wsgi_app
    from ponyreload import *

    PATH = os.environ.get("PATH")

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"one"]

    application = {around}
"""


@pytest.fixture
def serve(tmp_path):
    """Serve a project with gunicorn, as App Engine does where no other entry point is given."""
    missing = {"gunicorn", "appengine-python-standard"} - {each.metadata["Name"] for each in distributions()}
    assert not missing, f"python -m pip install {' '.join(missing)}"

    def start(name, files, **environment):
        folder = tmp_path / name
        folder.mkdir()
        site = Project(folder, files)
        # HOME: gunicorn puts a socket there.
        return site, site.serve("-m", "gunicorn", "main:application", HOME=str(tmp_path), **environment)

    return start


@pytest.mark.parametrize(
    ("environment", "script"),
    [(STANDARD, WRAPPED), (FLEXIBLE, WRAPPED), (LOCALDEV, WRAPPED), (STANDARD, LATE), (STANDARD, THREAD)],
    ids=["standard", "flexible", "localdev", "in the first request", "in a thread"],
)
def test_nothing_happens_on_google_app_engine(serve, environment, script):
    with serve("site", {**SITE, "main.py": script}, **environment)[1] as server:
        assert look_at(server) == NOTHING


def test_every_byte_is_that_of_the_application_alone(serve):
    answers = []
    for name, script in (("bare", BARE), ("wrapped", WRAPPED)):
        with serve(name, {**SITE, "main.py": script}, **STANDARD)[1] as server:
            answers.append([exchange(server.port, *request) for request in REQUESTS])
    assert answers[0] == answers[1]
    assert [answer.split()[1] for answer in answers[0]] == [b"200"] * 8 + [b"204", b"500"]


def test_the_application_of_the_how_to_page_serves_and_says_what_was_found(serve):
    steps = steps_of((ROOT / "docs/how-to/google-app-engine.md").read_text(encoding="utf-8"))
    files = {step.what: step.block for step in steps if step.verb == "file"}
    files["main.py"] = f"import logging\nlogging.basicConfig(level=logging.DEBUG)\n{files['main.py']}"
    files["main.py"] += "application = app\n"
    with serve("site", files, **STANDARD)[1] as server:
        assert server.get() == "one"
        found = "Google App Engine: autoreload does nothing here (GAE_ENV=standard in the environment)"
        assert server.log.count(f"DEBUG:ponyreload:{found}") == 1


@pytest.mark.parametrize(
    "around",
    [
        "AutoreloadMiddleware(application)",
        "wrap_wsgi_app(AutoreloadMiddleware(application))",
        "AutoreloadMiddleware(wrap_wsgi_app(application))",
    ],
)
def test_autoreload_is_on_where_the_sdk_is_imported_or_used_elsewhere(serve, around):
    site, running = serve("site", {"main.py": SHOP.format(around=around)})
    with running as server:
        assert server.get() == "one"
        for old, new in (("one", "two"), ("two", "three")):
            site.replace("main.py", f'b"{old}"', f'b"{new}"')
            server.wait_for("/", new)
        assert "generation 3 serves: main.py changed" in server.log


def test_autoreload_is_on_with_what_the_sdk_leaves_in_the_environment(serve):
    left = {"APPLICATION_ID": "dev~shop", "GAE_APPLICATION": ""}
    site, running = serve("site", {"main.py": SHOP.format(around="AutoreloadMiddleware(application)")}, **left)
    with running as server:
        assert server.get() == "one"
        site.replace("main.py", "one", "two")
        server.wait_for("/", "two")


def test_a_new_generation_finds_the_environment(serve):
    text = SHOP.format(around="wrap_wsgi_app(AutoreloadMiddleware(application))")
    site, running = serve("site", {"main.py": text.replace('b"one"', 'f"one {PATH}".encode()')}, PATH="/usr/bin")
    with running as server:
        assert server.get() == "one /usr/bin"
        site.replace("main.py", "one", "two")
        server.wait_for("/", "two /usr/bin")
