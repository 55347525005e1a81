"""Looking at the files every so many seconds: less often while nobody uses the application, and no save is late for it."""

from __future__ import annotations

import pytest

APP = """
        from ponyreload import *
        import shop.cart
        reloader = use_autoreload(poll_seconds=0.02)

        @AutoreloadMiddleware
        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/html")])
            return [str(shop.cart.X).encode()]
"""
FILES = {
    "app.py": APP,
    "shop/__init__.py": "",
    "shop/cart.py": "from ponyreload import *\nX = 1\n",
}

# Comes to rest soon, and then looks once in so many hundredths of a second.
START = """
        import ponyreload.polling, ponyreload.updating
        from socket import create_connection
        ponyreload.polling.REST_AFTER_SECONDS = 0.3
        ponyreload.polling.REST_FACTOR = {factor}
        ponyreload.updating.WAKE_SECONDS = {wake}
        ponyreload.updating.CATCH_UP_SECONDS = 3600
        import app
        BROWSER = {{"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1:80"}}

        def save(x, before=""):
            project.edit("shop/cart.py", f"from ponyreload import *\\n{{before}}\\nX = {{x}}\\n")

        def is_at_rest():
            return app.reloader._updater.is_behind

        request(app.application)
        until(is_at_rest)
"""
NEVER = START.format(factor=1_000_000, wake=10)


def test_the_first_request_after_a_rest_gets_what_was_saved_meanwhile(project):
    told = project(FILES).drive(
        NEVER
        + """
        updater = app.reloader._updater
        seconds = updater._lookout.at - time.monotonic()
        updater._lookout._polling.seconds = 3600  # the next look at its usual pace would be too late
        save(2)
        tell(seconds=seconds, answer=request(app.application))
    """
    )
    assert told["seconds"] > 10_000  # 0.02 s, a million times
    assert told["answer"] == "2"


def test_a_request_wakes_it_up(project):
    told = project(FILES).drive(
        NEVER
        + """
        request(app.application)
        save(2)
        app.reloader.wait(1, 10)
        tell(answer=request(app.application))
    """
    )
    assert told["answer"] == "2"


def test_a_load_that_takes_long_keeps_the_first_request_after_a_rest_waiting_for_a_moment_only(project):
    told = project(FILES).drive(
        START.format(factor=1_000_000, wake=0.05)
        + """
        os.mkfifo("gate")
        save(2, before="open('gate').read()")
        answers = [request(app.application), request(app.application)]
        open("gate", "w").close()
        app.reloader.wait(1, 10)
        tell(answers=[*answers, request(app.application)])
    """
    )
    assert told["answers"] == ["1", "1", "2"]


def test_a_change_that_is_found_in_a_rest_ends_it(project):
    told = project(FILES).drive(
        NEVER
        + """
        save(2)
        app.reloader._updater.look()  # as when it is time
        app.reloader.wait(1, 10)
        save(3)
        app.reloader.wait(2, 10)
        tell(number=app.reloader.generation)
    """
    )
    assert told["number"] == 3


def test_what_is_saved_in_a_rest_is_loaded_without_a_request_too(project):
    told = project(FILES).drive(
        START.format(factor=10, wake=10)
        + """
        numbers = []
        for x in (2, 3):
            save(x)
            app.reloader.wait(x - 1, 10)
            numbers.append(app.reloader.generation)
            until(is_at_rest)
        tell(numbers=numbers)
    """
    )
    assert told["numbers"] == [2, 3]


def test_another_pace_counts_from_the_next_look(project):
    told = project(FILES).drive(
        START.format(factor=1, wake=10)
        + """
        ponyreload.use_autoreload(poll_seconds=0.03)
        until(lambda: app.reloader.watching == ({}, 0.03))
        tell(pace=app.reloader.watching[1])
    """
    )
    assert told["pace"] == 0.03


LISTENS = """
        import json, re
        address = json.loads(request(app.application, "/__ponyreload__/news", **BROWSER))["events"]
        host, port, path = re.match("http://([^:]+):([0-9]+)(/.*)", address).groups()
        page = create_connection((host, int(port)))
        page.sendall(f"GET {path} HTTP/1.1\\r\\nHost: {host}:{port}\\r\\nOrigin: http://127.0.0.1\\r\\n\\r\\n".encode())
        page.recv(9999)
"""
ASKS = """
        asked = in_thread(lambda: until(lambda: time.sleep(0.05) or is_over or not ask(), 60))

        def ask():
            return request(app.application, "/__ponyreload__/news", **BROWSER)
"""


@pytest.mark.parametrize("page", [LISTENS, ASKS], ids=["listens", "asks"])
def test_an_open_page_keeps_it_awake(project, page):
    told = project(FILES).drive(
        NEVER
        + """
        ponyreload.devtools.devtools.ASKING_SECONDS = 2
        is_over = False
        asked = lambda: None
        """
        + page
        + """
        request(app.application)  # that a page wants to know is no reason to wake up
        rests = 0
        for x in (2, 3):
            time.sleep(0.6)
            rests += is_at_rest()
            save(x)
            app.reloader.wait(x - 1, 10)
        is_over = True
        asked()
        if "page" in globals():
            page.close()
        until(is_at_rest)
        tell(rests=rests, answer=request(app.application))
    """
    )
    assert (told["rests"], told["answer"]) == (0, "3")


def test_looks_do_not_hide_requests_from_who_waits_for_a_pause_of_them(project):
    told = project(FILES).drive(
        START.format(factor=1, wake=10)
        + """
        updater = app.reloader._updater
        save(2)
        app.reloader.wait(1, 10)
        until(lambda: updater._collector.at is not None)
        before = updater._collector.at
        request(app.application)
        until(lambda: not app.reloader.serving.is_asked)  # a look has taken note of it
        until(lambda: updater._collector.at != before)
        tell(waits=updater._collector.at is not None)
    """
    )
    assert told["waits"]
