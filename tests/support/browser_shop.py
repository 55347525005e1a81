"""A shop whose pages a browser opens, and what a browser finds there."""

from __future__ import annotations

from contextlib import contextmanager

from frontends import BIND

PAGE = """\
<!doctype html>
<html>
<head>
<title>shop</title>
<link rel="stylesheet" href="/shop.css">
</head>
<body style="min-height: 5000px">
<h1>{word}</h1>
<p id="note">new</p>
</body>
</html>
"""
STRICT = (
    "default-src 'none'; script-src 'nonce-dGVh'; connect-src 'self'; style-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
SHOP = f"""
    from ponyreload import *
    import json, os
    from pathlib import Path
    use_autoreload(extra_files=["shop.css", "page.html"], **json.loads(os.environ.get("OPTIONS", "{{}}")))
    WORD = "tea"

    def application(environ, start_response):
        path = environ["PATH_INFO"]
        kind, text = "text/html; charset=utf-8", {PAGE!r}.replace("{{word}}", WORD)
        if path == "/shop.css":
            kind, text = "text/css", Path("shop.css").read_text()
        elif path == "/template":
            text = Path("page.html").read_text().replace("{{word}}", WORD)
        elif path == "/plain":
            kind, text = "text/plain", WORD
        headers = [("Content-Type", kind), ("Content-Length", str(len(text.encode()))), ("ETag", '"1"')]
        if path == "/strict":
            headers.append(("Content-Security-Policy", {STRICT!r}))
        start_response("200 OK", headers)
        return [text.encode()]
"""
CHEROOT = """
    if __name__ == "__main__":
        from cheroot.wsgi import Server
        server = Server(("127.0.0.1", int(os.environ["PORT"])), application, numthreads=10)
        try:
            server.start()
        finally:
            server.stop()
"""
FLUP = f"""
    if __name__ == "__main__":
        from flup.server.fcgi import WSGIServer
        WSGIServer(application, bindAddress={BIND}, umask=0).run()
"""
STYLE = "h1 { color: rgb(1, 2, 3) }\n"
FILES = {"app.py": SHOP + CHEROOT, "shop.css": STYLE, "page.html": PAGE}

# What a browser has that asks for a page.
VISIT = {"Accept": "text/html", "Sec_Fetch_Dest": "document"}


@contextmanager
def shop(site, *command, **environment):
    with site.serve(*command, **environment) as server:
        yield server


def visit(profile, server, path="/"):
    """Open a page in a new tab; wait until its script hears of news."""
    page = profile.new_page()
    page.goto(f"http://localhost:{server.port}{path}")
    wait_until_connected(page)
    return page


def wait_until_connected(page):
    """Wait until the page's script has an open stream, or has heard of one that has."""
    page.wait_for_function(
        """async () => {
        const { held, pending } = await navigator.locks.query();
        return held.concat(pending).some((lock) => lock.name.startsWith("ponyreload "));
    }"""
    )


def headline(page, word):
    page.wait_for_function("(word) => document.querySelector('h1')?.textContent === word", arg=word)


def colour(page, value):
    page.wait_for_function(
        "(value) => getComputedStyle(document.querySelector('h1')).color === `rgb(${value})`", arg=value
    )


def note(page, text):
    """Change the page in a way that lasts until it is loaded anew."""
    page.evaluate("(text) => { document.querySelector('#note').textContent = text; }", text)


def overlay(page):
    return page.locator("ponyreload-error main")
