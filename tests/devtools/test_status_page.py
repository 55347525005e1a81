"""The status page in a real browser: it shows what there is, goes on by itself, and is pleasant to read."""

from __future__ import annotations

import re
import threading

import pytest
from playwright.sync_api import Page, expect

from browsers import PATIENCE_MS
from commandline import SITE, serve

pytestmark = pytest.mark.any_python

expect.set_options(timeout=PATIENCE_MS)

FILES = {
    "app.py": """
        from ponyreload import *
        import os
        from cheroot.wsgi import Server
        import gates
        import shop
        use_autoreload()

        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            if environ["PATH_INFO"] == "/open":
                gates.load.set()
            if environ["PATH_INFO"] == "/slow":
                gates.request.wait(60)
            if environ["PATH_INFO"] == "/finish":
                gates.request.set()
            return [str(shop.X).encode()]

        if __name__ == "__main__":
            server = Server(("127.0.0.1", int(os.environ["PORT"])), application)
            try:
                server.start()
            finally:
                server.stop()
    """,
    "gates.py": "import threading\nload, request = threading.Event(), threading.Event()\n",
    "shop.py": "from ponyreload import *\nX = 1\n",
}
# Texts that would do something if they were not put in as text.
EVIL = "<img src=x onerror=\"document.title='evil'\"><script>document.title='evil'</script>"


@pytest.fixture
def site(project):
    return project(FILES)


@pytest.fixture
def server(site):
    with site.serve() as server:
        yield server


@pytest.fixture
def page(profile, server):
    """The status page of the server, in a tab that notes what goes wrong in it."""
    page = profile.new_page()
    wrong = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    visit(page, server)
    page.evaluate("window.isSame = true")
    yield page
    assert wrong == []
    assert page.evaluate("window.isSame"), "the page was loaded again"


def visit(page: Page, server) -> None:
    page.goto(f"http://127.0.0.1:{server.port}/__ponyreload__/")
    expect(page.locator("#main")).to_be_visible()


# -- what it shows, and goes on showing --------------------------------------------------------------------------


def test_the_page_follows_the_generations_without_being_loaded_again(site, page):
    expect(page.locator("#title")).to_have_text("Generation 1 servesup to date")
    expect(page.locator("#loads")).to_contain_text("None yet")
    expect(page.locator("#link")).to_have_text("live")
    site.replace("shop.py", "X = 1", "X = 2")
    expect(page.locator("#title")).to_have_text("Generation 2 servesup to date")
    expect(page).to_have_title("Generation 2 · ponyreload")
    expect(page.locator(".load")).to_have_count(1)
    expect(page.locator(".load .what")).to_have_text("shop.py")
    expect(page.locator("#generations li").first.locator(".pill")).to_have_text("serving")


def test_an_error_is_shown_with_its_lines_and_goes_away(site, page):
    site.replace("shop.py", "X = 1", "X = PRICE")
    expect(page.locator("#failure")).to_contain_text("Generation 2 is not served in shop.py:2")
    expect(page.locator("#failure .here")).to_have_text("2X = PRICE")
    expect(page.locator("#title")).to_have_text("Generation 1 serveslast load failed")
    expect(page).to_have_title("✗ Generation 1 · ponyreload")
    page.get_by_text("Traceback", exact=True).click()
    expect(page.locator("#failure pre")).to_contain_text("NameError")
    expect(page.locator(".load.bad .when")).to_contain_text("failed")
    expect(page.locator("#chart .why")).to_contain_text("NameError: name 'PRICE' is not defined")
    site.replace("shop.py", "X = PRICE", "X = 2")
    expect(page.locator("#failure")).to_be_hidden()
    expect(page.locator("#title")).to_have_text("Generation 2 servesup to date")


def test_a_start_that_failed_is_shown_as_one(project, profile):
    site = project({**SITE, "shop.py": "NAME = TAX"})
    with serve(site, "app") as server:
        page = profile.new_page()
        visit(page, server)
        expect(page.locator("#title")).to_have_text("Nothing is served yetlast load failed")
        expect(page.locator("#failure")).to_contain_text("Nothing is served yet; save the file to try again.")
        expect(page.locator(".load .what")).to_have_text("the start")
        site.edit("shop.py", "NAME = 'tea'")
        expect(page.locator("#title")).to_have_text("Generation 2 servesup to date")


