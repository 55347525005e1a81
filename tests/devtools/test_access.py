"""Who may see the developer's tools: each way in that an attacker would try is shut, and said why."""

from __future__ import annotations

import http.client
import json
import re
import socket
import string
import struct
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from browser_shop import CHEROOT, FILES, SHOP, VISIT, overlay, shop, visit
from frontends import front_end
from ponyreload.devtools.access import Access

pytestmark = pytest.mark.any_python

__all__ = ["visit"]

# Of a browser of this machine.
HERE = {"HTTP_HOST": "localhost:8080", "REMOTE_ADDR": "127.0.0.1", "SERVER_PROTOCOL": "HTTP/1.1"}
NEWS = "/__ponyreload__/news"


def admits(access=None, **more):
    return (access or Access()).refusal({**HERE, **more}) is None


# -- by address --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_a_loopback_address_is_admitted(client):
    assert admits(REMOTE_ADDR=client)


@pytest.mark.parametrize(
    "client",
    ["192.0.2.7", "10.0.0.1", "0.0.0.0", "::", "fe80::1", "::ffff:192.0.2.7", "128.0.0.1", "", "unix", "localhost", "127.1", "127.0.0.1, 192.0.2.7", "x"],
)  # fmt: skip
def test_another_address_is_not(client):
    assert not admits(REMOTE_ADDR=client)
    assert "trusted_clients=" in Access().refusal({**HERE, "REMOTE_ADDR": client})


def test_an_address_that_is_not_told_is_not_admitted():
    assert Access().refusal({name: value for name, value in HERE.items() if name != "REMOTE_ADDR"})


def test_clients_that_are_named_are_trusted_and_no_others():
    access = Access(["192.0.2.7", "10.1.0.0/16", "2001:db8::/32", "unix"])
    for client in ("192.0.2.7", "10.1.2.3", "2001:db8::9", "::ffff:10.1.2.3", "", "127.0.0.1"):
        assert admits(access, REMOTE_ADDR=client), client
    for client in ("192.0.2.8", "10.2.0.1", "2001:db9::1"):
        assert not admits(access, REMOTE_ADDR=client), client


# -- by name -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8080", "LOCALHOST", "localhost.:80", "shop.localhost", "a.b.localhost:1", "127.0.0.1", "127.9.9.9:80", "[::1]", "[::1]:8080"],
)  # fmt: skip
def test_a_loopback_name_is_admitted(host):
    assert admits(HTTP_HOST=host)


@pytest.mark.parametrize(
    "host",
    [
        "", "shop.example", "shop.example:8080", "localhost.shop.example", "127.0.0.1.shop.example", "127.0.0.1.nip.io", "notlocalhost",
        "localhost:8080@shop.example", "shop.example#localhost", "localhost, shop.example", "localhost shop.example", "localhost:",
        "localhost:x", "[::1", "::1", "[::2]", "[::ffff:10.0.0.1]", "2130706433", "0x7f000001", "127.1", "0.0.0.0", "017700000001",
        "localhost\u0131", "http://localhost", "localhost/", "localhost..", "\tlocalhost", "localhost\n",
    ],
)  # fmt: skip
def test_another_name_is_not_though_it_may_lead_here(host):
    # A page of shop.example may have that name lead to this machine: then it has the same origin as this.
    assert not admits(HTTP_HOST=host)


def test_hosts_that_are_named_are_trusted_and_no_others():
    access = Access(hosts=["shop.test", ".tea.test", "192.0.2.1"])
    for host in ("shop.test", "SHOP.test:80", "a.tea.test", "a.b.tea.test:9", "192.0.2.1:80", "localhost"):
        assert admits(access, HTTP_HOST=host), host
    for host in ("www.shop.test", "tea.test", "xtea.test", "shop.test.example", "192.0.2.2"):
        assert not admits(access, HTTP_HOST=host), host


