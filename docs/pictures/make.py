"""Make the pictures of README.md: python docs/pictures/make.py [FOLDER]

Serves an application, edits it, opens its pages in Chromium, and takes the pictures. It needs Debian's chromium, and
playwright and cheroot from the package index. With a FOLDER, more sizes in both themes go there, to be looked at;
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
    return PAGE.format(HEADLINE, len(search.WORDS))

PAGE = '''<!doctype html>
<html><head><title>Shop</title><style>
  body {{ margin: 0; font: 16px/1.5 system-ui, sans-serif; color: #28331f; background: #f6f4ea; }}
  header {{ padding: 56px 60px 44px; background: #dfe6cc; }}
  h1 {{ margin: 0; font-size: 40px; letter-spacing: -0.02em; }}
  main {{ padding: 30px 60px; display: grid; grid-template-columns: repeat(3, 1fr); gap: 24px; }}
  div {{ padding: 20px; border-radius: 12px; background: #fff; }}
  @media (max-width: 520px) {{ main {{ grid-template-columns: 1fr; }} }}
</style></head>
<body><header><h1>{}</h1><p>Find yours among {} words</p></header>
<main><div>Assam</div><div>Darjeeling</div><div>Ceylon</div><div>Sencha</div><div>Gyokuro</div><div>Keemun</div></main>
</body></html>'''

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
            [sys.executable, "app.py"],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
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


def tab(browser: Browser, width: int, height: int, theme: str) -> Page:
    """Open a window."""
    return browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme).new_page()


def take_status(browser: Browser, shop: Shop, file: Path, size: tuple[int, int], theme: str, whole: bool) -> None:
    """Take a picture of the status page."""
    page = tab(browser, *size, theme)
    page.goto(f"{shop.url}/__ponyreload__/")
    page.locator("#main").wait_for()
    page.locator("#under .mono").evaluate("element => { element.textContent = '~/site'; }")  # not this machine's folder
    page.screenshot(path=file, full_page=whole)


def take_overlay(browser: Browser, shop: Shop, file: Path, size: tuple[int, int], theme: str) -> None:
    """Break the application, and take a picture of what its page shows then; mend it."""
    page = tab(browser, *size, theme)
    page.goto(f"{shop.url}/")
    shop.edit("shop/cart.py", "def total(", "VAT = prices.VAT\n\ndef total(")
    page.locator("ponyreload-error main").wait_for()
    page.screenshot(path=file)
    shop.edit("shop/cart.py", "VAT = prices.VAT\n\ndef total(", "def total(")
    page.locator("ponyreload-error main").wait_for(state="detached")


def take_all(browser: Browser, shop: Shop, folder: Path) -> None:
    """Take pictures of what there is, in both themes, as on a phone and on a wide screen."""
    looks = [(width, theme) for width in (360, 1440) for theme in ("light", "dark")]
    for width, theme in looks:
        take_status(browser, shop, folder / f"status-{width}-{theme}.png", (width, 900), theme, whole=True)
        take_overlay(browser, shop, folder / f"overlay-{width}-{theme}.png", (width, 700), theme)
    shop.edit("shop/cart.py", "def total(", "VAT = prices.VAT\n\ndef total(")
    shop.wait_for("no attribute")
    for width, theme in looks:
        take_status(browser, shop, folder / f"broken-{width}-{theme}.png", (width, 900), theme, whole=True)


def main(folder: Path | None) -> None:
    """Take the pictures."""
    with serve() as shop, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        play(shop)
        with streaming(shop):
            shop.edit("shop/search.py", "90_000", "90_001")
            shop.wait_for('"serving": 8')
            until(lambda: "collected yet" not in shop.ask("/__ponyreload__/status.json"), "the collection")
            if folder is not None:
                take_all(browser, shop, folder)
            else:
                take_status(browser, shop, HERE / "status.png", (880, 744), "light", whole=False)
                take_overlay(browser, shop, HERE / "overlay.png", (880, 600), "light")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
