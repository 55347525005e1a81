"""The journal has the last loads, how long each of their modules took, and tells listeners of them."""

from __future__ import annotations

import threading

import pytest

from ponyreload.errors import LoadError
from ponyreload.generations.generation import Run
from ponyreload.loading import journal
from ponyreload.loading.journal import Failure, Journal, LoadRecord, own_seconds

FILES = {
    "app.py": """
        from ponyreload import *
        import shop
        reloader = use_autoreload()

        @AutoreloadMiddleware
        def application(environ, start_response):
            start_response("200 OK", [])
            return [str(shop.X).encode()]
    """,
    "shop.py": "from ponyreload import *\nX = 1\n",
}
# Notes what it is told; what it keeps is text, as a load that is kept would keep its generation.
HEAD = """
    import app
    class Notes(list):
        def load_began(self, load):
            self.append(f"{load.generation.number} began")
        def load_ended(self, record):
            self.append(f"{record.number} ended: {record.error}")
        def error_is_over(self, number):
            self.append(f"the error is over, {number} serves")
    notes = Notes()
    journal = app.reloader.application.journal
    journal.listen(notes)
    app.reloader.start()
    def records(count):
        until(lambda: len(journal.records()) == count)
        return journal.records()
"""


# -- what is recorded --------------------------------------------------------------------------------------------


def test_a_load_is_recorded_with_what_changed_and_when_it_began(project):
    told = project(FILES).drive(f"""{HEAD}
    before = time.time()
    project.edit("shop.py", "from ponyreload import *\\nX = 2")
    [record] = records(1)
    tell(number=record.number, changed=record.changed, error=record.error, modules=list(record.modules),
         is_within=before <= record.at + 0.1 and record.at + record.seconds <= time.time() + 0.1,
         file=str(project / "shop.py"))
    """)
    assert told["number"] == 2
    assert told["changed"] == [told["file"]]
    assert told["error"] is None
    assert told["modules"] == ["app", "shop"]
    assert told["is_within"]


def test_who_has_waited_for_a_load_finds_it_recorded(project):
    told = project(FILES).drive(f"""{HEAD}
    found, plain = [], app.reloader.application.note
    def note(error):
        found.append(len(journal.records()))
        plain(error)
    app.reloader.application.note = note
    app.reloader.reload()
    project.edit("shop.py", "from ponyreload import *\\nX = PRICE")
    until(lambda: app.reloader.error)
    tell(found=found)
    """)
    assert told["found"] == [1, 2]


def test_a_load_that_was_asked_for_has_no_changed_files(project):
    told = project(FILES).drive(f"""{HEAD}
    app.reloader.reload()
    tell(records=[[each.number, each.changed] for each in records(1)])
    """)
    assert told["records"] == [[2, []]]


def test_each_module_has_the_time_of_its_own_code(project):
    files = {
        **FILES,
        "clock.py": "now = 0.0\n",
        "app.py": FILES["app.py"].replace(
            "import shop\n", "import clock\n        clock.now += 1\n        import shop\n"
        ),
        "shop.py": "from ponyreload import *\nimport clock\nclock.now += 2\nimport cart\nclock.now += 4\nX = 1\n",
        "cart.py": "from ponyreload import *\nimport clock\nclock.now += 8\nimport shop\nclock.now += 16\n",
    }
    told = project(files).drive(f"""{HEAD}
    import clock, ponyreload.imports.modules
    class Clock:
        monotonic = staticmethod(lambda: clock.now)
    ponyreload.generations.generation.time = ponyreload.imports.modules.time = Clock
    app.reloader.reload()
    tell(modules=list(records(1)[0].modules.items()))
    """)
    assert told["modules"] == [["app", 1.0], ["shop", 6.0], ["cart", 24.0]]


def test_a_load_that_failed_is_recorded_with_why(project):
    told = project(FILES).drive(f"""{HEAD}
    project.edit("shop.py", "from ponyreload import *\\nX = PRICE")
    [record] = records(1)
    error = record.error
    tell(number=record.number, modules=list(record.modules), text=str(error), file=error.file, line=error.line,
         serving=error.serving, details=error.details, shop=str(project / "shop.py"))
    """)
    assert (told["number"], told["modules"]) == (2, ["app", "shop"])
    assert told["text"] == "generation 2 not served: shop.py:2 NameError: name 'PRICE' is not defined"
    assert (told["file"], told["line"], told["serving"]) == (told["shop"], 2, 1)
    assert "X = PRICE" in told["details"]