def test_a_trusted_host_opens_to_no_other_address_and_a_trusted_client_to_no_other_host():
    assert not admits(Access(hosts=["shop.test"]), HTTP_HOST="shop.test", REMOTE_ADDR="192.0.2.7")
    assert not admits(Access(["192.0.2.7"]), HTTP_HOST="shop.test", REMOTE_ADDR="192.0.2.7")


# -- behind proxies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"HTTP_X_FORWARDED_FOR": "192.0.2.7"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1, 192.0.2.7"},
        {"HTTP_X_FORWARDED_FOR": "192.0.2.7, 127.0.0.1"},
        {"HTTP_X_FORWARDED_FOR": "unknown"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1,"},
        {"HTTP_X_FORWARDED_FOR": "unix"},
        {"HTTP_X_REAL_IP": "192.0.2.7"},
        {"HTTP_X_REAL_IP": "192.0.2.7", "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_FORWARDED": "for=192.0.2.7"},
        {"HTTP_FORWARDED": 'For="[2001:db8::1]:4711";proto=http'},
        {"HTTP_FORWARDED": "for=127.0.0.1, for=192.0.2.7"},
        {"HTTP_FORWARDED": "for=_hidden"},
        {"HTTP_FORWARDED": "for="},
        {"HTTP_FORWARDED": "proto=https"},
        {"HTTP_VIA": "1.1 proxy"},
        {"HTTP_X_FORWARDED_HOST": "shop.example"},
        {"HTTP_X_FORWARDED_HOST": "localhost, shop.example"},
        # nginx, unless it is told to say more.
        {"SERVER_PROTOCOL": "HTTP/1.0"},
        {"HTTP_CONNECTION": "close"},
        # And what a client says in the headers that it hands on, as they came.
        {"SERVER_PROTOCOL": "HTTP/1.0", "HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_X_REAL_IP": "127.0.0.1"},
        {"HTTP_CONNECTION": "Close", "HTTP_FORWARDED": "for=127.0.0.1"},
    ],
    ids=str,
)
def test_a_proxy_that_hides_its_client_or_names_another_shuts_the_door(more):
    assert not admits(**more)


@pytest.mark.parametrize(
    "more",
    [
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_X_FORWARDED_FOR": "::1, 127.0.0.1:50123"},
        {"HTTP_FORWARDED": 'for="[::1]:4711", for=127.0.0.1;by=127.0.0.1'},
        {"HTTP_VIA": "1.1 proxy", "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_CONNECTION": "keep-alive"},
    ],
    ids=str,
)
def test_a_proxy_that_names_a_client_of_this_machine_does_not(more):
    assert admits(**more)


def test_a_proxy_that_is_trusted_vouches_for_the_clients_that_it_names():
    access = Access(["127.0.0.1"])
    plain = {"SERVER_PROTOCOL": "HTTP/1.0", "HTTP_CONNECTION": "close"}
    assert admits(access, **plain, HTTP_X_FORWARDED_FOR="127.0.0.1")
    assert not admits(access, **plain, HTTP_X_FORWARDED_FOR="192.0.2.7")
    assert not admits(access, **plain, HTTP_X_FORWARDED_FOR="127.0.0.1, 192.0.2.7")
    assert admits(Access(["unix"]), **plain, REMOTE_ADDR="", HTTP_X_FORWARDED_FOR="127.0.0.1")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(["HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED_HOST", "HTTP_CONNECTION"]),
        st.one_of(st.text(string.printable, max_size=30), st.sampled_from(["127.0.0.1", "for=127.0.0.1", "localhost", "unix", "keep-alive"])),
    )
)  # fmt: skip
def test_no_header_opens_what_is_shut(headers):
    assert not admits(**headers, REMOTE_ADDR="192.0.2.7")
    assert not admits(**headers, HTTP_HOST="shop.example")
    assert not admits(**headers, SERVER_PROTOCOL="HTTP/1.0")


# -- a real server -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files():
    return {**FILES, "secret.py": "PASSWORD = 'swordfish'\n\ndef fail(): raise OSError('no way')  # swordfish\n"}


@pytest.fixture
def site(project, files):
    return project(files)


