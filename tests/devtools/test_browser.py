"""Pages in a real browser: they refresh themselves, swap style sheets, and show why the newest code does not serve."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from browser_shop import FILES, FLUP, SHOP, VISIT, colour, headline, note, overlay, shop, visit
from frontends import front_end

pytestmark = pytest.mark.any_python


@pytest.fixture
def site(project):
    """The files of a shop, that cheroot serves."""
    return project(FILES)


def test_a_page_refreshes_itself_after_an_edit(site, profile):
    with shop(site) as server:
        page = visit(profile, server)
        headline(page, "tea")
        site.replace("app.py", '"tea"', '"milk"')
        headline(page, "milk")
        site.replace("app.py", '"milk"', '"salt"')
        headline(page, "salt")


def test_a_page_keeps_its_place_when_it_refreshes(site, profile):
    with shop(site) as server:
        page = visit(profile, server)
        # As a page does that scrolls by itself, so that the browser does not.
        page.evaluate("() => { history.scrollRestoration = 'manual'; scrollTo(0, 1234); }")
        site.replace("app.py", '"tea"', '"milk"')
        headline(page, "milk")
        page.wait_for_function("() => scrollY === 1234")


def test_an_edit_of_a_style_sheet_swaps_it_without_a_page_load(site, profile):
    with shop(site) as server:
        page = visit(profile, server)
        colour(page, "1, 2, 3")
        note(page, "kept")
        for value in ("4, 5, 6", "7, 8, 9"):
            site.edit("shop.css", f"h1 {{ color: rgb({value}) }}\n")
            colour(page, value)
        page.wait_for_function("() => document.querySelectorAll('link').length === 1")
        assert page.inner_text("#note") == "kept"
        site.replace("app.py", '"tea"', '"milk"')
        headline(page, "milk")
        assert page.inner_text("#note") == "new"


def test_an_edit_of_a_template_refreshes_the_page(site, profile):
    with shop(site) as server:
        page = visit(profile, server, "/template")
        note(page, "old")
        site.replace("page.html", ">new<", ">newer<")
        page.wait_for_function("() => document.querySelector('#note').textContent === 'newer'")


def test_an_error_is_shown_over_the_page_and_goes_away_when_the_next_load_succeeds(site, profile):
    with shop(site) as server:
        page = visit(profile, server)
        note(page, "kept")
        site.replace("app.py", 'WORD = "tea"', 'WORD = "<b>tea</b>" + 1')
        overlay(page).wait_for()
        text = overlay(page).inner_text()
        assert 'TypeError: can only concatenate str (not "int") to str' in text
        assert "\napp.py:6\n" in text
        assert '\n    6  WORD = "<b>tea</b>" + 1\n' in text
        assert '  File "' in text
        assert "Generation 1 still serves." in text
        # It is the page that was there, with the error over it.
        assert page.inner_text("#note") == "kept"
        site.replace("app.py", 'WORD = "<b>tea</b>" + 1', 'WORD = "milk"')
        headline(page, "milk")
        overlay(page).wait_for(state="detached")


def test_an_error_goes_away_without_a_page_load_when_the_files_are_again_what_serves(site, profile):
    with shop(site) as server:
        page = visit(profile, server)
        note(page, "kept")
        site.replace("app.py", '"tea"', "tea")
        overlay(page).wait_for()
        site.replace("app.py", "WORD = tea", 'WORD = "tea"')
        overlay(page).wait_for(state="detached")
        assert page.inner_text("#note") == "kept"


def test_escape_hides_an_error_until_there_is_another_one(site, profile):
    with shop(site) as server:
        page = visit(profile, server)
        site.replace("app.py", '"tea"', "tea")
        overlay(page).wait_for()
        page.keyboard.press("Escape")
        overlay(page).wait_for(state="detached")
        site.replace("app.py", "WORD = tea", "WORD = milk")
        overlay(page).wait_for()
        assert "name 'milk' is not defined" in overlay(page).inner_text()
        page.get_by_role("button", name="Hide").click()
        overlay(page).wait_for(state="detached")


def test_an_error_that_was_hidden_stays_so_when_another_tab_asks_what_the_news_are(site, profile):
    with shop(site) as server:
        first, second = visit(profile, server), visit(profile, server)
        site.replace("app.py", '"tea"', "tea")
        for page in (first, second):
            overlay(page).wait_for()
            page.keyboard.press("Escape")
            overlay(page).wait_for(state="detached")
        overlay(visit(profile, server)).wait_for()
        # All tabs have been told by then.
        assert (overlay(first).count(), overlay(second).count()) == (0, 0)


def test_a_page_that_is_opened_while_an_error_stands_shows_it(site, profile):
    with shop(site) as server:
        site.replace("app.py", '"tea"', "tea")
        server.wait_for_log("still serving generation 1")
        first, second = visit(profile, server), visit(profile, server)
        overlay(first).wait_for()
        overlay(second).wait_for()
        assert first.inner_text("h1") == "tea"


def test_the_overlay_shows_text_of_the_error_as_text(site, profile):
    with shop(site) as server:
        page = visit(profile, server)
        bad = "<img src=x onerror=document.title='owned'></pre><script>document.title='owned'</script>"
        site.replace("app.py", 'WORD = "tea"', f"raise ValueError({bad!r})")
        overlay(page).wait_for()
        assert f"ValueError: {bad}" in overlay(page).inner_text()
        assert page.locator("ponyreload-error img, ponyreload-error script").count() == 0
        assert page.title() == "shop"


def events_port(server):
    """The port of the server of events, as a page has it."""
    text = server.get("/", Host=f"localhost:{server.port}", **VISIT)
    found = re.search(r'data-events="http://127.0.0.1:(\d+)/', text)
    assert found, text
    return int(found[1])


def streams(port):
    """How many connections of browsers there are to a server of events."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1] == f"0100007F:{port:04X}" and row[3] == "01" for row in rows)


