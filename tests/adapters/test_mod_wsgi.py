"""mod_wsgi: inside Apache, nothing happens at all; where its package is merely imported, autoreload is on."""

from __future__ import annotations

import os
import re

import pytest

from apache import HOSTS, MODES, express, express_program
from nothing import BARE, NOTHING, REQUESTS, SITE, WRAPPED, exchange, look_at
from pages import ROOT, steps_of
from projects import Project

pytestmark = pytest.mark.any_python

each_host = pytest.mark.parametrize(("host", "mode"), [(host, mode) for host in HOSTS for mode in MODES])

# Each tells its version, that of a user module, and its process.
SCRIPT = """
    import os
    import shop

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"script {VERSION}, shop {shop.VERSION}, process {os.getpid()}".encode()]

    VERSION = 1
"""
WITHOUT_US = {"shop.wsgi": SCRIPT, "shop.py": "VERSION = 1"}
WITH_US = {
    "shop.wsgi": f"""
    from ponyreload import *
    {SCRIPT}
    use_autoreload()
    application = AutoreloadMiddleware(application)
    """,
    "shop.py": "from ponyreload import *\nVERSION = 1",
}
each_way = pytest.mark.parametrize("files", [WITHOUT_US, WITH_US], ids=["without us", "with us"])


@pytest.fixture
def make(tmp_path):
    def project(name, files):
        folder = tmp_path / name
        folder.mkdir()
        return Project(folder, files)

    return project


@each_host
def test_nothing_happens_inside_apache(make, host, mode):
    with HOSTS[host](mode, make("site", {**SITE, "shop.wsgi": WRAPPED})) as server:
        assert look_at(server) == NOTHING


@each_host
def test_every_byte_is_that_of_the_application_alone(make, host, mode):
    answers = []
    for name, script in (("bare", BARE), ("wrapped", WRAPPED)):
        with HOSTS[host](mode, make(name, {**SITE, "shop.wsgi": script})) as server:
            answers.append([exchange(server.port, *request) for request in REQUESTS])
    assert answers[0] == answers[1]
    assert [answer.split()[1] for answer in answers[0]] == [b"200"] * 8 + [b"204", b"500"]
    assert b"POST '/post' '' 200001 " in answers[0][2]


def versions(server):
    """The versions that are served, and the process."""
    found = re.fullmatch(r"script (\d), shop (\d), process (\d+)", server.ask().text)
    return found.groups() if found else (None, None, None)


@each_way
@pytest.mark.parametrize("host", ["Debian's mod_wsgi", "the index package"])
def test_in_embedded_mode_a_saved_script_is_run_again_in_its_process_and_no_module_is(make, host, files):
    site = make("site", files)
    with HOSTS[host]("embedded", site) as server:
        before = versions(server)
        assert before[:2] == ("1", "1")
        site.replace("shop.py", "VERSION = 1", "VERSION = 2")
        site.replace("shop.wsgi", "VERSION = 1", "VERSION = 2")
        server.wait_until(lambda: versions(server)[0] == "2", "new script")
        assert versions(server) == ("2", "1", before[2])


@each_way
@pytest.mark.parametrize("host", HOSTS)
def test_in_daemon_mode_a_saved_script_gets_a_new_process(make, host, files):
    site = make("site", files)
    with HOSTS[host]("daemon", site) as server:
        before = versions(server)
        assert before[:2] == ("1", "1")
        site.replace("shop.py", "VERSION = 1", "VERSION = 2")
        site.replace("shop.wsgi", "VERSION = 1", "VERSION = 2")
        server.wait_until(lambda: versions(server)[0] == "2", "new script")
        after = versions(server)
        assert after[:2] == ("2", "2")
        assert after[2] != before[2]


@each_way
def test_mod_wsgi_express_restarts_the_process_for_any_module_if_it_is_told_to(make, files):
    site = make("site", files)
    with express("daemon", site, "/", "--reload-on-changes") as server:
        before = versions(server)
        assert before[:2] == ("1", "1")
        site.replace("shop.py", "VERSION = 1", "VERSION = 2")

        def saved_is_served():
            os.utime(site / "shop.py")  # its monitor takes a file for unchanged that it meets for the first time
            return versions(server)[1] == "2"

        server.wait_until(saved_is_served, "new module", pause=0.2)
        assert versions(server)[2] != before[2]


@each_host
def test_the_application_of_the_how_to_page_serves_and_says_what_was_found(make, host, mode):
    steps = steps_of((ROOT / "docs/how-to/mod_wsgi.md").read_text(encoding="utf-8"))
    files = {step.what: step.block for step in steps if step.verb == "file"}
    files["shop.wsgi"] = f"import logging\nlogging.basicConfig(level=logging.DEBUG)\n{files['shop.wsgi']}"
    with HOSTS[host](mode, make("site", files)) as server:
        assert server.get() == "one"
        found = "mod_wsgi: autoreload does nothing here (the module mod_wsgi was made by Apache)"
        assert server.log.count(f"DEBUG:ponyreload:{found}") == 1


# -- outside Apache ----------------------------------------------------------------------------------------------

OUTSIDE = """
    import os
    from cheroot.wsgi import Server
    from ponyreload import *
    {imports}

    use_autoreload()

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"one"]

    Server(("127.0.0.1", int(os.environ["PORT"])), application).start()
"""


@pytest.mark.parametrize("imports", ["", "import mod_wsgi", "import mod_wsgi.server, mod_wsgi.express"])
def test_outside_apache_autoreload_is_on_with_the_package_installed_or_imported(project, imports):
    express_program()  # so it is installed
    site = project({"app.py": OUTSIDE.format(imports=imports)})
    with site.serve() as server:
        assert server.get() == "one"
        site.replace("app.py", "one", "two")
        server.wait_for("/", "two")