def test_the_records_keep_no_generation_in_memory(project):
    # Both errors have hold of the module that raised them: by a method of its class, and of what lacks something.
    told = project(FILES).drive(f"""{HEAD}
    project.edit("shop.py", "from ponyreload import *\\nclass Broken(Exception):\\n def price(self): pass\\nraise Broken('first')")
    records(1)
    project.edit("shop.py", "from ponyreload import *\\nclass Cart:\\n def total(self): pass\\nCart.price")
    records(2)
    project.edit("shop.py", "from ponyreload import *\\nX = 2")
    records(3)
    until(lambda: len(app.reloader.living) == 1)
    until(lambda: living_generations() == [2])
    tell(errors=[str(each.error) for each in journal.records()])
    """)
    assert told["errors"][0].endswith("Broken: first")
    assert told["errors"][1].endswith("has no attribute 'price'")
    assert told["errors"][2] == "None"


def test_a_script_has_the_time_until_its_server_and_until_its_error(project):
    site = project(
        {
            "watch.py": """
                import json
                runs = []
                class Listener:
                    def load_began(self, load):
                        runs.append(load.generation.runs)
                    def load_ended(self, record):
                        pass
                def facts(reloader):
                    records = reloader.application.journal.records()
                    return json.dumps([
                        [each.number, list(each.modules), sum(each.modules.values()) <= each.seconds,
                         [run.ended is not None for run in ran]]
                        for each, ran in zip(records, runs)])
            """,
            "app.py": """
                from ponyreload import *
                import os
                from cheroot.wsgi import Server
                import watch
                reloader = use_autoreload()
                if generation() == 1:
                    reloader.application.journal.listen(watch.Listener())

                def application(environ, start_response):
                    start_response("200 OK", [])
                    return [watch.facts(reloader).encode()]

                X = 1
                Server(("127.0.0.1", int(os.environ["PORT"])), application).start()
            """,
        }
    )
    with site.serve() as server:
        server.wait_for("/", "[]")
        site.replace("app.py", "X = 1", "X = 2")
        parked = '[2, ["__main__"], true, [false]]'
        server.wait_for("/", f"[{parked}]")
        site.replace("app.py", "X = 2", "X = Y")
        failed = '[3, ["__main__"], true, [true]]'
        # The script of generation 2 is still at its server.
        server.wait_for("/", f"[{parked}, {failed}]")


def test_only_the_last_loads_are_remembered():
    kept = Journal()
    for number in range(journal.MOST + 5):
        kept.ended(LoadRecord(number, (), 0.0, 0.0, {}, None))
    assert [each.number for each in kept.records()] == list(range(5, journal.MOST + 5))


def test_a_failure_has_all_the_texts_of_its_error():
    error = LoadError(
        number=4,
        serving=3,
        reason=KeyError("tea"),
        file="/site/shop.py",
        line=7,
        place="shop.py:7",
        details="Traceback",
        source=((7, "raise"),),
        shareable="some",
        hint="or go home",
    )
    text = "generation 4 not served: shop.py:7 KeyError: 'tea'"
    assert Failure.of(error) == Failure(
        4, 3, text, "KeyError: 'tea'", "/site/shop.py", 7, ((7, "raise"),), "Traceback", "some", "or go home"
    )
    assert str(Failure.of(error)) == text
    assert Failure.of(error).outcome == error.outcome
    assert error.outcome == "still serving generation 3; save the file to try again; or go home"


# -- own seconds -------------------------------------------------------------------------------------------------


def ran(name: str, began: float, ended: float | None, thread: int = 1) -> Run:
    run = Run(name)
    run.began, run.ended, run.thread = began, ended, thread
    return run


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        pytest.param([], {}, id="none"),
        pytest.param([ran("a", 0, 3)], {"a": 3}, id="one"),
        pytest.param([ran("a", 0, 8), ran("b", 1, 4), ran("c", 2, 3)], {"a": 5, "b": 2, "c": 1}, id="nested"),
        pytest.param([ran("a", 0, 8), ran("b", 1, 2), ran("c", 2, 5)], {"a": 4, "b": 1, "c": 3}, id="one-by-one"),
        pytest.param([ran("a", 0, 0), ran("b", 0, 0), ran("c", 0, 1)], {"a": 0, "b": 0, "c": 1}, id="no-time"),
        pytest.param([ran("b", 1, 4), ran("a", 0, 8)], {"a": 5, "b": 3}, id="told-in-another-order"),
        pytest.param([ran("a", 0, 4), ran("b", 1, 3, thread=2)], {"a": 4, "b": 2}, id="in-two-threads"),
        pytest.param(
            [ran("a", 0, 8), ran("b", 1, 7, thread=2), ran("c", 2, 4), ran("d", 3, 5, thread=2)],
            {"a": 6, "b": 4, "c": 2, "d": 2},
            id="nested-in-two-threads",
        ),
        pytest.param([ran("a", 0, 2), ran("b", 3, 5), ran("a", 6, 9)], {"a": 5, "b": 2}, id="twice"),
        pytest.param([ran("a", 0, 9), ran("b", 1, 8), ran("a", 2, 4)], {"a": 4, "b": 5}, id="again-within"),
        pytest.param([ran("a", 0, None), ran("b", 1, 3)], {"a": 8, "b": 2}, id="held-at-its-server"),
        pytest.param([ran("a", 0, 12), ran("b", 1, 11)], {"a": 1, "b": 9}, id="ended-after-the-load"),
        pytest.param([ran("a", 0, 4), ran("late", 11, 12), ran("later", 13, None)], {"a": 4}, id="after-the-load"),
    ],
)
def test_own_seconds_are_those_of_a_run_without_the_runs_in_it(runs, expected):
    seconds = own_seconds(runs, until=10)
    assert seconds == expected
    assert list(seconds) == list(expected)


