"""The two shops in `examples/`: their database outlives an edit, and no old version of their code does."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path

import pytest

from project_files import LONG_AGO

pytestmark = pytest.mark.any_python

EXAMPLES = Path(__file__).parents[2] / "examples"

# A system module, which tells what there is in the process.
PROBE = """
    USE_AUTORELOAD = False
    import gc
    import json
    import os
    import sys

    import cherrypy
    import ponyreload.generations.generation
    import ponyreload.interpreter.collecting
    from ponyreload import use_autoreload

    cherrypy.log.access_log.handlers.clear()
    # So that what is closed was closed, and not merely forgotten and collected.
    gc.disable()
    ponyreload.interpreter.collecting.QUIET_SECONDS = 1000

    connects = []
    sys.addaudithook(lambda event, args: connects.append(args) if event == "sqlite3.connect" else None)


    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "application/json")])
        reloader = use_autoreload()
        told = {"living": [each.number for each in reloader.living], "pid": os.getpid(), "connects": len(connects)}
        if environ["PATH_INFO"] == "/after-a-collection":
            told["retained"] = [holder.text for holder in reloader.retained()]
            kind = ponyreload.generations.generation.Generation
            told["in memory"] = sorted(each.number for each in gc.get_objects() if type(each) is kind)
        return [json.dumps(told).encode()]
"""
# An attribute that the articles get which are there, and one that they cannot get: as the examples suggest.
SHOPS = {
    "pony_shop": ('stock = Required(int, default=0, sql_default="0")', "weight = Required(int)"),
    "sqlalchemy_shop": (
        'stock: Mapped[int] = mapped_column(default=0, server_default="0")',
        "weight: Mapped[int]",
    ),
}
# With App Engine's SDK installed, Pony believes to be there, and has all threads share a connection.
NO_SDK = """import sys; sys.modules["google.appengine"] = None
"""
GRAFT = """
import cherrypy, os, probe
cherrypy.tree.graft(probe.application, "/probe")
"""
PORT = {'"localhost:8080"': '"127.0.0.1:" + os.environ["PORT"]', "8080": 'int(os.environ["PORT"])'}
EMPTY = "<ul></ul>"
TEA = "<ul><li>tea: 2.50</li></ul>"


@pytest.fixture
def shop(project):
    """Make a project of an example as it is, but on a port of its own, and with the probe in it."""

    def make(name):
        site = project({"probe.py": PROBE})
        for file in sorted((EXAMPLES / name).glob("*.py")):
            site.edit(file.name, file.read_text(encoding="utf-8"))
            os.utime(site / file.name, (LONG_AGO, LONG_AGO))
        text = (site / "app.py").read_text()
        before, call, after = text.partition("\nuse_autoreload()\n")
        assert call, text
        after, count = re.subn(r'"localhost:8080"|(?<=_port": )8080', lambda found: PORT[found[0]], after)
        assert count == 1, text
        site.edit("app.py", f"{NO_SDK}{before}{call}{GRAFT}{after}")
        os.utime(site / "app.py", (LONG_AGO, LONG_AGO))
        return site

    return make


def probe(server, path=""):
    return json.loads(server.get(f"/probe{path}"))


def wait_for(server, text):
    server.wait_until(lambda: text in server.ask("/").text, f"{text!r} at /")


def wait_for_retirement(server):
    server.wait_until(lambda: len(probe(server)["living"]) == 1, "retirement of the generations before")


def add(server, name, price):
    answer = server.ask("/add", "POST", f"name={name}&price={price}".encode(), **FORM)
    assert answer.status == 303, f"{answer.text}\n--- log\n{server.log}"


FORM = {"Content_Type": "application/x-www-form-urlencoded"}


def connections(server):
    """The process's connections to the database: SQLite opens the file once for each."""
    found = list(Path(f"/proc/{server.pid}/fd").iterdir())
    return [each for each in found if os.path.realpath(each).endswith("/shop.sqlite")]


def ask_at_once(server, clients=8, requests=10):
    """Keep several of the server's threads busy."""
    failed = []

    def ask():
        for _ in range(requests):
            answer = server.ask("/")
            if answer.status != 200:
                failed.append(answer)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [], server.log


@pytest.mark.parametrize("name", SHOPS)
def test_what_is_added_is_listed_and_is_there_after_a_restart(name, shop):
    site = shop(name)
    with site.serve() as server:
        assert EMPTY in server.get("/")
        add(server, "tea", "2.5")
        assert TEA in server.get("/")
    with site.serve() as server:
        assert TEA in server.get("/")


