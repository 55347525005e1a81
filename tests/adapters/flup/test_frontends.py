"""flup behind real front ends: nginx, Apache and lighttpd, with the configurations that docs/how-to/flup shows."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import signal
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest

from frontends import BIND, CONFIGURATIONS, FRONT_ENDS, front_end
from programs import found
from projects import Project

pytestmark = pytest.mark.any_python

EDITS = 10
CLIENTS = 6

APP = f"""
    from ponyreload import *
    import os, sys
    from flup.server.MODULE import WSGIServer
    from shop import application
    use_autoreload()
    options = {{}} if "PORT" in os.environ else {{"umask": 0}}
    server = WSGIServer(application, bindAddress={BIND}, **options)
    print(f"run() of {{generation()}} returned {{server.run()}}.", file=sys.stderr)
"""
PAGES = """
    from ponyreload import *
    import hashlib, json, os, sys, time
    from .prices import VERSION
    from . import prices
    FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    TOLD = "SCRIPT_NAME PATH_INFO QUERY_STRING REQUEST_METHOD CONTENT_TYPE CONTENT_LENGTH HTTP_X_ASKED SERVER_PROTOCOL"
    SERVER = "version multithread multiprocess run_once url_scheme"

    def versions():
        from .late import VERSION as late
        from shop import late as module
        return f"{VERSION} {prices.VERSION} {late} {module.VERSION} {sys.modules['shop.late'].VERSION}\\n".encode()

    def application(environ, start_response):
        start = lambda status="200 OK", *headers: start_response(status, [("Content-Type", "text/plain"), *headers])
        return globals()[environ["PATH_INFO"].split("/")[1] or "home"](environ, start)

    def home(environ, start):
        start()
        return [versions()]

    def echo(environ, start):
        start()
        told = {name: environ.get(name) for name in TOLD.split()}
        return [json.dumps(told | {name: environ[f"wsgi.{name}"] for name in SERVER.split()}).encode()]

    def digest(environ, start):
        start()
        data = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return [f"{type(data).__name__} {len(data)} {hashlib.sha256(data or b'').hexdigest()}".encode()]

    def headers(environ, start):
        start("418 I am a teapot", ("Set-Cookie", "one=1"), ("Set-Cookie", "two=2"), ("X-Name", "caf\\xe9"))
        return iter([b"short ", b"and ", b"stout"])

    def nothing(environ, start):
        start("204 No Content")
        return []

    def large(environ, start):
        start()
        return (b"%07d\\n" % number for number in range(50_000))

    def stream(environ, start):
        # Without this header, nginx keeps all parts until the last one.
        start("200 OK", ("X-Accel-Buffering", "no"))
        yield versions()
        while not os.path.exists(f"{FOLDER}/go"):
            time.sleep(0.005)
        yield versions()

    def parts(environ, start):
        start()
        for _ in range(4):
            yield versions()

    def fails(environ, start):
        raise RuntimeError("fails at once")

    def fails_before_the_body(environ, start):
        start()
        raise RuntimeError("fails before the body")
        yield b"never"

    def fails_in_the_body(environ, start):
        start()
        yield b"one part\\n"
        raise RuntimeError("fails in the body")
