"""Pages: `@http` on CherryPy's server and on others, and the example that the documentation begins with."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from live import Live
from projects import Project

HELLO = Path(__file__).parents[3] / "examples" / "hello.py"

# What the documentation shows: the example of Pony's own, with only the import line changed.
HELLO_TEXT = b"""\
from ponyreload.main import *

use_autoreload()

@http
def page1():
    return "Hello, world!"

http.start("localhost:8080")
"""

PAGES = r"""
    import os
    import cherrypy
    from ponyreload.main import *
    from gates import gate

    use_autoreload()

    @http
    def text():
        return "Grüße, мир"

    @http
    def octets():
        return b"\x00\xff"

    @http
    def nothing():
        cherrypy.response.headers["X-Called"] = "yes"

    @http
    def streamed():
        yield "één "
        yield b"two "
        assert gate.wait(20)
        yield "three"

    @http("/open")
    def open_gate():
        gate.set()
        return "open"

    @http("/close")
    def close_gate():
        gate.clear()
        return "closed"

    @http(content_type="text/html", cache_control="max-age=60")
    def page():
        return "<p>é</p>"

    @http("/fragile", cache_control="max-age=60")
    def fragile():
        raise cherrypy.HTTPError(418)

    @http("/image.svg", content_type="image/svg+xml")
    def image():
        return "<svg/>"

    @http("/feed", content_type="text/html")
    def feed():
        cherrypy.response.headers["Content-Type"] = "text/csv"
        return "a,b"

    @http("/bare")
    def bare():
        cherrypy.response.headers["Content-Type"] = "text/html"
        return "<p>"

    @http("/blog/$year/$month")
    def month(year, month, tag="none"):
        return ascii((year, month, tag))

    @http("/blog/$year/latest")
    def latest(year):
        return f"latest of {year}"

    @http("/blog/new/$kind")
    def new(kind):
        return f"new {kind}"

    @http("/")
    def index():
        return "index"

    @http
    def echo(**given):
        return ascii(sorted(given.items()))

    @http("/given/$self/$callable")
    def given(**given):
        return ascii(sorted(given.items()))

    @http
    def wants(first, *, second):
        if first == "number":
            return first + 1
        return first + second

    @http
    def table():
        return {"a": 1}

    @http
    def numbers():
        return [1, 2]

    @http
    @cherrypy.tools.response_headers(headers=[("X-Tool", "decorator")])
    def tooled():
        return "tooled"

    http.application.merge({"/blog/new": {
        "tools.response_headers.on": True, "tools.response_headers.headers": [("X-Tool", "section")]}})
"""
GATES = """
    import threading
    gate, arrived = threading.Event(), threading.Event()
"""
START = "http.start(f\"127.0.0.1:{os.environ['PORT']}\")\n"
VALIDATED = """\
from wsgiref.validate import validator
from cheroot import wsgi
server = wsgi.Server(("127.0.0.1", int(os.environ["PORT"])), validator(http.application))
server.start()
"""


def app(pages: str, start: str = START) -> str:
    return "import os\nfrom ponyreload.main import *\n" + pages + start


def make(folder: Path, start: str) -> Project:
    site = Project(folder, {"app.py": PAGES, "gates.py": GATES})
    site.edit("app.py", (site / "app.py").read_text(encoding="utf-8") + start)
    os.utime(site / "app.py", (1_600_000_000, 1_600_000_000))
    return site


@pytest.fixture(scope="module", params=["under CherryPy's server", "alone, behind wsgiref.validate"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The pages above, on the two kinds of server."""
    start = START if request.param == "under CherryPy's server" else VALIDATED
    with make(tmp_path_factory.mktemp("site"), start).serve() as live:
        yield live
        assert "AssertionError" not in live.log  # the validator's complaint


class Started:
    """A GET that has been sent, and whose answer is read bit by bit."""

    def __init__(self, live: Live, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", live.port), timeout=20)
        self._socket.sendall(f"GET {path} HTTP/1.0\r\nHost: test\r\n\r\n".encode())
        self._answer = self._socket.makefile("rb")
        self._in_head = True

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *exception: object) -> None:
        self._answer.close()
        self._socket.close()

    def read(self, size: int = -1) -> str:
        """Wait for so many bytes of the body, or for all that are left."""
        while self._in_head:
            self._in_head = self._answer.readline() != b"\r\n"
        return self._answer.read(size).decode()


# -- the example -------------------------------------------------------------------------------------------------


def test_the_example_is_the_documentations_own_text():
    assert HELLO.read_bytes() == HELLO_TEXT


