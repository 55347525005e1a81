"""The status tells, as data, of generations, loads and modules: what they are, and why."""

from __future__ import annotations

import json
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

from commandline import SITE, serve
from ponyreload.devtools import status
from ponyreload.loading.journal import Failure, LoadRecord

FILES = {
    "cache.py": "import threading\nheld = {}\narrived, gate = threading.Event(), threading.Event()\n",
    "shop.py": """
        from ponyreload import *
        import cache
        X = 1
        class Order:
            def price(self):
                return X
    """,
    "app.py": """
        from ponyreload import *
        import cache, shop
        reloader = use_autoreload(OPTIONS)

        @AutoreloadMiddleware
        def application(environ, start_response):
            start_response("200 OK", [])
            if environ["PATH_INFO"] == "/slow":
                cache.arrived.set()
                cache.gate.wait(20)
            if environ["PATH_INFO"] == "/stream":
                return stream()
            return [str(shop.X).encode()]

        def stream():
            yield b"first"
            yield b"second"
    """,
}
HEAD = """
    import app, cache, json
    def status():
        headers = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:8080"}
        return json.loads(request(app.application, "/__ponyreload__/status.json", **headers))
    def generations():
        return {each["number"]: each for each in status()["generations"]}
    def edit(number):
        project.replace("shop.py", f"X = {number - 1}", f"X = {number}")
        app.reloader.wait(number - 1, 10)
    request(app.application)
"""


def files(options="", **more):
    return {**FILES, "app.py": FILES["app.py"].replace("OPTIONS", options), **more}


# -- generations -------------------------------------------------------------------------------------------------


def test_a_process_that_has_just_begun_has_one_generation_and_no_load(project):
    told = project(files()).drive(f"{HEAD}\n    tell(**status())")
    [first] = told["generations"]
    assert (first["number"], first["state"], first["modules"], first["leases"]) == (1, "serving", 2, 0)
    assert (first["requests"], first["superseded_seconds"], first["held_by"], first["note"]) == ([], None, None, None)
    assert first["age"] >= 0
    assert (told["serving"], told["loads"], told["error"]) == (1, [], None)


def test_a_generation_that_a_request_holds_is_superseded_and_the_request_is_named(project):
    told = project(files()).drive(f"""{HEAD}
    slow = in_thread(lambda: request(app.application, "/slow"))
    cache.arrived.wait(10)
    before = generations()
    edit(2)
    during = generations()
    cache.gate.set()
    slow()
    until(lambda: len(app.reloader.living) == 1)
    until(lambda: list(generations()) == [2])
    tell(before=before[1], during=[during[2], during[1]], after=generations()[2]["state"])
    """)
    assert (told["before"]["state"], told["before"]["leases"]) == ("serving", 1)
    assert [each["request"] for each in told["before"]["requests"]] == ["GET /slow"]
    new, old = told["during"]
    assert (new["state"], new["leases"], new["superseded_seconds"]) == ("serving", 0, None)
    assert (old["state"], old["leases"]) == ("superseded", 1)
    [held] = old["requests"]
    assert held["request"] == "GET /slow"
    assert held["seconds"] >= old["superseded_seconds"] >= 0
    assert old["age"] >= held["seconds"]
    assert told["after"] == "serving"


def test_an_answer_that_is_being_sent_is_named_too_of_each_generation(project):
    told = project(files()).drive(f"""{HEAD}
    streams = [iter(start(app.application, "/stream"))]
    next(streams[0])
    serving = generations()[1]
    edit(2)
    streams.append(iter(start(app.application, "/stream")))
    next(streams[1])
    tell(serving=serving, rows=[generations()[number] for number in (1, 2)])
    """)
    rows = [told["serving"], *told["rows"]]
    assert [row["leases"] for row in rows] == [1, 1, 1]
    assert [[each["request"] for each in row["requests"]] for row in rows] == [["GET /stream"]] * 3
    assert told["rows"][0]["requests"][0]["seconds"] >= told["serving"]["requests"][0]["seconds"]


