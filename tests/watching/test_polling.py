"""Polling: less often while nobody uses the application, and no save is late for it."""

from __future__ import annotations

import pytest

APP = """
        from ponyreload import *
        import shop.cart
        reloader = use_autoreload(poll_seconds=0.02)

        @AutoreloadMiddleware
        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/html")])
            return [b"<!doctype html><title></title><body>", str(shop.cart.X).encode(), b"</body>"]
"""
FILES = {
    "app.py": APP,
    "shop/__init__.py": "",
    "shop/cart.py": "from ponyreload import *\nX = 1\n",
}

# Comes to rest soon. A request waits there for *wake* seconds at most; scans are *factor* times further apart.
START = """
        import json, queue, re
        from socket import create_connection
        import ponyreload.watching.polling, ponyreload.reloading.pacing
        ponyreload.watching.polling.REST_AFTER_SECONDS = 0.3
        ponyreload.watching.polling.REST_FACTOR = {factor}
        ponyreload.reloading.pacing.WAKE_SECONDS = {wake}
        ponyreload.reloading.pacing.CATCH_UP_SECONDS = 3600
        import app
        reloader, pace, lookout = app.reloader, app.reloader.updater.pace, app.reloader.application.lookout
        BROWSER = {{"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1:80"}}

        def ask(path="/", **environ):
            return re.sub("<.+?>", "", request(app.application, path, **environ))

        def save(x, before=""):
            project.edit("shop/cart.py", f"from ponyreload import *\\n{{before}}\\nX = {{x}}\\n")

        def is_at_rest():
            return pace.is_behind

        def serves(number):
            until(lambda: reloader.generation == number)  # `wait` would wake it

        ask()
        until(is_at_rest)
"""
# By itself it scans in days, and a request waits for an hour.
NEVER = START.format(factor=10_000_000, wake=3600)


def test_the_first_request_after_a_rest_gets_what_was_saved_meanwhile(project):
    told = project(FILES).drive(NEVER + """
        seconds = lookout.at - time.monotonic()
        lookout.polling.seconds = 3600  # the next scan at its usual pace would be too late
        save(2)
        tell(seconds=seconds, answer=ask())
    """)  # fmt: skip
    assert told["seconds"] > 100_000
    assert told["answer"] == "2"


def test_a_request_wakes_it_up(project):
    told = project(FILES).drive(NEVER + """
        ask()
        save(2)
        serves(2)
        tell(answer=ask())
    """)  # fmt: skip
    assert told["answer"] == "2"


def test_a_scan_that_is_under_way_since_before_the_save_is_not_enough(project):
    told = project(FILES).drive(NEVER + """
        has_scanned, go_on = threading.Event(), threading.Event()
        changes = app.reloader.application.files.changes

        def changes_slowly(*arguments):
            changed = changes(*arguments)
            has_scanned.set()
            go_on.wait()
            return changed

        app.reloader.application.files.changes = changes_slowly
        lookout.schedule_scan(0)
        has_scanned.wait()
        save(2)
        answer = in_thread(ask)
        until(lambda: pace.scan_awaited)
        go_on.set()
        tell(answer=answer())
    """)  # fmt: skip
    assert told["answer"] == "2"


def test_a_load_that_takes_long_keeps_the_first_request_after_a_rest_waiting_for_a_moment_only(project):
    told = project(FILES).drive(START.format(factor=10_000_000, wake=0.05) + """
        os.mkfifo("gate")
        save(2, before="open('gate').read()")
        answers = [ask(), ask()]
        open("gate", "w").close()
        serves(2)
        tell(answers=[*answers, ask()])
    """)  # fmt: skip
    assert told["answers"] == ["1", "1", "2"]


def test_a_scan_that_takes_long_keeps_the_first_request_waiting_and_not_those_after_it(project):
    told = project(FILES).drive(START.format(factor=10_000_000, wake=0.05) + """
        go_on = threading.Event()
        changes = app.reloader.application.files.changes
        app.reloader.application.files.changes = lambda *arguments: go_on.wait() and changes(*arguments)
        save(2)
        answer, waits = ask(), pace.is_behind
        go_on.set()
        serves(2)
        tell(answer=answer, waits=waits)
    """)  # fmt: skip
    assert (told["answer"], told["waits"]) == ("1", False)


@pytest.mark.parametrize(
    "begin", ["answer = in_thread(ask)", "answer = ask; lookout.schedule_scan(0)"], ids=["request", "clock"]
)
def test_a_load_may_ask_its_own_server(project, begin):
    # A thread of the server, which is none of the load's.
    told = project(FILES).drive(NEVER + f"""
        sys.asked, sys.answers = queue.Queue(), queue.Queue()
        serving = in_thread(lambda: sys.asked.get() and sys.answers.put(ask()))
        save(2, before="import sys; sys.asked.put(1); SEEN = sys.answers.get()")
        {begin}
        serves(2)
        serving()
        tell(seen=sys.modules["shop.cart"].SEEN, answer=answer())
    """)  # fmt: skip
    assert (told["seen"], told["answer"]) == ("1", "2")


