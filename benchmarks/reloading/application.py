"""The application: the same files for every contender, with as many modules as a scenario says.

`shop` answers with the version that several of its modules have, so that an answer which mixes two versions shows:

    1000007 1000007 1000007 1000007 1000006
    called through names and modules        made at import

The version is what a function of `shop/prices.py` returns. An edit changes its digits, and so never the file's size.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import NamedTuple

__all__ = ["EDITED", "FIRST_VERSION", "SCENARIOS", "Editor", "Scenario", "write_application"]

EDITED = "shop/prices.py"
FIRST_VERSION = 1_000_000
# Long before any server starts: a file that is written after its start counts as changed since Python ran it.
LONG_AGO = 1_600_000_000
MODULES_OF_A_PACKAGE = 100
# Those that have a purpose: shop, shop.prices, shop.offers, shop.wsgi.
MODULES_WITH_A_NAME = 4


class Scenario(NamedTuple):
    """How large the application is.

    Sample row: ``Scenario("big", 1000)``.
    """

    name: str
    modules: int
    is_heavy: bool = False  # imports numpy, pandas, SQLAlchemy, jinja2, requests
    lines: int = 0  # of the module that is edited, at least


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("tiny", 5),  # for the harness's own test
        Scenario("small", 10),
        Scenario("heavy", 10, is_heavy=True),
        Scenario("big", 1000),
        Scenario("huge", 5000),
        Scenario("long", 10, lines=15_000),
    )
}

INIT = '''\
"""A shop."""
'''

PRICES = '''\
"""Prices: what is edited."""


def version():
    return {version}


def price(number):
    return version() * number
'''

OFFERS = '''\
"""Offers: knows the version by import, and keeps one that it made at import."""

from .prices import price, version

AT_IMPORT = version()
CHEAPEST = min(price(number) for number in range(1, 4))


def relayed():
    return version()
'''

WSGI = '''\
"""The application: answers with the version as several modules have it."""

import time

import shop.prices
from shop import offers
from shop.offers import relayed
from shop.prices import version
{imports}

def application(environ, start_response):
    words = [version(), shop.prices.version(), relayed()]
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.02)
        words += [version(), relayed()]
    from shop.prices import version as late

    words += [late(), offers.AT_IMPORT]
    body = " ".join(map(str, words)).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
'''

HEAVY = """
import jinja2
import numpy
import pandas
import requests
import sqlalchemy
"""

PACKAGE = '''\
"""A department."""

{imports}
'''

MODULE = '''\
"""Things number {n} of the shop."""

import functools
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

{imports}
LIMITS = {{"least": {n}, "most": {n} + 99, "step": 3}}
NAMES = ("first", "second", "third", "number {n}")


class Thing{n}:
    """A thing."""

    kind = "thing {n}"

    def __init__(self, name: str, count: int = 1) -> None:
        self.name = name
        self.count = count

    @property
    def total(self) -> int:
        return self.count * LIMITS["step"]

    @classmethod
    def named(cls, name: str) -> "Thing{n}":
        return cls(name, LIMITS["least"])

    def __repr__(self) -> str:
        return f"<{{self.kind}}: {{self.count}} of {{self.name}}>"


class Special{n}(Thing{n}):
    """A special thing."""

    def discount(self, percent: float) -> float:
        if percent > 50:
            raise ValueError(f"too much: {{percent}}")
        return self.total * percent / 100
{shape}

@functools.lru_cache(maxsize=16)
def count{n}(number: int) -> int:
    total = number
    for name in NAMES:
        total += len(name) + LIMITS["most"]
    return total


def find{n}(things: list[Any], **wanted: Any) -> list[Any]:
    found = []
    for thing in things:
        if all(getattr(thing, key, None) == value for key, value in wanted.items()):
            found.append(thing)
    return found


def report{n}(things: list[Any]) -> str:
    lines = [f"{{thing.name:20}} {{thing.count:5}}" for thing in things]
    lines.append("-" * 26)
    lines.append(str(sum(thing.count for thing in things)))
    return "\\n".join(lines)
'''

# What some modules have besides: making such a class is most of what executing the module takes.
SHAPES = (
    '''

@dataclass
class Row{n}:
    """A row."""

    number: int
    name: str = "row {n}"
    price: float = 0.0
    is_sold: bool = False
''',
    '''

class Kind{n}(Enum):
    """A kind."""

    SMALL = "small"
    LARGE = "large"
    OTHER = "other"
''',
    '''

class Place{n}(NamedTuple):
    """A place."""

    row: int
    shelf: str = "{n}"
''',
    "",
    "",
)

FILLER = '''

def rule{n}(order, limit={n}):
    """Tell whether rule {n} holds."""
    total = sum(line.count * line.price for line in order) + {n}
    if total > limit and order[0].name != "rule {n}":
        return [line for line in order if line.count > {n}]
    return total
'''


def write_application(folder: Path, scenario: Scenario) -> None:
    """Write the scenario's application below *folder*: the package `shop`, with `shop.wsgi:application`."""
    chance = random.Random(5)  # the same application each time
    files = {EDITED: PRICES.format(version=FIRST_VERSION), "shop/__init__.py": INIT, "shop/offers.py": OFFERS}
    number = 0
    while files[EDITED].count("\n") < scenario.lines:
        files[EDITED] += FILLER.format(n=number)
        number += 1
    plain = scenario.modules - MODULES_WITH_A_NAME
    packages = [
        range(start, min(start + MODULES_OF_A_PACKAGE, plain)) for start in range(0, plain, MODULES_OF_A_PACKAGE)
    ]
    for place, numbers in enumerate(packages):
        children = "\n".join(f"from .m{n} import Thing{n}, count{n}" for n in numbers)
        files[f"shop/p{place}/__init__.py"] = PACKAGE.format(imports=children)
        for n in numbers:
            files[f"shop/p{place}/m{n}.py"] = _module(n, numbers.start, chance)
    imports = "".join(f"import shop.p{place}\n" for place in range(len(packages)))
    files["shop/wsgi.py"] = WSGI.format(imports=imports + HEAVY * scenario.is_heavy)
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        os.utime(file, (LONG_AGO, LONG_AGO))


