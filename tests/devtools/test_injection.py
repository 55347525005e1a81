"""Putting the script into pages: only into complete HTML documents that a browser visits; all else stays as it is."""

from __future__ import annotations

import gzip
import html.parser
import re
import string
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import bottle
import flask
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ponyreload.devtools
from ponyreload.devtools.devtools import Devtools
from ponyreload.devtools.injection import inserted
from ponyreload.devtools.policy import Policies
from ponyreload.generations.generation import Generation
from ponyreload.generations.lease import Lease, lease_on
from ponyreload.reloading.application import Application
from ponyreload.wsgi.slots import Slot

DOCUMENT = b"<!DOCTYPE html><html><head><title>shop</title></head><body><p>tea</p></body></html>"
SCRIPT = re.compile(rb'<script async src="/__ponyreload__/client\.js"[^>]*></script>')
CLIENT = Path(ponyreload.devtools.__file__).parent / "client.js"

# Of a browser that visits a page of this machine.
VISIT = {
    "HTTP_HOST": "localhost:8080",
    "REMOTE_ADDR": "127.0.0.1",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_ACCEPT": "text/html,*/*;q=0.8",
    "HTTP_SEC_FETCH_DEST": "document",
    "HTTP_SEC_FETCH_MODE": "navigate",
}


class Leases:
    """Plays the reloader for a slot: one generation, whose leases are counted."""

    def __init__(self) -> None:
        self.generation = Generation(1)
        self.tools = Devtools(Application(Devtools, lambda: None))
        self.given = self.taken_back = 0

    def catch_up(self) -> None:
        pass

    def lease(self, environ) -> Lease:
        self.given += 1
        return lease_on(self.generation, environ)

    def release(self, lease: Lease) -> None:
        self.taken_back += 1


class Got:
    """What a server got for one request, that it made as PEP 3333 says."""

    def __init__(self, app, environ, stops_after: int | None = None) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.parts: list[bytes] = []
        self.written: list[bytes] = []
        self.starts = 0
        body = app(environ, self.start_response)
        self.kind = type(body)
        self.length = len(body) if hasattr(type(body), "__len__") else None
        try:
            for part in body:
                assert not part or self.starts, "a part came before the headers"
                self.parts.append(part)
                if stops_after is not None and len(self.parts) == stops_after:
                    break
        finally:
            getattr(body, "close", lambda: None)()

    def start_response(self, status, headers, exc_info=None):
        assert not self.starts or exc_info
        self.starts += 1
        self.status, self.headers = status, headers
        return self.written.append

    @property
    def body(self) -> bytes:
        return b"".join(self.written + self.parts)

    def header(self, name: str) -> str | None:
        found = [value for each, value in self.headers if each.lower() == name.lower()]
        assert len(found) <= 1, f"{name}: {found}"
        return found[0] if found else None


@pytest.fixture(scope="module")
def leases() -> Iterator[Leases]:
    """A reloader's part of it; ends its server of events, which the first page starts."""
    leases = Leases()
    yield leases
    leases.tools.stop()
    for thread in threading.enumerate():
        if thread.name == "ponyreload events":
            thread.join(10)


@pytest.fixture
def visit(leases) -> Callable[..., Got]:
    """Visit a WSGI application through the middleware: ``visit(app, HTTP_ACCEPT="*/*")``."""

    def visit(app, stops_after: int | None = None, **more: str | None) -> Got:
        given, taken_back = leases.given, leases.taken_back
        slot = Slot(leases, "slot", "the slot", app)
        try:
            got = Got(slot, environ_with(**more), stops_after)
        finally:
            assert leases.given - given == leases.taken_back - taken_back == 1
        if got.header("Content-Length") is not None and stops_after is None and more.get("REQUEST_METHOD") != "HEAD":
            assert int(got.header("Content-Length")) == len(got.body)
        return got

    return visit


def environ_with(path: str = "/", **more: str | None) -> dict:
    environ: dict = {"SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", **VISIT}
    setup_testing_defaults(environ)
    environ |= more
    return {name: value for name, value in environ.items() if value is not None}


def answering(body, status: str = "200 OK", headers=(), kind: str | None = "text/html; charset=utf-8"):
    """A WSGI application that answers with that; *body* is called, if it can be."""

    def application(environ, start_response):
        more = [] if kind is None else [("Content-Type", kind)]
        start_response(status, [*more, *headers])
        return body() if callable(body) else body

    return application


def with_length(body: bytes, *headers: tuple[str, str]):
    return answering([body], headers=[("Content-Length", str(len(body))), *headers])


def is_changed(got: Got, before: bytes = DOCUMENT) -> bool:
    """Tell whether the script has come in, before the body's end; fail if it is neither that nor just as before."""
    scripts = SCRIPT.findall(got.body)
    if not scripts:
        assert got.body == before
        return False
    assert len(scripts) == 1
    at = before.lower().rindex(b"</body")
    assert got.body == before[:at] + scripts[0] + before[at:]
    return True


# -- what gets it ------------------------------------------------------------------------------------------------


def parts_of(*parts: bytes) -> Callable[[], Iterable[bytes]]:
    """What a generator function of these parts is."""

    def parts_one_by_one() -> Iterator[bytes]:
        yield from parts

    return parts_one_by_one


class Sized:
    """A body of a class of an application's own."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = parts
        self.closed = 0

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.parts)

    def close(self) -> None:
        self.closed += 1


LENGTH = [("Content-Length", str(len(DOCUMENT)))]
CHANGED = {
    "a list": with_length(DOCUMENT),
    "a list without a stated length": answering([DOCUMENT]),
    "a tuple": answering((DOCUMENT,)),
    "a list of several parts, with the end in two": answering(
        [DOCUMENT[:20], DOCUMENT[20:-12], DOCUMENT[-12:]], headers=LENGTH
    ),
    "a generator that states its length": answering(parts_of(DOCUMENT[:20], b"", DOCUMENT[20:]), headers=LENGTH),
    "a generator of one part": answering(parts_of(DOCUMENT)),
    "a generator that begins with nothing": answering(parts_of(b"", b"", DOCUMENT)),
    "a body that has a len": answering(lambda: Sized(DOCUMENT)),
    "an error page": answering([DOCUMENT], "500 Internal Server Error"),
    "a page that is not there": answering([DOCUMENT], "404 Not Found"),
    "a type in capitals": answering([DOCUMENT], kind="Text/HTML"),
    "an inline disposition": answering([DOCUMENT], headers=[("Content-Disposition", "inline; filename=x.html")]),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_complete_document_gets_the_script_at_the_end_of_its_body(visit, name):
    assert is_changed(visit(CHANGED[name]))


@pytest.mark.parametrize("name", CHANGED)
def test_an_answer_with_the_script_keeps_to_the_rules_of_wsgi(leases, name):
    slot = Slot(leases, "slot", "the slot", validator(CHANGED[name]))
    body = validator(slot)(environ_with(), lambda *_: lambda data: None)
    assert SCRIPT.search(b"".join(body))
    body.close()


@pytest.mark.parametrize(
    "document",
    [
        b"<html><body></body></html>",
        b"\xef\xbb\xbf <!-- a --><!doctype HTML>\n<p>x</p></BODY ></HTML>\n<!-- b -->\n",
        b"<!doctype html><script>document.write('</body></html>')</script><p>x</p></body>",
        b'<!DOCTYPE html PUBLIC "-//W3C//DTD HTML 4.01//EN"><html><body>\xe9\xff</body>',
    ],
)
def test_documents_in_older_and_stranger_forms_get_it_too(document):
    at = document.lower().rindex(b"</body")
    assert inserted(document, b"<script>") == document[:at] + b"<script>" + document[at:]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<p>tea</p>",
        b"<body>tea</body>",
        b"<html><body>tea</html>",
        b"tea <html><body></body></html>",
        b"<!doctype html><body></body><p>more",
        b"<!doctype html><body><script>const end = '</body>'; run();</script>",
        b"<!doctype html><body></body></html><!-- open",
        b"<!doctype svg><html></body>",
        b"<htmlx><body></body>",
        "<!doctype html><body></body></html>".encode("utf-16"),
        b'<?xml version="1.0"?><html><body></body></html>',
    ],
)
def test_what_is_no_complete_document_stays_as_it_is(visit, document):
    assert inserted(document, b"<script>") is document
    assert not is_changed(visit(answering([document])), document)
    assert not is_changed(visit(answering(parts_of(document))), document)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece", [b"<!--", b"<!-- -->", b" ", b"</body>", b"</body><!--", b"<meta http-equiv=", b"-->"]
)
def test_a_document_that_is_made_to_be_looked_at_for_long_is_not(visit, piece):
    document = b"<!doctype html>" + piece * (1_000_000 // len(piece))
    visit(answering([document]))
    visit(answering([piece * (1_000_000 // len(piece))]))


# -- what does not -----------------------------------------------------------------------------------------------

UNCHANGED = {
    **{f"the type {kind}": answering([DOCUMENT], kind=kind) for kind in (
        "text/plain", "application/json", "application/xhtml+xml", "image/svg+xml", "text/htmlx", "text/event-stream", "", None,
        "multipart/form-data; boundary=text/html",
    )},
    **{f"the status {status}": answering([DOCUMENT], status) for status in (
        "204 No Content", "205 Reset Content", "206 Partial Content", "301 Moved Permanently", "302 Found", "304 Not Modified",
    )},
    **{f"{name}: {value}": with_length(DOCUMENT, (name, value)) for name, value in (
        ("Content-Encoding", "gzip"), ("content-encoding", "br"), ("Content-Range", "bytes 0-82/83"),
        ("Content-Disposition", "attachment"), ("Content-Disposition", 'ATTACHMENT; filename="x.html"'),
        ("Cache-Control", "public, no-transform"), ("Transfer-Encoding", "chunked"), ("Signature", "sig=:AA:"),
    )},
    "two types": answering([DOCUMENT], headers=[("Content-Type", "text/plain")]),
}  # fmt: skip


@pytest.mark.parametrize("name", UNCHANGED)
def test_other_answers_stay_as_they_are(visit, name):
    with_it = visit(UNCHANGED[name])
    assert not is_changed(with_it)
    without = Got(UNCHANGED[name], environ_with())
    assert (with_it.status, with_it.headers, with_it.kind) == (without.status, without.headers, without.kind)


def test_a_body_that_a_server_refuses_is_left_to_the_server(visit):
    got = visit(answering([b"x", bytearray(b"y")]))
    assert got.parts == [b"x", bytearray(b"y")]


@pytest.mark.parametrize(
    "more",
    [
        {"HTTP_SEC_FETCH_DEST": "empty"},
        {"HTTP_SEC_FETCH_DEST": "iframe"},
        {"HTTP_SEC_FETCH_DEST": "script"},
        {"HTTP_SEC_FETCH_DEST": None, "HTTP_ACCEPT": "*/*"},
        {"HTTP_SEC_FETCH_DEST": None, "HTTP_ACCEPT": None},
        {"HTTP_HX_REQUEST": "true"},
        {"HTTP_X_REQUESTED_WITH": "XMLHttpRequest", "HTTP_SEC_FETCH_DEST": None},
        {"HTTP_RANGE": "bytes=0-10"},
        {"REQUEST_METHOD": "POST"},
        {"REQUEST_METHOD": "HEAD"},
        {"HTTP_HOST": "shop.example"},
        {"REMOTE_ADDR": "192.0.2.7"},
        {"SERVER_PROTOCOL": "HTTP/1.0"},
    ],
    ids=str,
)
def test_a_request_that_is_no_visit_of_this_machine_gets_the_very_answer(visit, more):
    headers = [("Content-Type", "text/html"), ("ETag", '"1"'), ("Content-Length", str(len(DOCUMENT)))]
    body = [DOCUMENT]

    def application(environ, start_response):
        start_response("200 OK", headers)
        return body

    got = visit(application, **more)
    assert got.headers is headers
    assert got.parts[0] is DOCUMENT


def test_a_browser_that_does_not_say_what_it_wants_the_page_for_gets_it_if_it_wants_html(visit):
    assert is_changed(visit(with_length(DOCUMENT), HTTP_SEC_FETCH_DEST=None))


def test_an_option_turns_it_off(project):
    told = project(
        {
            "shop.py": f"from ponyreload import *\ndef app(environ, start_response):\n    start_response('200 OK', [('Content-Type', 'text/html')])\n    return [{DOCUMENT!r}]\n"
        }
    ).drive(f"""
        import shop
        from ponyreload import *
        visit = {VISIT!r}
        found = []
        for more in ({{}}, {{"browser_refresh": None}}, {{"browser_refresh": False}}, {{"include": ["shop"]}}, {{"browser_refresh": True}}):
            app = AutoreloadMiddleware(shop.app, **more)
            found.append("client.js" in request(app, **visit))
        use_autoreload(browser_refresh=False)
        news = request(app, "/__ponyreload__/news", **visit)
        tell(found=found, news=news)
    """)
    assert told["found"] == [True, True, False, False, True]
    assert told["news"] == DOCUMENT.decode()


# -- streams -----------------------------------------------------------------------------------------------------


def test_a_stream_is_not_collected(visit):
    asked: list[str] = []

    def parts():
        for part in (b"<!doctype html><html><body>", b"<p>tea</p>", b"</body></html>"):
            asked.append(part.decode())
            yield part

    # The server has the first part before the application is asked for another.
    got = visit(answering(parts), stops_after=1)
    assert (got.parts, asked) == ([b"<!doctype html><html><body>"], ["<!doctype html><html><body>"])
    asked.clear()
    got = visit(answering(parts))
    assert got.parts == [b"<!doctype html><html><body>", b"<p>tea</p>", b"</body></html>"]


def test_an_answer_that_states_to_be_very_long_is_not_collected(visit):
    asked: list[int] = []

    def parts():
        yield DOCUMENT[:20]
        asked.append(1)
        yield b"x" * 10

    visit(answering(parts, headers=[("Content-Length", str(2**30))]), stops_after=1)
    assert asked == []


def test_what_a_stream_gives_before_it_fails_still_comes(leases):
    def parts():
        yield DOCUMENT[:20]
        raise OSError("gone")

    started: list[str] = []
    slot = Slot(leases, "slot", "the slot", answering(parts, headers=LENGTH))
    body = slot(environ_with(), lambda status, headers, *more: started.append(status))
    parts_got = iter(body)
    assert (next(parts_got), started) == (DOCUMENT[:20], ["200 OK"])
    with pytest.raises(OSError, match="gone"):
        next(parts_got)
    body.close()


def test_what_is_written_in_the_older_way_passes_as_it_is(visit):
    def application(environ, start_response):
        write = start_response("200 OK", [("Content-Type", "text/html")])
        write(DOCUMENT[:30])
        write(DOCUMENT[30:])
        return []

    got = visit(application)
    assert got.written == [DOCUMENT[:30], DOCUMENT[30:]]


def test_an_error_replaces_what_was_said_before(visit):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html")])
        try:
            raise ValueError("no tea")
        except ValueError as error:
            start_response("500 Oh", [("Content-Type", "text/plain")], (ValueError, error, error.__traceback__))
        return [DOCUMENT]

    got = visit(application)
    assert (got.status, got.starts, is_changed(got)) == ("500 Oh", 1, False)


def test_saying_it_twice_is_left_to_the_server(visit):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html")])
        start_response("200 OK", [("Content-Type", "text/html")])
        return [DOCUMENT]

    with pytest.raises(AssertionError):
        visit(application)


def test_an_application_that_begins_when_its_body_is_read_gets_it_too(visit):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html"), *LENGTH])
        yield DOCUMENT

    assert is_changed(visit(application))


def test_a_body_is_closed_once_and_the_files_of_the_server_stay(visit):
    body = Sized(DOCUMENT)
    assert is_changed(visit(answering(body)))
    assert body.closed == 1

    class Wrapper(Sized):
        pass

    file = Wrapper(DOCUMENT)
    got = visit(answering(file), **{"wsgi.file_wrapper": Wrapper})
    assert (got.kind, is_changed(got)) == (Wrapper, False)
    several = Sized(DOCUMENT[:20], DOCUMENT[20:])
    got = visit(answering(several))
    assert (got.length, is_changed(got), several.closed) == (2, False, 1)


# -- what is said of it ------------------------------------------------------------------------------------------


def test_a_page_with_the_script_says_nothing_that_was_true_of_the_one_without(visit):
    stale = [
        ("ETag", '"1"'), ("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT"), ("Content-MD5", "AA=="), ("Digest", "md5=AA=="),
        ("Content-Digest", "sha-256=:AA:"), ("Repr-Digest", "sha-256=:AA:"), ("Accept-Ranges", "bytes"), ("Expires", "0"),
        ("Cache-Control", "public, max-age=60"), ("Pragma", "x"),
    ]  # fmt: skip
    got = visit(with_length(DOCUMENT, *stale, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Vary", "Accept")))
    assert is_changed(got)
    assert sorted(got.headers) == sorted(
        [
            ("Content-Type", "text/html; charset=utf-8"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Vary", "Accept"),
            ("Cache-Control", "no-store"), ("Content-Length", str(len(got.body))),
        ]
    )  # fmt: skip


# Content-Security-Policy -> the nonce that the script gets; None: no script.
POLICIES = {
    "": "",
    "img-src 'none'": "",
    "default-src 'self'": "",
    "default-src *": "",
    "script-src 'self' 'unsafe-inline'": "",
    "script-src 'none'": None,
    "default-src 'none'": None,
    "script-src https://cdn.test": None,
    "script-src 'unsafe-inline'": None,
    "script-src 'nonce-QUJD'": "QUJD",
    "script-src 'nonce-aBc_-+/=='; connect-src 'self'": "aBc_-+/==",
    "default-src 'none'; script-src 'nonce-QUJD'": None,  # it could ask for nothing
    "default-src 'none'; script-src 'nonce-QUJD'; connect-src 'self'": "QUJD",
    "SCRIPT-SRC 'SELF'": "",
    "script-src 'strict-dynamic' 'self'": None,
    "script-src 'strict-dynamic' 'nonce-QUJD'": "QUJD",
    "script-src-elem 'none'; script-src 'self'": None,
    "script-src 'self'; script-src 'none'": "",
    "script-src 'self', script-src 'none'": None,
    "script-src 'nonce-QUJD', script-src 'nonce-QUJD'": "QUJD",
    "script-src 'nonce-QUJD', script-src 'nonce-REVG'": None,
    "script-src 'nonce-QUJD' 'self', script-src 'self'": "QUJD",
    "sandbox allow-scripts": None,
    "sandbox allow-scripts allow-same-origin": "",
    "connect-src https://api.test": None,
    "script-src 'nonce-\"><b>'": None,
}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_of_the_page_is_kept_and_its_nonce_used(visit, policy):
    header = ("Content-Security-Policy", policy)
    got = visit(with_length(DOCUMENT, header))
    assert header in got.headers
    wanted = POLICIES[policy]
    assert is_changed(got) is (wanted is not None)
    if wanted is not None:
        (script,) = SCRIPT.findall(got.body)
        assert (f'nonce="{wanted}"'.encode() in script) is bool(wanted)
        assert (b"nonce=" in script) is bool(wanted)


def test_a_policy_in_the_document_counts_as_well(visit):
    for content, expected in (
        ("script-src 'none'", False),
        ("script-src &#39;self&#39;", True),
        ("img-src 'none'", True),
    ):
        meta = f'<meta http-equiv="Content-Security-Policy" content="{content}">'.encode()
        document = DOCUMENT.replace(b"<title>", meta + b"<title>")
        assert is_changed(visit(answering([document])), document) is expected
    document = DOCUMENT.replace(b"<title>", b"<meta HTTP-EQUIV=content-security-policy><title>")
    assert not is_changed(visit(answering([document])), document)


def test_a_policy_that_forbids_other_origins_leaves_the_page_to_ask_its_own(visit):
    for policy, expected in (("default-src 'self'", False), ("connect-src *", True), ("connect-src http:", True)):
        got = visit(with_length(DOCUMENT, ("Content-Security-Policy", policy)))
        assert (b"data-events=" in got.body) is expected


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(string.printable, max_size=80))
def test_no_policy_makes_it_fail(value):
    policies = Policies([value])
    policies.allow_script(), policies.allow_polls(), policies.allow_any_origin()
    assert re.fullmatch(r"[A-Za-z0-9+/_=-]*", policies.nonce)


def test_a_mounted_application_has_the_script_below_its_mount(visit):
    got = visit(with_length(DOCUMENT), SCRIPT_NAME='/sh"op<\xc3\xa9>')
    assert b' src="/sh%22op%3C%C3%A9%3E/__ponyreload__/client.js" data-base="/sh%22op%3C%C3%A9%3E" ' in got.body


# -- real frameworks ---------------------------------------------------------------------------------------------

CASES = st.fixed_dictionaries(
    {
        "body": st.sampled_from(
            [
                DOCUMENT.decode(), DOCUMENT.decode() + "\n", "", "tea", "<p>tea</p>", "<html><body>t\xe9a</body></html>\n", '{"a": "</body>"}',
                "<!doctype html><body>" + "x" * 70_000 + "</body>", "<!doctype html><body></body></html> tail",
            ]
        ),
        "kind": st.sampled_from(["text/html", "text/html", "text/html;charset=utf-8", "text/html; charset=latin-1", "text/plain", "application/json", "text/css"]),
        "status": st.sampled_from([200, 200, 200, 201, 404, 500, 204, 206, 304]),
        "streams": st.booleans(),
        "gzips": st.sampled_from([False, False, True]),
        "headers": st.dictionaries(
            st.sampled_from(["Content-Disposition", "Cache-Control", "Content-Security-Policy", "Content-Language", "ETag"]),
            st.sampled_from(["attachment", "inline", "no-transform", "max-age=60", "script-src 'self'", "script-src 'none'", '"v1"']),
        ),
        "step": st.sampled_from([3, 50, 1000, 100_000]),
        "visit": st.fixed_dictionaries(
            {},
            optional={
                "HTTP_SEC_FETCH_DEST": st.sampled_from(["document", "empty", "iframe"]),
                "HTTP_ACCEPT_ENCODING": st.just("gzip"),
                "REQUEST_METHOD": st.sampled_from(["GET", "HEAD", "POST"]),
                "HTTP_IF_NONE_MATCH": st.just('"v1"'),
            },
        ),
    }
)  # fmt: skip


def pieces(case) -> Iterator[bytes]:
    data = case["body"].encode("latin-1" if "latin" in case["kind"] else "utf-8")
    for at in range(0, len(data), case["step"]):
        yield data[at : at + case["step"]]


def of_flask(case):
    app = flask.Flask("shop")

    @app.route("/", methods=["GET", "POST"])
    def page():
        body = pieces(case) if case["streams"] else b"".join(pieces(case))
        response = flask.Response(body, case["status"], case["headers"], content_type=case["kind"])
        if case["gzips"]:
            response = flask.Response(
                gzip.compress(response.get_data()), case["status"], case["headers"], content_type=case["kind"]
            )
            response.headers["Content-Encoding"] = "gzip"
        return response.make_conditional(flask.request)

    return app


def of_bottle(case):
    app = bottle.Bottle()

    @app.route("/", method=["GET", "POST"])
    def page():
        bottle.response.status = case["status"]
        bottle.response.content_type = case["kind"]
        for name, value in case["headers"].items():
            bottle.response.set_header(name, value)
        return pieces(case) if case["streams"] else b"".join(pieces(case))

    return app


def of_cherrypy(case):
    import cherrypy

    class Root:
        @cherrypy.expose
        def index(self):
            cherrypy.response.status = case["status"]
            cherrypy.response.headers.update(case["headers"])
            cherrypy.response.headers["Content-Type"] = case["kind"]
            return pieces(case) if case["streams"] else b"".join(pieces(case))

    config = {"tools.gzip.on": case["gzips"], "response.stream": case["streams"], "tools.etags.on": not case["streams"]}
    settings = {"/": config, "global": {"log.screen": False, "engine.autoreload.on": False}}
    return cherrypy.Application(Root(), "", settings)


def may_change(case, got: Got) -> bool:
    """What the rules allow, said once more and otherwise than in the code; of a stream they may not change it still."""
    headers = {name.lower(): value for name, value in got.headers}
    request = {**VISIT, "REQUEST_METHOD": "GET", **case["visit"]}
    return (
        request["REQUEST_METHOD"] == "GET"
        and request["HTTP_SEC_FETCH_DEST"] == "document"
        and int(got.status[:3]) in (200, 201, 404, 500)
        and headers.get("content-type", "").split(";")[0] == "text/html"
        and "content-encoding" not in headers
        and headers.get("content-disposition") != "attachment"
        and headers.get("cache-control") != "no-transform"
        and headers.get("content-security-policy") != "script-src 'none'"
        and got.body.rstrip().endswith((b"</body></html>", b"</body>"))
        and got.body.lower().startswith((b"<!doctype html", b"<html"))
    )


@pytest.mark.parametrize("make", [of_flask, of_bottle, of_cherrypy], ids=["flask", "bottle", "cherrypy"])
def test_answers_of_frameworks_are_changed_as_the_rules_say_and_else_left_alone(leases, make):
    changed = []

    @settings(deadline=None, max_examples=200, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(CASES)
    def check(case):
        app = make(case)
        plain = Got(app, environ_with(**case["visit"]))
        slot = Slot(leases, "slot", "the slot", make(case))
        got = Got(slot, environ_with(**case["visit"]))
        assert leases.given == leases.taken_back
        assert got.status == plain.status
        if SCRIPT.search(got.body):
            assert may_change(case, plain)
            assert is_changed(got, plain.body)
            changed.append(case)
            if got.header("Content-Length") is not None:
                assert int(got.header("Content-Length")) == len(got.body)
        else:
            is_short = len(plain.parts) <= 1 or plain.header("Content-Length") is not None
            assert not (may_change(case, plain) and is_short), "a page has been left out"
            assert without_dates(got) == without_dates(plain)
            assert unpacked(got) == unpacked(plain)

    check()
    assert len(changed) > 10, "the cases do not try what is to be seen"


def unpacked(got: Got) -> bytes:
    """The body; a packed one has the time in it."""
    return gzip.decompress(got.body) if got.header("Content-Encoding") == "gzip" and got.body else got.body


def without_dates(got: Got) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in got.headers if name.lower() not in ("date", "server"))


# -- the script itself -------------------------------------------------------------------------------------------


def test_the_script_is_under_four_kilobytes():
    assert len(CLIENT.read_bytes()) < 4096


def test_the_element_is_well_formed(visit):
    class Parser(html.parser.HTMLParser):
        elements: list[tuple[str, dict]] = []

        def handle_starttag(self, tag, attributes):
            self.elements.append((tag, dict(attributes)))

    parser = Parser()
    parser.feed(visit(with_length(DOCUMENT)).body.decode())
    (script,) = (attributes for tag, attributes in parser.elements if tag == "script")
    assert set(script) == {"async", "src", "data-group", "data-asked", "data-events"}
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}", script["data-events"])