"""
FILES = {
    "shop/__init__.py": "from ponyreload import *\nfrom .pages import application\n",
    "shop/version.py": "from ponyreload import *\nVERSION = 1\n",
    "shop/prices.py": "from ponyreload import *\nfrom .version import VERSION\n",
    "shop/late.py": "from ponyreload import *\nfrom .version import VERSION\n",
    "shop/pages.py": PAGES,
}
PATH = "/echo/a b/c%2Fd/é€"
LARGE = bytes(range(256)) * 800  # 200 kB
REQUESTS = {
    "path": ("GET", f"{quote(PATH, safe='/%')}?q=%20%C3%A9&r", None),
    "post": ("POST", "/digest", LARGE),
    "empty post": ("POST", "/digest", b""),
    "head": ("HEAD", "/headers", None),
    "headers": ("GET", "/headers", None),
    "nothing": ("GET", "/nothing", None),
    "large": ("GET", "/large", None),
    "parts": ("GET", "/parts", None),
    "fails at once": ("GET", "/fails", None),
    "fails before the body": ("GET", "/fails_before_the_body", None),
    "fails in the body": ("GET", "/fails_in_the_body", None),
    "afterwards": ("GET", "/", None),
}
# What a front end adds by itself; lighttpd measures an answer that has ended by the time that it sends the headers.
ITS_OWN = {"Date"}
LIGHTTPDS_OWN = ITS_OWN | {"Accept-Ranges", "Content-Length", "Transfer-Encoding"}


class SetUp(NamedTuple):
    """A front end, a module of `flup.server`, and how they meet."""

    front: str
    server: str
    unix: bool = False
    spawned: bool = False

    def __str__(self) -> str:
        ways = [way for way in ("unix", "spawned") if getattr(self, way)]
        return "-".join((self.front, self.server, *ways))

    @property
    def forks(self) -> bool:
        return self.server.endswith("_fork")

    def project(self, make):
        return make({**FILES, "app.py": APP.replace("MODULE", self.server)})

    def start(self, site, **environment):
        return front_end(self.front, site, unix=self.unix, spawned=self.spawned, **environment)


SET_UPS = [SetUp(front, server) for front, server in FRONT_ENDS.items()]
VARIANTS = [
    SetUp("nginx-fastcgi", "fcgi", spawned=True),
    SetUp("nginx-fastcgi-unix", "fcgi", spawned=True),
    SetUp("nginx-fastcgi", "fcgi_fork"),
    SetUp("nginx-fastcgi-unix", "fcgi_fork", spawned=True),
    SetUp("nginx-fastcgi", "fcgi_single"),
    SetUp("nginx-scgi", "scgi", unix=True),
    SetUp("nginx-scgi", "scgi_fork"),
    SetUp("apache-ajp", "ajp_fork"),
    SetUp("apache-fastcgi", "fcgi", unix=True),
    SetUp("apache-fastcgi", "fcgi_fork"),
    SetUp("lighttpd", "fcgi", unix=True),
    SetUp("lighttpd", "fcgi_single"),
    SetUp("lighttpd-bin-path", "fcgi_fork"),
    SetUp("lighttpd-bin-path", "fcgi_single"),
]
in_each_set_up = pytest.mark.parametrize("set_up", SET_UPS, ids=str)
in_each_variant = pytest.mark.parametrize("set_up", [*SET_UPS, *VARIANTS], ids=str)


class Exchange(NamedTuple):
    """What came back, with all its headers."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