def test_a_generation_that_is_being_loaded_is_there_with_the_line_that_it_is_at(project):
    told = project(files()).drive(f"""{HEAD}
    project.replace("shop.py", "X = 1", "cache.arrived.set(); cache.gate.wait(20); X = 2")
    cache.arrived.wait(10)
    during = generations()
    cache.gate.set()
    app.reloader.wait(1, 10)
    tell(during=during, after=generations()[2]["state"])
    """)
    assert {number: row["state"] for number, row in told["during"].items()} == {"1": "serving", "2": "loading"}
    assert told["during"]["2"]["note"] == "at shop.py:4"
    assert told["after"] == "serving"


def test_a_load_that_was_overtaken_and_does_not_end_is_given_up(project):
    told = project(files()).drive(f"""{HEAD}
    text = (project / "shop.py").read_text()
    project.edit("shop.py", text.replace("X = 1", "cache.arrived.set(); cache.gate.wait(20); X = 2"))
    cache.arrived.wait(10)
    project.edit("shop.py", text.replace("X = 1", "X = 3"))
    app.reloader.wait(1, 10)
    during = [[each["number"], each["state"]] for each in status()["generations"]]
    cache.gate.set()
    tell(during=during)
    """)
    assert [2, "serving"] in told["during"]
    assert [2, "given up"] in told["during"]


RETAINED = """
    from ponyreload.holders import retention
    from ponyreload.reloading import updating
    retention.GRACE_SECONDS = updating.GRACE_SECONDS = 0.1
"""


def test_a_retired_generation_that_a_system_module_holds_is_there_with_its_holder(project):
    told = project(files()).drive(f"""{HEAD}{RETAINED}
    cache.held["order"] = __import__("shop").Order()
    edit(2)
    until(lambda: len(app.reloader.living) == 1)
    first = generations()[1]
    until(lambda: generations()[1]["held_by"])
    found = generations()[1]
    cache.held.clear()
    edit(3)
    until(lambda: list(generations()) == [3])
    tell(first=first, found=found)
    """)
    assert told["first"]["state"] == "retired"
    assert (told["found"]["state"], told["found"]["leases"]) == ("retained", 0)
    assert told["found"]["held_by"] == {
        "path": ["cache.held['order']", "shop.Order"],
        "text": "generation 1 is kept alive by cache.held['order'] -> shop.Order "
        "(system module cache holds a user object)",
    }
    assert told["found"]["note"] is None


def test_asking_for_the_status_searches_for_no_holder_and_runs_no_code_of_the_application(project):
    told = project(
        files(
            **{
                "odd.py": """
                    from ponyreload import *
                    import cache
                    class Odd:
                        def __getattribute__(self, name):
                            cache.held[name] = 1
                            raise AttributeError(name)
                        def __repr__(self):
                            cache.held["its repr"] = 1
                            return ""
                        __str__ = __repr__
                    odd = Odd()
                """,
            }
        )
    ).drive(f"""{HEAD}
    from ponyreload.holders import retention
    searches = []
    retention.holder_of_each = lambda generations, living: searches.append(1) or [None] * len(generations)
    import odd, shop
    sys.modules["another"] = odd.odd  # as a library that loads itself late puts an object in its own place
    cache.kept = odd.odd
    edit(2)
    until(lambda: app.reloader.application.lookout.at is None and len(app.reloader.living) == 1)
    cache.held.clear()  # the looks at the files have asked it
    for _ in range(3):
        status()
    tell(searches=len(searches), held=list(cache.held))
    """)
    assert told["searches"] == 0
    assert told["held"] == []


def test_what_has_retired_and_may_go_by_itself_is_not_called_retained(project):
    told = project(files()).drive(f"""{HEAD}
    from ponyreload.interpreter import collecting
    collecting.QUIET_SECONDS = 3600
    keep = app.reloader.serving
    edit(2)
    until(lambda: len(app.reloader.living) == 1)
    early = generations()[1]
    ponyreload.devtools.status.COLLECTING_SECONDS = 0
    still = generations()[1]
    collecting.QUIET_SECONDS = 0
    edit(3)
    until(lambda: app.reloader.application.collector.collected_at)
    tell(early=early, still=still, late=generations()[1])
    """)
    # However long that takes, as while requests never pause.
    assert told["early"]["state"] == told["still"]["state"] == "retired"
    assert told["early"]["note"] == told["still"]["note"] == "its memory has not been collected yet"
    assert told["late"]["state"] == "retained"
    assert told["late"]["note"] == "what holds it has not been found; Reloader.retained() looks again"