def test_two_tabs_share_one_connection_and_both_refresh(site, profile):
    with shop(site) as server:
        pages = [visit(profile, server) for _ in range(2)]
        port = events_port(server)
        server.wait_until(lambda: streams(port) == 1, "one stream")
        site.replace("app.py", '"tea"', '"milk"')
        for page in pages:
            headline(page, "milk")
        server.wait_until(lambda: streams(port) == 1, "one stream")
        # When the tab that has it is closed, the other one takes over.
        pages[0].close()
        site.replace("app.py", '"milk"', '"salt"')
        headline(pages[1], "salt")
        server.wait_until(lambda: streams(port) == 1, "one stream")


def test_ten_tabs_leave_all_threads_of_the_server_to_requests(site, profile):
    with shop(site) as server:
        pages = [visit(profile, server) for _ in range(10)]
        port = events_port(server)
        server.wait_until(lambda: streams(port) == 1, "one stream")
        # cheroot's own count of idle threads would do, but each kept connection is none's until it is used.
        for _ in range(20):
            assert server.get("/plain", timeout=20) == "tea"
        site.replace("app.py", '"tea"', '"milk"')
        for page in pages:
            headline(page, "milk")
        assert server.get("/plain") == "milk"


def test_a_page_with_a_strict_policy_keeps_it_and_does_all_of_this(site, profile):
    with shop(site) as server:
        refused = []
        profile.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
        page = visit(profile, server, "/strict")
        assert page.locator("script[data-events]").count() == 0
        site.edit("shop.css", "h1 { color: rgb(4, 5, 6) }\n")
        colour(page, "4, 5, 6")
        site.replace("app.py", '"tea"', "tea")
        overlay(page).wait_for()
        assert overlay(page).evaluate("(main) => getComputedStyle(main.querySelector('b')).display") == "block"
        site.replace("app.py", "WORD = tea", 'WORD = "milk"')
        headline(page, "milk")
        # The page's own style attribute, and nothing of ours.
        assert [text for text in refused if "style" not in text] == []


# -- behind nginx ------------------------------------------------------------------------------------------------


def see_all_of_it(site, profile, server, is_streaming):
    """See a page of a server refresh, swap a style sheet, and show an error; through a stream or by asking."""
    page = visit(profile, server)
    assert (page.locator("script[data-events]").count() == 1) is is_streaming
    site.edit("shop.css", "h1 { color: rgb(4, 5, 6) }\n")
    colour(page, "4, 5, 6")
    site.replace("app.py", '"tea"', "tea")
    overlay(page).wait_for()
    site.replace("app.py", "WORD = tea", 'WORD = "milk"')
    headline(page, "milk")


def test_it_works_through_nginx_in_front_of_flup(project, profile):
    site = project({**FILES, "app.py": SHOP + FLUP})
    with front_end("nginx-fastcgi", site) as server:
        see_all_of_it(site, profile, server, is_streaming=True)
        assert server.stop() == 0


def test_it_works_with_processes_that_fork(project, profile):
    site = project({**FILES, "app.py": SHOP + FLUP.replace("fcgi", "fcgi_fork")})
    with front_end("nginx-fastcgi", site) as server:
        see_all_of_it(site, profile, server, is_streaming=True)
        assert server.stop() == 0


def test_it_works_through_nginx_in_front_of_cheroot_that_trusts_it(site, profile):
    with front_end("nginx-proxy", site, OPTIONS='{"trusted_clients": ["127.0.0.1"]}') as server:
        see_all_of_it(site, profile, server, is_streaming=True)


def test_a_page_asks_where_the_port_of_events_cannot_be_reached(site, profile):
    with shop(site) as server:
        profile.route(lambda url: f":{server.port}/" not in url, lambda route: route.abort())
        see_all_of_it(site, profile, server, is_streaming=True)


def test_a_page_of_another_machine_asks(site, profile):
    # To nginx, and so to the application, that is what a name in this header says.
    profile.set_extra_http_headers({"X-Forwarded-For": "192.0.2.7"})
    options = '{"trusted_clients": ["127.0.0.1", "192.0.2.7"]}'
    with front_end("nginx-proxy", site, OPTIONS=options) as server:
        see_all_of_it(site, profile, server, is_streaming=False)


def test_a_page_hears_again_of_news_when_the_server_was_started_anew(site, profile):
    with shop(site) as server:
        page = visit(profile, server)
        site.replace("app.py", '"tea"', '"milk"')
        headline(page, "milk")
        server.stop()
        site.replace("app.py", '"milk"', '"salt"')
        server.process = server._start(
            [*server.process.args], site.folder, site.environment(PORT=str(server.port), OTHER="0")
        )
        headline(page, "salt")
        site.replace("app.py", '"salt"', '"rice"')
        headline(page, "rice")