def test_there_is_no_rest_while_a_generation_is_loaded(project):
    told = project(FILES).drive(NEVER + """
        os.mkfifo("gate")
        save(2, before="open('gate').read()")
        loads = begun_loads(reloader)
        lookout.schedule_scan(0)
        until(lambda: loads)
        time.sleep(0.6)
        save(3)  # mends it
        serves(2)
        tell(answer=ask())
    """)  # fmt: skip
    assert told["answer"] == "3"


def test_a_change_that_is_found_in_a_rest_ends_it(project):
    told = project(FILES).drive(NEVER + """
        save(2)
        lookout.schedule_scan(0)  # as when it is time
        serves(2)
        save(3)
        serves(3)
        tell(answer=ask())
    """)  # fmt: skip
    assert told["answer"] == "3"


def test_what_is_saved_in_a_rest_is_loaded_without_a_request_too(project):
    told = project(FILES).drive(START.format(factor=10, wake=3600) + """
        for x in (2, 3):
            save(x)
            serves(x)
            until(is_at_rest)
        tell(answer=ask())
    """)  # fmt: skip
    assert told["answer"] == "3"


def test_another_pace_counts_from_the_next_scan(project):
    told = project(FILES).drive(START.format(factor=1, wake=3600) + """
        ponyreload.use_autoreload(poll_seconds=0.03)
        until(lambda: (lookout.watched, lookout.seconds) == ({}, 0.03))
        tell(pace=lookout.seconds)
    """)  # fmt: skip
    assert told["pace"] == 0.03


# -- who uses it without a request -------------------------------------------------------------------------------


def test_who_waits_for_a_generation_wakes_it_up_and_keeps_it_awake(project):
    told = project(FILES).drive(NEVER + """
        save(2)
        numbers = [reloader.wait(1, 20)]
        until(is_at_rest)
        number = in_thread(lambda: reloader.wait(2, 20))
        time.sleep(0.6)
        save(3)
        numbers.append(number())
        until(is_at_rest)
        tell(numbers=numbers)
    """)  # fmt: skip
    assert told["numbers"] == [2, 3]


LISTENS = """
        address = json.loads(request(app.application, "/__ponyreload__/news", **BROWSER))["events"]
        host, port, path = re.match("http://([^:]+):([0-9]+)(/.*)", address).groups()
        page = create_connection((host, int(port)))
        page.sendall(f"GET {path} HTTP/1.1\\r\\nHost: {host}:{port}\\r\\nOrigin: http://127.0.0.1\\r\\n\\r\\n".encode())
        page.recv(9999)
        close = page.close
"""
ASKS = """
        is_closed = threading.Event()
        ask_again = lambda: is_closed.wait(0.05) or not request(app.application, "/__ponyreload__/PATH", **BROWSER)
        asked = in_thread(lambda: until(ask_again, 60))
        close = lambda: (is_closed.set(), asked())
"""


@pytest.mark.parametrize(
    "page",
    [LISTENS, ASKS.replace("PATH", "news"), ASKS.replace("PATH", "status.json")],
    ids=["listens", "asks", "status"],
)
def test_an_open_page_keeps_it_awake(project, page):
    told = project(FILES).drive(NEVER + """
        ponyreload.devtools.devtools.ASKING_SECONDS = 2
        """ + page + """
        ask()  # that a page wants to know is no reason to wake up
        rests = 0
        for x in (2, 3):
            time.sleep(0.6)
            rests += is_at_rest()
            save(x)
            serves(x)
        close()
        until(is_at_rest)
        tell(rests=rests, answer=ask())
    """)  # fmt: skip
    assert (told["rests"], told["answer"]) == (0, "3")


def test_a_page_that_wakes_it_up_is_not_told_to_load_again(project):
    told = project(FILES).drive(NEVER + """
        save(2)
        text = request(app.application, HTTP_ACCEPT="text/html", **BROWSER)
        news = json.loads(request(app.application, "/__ponyreload__/news", **BROWSER))
        tell(text=text, asked=int(re.search('data-asked="([0-9]+)"', text)[1]), at=news["at"])
    """)  # fmt: skip
    assert "<body>2" in told["text"]
    assert told["at"] < told["asked"]


def test_scans_do_not_hide_requests_from_who_waits_for_a_pause_of_them(project):
    told = project(FILES).drive(START.format(factor=1, wake=3600) + """
        save(2)
        serves(2)
        until(lambda: app.reloader.application.collector.at is not None)
        before = app.reloader.application.collector.at
        ask()
        until(lambda: not reloader.serving.is_asked)  # a scan has taken note of it
        until(lambda: app.reloader.application.collector.at != before)
        tell(waits=app.reloader.application.collector.at is not None)
    """)  # fmt: skip
    assert told["waits"]