def test_a_generation_that_was_never_served_is_given_up(project):
    told = project(files()).drive(f"""{HEAD}
    project.replace("shop.py", "X = 1", "X = PRICE")
    until(lambda: app.reloader.error and len(app.reloader.living) == 1)
    rows = [[each["number"], each["state"], each["superseded_seconds"]] for each in status()["generations"]]
    tell(rows=rows)
    """)
    assert told["rows"] == [[2, "given up", None], [1, "serving", None]]


def test_modules_that_were_taken_over_are_counted(project):
    more = {"prices.py": "from ponyreload import *\n", "app.py": FILES["app.py"].replace("shop\n", "shop, prices\n", 1)}
    told = project(files(**{**more, "app.py": more["app.py"].replace("OPTIONS", 'scope="affected"')})).drive(f"""{HEAD}
    edit(2)
    edit(3)
    until(lambda: len(app.reloader.living) == 1)
    new = generations()[3]
    tell(new=[new["modules"], new["shared"]], loaded=[each["name"] for each in status()["loads"][0]["modules"]],
         scope=status()["options"]["scope"])
    """)
    assert told["new"] == [3, 1]
    assert sorted(told["loaded"]) == ["app", "shop"]
    assert told["scope"] == "affected"


def test_the_script_that_goes_on_running_is_said_to_hold_its_generation(project):
    site = project(
        {
            "app.py": """
                from ponyreload import *
                import os
                from cheroot.wsgi import Server
                use_autoreload(include=["shop"], poll_seconds=0.05, drain_seconds=7, extra_files=["pages/*.html"])

                def application(environ, start_response):
                    start_response("200 OK", [])
                    return [b"1"]

                Server(("127.0.0.1", int(os.environ["PORT"])), application).start()
            """,
        }
    )
    with site.serve() as server:
        site.replace("app.py", 'b"1"', 'b"2"')
        server.wait_for("/", "2")

        def first():
            rows = json.loads(server.get("/__ponyreload__/status.json"))["generations"]
            return [(row["state"], row["note"]) for row in rows if row["number"] == 1]

        note = "the script that it began with runs on in the main thread, and holds it"
        server.wait_until(lambda: first() == [("retained", note)], "the script")
        told = json.loads(server.get("/__ponyreload__/status.json"))
        pid = server.pid
    assert told["watching"] == {"folders": [], "poll_seconds": 0.05, "extra_files": ["pages/*.html"]}
    assert told["options"] == {"include": ["shop"], "isolate": [], "drain_seconds": 7, "scope": None}
    assert told["platform"] == {"name": "cheroot", "sign": "the module cheroot.server is imported"}
    assert told["adapters"] == ["cheroot"]
    assert told["applications"] == [f"the server at 127.0.0.1:{server.port}"]
    assert (told["process"]["id"], told["process"]["folder"]) == (pid, str(site.folder))
    assert {"cheroot"} <= told["versions"].keys()


def test_an_application_that_is_broken_from_the_start_serves_nothing_yet(project):
    site = project({**SITE, "shop.py": "NAME = TAX"})
    with serve(site, "app") as server:

        def ask():
            return json.loads(server.get("/__ponyreload__/status.json"))

        broken = ask()
        site.edit("shop.py", "NAME = 'tea'")
        server.wait_for("/", "tea")
        mended = ask()
    assert broken["serving"] == 0
    assert [(row["number"], row["state"]) for row in broken["generations"]] == [(1, "broken")]
    assert broken["error"]["outcome"] == "nothing is served yet; save the file to try again"
    assert (broken["error"]["number"], broken["error"]["serving"]) == (1, 0)
    assert [(load["number"], load["changed"]) for load in broken["loads"]] == [(1, [])]
    assert (mended["serving"], mended["error"]) == (2, None)