def test_a_load_that_takes_its_time_is_shown_while_it_runs(site, server, page):
    site.replace("shop.py", "X = 1", "import gates; gates.load.wait(60); X = 2")
    expect(page.locator("#title .pill")).to_have_text("loading")
    expect(page.locator("#generations li").first).to_contain_text("at shop.py:2")
    server.get("/open")
    expect(page.locator("#title")).to_have_text("Generation 2 servesup to date")


def test_an_open_request_is_shown_with_the_generation_that_it_holds(site, server, page):
    slow = threading.Thread(target=server.ask, args=("/slow",), kwargs={"timeout": 120})
    slow.start()
    try:
        expect(page.locator(".request .mono")).to_have_text("GET /slow")
        site.replace("shop.py", "X = 1", "X = 2")
        held = page.locator("#generations > li", has_text="Generation 1")
        expect(held.locator(".pill")).to_have_text("superseded")
        expect(held.locator(".request")).to_have_text(re.compile(r"^GET /slowopen for \d+ (s|min)$"))
        expect(page.locator("#tiles")).to_contain_text("1 on old code")
    finally:
        server.ask("/finish")
        slow.join(20)
    expect(page.locator(".request")).to_have_count(0)


def test_what_holds_a_generation_is_shown(project, profile):
    site = project(
        {**FILES, "shop.py": "from ponyreload import *\nimport gates\nclass Order:\n    def price(self): pass\nX = 1\n"}
    )
    with site.serve() as server:
        page = profile.new_page()
        visit(page, server)
        site.replace("shop.py", "X = 1", "gates.kept = Order()\nX = 2")
        expect(page.locator("#title")).to_contain_text("Generation 2 serves")
        site.replace("shop.py", "gates.kept = Order()\nX = 2", "X = 3")
        held = page.locator("#generations > li", has_text="Generation 2")
        expect(held.locator(".path li")).to_have_text(["gates.kept", "shop.Order"])
        expect(held.locator(".held")).to_contain_text("system module gates holds a user object")
        expect(page.locator("#generations > li", has_text="Generation 1")).to_contain_text(
            "the script that it began with"
        )


def test_the_chart_shows_each_module_of_the_load_that_was_chosen(site, server, page):
    site.edit("slow.py", "from ponyreload import *\nimport time\ntime.sleep(0.5)  # is slow\n")
    site.replace("shop.py", "X = 1", "import slow\nX = 2")
    names = page.locator(".bar:not(.rest) .mono")
    expect(names).to_have_count(3)
    expect(names.first).to_have_text("slow")
    widths = page.locator(".bar:not(.rest) .fill").evaluate_all("all => all.map(one => one.clientWidth)")
    assert widths == sorted(widths, reverse=True)
    site.replace("shop.py", "import slow\nX = 2", "X = 3")
    expect(names).to_have_count(2)
    page.locator(".load").nth(1).click()
    expect(names).to_have_count(3)
    expect(page.locator(".load").nth(1)).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".load").nth(1)).to_be_focused()
    # It stays chosen, and in focus, when there is a newer one.
    site.replace("shop.py", "X = 3", "X = 4")
    expect(page.locator(".load")).to_have_count(3)
    expect(names).to_have_count(3)
    expect(page.locator(".load").nth(2)).to_be_focused()


def test_the_modules_are_shown_with_their_reasons_and_can_be_filtered(site, page):
    user, system = page.locator(".group").all()
    expect(user.locator(".name .mono:first-child")).to_have_text(["__main__", "shop"])
    expect(user.locator(".reason")).to_have_text(["marked: its USE_AUTORELOAD is true"])
    expect(system.locator(".name")).to_have_text(["gatesgates.py"])
    expect(system.locator(".reason")).to_have_text(["it has no USE_AUTORELOAD, and no option names it"])
    page.locator("#filter").fill("SHO")
    expect(user.locator(".name .mono:first-child")).to_have_text(["shop"])
    expect(system).to_contain_text("None of them is like that.")
    site.replace("shop.py", "X = 1", "X = 2")
    expect(page.locator("#title")).to_contain_text("Generation 2")
    expect(user.locator(".name .mono:first-child")).to_have_text(["shop"])
    expect(page.locator("#filter")).to_be_focused()