def _module(n: int, first: int, chance: random.Random) -> str:
    """Return a module that imports a few of those before it: from its own package, and from an older one."""
    others = sorted({chance.randrange(first, n) for _ in range(3)} if n > first else ())
    lines = [f"from .m{other} import Thing{other}, find{other}" for other in others]
    if first and n % 4 == 0:
        other = chance.randrange(first)
        lines.append(f"from shop.p{other // MODULES_OF_A_PACKAGE}.m{other} import Special{other}")
    imports = "".join(f"{line}\n" for line in lines)
    return MODULE.format(n=n, imports=imports, shape=SHAPES[n % len(SHAPES)].format(n=n))


class Editor:
    """Edits the application of one folder: each time the next version, by turns as a new file and in place."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / EDITED
        self.version = FIRST_VERSION
        # Just before the contents were there, on the monotonic clock.
        self.saved_at = 0.0

    def edit(self, atomic: bool) -> bytes:
        """Save the next version, renamed over the old file or written in place; return what answers begin with."""
        old, self.version = self.version, self.version + 1
        data = self._file.read_bytes().replace(f"return {old}\n".encode(), f"return {self.version}\n".encode())
        assert f"return {self.version}\n".encode() in data
        if atomic:
            temporary = self._file.with_name("prices.tmp")
            temporary.write_bytes(data)
            self.saved_at = time.monotonic()
            temporary.replace(self._file)
        else:
            with open(self._file, "wb", buffering=0) as stream:  # empty from here on, as most editors have it
                self.saved_at = time.monotonic()
                stream.write(data)
        return str(self.version).encode()