def test_the_example_works_and_reloads(project):
    address = b'"127.0.0.1:" + __import__("os").environ["PORT"]'
    text = HELLO.read_bytes().replace(b'"localhost:8080"', address).decode()
    site = project({"hello.py": text})
    with site.serve("hello.py") as live:
        assert live.get("/page1") == "Hello, world!"
        site.replace("hello.py", "Hello, world!", "Hello, new world!")
        live.wait_for("/page1", "Hello, new world!")
        live.wait_for_log("generation 2 serves: hello.py changed (")  # written after it serves


# -- answers -----------------------------------------------------------------------------------------------------


def test_text_is_answered_as_utf8_and_bytes_as_they_are(site):
    answer = site.ask("/text")
    assert (answer.status, answer.text) == (200, "Grüße, мир")
    assert answer.headers["Content-Type"] == "text/plain;charset=utf-8"
    assert answer.headers["Content-Length"] == str(len("Grüße, мир".encode()))
    answer = site.ask("/octets")
    assert (answer.status, answer.body) == (200, b"\x00\xff")
    assert answer.headers["Content-Type"] == "application/octet-stream"


def test_none_is_an_empty_answer(site):
    answer = site.ask("/nothing")
    assert (answer.status, answer.body, answer.headers["X-Called"]) == (200, b"", "yes")


def test_an_iterable_is_streamed_part_by_part(site):
    site.get("/close")
    with Started(site, "/streamed") as answer:
        assert answer.read(len("één two ".encode())) == "één two "  # and now the page waits at the gate
        site.get("/open")
        assert answer.read() == "three"


def test_headers_come_from_the_decorator_unless_the_function_sets_them(site):
    assert site.ask("/page").headers["Content-Type"] == "text/html;charset=utf-8"
    assert site.ask("/page").headers["Cache-Control"] == "max-age=60"
    assert site.ask("/image.svg").headers["Content-Type"] == "image/svg+xml"
    assert site.ask("/feed").headers["Content-Type"] == "text/csv;charset=utf-8"
    assert site.ask("/bare").headers["Content-Type"] == "text/html;charset=utf-8"
    answer = site.ask("/fragile")
    assert (answer.status, answer.headers.get("Cache-Control")) == (418, None)  # an error is not to be kept


def test_head_gives_the_headers_of_the_page_and_no_body(site):
    site.get("/open")
    for path in ("/text", "/octets", "/streamed"):
        full, head = site.ask(path), site.ask(path, "HEAD")
        assert (head.status, head.body) == (200, b"")
        for name in ("Content-Type", "Content-Length"):
            assert head.headers.get(name) == full.headers.get(name), f"{name} of {path}"


def test_tools_of_cherrypy_work_as_decorators_and_by_sections_of_the_configuration(site):
    assert site.ask("/tooled").headers["X-Tool"] == "decorator"
    assert site.ask("/blog/new/cars").headers["X-Tool"] == "section"
    assert "X-Tool" not in site.ask("/text").headers


# -- paths and parameters ----------------------------------------------------------------------------------------


def test_the_path_gives_parameters(site):
    assert site.get("/blog/2024/may") == "('2024', 'may', 'none')"
    assert site.get("/blog/2024/may?tag=x") == "('2024', 'may', 'x')"
    assert site.get("/blog/2024/may?year=1999") == "('2024', 'may', 'none')"
    assert site.get("/given/a/b") == "[('callable', 'b'), ('self', 'a')]"


def test_literal_parts_of_a_path_beat_parameters(site):
    assert site.get("/blog/2024/latest") == "latest of 2024"
    assert site.get("/blog/new/cars") == "new cars"
    assert site.get("/blog/new/latest") == "new latest"


def test_escapes_in_a_path_are_undone_and_an_escaped_slash_divides_no_parts(site):
    assert site.get("/blog/a%2Fb/%C3%BC%20%2f") == ascii(("a/b", "ü /", "none"))
    assert site.get("/%65cho") == "[]"


def test_a_slash_at_the_end_is_the_same_page(site):
    assert site.get("/text/") == site.get("/text")
    assert site.get("/") == site.get("//") == "index"


def test_values_of_query_and_form_are_keyword_arguments(site):
    assert site.get("/echo?a=1&b=%C3%BC&a=2&empty=") == ascii([("a", ["1", "2"]), ("b", "ü"), ("empty", "")])
    form = {"method": "POST", "Content_Type": "application/x-www-form-urlencoded"}
    answer = site.ask("/echo?b=0", body=b"a=1&a=2&c=%D0%BC", **form)
    assert answer.text == ascii([("a", ["1", "2"]), ("b", "0"), ("c", "м")])