# -- listeners ---------------------------------------------------------------------------------------------------


def test_a_listener_is_told_of_each_load_of_its_end_and_of_the_end_of_an_error(project):
    told = project(FILES).drive(f"""{HEAD}
    text = (project / "shop.py").read_text()
    project.edit("shop.py", text.replace("X = 1", "X = Y"))
    until(lambda: len(notes) == 2)
    project.edit("shop.py", text)
    until(lambda: len(notes) == 3)
    project.edit("shop.py", text.replace("X = 1", "X = 2"))
    until(lambda: len(notes) == 5)
    journal.forget(notes)
    app.reloader.reload()
    records(3)
    tell(notes=notes)
    """)
    assert told["notes"] == [
        "2 began",
        "2 ended: generation 2 not served: shop.py:2 NameError: name 'Y' is not defined",
        "the error is over, 1 serves",
        "2 began",
        "2 ended: None",
    ]


def test_a_load_that_is_overtaken_begins_again_and_ends_once(project):
    files = {
        **FILES,
        "gate.py": "import threading\nentered, go = threading.Event(), threading.Event()\n",
        "shop.py": "from ponyreload import *\nX = 1\n",
    }
    told = project(files).drive(f"""{HEAD}
    import gate
    project.edit("shop.py", "from ponyreload import *\\nimport gate\\ngate.entered.set()\\ngate.go.wait(20)\\nX = 2\\n")
    gate.entered.wait(20)
    project.edit("shop.py", "from ponyreload import *\\nX = 3\\n")
    until(lambda: notes.count("2 began") == 2)
    gate.go.set()
    records(1)
    tell(notes=notes, answer=request(app.application), number=app.reloader.generation)
    """)
    assert told["notes"] == ["2 began", "2 began", "2 ended: None"]
    assert (told["answer"], told["number"]) == ("3", 2)


def test_a_listener_that_raises_keeps_nothing_from_being_served(project):
    told = project(FILES).drive(f"""{HEAD}
    class Broken:
        def load_began(self, load):
            raise LookupError("began")
        load_ended = error_is_over = load_began
        def __repr__(self):
            return "the broken listener"
    journal.forget(notes)
    journal.listen(Broken())
    journal.listen(notes)  # after it
    project.edit("shop.py", "from ponyreload import *\\nX = 2")
    records(1)
    until(lambda: len(notes) == 2)
    tell(answer=request(app.application), notes=notes)
    """)
    assert told["answer"] == "2"
    assert told["notes"] == ["2 began", "2 ended: None"]
    assert told["stderr"].count("the broken listener failed:\nTraceback") == 2
    assert "ponyreload itself failed" not in told["stderr"]


def test_a_listener_may_stop_listening_and_ask_for_the_records_when_it_is_told():
    kept = Journal()

    class Once:
        told = 0

        def load_ended(self, record):
            kept.forget(self)
            self.told += len(kept.records())

    once = Once()
    kept.listen(once)
    thread = threading.Thread(target=lambda: [kept.ended(LoadRecord(n, (), 0.0, 0.0, {}, None)) for n in (1, 2)])
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert once.told == 1


def test_a_forked_process_has_the_records_but_nobody_who_listens(project):
    told = project(FILES).drive(f"""{HEAD}
    import signal
    app.reloader.reload()
    until(lambda: len(notes) == 2)
    held, let_go = threading.Event(), threading.Event()
    def hold():
        with journal.lock:
            held.set()
            let_go.wait(20)
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(20)
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            signal.alarm(20)  # ends it if it waits for what only its parent has
            before = [each.number for each in journal.records()]
            app.reloader.reload()
            after = [each.number for each in journal.records()]
            os.write(write, repr([before, after, notes]).encode())
        finally:
            os._exit(0)
    os.close(write)
    let_go.set()
    os.wait()
    thread.join()
    app.reloader.reload()
    until(lambda: len(notes) == 4)
    tell(child=eval(os.read(read, 1000)), parent=[each.number for each in records(2)])
    """)
    assert told["child"] == [[2], [2, 3], ["2 began", "2 ended: None"]]
    assert told["parent"] == [2, 3]