@pytest.mark.parametrize("path", ["", "status.json", "status.js", "status.css", "status.svg"])
@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "200 OK"),
        ({"HTTP_HOST": "shop.example:8080"}, "403 Forbidden"),
        ({"REMOTE_ADDR": "192.0.2.7"}, "403 Forbidden"),
        ({"HTTP_X_FORWARDED_FOR": "192.0.2.7"}, "403 Forbidden"),
        ({"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_SEC_FETCH_MODE": "cors"}, "403 Forbidden"),
        ({"HTTP_ORIGIN": "http://shop.example"}, "403 Forbidden"),
        ({"method": "POST"}, "405 Method Not Allowed"),
    ],
)
def test_nobody_else_is_told_anything(project, path, environ, expected):
    told = project(files()).drive(f"""{HEAD}
    environ = {{"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:8080"}} | {environ!r}
    text = finish(start(app.application, "/__ponyreload__/{path}", **environ))
    tell(status=start.status, text=text)
    """)
    assert told["status"] == expected
    assert told["text"].startswith("ponyreload ") is (expected != "200 OK"), told["text"]


# -- loads -------------------------------------------------------------------------------------------------------


def test_the_last_loads_are_told_with_what_changed_and_their_modules(project):
    told = project(files()).drive(f"""{HEAD}
    edit(2)
    app.reloader.reload()
    until(lambda: len(app.reloader.application.journal.records()) == 2)
    tell(loads=status()["loads"], now=time.time())
    """)
    asked, edited = told["loads"]
    assert (asked["number"], asked["changed"], asked["changed_count"]) == (3, [], 0)
    assert (edited["number"], edited["changed"], edited["changed_count"]) == (2, ["shop.py"], 1)
    for load in told["loads"]:
        assert sorted(each["name"] for each in load["modules"]) == ["app", "shop"]
        seconds = [each["seconds"] for each in load["modules"]]
        assert seconds == sorted(seconds, reverse=True)
        assert load["others"] == {"count": 0, "seconds": 0}
        assert load["error"] is None
        assert load["at"] <= told["now"]


def test_of_many_modules_the_slowest_are_told_and_the_others_together():
    modules = {f"shop.m{number}": number / 1000 for number in range(status.MODULES + 3)}
    changed = tuple(f"/site/{number}.py" for number in range(status.CHANGED + 5))
    told = status._load(
        LoadRecord(7, changed, 1.0, 2.0, modules, Failure(7, 6, "all", "why", None, None, (), "", "", ""))
    )
    assert len(told["modules"]) == status.MODULES
    assert told["modules"][0] == {"name": f"shop.m{status.MODULES + 2}", "seconds": (status.MODULES + 2) / 1000}
    assert told["others"] == {"count": 3, "seconds": pytest.approx(0.003)}
    assert (len(told["changed"]), told["changed_count"]) == (status.CHANGED, status.CHANGED + 5)
    assert told["error"] == {
        "number": 7, "serving": 6, "text": "all", "summary": "why", "outcome": "still serving generation 6; save the file to try again", "file": None, "line": None
    }  # fmt: skip


def test_an_error_is_told_with_its_place_and_goes_when_it_is_mended(project):
    told = project(files()).drive(f"""{HEAD}
    project.replace("shop.py", "X = 1", "X = PRICE")
    until(lambda: status()["error"])
    until(lambda: status()["loads"])
    failed = status()
    project.replace("shop.py", "X = PRICE", "X = 2")
    app.reloader.wait(1, 10)
    tell(failed=failed, mended=status()["error"])
    """)
    expected = {
        "number": 2,
        "serving": 1,
        "text": "generation 2 not served: shop.py:4 NameError: name 'PRICE' is not defined",
        "summary": "NameError: name 'PRICE' is not defined",
        "outcome": "still serving generation 1; save the file to try again",
        "file": "shop.py",
        "line": 4,
    }
    assert told["failed"]["loads"][0]["error"] == expected
    error = told["failed"]["error"]
    assert {key: error[key] for key in expected} == expected
    assert {"line": 4, "text": "X = PRICE"} in error["source"]
    assert error["details"].startswith("Traceback")
    assert told["mended"] is None


