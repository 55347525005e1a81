"""Soak: what stays of 2,000 reloads of an application of 20 modules, under 4 clients. Prints a table in Markdown.

    PYTHONPATH=tests python benchmarks/soak.py
    PYTHONPATH=tests python benchmarks/soak.py --reloads 300 --with threads,timers

Needs what the tests need (requirements-test.txt). Linux only: it reads /proc.

A real CherryPy server runs in a process of its own. Each reload is the edit of one module, the next one each time, as
most editors save: a temporary file, renamed. It ends with the first answer of the new version. Four clients ask all the
while, each on a connection that is kept alive. Each answer tells of which generation each module was that had part in it.
Every generation has what INGREDIENTS says: threads, timers, a database …

Measured is at rest: the clients have stopped, all older generations have retired, and Python has collected. The bounds:
no request fails, or meets two generations; at most two generations are in memory, of which one is the first, which the
running script holds; no more threads and open files than after 200 reloads, and at most 5 % more memory. A bound that
is broken is said, and the exit status is 1. In shorter runs, the half of them stands for the 200.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from soak_shop import INGREDIENTS, files

from live import Live
from projects import Project

CLIENTS = 4
# A client's pause between two requests: without one, they would measure who gets the processor.
PAUSE_SECONDS = 0.005
MOST_GROWTH = 0.05
# Not in development mode, whose allocator adds to each object; and not with an arena of its own for each new thread,
# which the C library gives: how much of each is in use is chance.
ALLOCATION: dict[str, str] = {"PYTHONDEVMODE": "", "MALLOC_ARENA_MAX": "1"}
# In /proc/net/tcp.
ESTABLISHED, CLOSE_WAIT = "01", "08"
MEASURED_AT = (0, 200, 500, 1000, 2000)

# -- clients -----------------------------------------------------------------------------------------------------


class Clients:
    """Ask for one page after another, on connections that are kept alive. What was answered is counted."""

    PAGES = ("/", "/work", "/", "/stream", "/work")

    def __init__(self, port: int) -> None:
        self._port = port
        self._ends = threading.Event()
        self._threads: list[threading.Thread] = []
        # "answered", "failed", "mixed" -> how many; only ever changed with the lock held
        self.counts: Counter[str] = Counter()
        self.complaints: list[str] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        self._ends.clear()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        pages = itertools.islice(itertools.cycle(self.PAGES), number, None)
        while not self._ends.wait(PAUSE_SECONDS):
            self._note(next(pages), connection)
        connection.close()

    def _note(self, page: str, connection: http.client.HTTPConnection) -> None:
        try:
            connection.request("GET", page)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            outcome, text = "failed", repr(error)
        else:
            generations = text.split()[page == "/" :]  # the first word there is the version
            outcome = "failed" if answer.status != 200 else "answered" if len(set(generations)) == 1 else "mixed"
        with self._lock:
            self.counts[outcome] += 1
            if outcome != "answered":
                self.complaints.append(f"{page}: {outcome}: {text}")


# -- the server --------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """What was measured after so many reloads; times in milliseconds.

    Sample row: ``Row(200, 48.1, 22, 31, 2, 151_002, 9_123, 0, 0, 24.0, 61.5, 240.1)``.
    """

    reloads: int
    resident_mib: float
    threads: int
    open_files: int
    generations: int
    objects: int
    answered: int
    failed: int
    mixed: int
    p50: float
    p95: float
    longest: float


COLUMNS = (
    "reloads", "RSS MiB", "threads", "open files", "generations", "gc objects", "answered", "failed", "mixed",
    "p50 ms", "p95 ms", "max ms",
)  # fmt: skip


class Soak:
    """One run: edits, and measures at rest."""

    def __init__(self, site: Project, server: Live, clients: Clients, has_signals: bool) -> None:
        self._site = site
        self._has_signals = has_signals
        self._server = server
        self._clients = clients
        # The user modules' files, edited in turn, and the version that each says it has.
        paths = sorted(file.relative_to(site.folder).as_posix() for file in site.folder.rglob("*.py"))
        self._versions = {path: 0 for path in paths if path != "probe.py"}
        self._milliseconds: list[float] = []
        self._reloads = 0
        self.last: dict[str, Any] = {}

    def reload(self) -> None:
        """Edit the next module, and wait for the first answer of the new version."""
        path = list(self._versions)[self._reloads % len(self._versions)]
        self._reloads += 1
        old, self._versions[path] = self._versions[path], self._reloads
        started = time.monotonic()
        self._site.replace(path, f"VERSION = {old}\n", f"VERSION = {self._reloads}\n")
        self._server.wait_until(
            lambda: self._server.ask("/").text.startswith(f"{self._reloads} "), f"version {self._reloads}", 30
        )
        self._milliseconds.append((time.monotonic() - started) * 1000)

    def reload_and_measure(self, mark: int) -> Row:
        """Reload until there have been *mark* reloads, have all come to rest, and measure."""
        if self._reloads < mark:
            self._clients.start()
            while self._reloads < mark - 1:
                self.reload()
            self._clients.stop()
            # The last one without clients: what their requests have opened goes with the generation before.
            self.reload()
        self._server.wait_until(lambda: self._told()["living"] == 1, "retirement of all older generations", 30)
        if self._has_signals:
            self._check_signal()
        counts, times = self._clients.counts, self._milliseconds or [0.0]
        folder = Path(f"/proc/{self._server.pid}")
        self.last = self._told("/collected")
        self._server.wait_until(lambda: not self._is_connected(), "end of all connections")
        row = Row(
            self._reloads,
            int((folder / "status").read_text().partition("VmRSS:")[2].split()[0]) / 1024,
            _least(folder / "task"),
            _least(folder / "fd"),
            self.last["generations"],
            self.last["objects"],
            counts["answered"],
            counts["failed"],
            counts["mixed"],
            statistics.median(times),
            statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0],
            max(times),
        )
        self._milliseconds.clear()
        return row

    def _is_connected(self) -> bool:
        """Tell whether the server has a connection left: it closes one after it has seen the client do so."""
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        port = f":{self._server.port:04X}"
        return any(row[1].endswith(port) and row[3] in (ESTABLISHED, CLOSE_WAIT) for row in rows)

    def _told(self, page: str = "") -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self._server.get(f"/probe{page}"))
        return told

    def _check_signal(self) -> None:
        """See that the handler which is set is that of the generation that serves."""
        os.kill(self._server.pid, signal.SIGUSR2)
        self._server.wait_until(
            lambda: (told := self._told())["done"].get("signal of") == told["serves"], "signal handled by what serves"
        )


def _least(folder: Path) -> int:
    """Return the least number of entries of a folder within a moment: a timer that ticks is two threads for an instant."""
    found = []
    for _ in range(20):
        found.append(len(list(folder.iterdir())))
        time.sleep(0.01)
    return min(found)


# -- the run -----------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reloads", type=int, default=2000, metavar="N", help="(2000)")
    parser.add_argument("--with", dest="ingredients", metavar="A,B", help=f"({','.join(INGREDIENTS)})")
    parser.add_argument("--types", action="store_true", help="print which types there are more objects of")
    options = parser.parse_args()
    ingredients = list(INGREDIENTS) if options.ingredients is None else options.ingredients.split(",")
    with tempfile.TemporaryDirectory() as folder:
        site = Project(Path(folder), files(ingredients))
        with site.serve("app.py", **ALLOCATION) as server:
            clients = Clients(server.port)
            try:
                broken = run(Soak(site, server, clients, "signals" in ingredients), options.reloads, options.types)
            except BaseException:
                server.process.send_signal(signal.SIGABRT)  # faulthandler tells where the threads are
                server.process.wait()
                print(server.log[-30_000:], file=sys.stderr)
                raise
            finally:
                clients.stop()
                # Not asked to end: CherryPy would wait for the pool's threads, with and without ponyreload.
                server.process.kill()
                server.process.wait()
            broken += clients.complaints[:10]
            log = server.log
    warnings = [line for line in log.splitlines() if " serves: " not in line]
    print("\n".join([*broken, *warnings[:50]]))
    sys.exit(1 if broken else 0)


def run(soak: Soak, reloads: int, types: bool) -> list[str]:
    """Do the reloads, print the table, and return what is wrong."""
    marks = sorted({each for each in MEASURED_AT if each < reloads} | {_base(reloads), reloads})
    print(f"| {' | '.join(COLUMNS)} |\n|{'---:|' * len(COLUMNS)}")
    rows: list[Row] = []
    for mark in marks:
        before = soak.last
        rows.append(soak.reload_and_measure(mark))
        print(f"| {' | '.join(f'{value:,.1f}' if isinstance(value, float) else f'{value:,}' for value in rows[-1])} |")
        if types and before:
            more = Counter(soak.last["types"]) - Counter(before["types"])
            print("more of", dict(more.most_common(20)))
    return broken_bounds(rows, soak.last["retained"])


def _base(reloads: int) -> int:
    """Return after how many reloads all that is done at first is done: what is there then may not grow."""
    return min(200, reloads // 2)


def broken_bounds(rows: list[Row], retained: list[str]) -> list[str]:
    """Say which bounds are broken."""
    end = rows[-1]
    base = next(row for row in rows if row.reloads == _base(end.reloads))
    growth = end.resident_mib / base.resident_mib - 1
    bounds = {
        f"{end.failed} requests failed": not end.failed,
        f"{end.mixed} requests met two generations": not end.mixed,
        f"{end.generations} generations are in memory": max(row.generations for row in rows) <= 2,
        f"{end.threads} threads, after {base.threads}": end.threads <= base.threads,
        f"{end.open_files} open files, after {base.open_files}": end.open_files <= base.open_files,
        f"{growth:.1%} more memory after {end.reloads} reloads than after {base.reloads}": growth <= MOST_GROWTH,
    }
    return [text for text, holds in bounds.items() if not holds] + retained


if __name__ == "__main__":
    main()