def exchange(server, method, path, body):
    """Make one request, as a browser would that tells us all it sees."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, body, {"X-Asked": "yes"})
        response = connection.getresponse()
        own = LIGHTTPDS_OWN if "lighttpd" in response.headers["Server"] else ITS_OWN
        headers = sorted(pair for pair in response.getheaders() if pair[0] not in own)
        return Exchange(response.status, response.reason, headers, response.read())


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """All answers in a set-up, ``PONYRELOAD`` being "on" or "off", by the names of the requests; asked for once."""
    known = {}

    def ask_all(set_up, state="on"):
        if (set_up, state) not in known:
            site = set_up.project(lambda files: Project(tmp_path_factory.mktemp("site"), files))
            with set_up.start(site, PONYRELOAD=state) as server:
                known[set_up, state] = {name: exchange(server, *request) for name, request in REQUESTS.items()}
        return known[set_up, state]

    return ask_all


def versions(number):
    return " ".join([str(number)] * 5) + "\n"


@in_each_set_up
def test_each_answer_is_the_one_that_is_given_without_ponyreload(set_up, answers):
    assert answers(set_up, "on") == answers(set_up, "off")


@in_each_set_up
def test_the_path_and_the_query_arrive_as_wsgi_says(set_up, answers):
    told = json.loads(answers(set_up)["path"].body)
    path = PATH.replace("%2F", "/").encode().decode("latin-1")
    if set_up.server == "ajp":
        path = quote(PATH.replace("%2F", "/"))  # flup's AJP server does not decode it, as docs/how-to/flup.md says
    assert (told["SCRIPT_NAME"], told["PATH_INFO"], told["QUERY_STRING"]) == ("", path, "q=%20%C3%A9&r")
    assert (told["REQUEST_METHOD"], told["HTTP_X_ASKED"], told["url_scheme"]) == ("GET", "yes", "http")


@in_each_set_up
def test_a_body_of_200_kb_arrives_whole(set_up, answers):
    assert answers(set_up)["post"].body.decode() == f"bytes 204800 {hashlib.sha256(LARGE).hexdigest()}"


@in_each_set_up
def test_an_empty_body_is_empty(set_up, answers):
    kind = "str" if set_up.server == "scgi" else "bytes"  # flup's SCGI server, as docs/how-to/flup.md says
    assert answers(set_up)["empty post"].body.decode() == f"{kind} 0 {hashlib.sha256().hexdigest()}"


@in_each_set_up
def test_an_answer_arrives_with_its_status_its_headers_and_its_body(set_up, answers):
    of = answers(set_up)
    assert (of["headers"].status, of["headers"].body) == (418, b"short and stout")
    assert {("Set-Cookie", "one=1"), ("Set-Cookie", "two=2"), ("X-Name", "café")} <= set(of["headers"].headers)
    assert (of["head"].status, of["head"].body) == (418, b"")
    assert (of["nothing"].status, of["nothing"].body) == (204, b"")
    assert of["large"].body.split() == [b"%07d" % number for number in range(50_000)]
    assert of["parts"].body.decode() == versions(1) * 4


@in_each_set_up
def test_an_exception_is_an_error_page_or_the_end_of_the_body_and_the_server_serves_on(set_up, answers):
    of = answers(set_up)
    # flup's AJP server gives 200, as docs/how-to/flup.md says.
    status = 200 if set_up.server == "ajp" else 500
    for name in ("fails at once", "fails before the body"):
        assert (of[name].status, of[name].reason) == (status, "Internal Server Error")
        assert b"An unhandled exception was thrown by the application" in of[name].body
    assert (of["fails in the body"].status, of["fails in the body"].body) == (200, b"one part\n")
    assert (of["afterwards"].status, of["afterwards"].body.decode()) == (200, versions(1))


@in_each_set_up
def test_a_streamed_answer_arrives_part_by_part_and_ends_on_the_code_that_it_began_on(set_up, project):
    site = set_up.project(project)
    with set_up.start(site) as server, contextlib.closing(server.open("/stream")) as stream:
        assert stream.readline().decode() == versions(1)
        site.replace("shop/version.py", "VERSION = 1", "VERSION = 2")
        server.wait_for("/", versions(2))
        site.edit("go", "")
        assert stream.read().decode() == versions(1)


class Client(threading.Thread):
    """Asks again and again, and notes each answer that is none, or not of one version."""

    def __init__(self, server, path, ended):
        super().__init__()
        self._server, self._path, self._ended = server, path, ended
        self.seen = []
        self.wrong = []

    def run(self):
        while not self._ended.is_set():
            try:
                answer = self._server.ask(self._path)
                numbers = answer.text.split()
                if answer.status == 200 and len(numbers) in (5, 20) and len(set(numbers)) == 1:
                    self.seen.append(int(numbers[0]))
                else:
                    self.wrong.append(answer)
            except Exception as error:
                self.wrong.append(error)


@contextlib.contextmanager
def load_on(server):
    """Keep clients asking; at the end, none of them has met a failure, or two versions in one answer."""
    ended = threading.Event()
    clients = [Client(server, "/parts" if number % 2 else "/", ended) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        ended.set()
        for client in clients:
            client.join()
    wrong = [each for client in clients for each in client.wrong]
    assert not wrong, f"{len(wrong)} of {sum(len(client.seen) for client in clients)}: {wrong[0]}\n{server.log[-3000:]}"


@pytest.mark.timed
@in_each_variant
def test_edits_under_load_are_served_soon_and_no_request_fails_or_meets_two_versions(set_up, project, record_property):
    site = set_up.project(project)
    seconds = []
    with set_up.start(site) as server:
        with load_on(server) as clients:
            for version in range(2, EDITS + 2):
                site.replace("shop/version.py", f"VERSION = {version - 1}\n", f"VERSION = {version}\n")
                saved = time.perf_counter()
                server.wait_for("/", versions(version))
                seconds.append(time.perf_counter() - saved)
            site.replace("shop/prices.py", "import VERSION", "import NOTHING")
            server.wait_for_log("still serving generation")
            # Each child of a server that forks follows the files by itself, so one may have missed the last good edit.
            good = range(1 if set_up.forks else EDITS + 1, EDITS + 2)
            assert server.get("/") in map(versions, good)
            site.replace("shop/prices.py", "import NOTHING", "import VERSION")
            site.replace("shop/version.py", f"VERSION = {EDITS + 1}\n", "VERSION = 99\n")
            server.wait_for("/", versions(99))
        assert all(client.seen for client in clients)
        assert len({version for client in clients for version in client.seen}) > EDITS // 2
        told = (
            f"{set_up}: {1000 * statistics.median(seconds):.0f} ms at the median, {1000 * max(seconds):.0f} ms at most"
        )
        record_property("edit to first new answer", told)
        print(told)
        # A busy machine delays some of them.
        quartile, median, _ = statistics.quantiles(seconds)
        assert quartile < 0.2, f"{seconds}\n--- log\n{server.log}"
        assert median < 1, f"{seconds}\n--- log\n{server.log}"


@pytest.mark.timed
@in_each_variant
def test_sigterm_ends_the_application_and_nothing_is_left_of_it(set_up, project):
    site = set_up.project(project)
    with set_up.start(site) as server:
        site.replace("shop/version.py", "VERSION = 1", "VERSION = 2")
        server.wait_for("/", versions(2))
        processes = set(server.processes())
        assert server.pid in processes
        assert server.stop(signal.SIGTERM, seconds=4) == 0
        assert "run() of 1 returned False." in server.log
        server.wait_until_gone(processes)


@pytest.mark.parametrize("front", ["nginx-fastcgi", "lighttpd-bin-path"])
def test_nothing_is_left_of_a_start_that_fails_and_the_failure_has_the_log(front, project, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fails = "def application(environ, start_response): sys.exit(print('no such shop', file=sys.stderr))"
    app = APP.replace("MODULE", "fcgi_fork").replace("from shop import application", fails)
    site = project({"app.py": app})
    with pytest.raises(AssertionError, match="no such shop"):
        front_end(front, site, SHOP=str(tmp_path))
    mark = f"SHOP={tmp_path}\0".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            assert mark not in (process / "environ").read_bytes(), (process / "cmdline").read_bytes()
    assert list(tmp_path.iterdir()) == [site.folder]


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_program_that_is_missing_fails_ci_and_is_told_elsewhere_with_the_way_to_get_it(monkeypatch, ci, outcome):
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match=r"no-such-server is missing: apt-get install .* no-such-package"):
        found("no-such-server", "no-such-package")


def test_each_configuration_is_run_by_these_tests_and_linked_from_the_page():
    page = (CONFIGURATIONS.parent / "flup.md").read_text(encoding="utf-8")
    for front in FRONT_ENDS:
        assert f"](flup/{front}.conf)" in page
    assert {path.stem for path in CONFIGURATIONS.iterdir()} == set(FRONT_ENDS)