def ask(server, path=NEWS, method="GET", **headers):
    return server.ask(path, method, **{"Host": f"localhost:{server.port}", **headers})


def test_all_that_answers_has_sane_headers_and_takes_nothing_but_looks(site):
    with shop(site) as server:
        for path, kind in ((NEWS, "application/json"), ("/__ponyreload__/client.js", "text/javascript; charset=utf-8")):
            answer = ask(server, path)
            assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
            check_headers(answer)
            head = ask(server, path, "HEAD")
            assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(answer.body)), b"")
            for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
                refused = ask(server, path, method)
                assert refused.status == 405, method
                assert "Access-Control-Allow-Origin" not in refused.headers
            assert ask(server, path, "POST").headers["Allow"] == "GET, HEAD"
        for path in (
            "/__ponyreload__/<script>",
            "/__ponyreload__/../app.py",
            "/__ponyreload__/%2e%2e/app.py",
            "/__ponyreload__/overlay.css",
        ):
            answer = ask(server, path)
            assert (answer.status, answer.text) == (404, "ponyreload has nothing at this path\n")
            check_headers(answer)


def check_headers(answer):
    headers = answer.headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in headers


def test_who_may_not_look_is_told_nothing_but_why(site):
    with shop(site) as server:
        for headers in (
            {"Host": "shop.example"},
            {"X-Forwarded-For": "192.0.2.7"},
            {"Connection": "close"},
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
            {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
            {"Origin": "http://shop.example"},
            {"Origin": "null"},
        ):
            for path in (NEWS, "/__ponyreload__/client.js", "/__ponyreload__/", "/__ponyreload__/<b>"):
                answer = ask(server, path, **headers)
                assert answer.status == 403, headers
                assert re.fullmatch(r"ponyreload does not answer here: [a-zA-Z ';,=._]+\n", answer.text), answer.text
                check_headers(answer)
        for headers in (
            {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
            {"Origin": f"http://localhost:{server.port}"},
        ):
            assert ask(server, **headers).status == 200, headers


def test_a_client_of_another_address_is_refused_by_a_server_that_listens_everywhere(project, files):
    site = project({**files, "app.py": SHOP + CHEROOT.replace('"127.0.0.1"', '"0.0.0.0"')})
    mine = own_address()
    with shop(site) as server:
        for path, status in ((NEWS, 403), ("/", 200)):
            connection = http.client.HTTPConnection(mine, server.port, timeout=20)
            try:
                connection.request("GET", path, headers={"Host": "localhost", **VISIT})
                answer = connection.getresponse()
                text = answer.read().decode()
            finally:
                connection.close()
            assert (answer.status, "ponyreload__" in text) == (status, False)


def own_address():
    """An address of this machine that is not loopback; a request from here to there comes from there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return probe.getsockname()[0]


def test_nginx_that_hides_its_clients_is_refused(site, monkeypatch):
    # As it is without the two lines, which is how most have it.
    monkeypatch.setattr(
        "frontends.replaced", lambda text, places: plain_replaced(re.sub(r"proxy_set_header.*", "", text), places)
    )
    with front_end("nginx-proxy", site) as server:
        for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"X-Real-IP": "127.0.0.1", "Connection": "keep-alive"}):
            assert ask(server, **headers).status == 403
            assert "ponyreload" not in ask(server, "/", **VISIT, **headers).text


def plain_replaced(text, places):
    for old, new in places.items():
        text = text.replace(old, new)
    return text


def test_no_source_text_of_other_files_is_told(site):
    with shop(site) as server:
        site.replace("app.py", 'WORD = "tea"', "import secret; secret.fail()")
        server.wait_until(lambda: "OSError: no way" in ask(server).text, "the error in the news")
        told = ask(server).text
        assert "secret.py" in told
        assert "swordfish" not in told
        assert "import secret; secret.fail()" in told  # of a user module
        # A file that is no module at all, and that a user module has parsed.
        site.edit("prices.txt", "PRICE = 'swordfish' ((\n")
        parse = "import ast; ast.parse(open('prices.txt').read(), os.path.abspath('prices.txt'))"
        site.replace("app.py", "import secret; secret.fail()", parse)
        server.wait_until(lambda: "SyntaxError" in ask(server).text, "the error in the news")
        told = ask(server).text
        assert "prices.txt" in told
        assert "swordfish" not in told


# -- the port of events ------------------------------------------------------------------------------------------


def events(server):
    """Port and path of the events, as a page has them."""
    found = re.search(r'data-events="http://127\.0\.0\.1:(\d+)(/[^"]+)"', ask(server, "/", **VISIT).text)
    assert found
    return int(found[1]), found[2]


def say(port, text):
    """Send text to a port; return what comes until it is closed, or the first event."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        got = b""
        with suppress(ConnectionError):  # it is closed before all is said
            connection.sendall(text.encode("latin-1"))
            while not (b"\r\n\r\ndata: " in got and got.endswith(b"\n\n")) and (more := connection.recv(65536)):
                got += more
        return got.decode("latin-1")


def test_events_go_to_pages_of_this_machine_that_know_where_to_ask(site):
    with shop(site) as server:
        port, path = events(server)
        assert not own_port_is_open_elsewhere(port)
        host, origin = f"Host: 127.0.0.1:{port}", f"Origin: http://localhost:{server.port}"
        told = say(port, f"GET {path} HTTP/1.1\r\n{host}\r\n{origin}\r\n\r\n")
        head, _, body = told.partition("\r\n\r\n")
        assert f"\r\nAccess-Control-Allow-Origin: http://localhost:{server.port}\r\n" in head
        assert "\r\nVary: Origin\r\n" in head
        assert "\r\nCache-Control: no-store\r\n" in head
        assert "Allow-Credentials" not in head
        assert json.loads(body.removeprefix("data: "))["error"] is None
        for request in (
            f"GET / HTTP/1.1\r\n{host}\r\n{origin}\r\n\r\n",
            f"GET {path}x HTTP/1.1\r\n{host}\r\n{origin}\r\n\r\n",
            f"GET {path[:-1]} HTTP/1.1\r\n{host}\r\n{origin}\r\n\r\n",
            f"GET \xff HTTP/1.1\r\n{host}\r\n{origin}\r\n\r\n",
            f"POST {path} HTTP/1.1\r\n{host}\r\n{origin}\r\n\r\n",
            f"OPTIONS {path} HTTP/1.1\r\n{host}\r\n{origin}\r\n\r\n",
            f"GET {path} HTTP/1.1\r\n{host}\r\n\r\n",
            f"GET {path} HTTP/1.1\r\n{origin}\r\n\r\n",
            f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n{origin}\r\n\r\n",
            f"GET {path} HTTP/1.1\r\nHost: shop.example:{port}\r\n{origin}\r\n\r\n",
            f"GET {path} HTTP/1.1\r\n{host}\r\n{host}\r\n{origin}\r\n\r\n",
            f"GET {path} HTTP/1.1\r\n{host}\r\nOrigin: http://shop.example\r\n\r\n",
            f"GET {path} HTTP/1.1\r\n{host}\r\nOrigin: null\r\n\r\n",
            f"GET {path} HTTP/1.1\r\n{host}\r\nOrigin: file://localhost\r\n\r\n",
            f"GET {path} HTTP/1.1\r\n{host}\r\nOrigin: http://localhost:1\nX: y\r\n\r\n",
            f"GET {path} HTTP/1.1\r\n{host}\r\n{origin}\r\n{origin}\r\n\r\n",
            "\r\n\r\n",
            "x\r\n\r\n",
        ):
            assert say(port, request) in (
                "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                "",
            ), request
        assert say(port, "x" * 100_000) == ""


def own_port_is_open_elsewhere(port):
    try:
        socket.create_connection((own_address(), port), timeout=5).close()
    except OSError:
        return False
    return True


def test_connections_that_ask_for_nothing_do_not_keep_others_out(site):
    with shop(site) as server:
        port, path = events(server)
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://localhost:{server.port}\r\n\r\n"
        held = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(120)]
        try:
            server.wait_until(lambda: "data: " in say(port, request), "an event, when those have been given up", 30)
        finally:
            for each in held:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.close()
        assert "data: " in say(port, request)


# -- pages of others, in a browser -------------------------------------------------------------------------------


EVIL = """
    import os, sys
    from wsgiref.simple_server import make_server
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"<!doctype html><title>evil</title><body></body>"]
    make_server("127.0.0.1", int(os.environ["PORT"]), application).serve_forever()
"""
# Each tries to get at the news; what it returns tells what it has got.
ATTEMPTS = """async (target) => {
    const { news, client, events } = target;
    const tried = {};
    const note = async (name, attempt) => {
        try { tried[name] = await attempt(); } catch (error) { tried[name] = "refused"; }
    };
    const text = async (answer) => (await answer).text();
    await note("cors", () => text(fetch(news)));
    await note("cors with cookies", () => text(fetch(news, { credentials: "include" })));
    await note("no-cors", () => text(fetch(news, { mode: "no-cors" })));
    await note("events", () => new Promise((done) => {
        const source = new EventSource(events);
        source.onmessage = (event) => done(event.data);
        source.onerror = () => done("refused");
    }));
    for (const [name, address] of [["script", news], ["client", client]]) {
        await note(name, () => new Promise((done) => {
            const script = document.createElement("script");
            script.src = address;
            script.onload = () => done("loaded");
            script.onerror = () => done("refused");
            document.head.append(script);
        }));
    }
    await note("frame", () => new Promise((done) => {
        const frame = document.createElement("iframe");
        frame.onload = () => { try { done(frame.contentDocument ? "empty" : "refused"); } catch { done("refused"); } };
        frame.src = news;
        document.body.append(frame);
    }));
    return tried;
}"""


def test_a_page_of_another_origin_gets_nothing_in_a_browser(project, files, profile, tmp_path):
    site = project({**files, "evil.py": EVIL})
    with shop(site) as server, site.serve("evil.py") as evil:
        port, _ = events(server)
        for host in ("localhost", "127.0.0.1"):
            page = profile.new_page()
            page.goto(f"http://{host}:{evil.port}/")
            own = f"http://localhost:{server.port}/__ponyreload__/"
            # Another program's page of this machine does not know the secret of the address; it is one of a trusted host.
            target = {"news": f"{own}news", "client": f"{own}client.js", "events": f"http://127.0.0.1:{port}/guess"}
            tried = page.evaluate(ATTEMPTS, target)
            assert tried.pop("no-cors") in ("", "refused")  # what a page is given that may not read it
            assert set(tried.values()) == {"refused"}, tried


def test_a_name_that_is_made_to_lead_here_gets_nothing_in_a_browser(site, profile):
    with shop(site) as server:
        page = profile.new_page()
        address = f"http://shop.example:{server.port}"

        # What DNS rebinding does: the name of the page leads to this machine, and so its origin is its own.
        def lead_here(route):
            request = route.request
            answer = server.ask(
                request.url.removeprefix(address) or "/", **{**request.headers, "Host": f"shop.example:{server.port}"}
            )
            route.fulfill(status=answer.status, headers=dict(answer.headers), body=answer.body)

        page.route(f"{address}/**", lead_here)
        page.goto(f"{address}/")
        assert page.title() == "shop"
        assert page.locator("script").count() == 0
        found = page.evaluate(
            "async () => { const answer = await fetch('/__ponyreload__/news'); return [answer.status, await answer.text()]; }"
        )
        assert found[0] == 403
        assert "styles" not in found[1]


def test_the_page_itself_may_ask(site, profile):
    with shop(site) as server:
        page = visit(profile, server)
        found = page.evaluate("async () => (await fetch('/__ponyreload__/news')).json()")
        assert set(found) == {"at", "styles", "error", "events"}
        assert overlay(page).count() == 0