def assert_error_page(answer, status, message):
    assert answer.status == status
    assert "Powered by" in answer.text, "not CherryPy's own page"
    assert "cherrypy" in answer.text.lower()
    assert answer.headers["Content-Type"] == "text/html;charset=utf-8"
    assert message in answer.text


def test_missing_and_unknown_parameters_give_the_error_pages_of_cherrypy(site):
    form = {"method": "POST", "Content_Type": "application/x-www-form-urlencoded"}
    assert_error_page(site.ask("/wants"), 404, "<p>Missing parameters: first, second</p>")
    assert_error_page(site.ask("/wants?first=1"), 404, "<p>Missing parameters: second</p>")
    unknown = "<p>Unexpected query string parameters: third</p>"
    assert_error_page(site.ask("/wants?first=1&second=2&third=3"), 404, unknown)
    unknown = "<p>Unexpected body parameters: third</p>"
    assert_error_page(site.ask("/wants?first=1&second=2", body=b"third=3", **form), 400, unknown)
    assert_error_page(site.ask("/no/such/page"), 404, "The path '/no/such/page' was not found.")
    assert site.get("/wants?first=1&second=2") == "12"


def test_an_exception_in_a_page_gives_the_error_page_of_cherrypy(site):
    assert_error_page(site.ask("/wants?first=number&second=2"), 500, "TypeError: can only concatenate str")
    answers = "a page returns str, bytes, None or an iterable of these"
    assert_error_page(site.ask("/table"), 500, f"page __main__.table returned {{'a': 1}}; {answers}")
    assert "a page's iterable gives str or bytes, not 1" in site.ask("/numbers").text


# -- wrong use ---------------------------------------------------------------------------------------------------

# What a user writes -> the whole message.
WRONG = {
    "http(5)": "TypeError: @http takes a path such as '/blog/$year', or nothing at all, not 5",
    "http('blog')(f)": ("ValueError: a page's path starts with '/' and has no query, as in '/blog/$year', not 'blog'"),
    "http('/blog?year')(f)": (
        "ValueError: a page's path starts with '/' and has no query, as in '/blog/$year', not '/blog?year'"
    ),
    "http('/a$x')": "ValueError: a parameter is a whole part of a path, once, as in '/blog/$year'; not so in '/a$x'",
    "http('/$')": "ValueError: a parameter is a whole part of a path, once, as in '/blog/$year'; not so in '/$'",
    "http('/$x/$x')": (
        "ValueError: a parameter is a whole part of a path, once, as in '/blog/$year'; not so in '/$x/$x'"
    ),
    "http('/blog/$year')(f)": "TypeError: page __main__.f takes no parameter 'year', which '/blog/$year' gives it",
    "http('/x')(5)": "TypeError: @http makes a page of a function with a name, not of 5",
    "http(callable_without_name)": "TypeError: @http makes a page of a function with a name, not of nameless",
    "http(unnamed)": "TypeError: @http makes a page of a function with a name, not of <function>",
    "http(content_type=5)": "TypeError: header Content-Type takes one line of text, not 5",
    "http(x_a='1\\n2')": "TypeError: header X-A takes one line of text, not '1\\n2'",
    "http(**{'a b': 'c'})": "ValueError: a header is named as in content_type='text/html', not 'a b'",
    "http('/taken')(f)": "ValueError: '/taken' is the path of page __main__.g; __main__.f needs another",
    "http('/any/$b')(h)": "ValueError: '/any/$b' is the path of page __main__.g; __main__.h needs another",
    "http.start('8080')": "ValueError: an address looks like 'localhost:8080', ':8080' or '[::1]:8080', not '8080'",
}
WRONG.update(
    (
        f"http.start({address!r})",
        f"ValueError: an address looks like 'localhost:8080', ':8080' or '[::1]:8080', not {address!r}",
    )
    for address in ("localhost", "localhost:", "localhost:0", "localhost:65536", "http://localhost:80", "::1:80", 8080)
)


def test_wrong_use_fails_at_once_and_says_what_is_accepted(project):
    told = project({}).drive(f"""
        from ponyreload.main import *
        def f(): pass
        @http("/taken")
        @http("/any/$a")
        def g(**given): pass
        def h(b): pass
        class Nameless:
            __call__ = lambda self: None
            __repr__ = lambda self: "nameless"
        callable_without_name = Nameless()
        unnamed = lambda: None
        found = {{}}
        for text in {list(WRONG)!r}:
            try:
                found[text] = repr(eval(text))
            except Exception as error:
                message = str(error).replace(repr(unnamed), "<function>")
                found[text] = f"{{type(error).__name__}}: {{message}}"
        tell(found=found)
    """)
    assert told["found"] == WRONG