def test_no_source_text_is_told_but_that_of_user_modules(project):
    told = project(files(**{"conf.py": "def read(): return {}['key']  # SECRET\n"})).drive(f"""{HEAD}
    project.replace("shop.py", "X = 1", "import conf; X = conf.read()")
    until(lambda: status()["error"])
    until(lambda: status()["loads"])
    tell(text=json.dumps(status()), details=app.reloader.error.details)
    """)
    assert "SECRET" in told["details"]
    assert "KeyError" in told["text"]
    assert "SECRET" not in told["text"]
    assert "conf.read()" in told["text"]


# -- modules -----------------------------------------------------------------------------------------------------


def test_each_module_of_the_project_has_its_reason(project):
    more = {
        "lib/__init__.py": "",
        "lib/prices.py": "",
        "entry.py": "import ponyreload\nponyreload.use_autoreload()\n",
        "frozen.py": "USE_AUTORELOAD = False\n",
        "plain.py": "",
        "site-packages/tool.py": "",
    }
    told = project(files('include=["lib"]', **more)).drive(f"""
    sys.path.append(str(project / "site-packages"))
    import entry, frozen, plain, tool, types, lib.prices
    fast = sys.modules["fast"] = types.ModuleType("fast")
    fast.__file__ = str(project / "fast{EXTENSION_SUFFIXES[0]}")
    packed = sys.modules["packed"] = types.ModuleType("packed")
    packed.__file__, packed.USE_AUTORELOAD = str(project / "site.egg/packed.pyc"), True
    {HEAD}
    modules = status()["modules"]
    tell(**{{kind: {{each["name"]: [each["file"], each["why"]] for each in modules[kind]}} for kind in modules}})
    """)
    marked = "marked: its USE_AUTORELOAD is true"
    assert told["user"] == {
        "app": ["app.py", marked],
        "entry": ["entry.py", "it turned autoreload on"],
        "lib": ["lib/__init__.py", "include= names lib"],
        "lib.prices": ["lib/prices.py", "include= names lib"],
        "shop": ["shop.py", marked],
    }
    nothing = "it has no USE_AUTORELOAD, and no option names it"
    del told["system"]["__main__"], told["system"]["driving"], told["system"]["project_files"]
    assert told["system"] == {
        "cache": ["cache.py", nothing],
        "fast": [f"fast{EXTENSION_SUFFIXES[0]}", "it is an extension module: Python cannot load one again"],
        "frozen": ["frozen.py", "its USE_AUTORELOAD is false"],
        "packed": ["site.egg/packed.pyc", "it is marked, but has no source file to reload"],
        "plain": ["plain.py", nothing],
    }


def test_the_modules_of_an_isolated_library_are_told_together(project):
    more = {f"site-packages/tool/{name}.py": "" for name in ("__init__", "a", "b")}
    more["shop.py"] = FILES["shop.py"].replace("import cache", "import cache, tool.a, tool.b")
    told = project(files('isolate=["tool"]', **more)).drive(f"""
    sys.path.append(str(project / "site-packages"))
    {HEAD}
    edit(2)
    tell(user=status()["modules"]["user"])
    """)
    assert told["user"][-1] == {"name": "tool", "file": None, "why": "isolate= names tool", "modules": 3}
    assert [each["name"] for each in told["user"]] == ["app", "shop", "tool"]


def test_the_watched_folders_are_told(project):
    told = project(files(**{"lib/__init__.py": "from ponyreload import *\n"})).drive(f"""{HEAD}
    import lib
    edit(2)
    project.replace("shop.py", "X = 2", "import lib; X = 3")
    app.reloader.wait(2, 10)
    def folders():
        return [row for row in status()["watching"]["folders"] if not row["folder"].startswith("/")]
    until(lambda: len(folders()) == 2)
    tell(folders=folders(), poll_seconds=status()["watching"]["poll_seconds"], versions=status()["versions"])
    """)
    assert told["folders"] == [{"folder": ".", "deep": False}, {"folder": "lib", "deep": True}]
    assert told["poll_seconds"] is None
    assert "watchdog" in told["versions"]