@pytest.mark.parametrize("name", SHOPS)
def test_the_edits_that_the_example_suggests_are_served_by_the_same_process(name, shop):
    site, (attribute, _) = shop(name), SHOPS[name]
    assert f"`{attribute}`" in (EXAMPLES / name / "app.py").read_text()
    with site.serve() as server:
        pid = probe(server)["pid"]
        add(server, "tea", "2.5")
        site.replace("views.py", "Our articles", "All we have")
        wait_for(server, "<h1>All we have</h1>")
        assert TEA in server.get("/")
        site.replace("models.py", "{self.name}: {self.price}", "{self.name} for {self.price}")
        wait_for(server, "<li>tea for 2.50</li>")
        site.replace("models.py", "    def label", f"    {attribute}\n\n    def label")
        site.replace("models.py", "{self.price}", "{self.price}, {self.stock} there")
        wait_for(server, "<li>tea for 2.50, 0 there</li>")
        add(server, "milk", "1")
        assert "<ul><li>milk for 1.00, 0 there</li><li>tea for 2.50, 0 there</li></ul>" in server.get("/")
        assert probe(server)["pid"] == pid
        server.stop()
        assert "Traceback" not in server.log
        assert "Warning" not in server.log


@pytest.mark.parametrize("name", SHOPS)
def test_an_attribute_that_cannot_be_added_leaves_the_version_before_in_service(name, shop):
    site, (_, attribute) = shop(name), SHOPS[name]
    assert f"`{attribute}`" in (EXAMPLES / name / "app.py").read_text()
    with site.serve() as server:
        add(server, "tea", "2.5")
        site.replace("models.py", "    def label", f"    {attribute}\n\n    def label")
        server.wait_for_log("generation 2 not served: columns.py")
        assert "Cannot add a NOT NULL column" in server.log
        assert TEA in server.get("/")
        add(server, "milk", "1")
        site.replace("models.py", f"    {attribute}\n\n", "")
        server.wait_for_log("change undone; generation 1 is current again")
        assert "<ul><li>milk: 1.00</li><li>tea: 2.50</li></ul>" in server.get("/")
        wait_for_retirement(server)
        told = probe(server, "/after-a-collection")
        assert (told["retained"], told["in memory"]) == ([], [1])
        server.stop()
        assert "ResourceWarning" not in server.log


@pytest.mark.parametrize("name", SHOPS)
def test_ten_edits_and_broken_ones_between_them_leave_no_older_version_of_the_code(name, shop):
    site = shop(name)
    with site.serve() as server:
        for number in range(2, 12):
            add(server, f"tea-{number}", "2.5")
            file = "views.py" if number % 2 else "models.py"
            text = (site / file).read_text()
            if number in (4, 7):
                site.edit(file, f"{text}# {number}\n1 / 0\n")
                server.wait_for_log(f"generation {number} not served: {file}:")
                assert f"tea-{number}" in server.get("/")
            if number in (4, 11):
                ask_at_once(server)
            site.edit(file, f"{text}# {number}\n")
            server.wait_for_log(f"generation {number} serves")
        ask_at_once(server)
        assert server.get("/").count("<li>") == 10
        wait_for_retirement(server)
        told = probe(server, "/after-a-collection")
    assert told["retained"] == []
    # The first one is held by the script, which runs the server.
    assert told["in memory"] == [1, 11]


def test_ponys_connections_are_closed_when_their_generation_retires(shop):
    site = shop("pony_shop")
    with site.serve() as server:
        for number in range(2, 5):
            ask_at_once(server)
            assert len(connections(server)) > 2
            site.replace("views.py", "Our", "Our own")
            server.wait_for_log(f"generation {number} serves")
            wait_for_retirement(server)
            # That of the thread which has loaded the models.
            assert len(connections(server)) == 1
        server.stop()
        assert "ResourceWarning" not in server.log


def test_the_engine_of_sqlalchemy_keeps_its_connection(shop):
    site = shop("sqlalchemy_shop")
    with site.serve() as server:
        add(server, "tea", "2.5")
        before = probe(server)["connects"]
        for number in range(2, 5):
            site.replace("views.py", "Our", "Our own")
            server.wait_for_log(f"generation {number} serves")
            assert TEA in server.get("/")
        assert len(connections(server)) == 1
        assert probe(server)["connects"] == before
        server.stop()
        assert "ResourceWarning" not in server.log