def test_addresses(project):
    told = project({}).drive("""
        from ponyreload.adapters.cherrypy.pages import _parse_address
        tell(found=[_parse_address(text) for text in ("localhost:8080", ":80", "[::1]:443", "10.0.0.1:65535")])
    """)
    assert told["found"] == [["localhost", 8080], ["0.0.0.0", 80], ["::1", 443], ["10.0.0.1", 65535]]


# -- starting and stopping ---------------------------------------------------------------------------------------


def test_stop_ends_start_and_the_lines_after_it_run(project):
    pages = "@http\ndef end():\n    http.stop()\n    return 'ended'\n\n"
    with project({"app.py": app(pages, START + "print('after the server')\n")}).serve() as live:
        live.wait_for_log("Bus STARTED")  # CherryPy kills a process that is to end before
        assert live.get("/end") == "ended"
        assert live.process.wait(10) == 0
        assert "after the server" in live.log


def test_an_address_in_use_ends_the_start_with_the_servers_own_error(project):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        start = f'http.start("127.0.0.1:{taken.getsockname()[1]}")\n'
        done = project({"app.py": app("use_autoreload()\n", start)}).run("app.py", check=False)
    assert done.returncode != 0
    assert "not free" in done.stderr or "in use" in done.stderr


def test_pages_work_where_autoreload_is_off(project):
    pages = "assert use_autoreload() is None\n\n@http\ndef number():\n    return str(generation())\n\n"
    with project({"app.py": app(pages)}).serve(PONYRELOAD="off") as live:
        assert live.get("/number") == "0"


# -- generations -------------------------------------------------------------------------------------------------

CHANGING = """
    import os
    import cherrypy
    from ponyreload.main import *
    from gates import arrived, gate
    import shop.pages

    use_autoreload()

    @http
    def slow():
        arrived.set()
        assert gate.wait(20)
        raise cherrypy.InternalRedirect("/old")

    @http
    def is_slow():
        return str(arrived.is_set())

    @http("/open")
    def open_gate():
        gate.set()
        return "open"

    http.start(f"127.0.0.1:{os.environ['PORT']}")
"""
SHOP = """
    from ponyreload.main import *

    @http
    def number():
        return str(generation())

    @http
    def old():
        return f"old page, generation {generation()}"
"""


def changing(project):
    return project({"app.py": CHANGING, "gates.py": GATES, "shop/__init__.py": "", "shop/pages.py": SHOP})


def test_a_removed_page_is_gone_for_new_requests_and_there_for_one_that_began_before(project):
    site = changing(project)
    with site.serve() as live:
        assert live.get("/old") == "old page, generation 1"
        with Started(live, "/slow") as slow:
            live.wait_for("/is_slow", "True")
            site.edit("shop/pages.py", SHOP[: SHOP.index("@http\n    def old")])
            live.wait_for("/number", "2")
            assert live.ask("/old").status == 404
            live.get("/open")
            assert slow.read() == "old page, generation 1"


def test_a_path_that_two_modules_take_keeps_the_load_from_being_served(project):
    site = changing(project)
    with site.serve() as live:
        taken = "\n    @http('/open')\n    def mine():\n        return 'mine'\n"
        site.edit("shop/pages.py", SHOP + taken)
        live.wait_for_log("save the file to try again")
        message = "'/open' is the path of page shop.pages.mine; __main__.open_gate needs another"
        # Which line of a decorated function is told differs by version.
        assert re.search(rf"generation 2 not served: app.py:\d+ ValueError: {re.escape(message)}\n", live.log)
        assert live.get("/number") == "1"
        site.edit("shop/pages.py", SHOP + taken.replace("/open", "/mine"))
        live.wait_for("/mine", "mine")
        assert live.get("/number") == "2"


def test_a_script_that_is_not_reloaded_may_start_the_server(project):
    files = {
        "shop.py": "from ponyreload.main import *\n\n@http\ndef page():\n    return 'page 1'\n",
        "app.py": "USE_AUTORELOAD = False\nimport os\nfrom ponyreload.main import *\nimport shop\nuse_autoreload()\n"
        + START,
    }
    site = project(files)
    with site.serve(ready="/page") as live:
        for number in (2, 3):
            site.replace("shop.py", f"page {number - 1}", f"page {number}")
            live.wait_for("/page", f"page {number}")
