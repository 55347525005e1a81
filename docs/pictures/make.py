"""Make the pictures of README.md: python docs/pictures/make.py [FOLDER]

Serves an application, edits it, opens its pages in Chromium, and takes the pictures. It needs Debian's chromium, and
playwright and cheroot from the package index. With a FOLDER, all sizes in both themes go there, to be looked at;
without one, the small ones of README.md are made anew.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
SOURCE = HERE.parent.parent / "src"

FILES = {
    "app.py": """
import os
from cheroot.wsgi import Server
from ponyreload import *
import audit, conf
from shop import views

use_autoreload()

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    if environ["PATH_INFO"] == "/stream":
        return views.stream()
    return [views.page().encode()]

server = Server(("127.0.0.1", int(os.environ["PORT"])), application)
if __name__ == "__main__":
    server.start()
""",
    "conf.py": "CURRENCY = 'EUR'\n",
    "audit.py": "LAST = {}\n",
    "shop/__init__.py": "from ponyreload import *\n",
    "shop/models.py": """
from ponyreload import *
from dataclasses import dataclass

@dataclass
class Order:
    number: int
    total: float

@dataclass
class Customer:
    name: str
""",
    "shop/prices.py": """
from ponyreload import *

TABLE = {number: number * 1.19 for number in range(60_000)}

def gross(net):
    return net * 1.19
""",
    "shop/search.py": """
from ponyreload import *
import re

WORDS = sorted({f"word {number * 7919 % 100_003}" for number in range(90_000)})
""",
    "shop/cart.py": """
from ponyreload import *
from shop import prices
from shop.models import Order

def total(orders):
    return sum(prices.gross(order.total) for order in orders)
""",
    "shop/checkout.py": "from ponyreload import *\nfrom shop import cart\nimport email.message\n",
    "shop/views.py": """
from ponyreload import *
import audit
from shop import cart, checkout, models, search

HEADLINE = "Tea, one pot at a time"
AUDITED = False

def page():
    if AUDITED:
        audit.LAST["order"] = models.Order(1, 2.0)
    return f"<!doctype html><title>Shop</title><body><h1>{HEADLINE}</h1><p>{len(search.WORDS)} words</p></body>"

def stream():
    while not superseded(0.1):
        yield b"tick "
    while True:
        superseded(30)
        yield b"tick "
        import time
        time.sleep(0.1)
""",
}


class Shop:
    """The application: its folder, and where it answers."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, path: str = "/") -> str:
        """Return what is at *path*."""
        connection = self.open(path)
        try:
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def open(self, path: str) -> HTTPConnection:
        """Ask for *path* as a browser does; the caller reads the answer, and closes the connection."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path)
        return connection

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace *old* by *new* in a file."""
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {path}"
        temporary = file.with_suffix(".tmp")
        temporary.write_text(text.replace(old, new), encoding="utf-8")
        temporary.replace(file)

    def wait_for(self, text: str) -> None:
        """Wait until *text* is in what the status page is made of."""
        until(lambda: text in self.ask("/__ponyreload__/status.json"), text)


def until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait until *condition* holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)


@contextmanager
def serve() -> Iterator[Shop]:
    """Serve the application from a folder of its own."""
    with tempfile.TemporaryDirectory() as root, socket.socket() as probe:
        folder = Path(root) / "site"
        for path, text in FILES.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.lstrip(), encoding="utf-8")
            os.utime(file, (1_600_000_000, 1_600_000_000))
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        environment = {**os.environ, "PORT": str(port), "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            shop = Shop(folder, port)
            until(lambda: answers(shop), "the server")
            yield shop
        finally:
            process.kill()
            process.wait()


def answers(shop: Shop) -> bool:
    """Tell whether the server is there."""
    try:
        return bool(shop.ask())
    except OSError:
        return False


def play(shop: Shop) -> None:
    """Edit the application, so that there is something to see."""
    for number, (path, old, new) in enumerate(
        [
            ("shop/views.py", "one pot", "two pots"),
            ("shop/models.py", "total: float", "total: float = 0.0"),
            ("shop/views.py", "AUDITED = False", "AUDITED = True"),
            ("shop/prices.py", "1.19", "1.2"),
        ],
        2,
    ):
        shop.edit(path, old, new)
        shop.wait_for(f'"serving": {number}')
        shop.ask()
        if number == 4:
            shop.edit("shop/views.py", "AUDITED = True", "AUDITED = bool(0)")
            shop.wait_for('"serving": 5')
            break
    shop.wait_for("audit.LAST")
    shop.edit("shop/prices.py", "1.19", "1.2")
    shop.wait_for('"serving": 6')
    shop.edit("shop/cart.py", "prices.gross(order.total)", "prices.gross(order.net)")
    shop.wait_for('"serving": 7')


@contextmanager
def streaming(shop: Shop) -> Iterator[None]:
    """Hold the generation that serves by a request whose answer does not end."""
    connection = shop.open("/stream")
    connection.getresponse().read(5)
    try:
        yield
    finally:
        connection.close()


def open_page(browser: Browser, url: str, width: int, height: int, theme: str) -> Page:
    """Open the status page in a window of its own."""
    page = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme).new_page()
    page.goto(f"{url}/__ponyreload__/")
    page.locator("#main").wait_for()
    return page


def main(folder: Path | None) -> None:
    """Take the pictures."""
    chromium = shutil.which("chromium")
    with serve() as shop, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        play(shop)
        with streaming(shop):
            shop.edit("shop/search.py", "90_000", "90_001")
            shop.wait_for('"serving": 8')
            if folder is not None:
                for broken in (False, True):
                    if broken:
                        shop.edit("shop/cart.py", "def total(", "VAT = prices.VAT\n\ndef total(")
                        shop.wait_for("no attribute")
                    for width, theme in [(360, "light"), (360, "dark"), (1440, "light"), (1440, "dark")]:
                        page = open_page(browser, shop.url, width, 900, theme)
                        kind = "broken" if broken else "status"
                        page.screenshot(path=folder / f"{kind}-{width}-{theme}.png", full_page=True)
            else:
                page = open_page(browser, shop.url, 1080, 640, "light")
                page.screenshot(path=HERE / "status.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
