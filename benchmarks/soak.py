"""Soak: what stays of 2,000 reloads of an application of 20 modules, under 4 clients. Prints a table in Markdown.

    make soak
    make soak SOAK_ARGS="--reloads 300 --with threads,timers"

Needs what the tests need (requirements-test.txt), and Linux: it reads /proc. Five to ten minutes on two cores.

A real CherryPy server runs in a process of its own. Each reload is the edit of one module, the next one each time, as
most editors save: a temporary file, renamed. It ends with the first answer of the new version. Four clients ask all the
while, each on a connection that is kept alive. Each answer tells of which generation each module was that had a part
in it. Every generation has what `soak_shop.INGREDIENTS` says: threads, timers, handlers, a database …

Measured is at rest: the clients have stopped, all older generations have retired, and Python has collected. It ends
with 1, and says why, if

- a request fails, or has met two generations,
- more than two generations are in memory; one is the first, which the running script holds,
- ponyreload has something to complain of,
- there are more threads or open files than after 200 reloads; in a run of less than 400, than after half of them,
- there is more than 5 % more memory than after 200 reloads. A run of less than 1,000 does not tell: memory comes in
  pieces.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import signal
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
# What grows with the first reloads is what is made at the first use, and room that the allocators keep.
BASE = 200
# From so many reloads on, the bound of the memory counts.
ENOUGH = 1000
# Not in development mode, whose allocator adds to each object; and not with an arena of its own for each new thread,
# which the C library gives: how much of each is in use is chance.
ALLOCATION: dict[str, str] = {"PYTHONDEVMODE": "", "MALLOC_ARENA_MAX": "1"}
# What the log may say. Anything else is news: a generation that is kept alive, a thread that does not end, a traceback.
EXPECTED = (" serves: ", "CherryPy's own Autoreloader, which restarts the process, is off")
# Threads of ponyreload's that come and go.
BUSY = ("ponyreload retires", "ponyreload looks")
# One that stays until threads of retired generations have ended, libraries' too, which may take half a minute.
WAITS = "ponyreload waits for threads"
# In /proc/net/tcp.
ESTABLISHED, CLOSE_WAIT = "01", "08"
MEASURED_AT = (0, 200, 500, 1000, 1500, 2000)

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
    """What was measured after so many reloads.

    Sample row: ``Row(200, 3604, 0, 0, 2, 26, 11, 56.7)``.
    """

    reloads: int
    requests: int
    failed: int
    mixed: int
    generations: int
    threads: int
    files: int
    mebibytes: float

    def __str__(self) -> str:
        """A row of the table."""
        return f"| {' | '.join(f'{value:,}' for value in self)} |"


HEADER = (
    "| reloads | requests | failed | mixed | generations at rest | threads | open files | memory (RSS, MiB) |\n"
    "|---:|---:|---:|---:|---:|---:|---:|---:|"
)


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
        self._reloads = 0
        # What the server told when it was measured last.
        self.last: dict[str, Any] = {}

    def reload(self) -> None:
        """Edit the next module, and wait for the first answer of the new version."""
        path = list(self._versions)[self._reloads % len(self._versions)]
        self._reloads += 1
        old, self._versions[path] = self._versions[path], self._reloads
        self._site.replace(path, f"VERSION = {old}\n", f"VERSION = {self._reloads}\n")
        self._server.wait_until(
            lambda: self._server.ask("/").text.startswith(f"{self._reloads} "), f"version {self._reloads}", 30
        )

    def reload_and_measure(self, mark: int) -> Row:
        """Reload until there have been *mark* reloads, have all come to rest, and measure."""
        if self._reloads < mark:
            self._clients.start()
            while self._reloads < mark - 1:
                self.reload()
            self._clients.stop()
            # The last one without clients: what their requests have opened goes with the generation before.
            self.reload()
        self._server.wait_until(self._is_at_rest, "retirement of all older generations", 30)
        if self._has_signals:
            self._check_signal()
        self.last = self._told("/collected")
        self._server.wait_until(lambda: not self._is_connected(), "end of all connections")
        counts, folder = self._clients.counts, Path(f"/proc/{self._server.pid}")
        return Row(
            self._reloads,
            counts.total(),
            counts["failed"],
            counts["mixed"],
            self.last["generations"],
            _least(folder / "task") - self._told()["threads"].count(WAITS),
            _least(folder / "fd"),
            round(int((folder / "status").read_text().partition("VmRSS:")[2].split()[0]) / 1024, 1),
        )

    def _is_at_rest(self) -> bool:
        """Tell whether all older generations have retired, and the threads that did that have ended."""
        told = self._told()
        return told["living"] == 1 and not any(name.startswith(BUSY) for name in told["threads"])

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
    """Return the least number of entries of a folder within a moment: a timer that ticks is two threads at times."""
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
            broken += [line for line in server.log.splitlines() if not any(each in line for each in EXPECTED)][:50]
    sys.exit("\n".join(broken) or 0)


def run(soak: Soak, reloads: int, types: bool) -> list[str]:
    """Do the reloads, print the table, and return what is wrong."""
    print(HEADER)
    rows: list[Row] = []
    for mark in sorted({each for each in MEASURED_AT if each < reloads} | {base_of(reloads), reloads}):
        before = soak.last
        rows.append(soak.reload_and_measure(mark))
        print(rows[-1], flush=True)
        if types and before:
            more = Counter(soak.last["types"]) - Counter(before["types"])
            print("more of", dict(more.most_common(20)))
    return broken_bounds(rows) + soak.last["retained"]


def base_of(reloads: int) -> int:
    """Return after how many of all *reloads* there is what may not grow."""
    return min(BASE, reloads // 2)


def broken_bounds(rows: list[Row]) -> list[str]:
    """Say which bounds are broken."""
    end = rows[-1]
    base = next(row for row in rows if row.reloads == base_of(end.reloads))
    generations = max(row.generations for row in rows)
    growth = end.mebibytes / base.mebibytes - 1
    is_more = end.reloads >= ENOUGH and end.mebibytes > base.mebibytes * (1 + MOST_GROWTH)
    bounds = {
        f"{end.failed} requests failed": not end.failed,
        f"{end.mixed} requests met two generations": not end.mixed,
        f"{generations} generations were in memory": generations <= 2,
        f"{end.threads} threads, after {base.threads}": end.threads <= base.threads,
        f"{end.files} open files, after {base.files}": end.files <= base.files,
        f"{growth:.1%} more memory after {end.reloads} reloads than after {base.reloads}": not is_more,
    }
    return [text for text, holds in bounds.items() if not holds]


if __name__ == "__main__":
    main()