def test_what_is_selected_stays_selected_while_the_ages_count_on(page):
    page.locator("#under .mono").evaluate("element => getSelection().selectAllChildren(element)")
    selected = page.evaluate("getSelection().toString()")
    age = page.locator("#under .number")
    before = age.text_content()
    page.wait_for_function("before => document.querySelector('#under .number').textContent !== before", arg=before)
    assert selected
    assert page.evaluate("getSelection().toString()") == selected


def test_the_page_says_when_the_server_does_not_answer_and_goes_on_when_it_does(site, server, profile):
    page = profile.new_page()
    visit(page, server)
    page.route("**/status.json", lambda route: route.abort())
    expect(page.locator("#link")).to_have_text("the server does not answer")
    page.unroute("**/status.json")
    expect(page.locator("#link")).to_have_text("live")
    page.route("**/status.json", lambda route: route.fulfill(status=403, body="ponyreload does not answer here: why"))
    expect(page.locator("#link")).to_have_text("ponyreload does not answer here: why")


# -- safe --------------------------------------------------------------------------------------------------------


def test_texts_of_the_application_are_shown_as_texts(project, server, site, page):
    site.edit("shop.py", f"from ponyreload import *\nraise LookupError({EVIL!r})\n")
    expect(page.locator("#failure > p").first).to_have_text(f"LookupError: {EVIL}")
    expect(page.locator("#chart .why")).to_contain_text(EVIL)
    expect(page.locator("#failure .here")).to_contain_text("onerror")
    assert page.locator("main img, main script").count() == 0
    expect(page).to_have_title("✗ Generation 1 · ponyreload")


def test_a_script_that_got_into_the_page_all_the_same_would_not_run(profile, server):
    page = profile.new_page()
    visit(page, server)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))")
    page.evaluate("fetch('status.json').then(answer => answer.text())")
    assert page.evaluate("window.ran") is None


def test_the_page_is_told_to_load_nothing_from_elsewhere(server):
    for path in ("", "status.js", "status.css", "status.svg", "status.json"):
        policy = server.ask(f"/__ponyreload__/{path}").headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; "), path
        assert "unsafe" not in policy
        assert "http" not in policy


# -- pleasant ----------------------------------------------------------------------------------------------------

# All texts whose colour does not stand out from the ground by the 4.5 to 1 that WCAG asks for (AA).
FAINT = """() => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = (colour) => {
        const [r, g, b] = colour.map((part) => {
            const share = part / 255;
            return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
        for (; element; element = element.parentElement) {
            const colour = rgba(getComputedStyle(element).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255, 255];
    };
    const faint = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
        const [one, other] = [rgba(getComputedStyle(element).color), ground(element)].map(light);
        const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (contrast < 4.5) faint.push(`${walker.currentNode.data.trim()}: ${contrast.toFixed(1)}`);
    }
    return faint;
}"""
# Elements that stick out of the window to the right, but for what is in a box that can be scrolled.
WIDE = """() => [...document.querySelectorAll("body *")].filter((element) => {
    for (let box = element.parentElement; box; box = box.parentElement) {
        if (["auto", "scroll", "hidden"].includes(getComputedStyle(box).overflowX)) return false;
    }
    return element.getBoundingClientRect().right > innerWidth + 0.5;
}).map((element) => `${element.tagName}.${element.className}`)"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_all_of_it_can_be_read_on_a_phone_and_on_a_wide_screen_in_light_and_dark(browser, project, width, theme):
    name = "a_module_with_a_name_that_is_a_good_deal_longer_than_most_names_are"
    site = project({**FILES, f"{name}.py": "", "shop.py": f"from ponyreload import *\nimport {name}\nX = 1\n"})
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)
    context.set_default_timeout(PATIENCE_MS)
    try:
        with site.serve() as server:
            page = context.new_page()
            visit(page, server)
            site.replace("shop.py", "X = 1", "X = 2")
            expect(page.locator("#title")).to_contain_text("Generation 2")
            site.replace("shop.py", "X = 2", f"raise LookupError({'x' * 300!r})")
            expect(page.locator("#failure")).to_be_visible()
            grounds = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (grounds == "rgb(244, 245, 248)") is (theme == "light")
            assert page.evaluate(WIDE) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(FAINT) == []
    finally:
        context.close()
