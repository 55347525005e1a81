"""How long the search for the holder of a retired generation takes, and how long it holds up other threads.

    python benchmarks/holders.py [number of objects]

It makes so many objects that the collector knows (a million, if no number is given), of the kinds that an application
has: instances, dicts, lists and tuples with strings and numbers in them. Then it has a generation held

- near: by a dict of a system module,
- far: at the end of a chain of 100 objects, behind all others,
- hidden: by C code, so that all is walked through, and then what was not met is counted,
- not at all: as hidden, and all of it in vain,

and looks for the holder. It prints the least and the median of five searches, in seconds of the processor, which other
processes do not lengthen much; and the longest time in which another thread, which wakes up every millisecond, did not
run, in milliseconds of the clock. A collection, which comes before each search in a process that reloads, is measured
in the same way for comparison.
"""

from __future__ import annotations

import atexit
import gc
import statistics
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable

from ponyreload.generations.context import MARK
from ponyreload.generations.generation import Generation
from ponyreload.holders.search import holder_of_each

SEARCHES = 5


class Item:
    """One object of an application's data."""

    def __init__(self, number: int) -> None:
        self.name = f"item {number}"
        self.price = number / 100
        self.tags = ["new", f"tag {number}"]
        self.parts = ([number], {"of": self})


def fill(module: types.ModuleType, wanted: int) -> int:
    """Put objects into *module* until the collector knows *wanted*; return how many it knows."""
    items = vars(module)["items"] = {}
    missing = wanted - len(gc.get_objects())
    gc.disable()
    while missing > 0:
        for number in range(len(items), len(items) + 10_000):
            items[f"key {number}"] = Item(number) if number % 2 else {"n": number, "in": ([number], {"m": [number]})}
        missing = wanted - len(gc.get_objects())
    gc.enable()
    gc.collect()
    return len(gc.get_objects())


class Pulse:
    """A thread that notes the longest time between two of its steps. A context manager: leaving the block ends it."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        before = time.perf_counter()
        while not self._over.wait(0.001):
            now = time.perf_counter()
            self.longest, before = max(self.longest, now - before), now

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()


def measure(name: str, work: Callable[[], object]) -> None:
    """Print a row of the table."""
    work()
    times = []
    for _ in range(SEARCHES):
        started = time.thread_time()
        work()
        times.append(time.thread_time() - started)
    with Pulse() as pulse:
        for _ in range(SEARCHES):
            work()
    print(f"{name:12} {min(times):8.3f} s {statistics.median(times):8.3f} s {pulse.longest * 1000:14.0f} ms")


def make() -> types.FunctionType:
    """Return a function of a generation that nothing else holds."""
    namespace = {"__name__": "shop", MARK: Generation(3)}
    exec("def total(): pass", namespace)
    return namespace["total"]  # type: ignore[return-value]


def search(function: types.FunctionType, says: str) -> Callable[[], None]:
    """Return what looks for the holder of the function's generation, and has to find these words."""
    # No variable may hold it: that would be the holder.
    generation = weakref.ref(function.__globals__[MARK])

    def look() -> None:
        (holder,) = holder_of_each([generation()])  # type: ignore[list-item]
        assert says in (holder.text if holder else "nothing"), holder

    return look


def main() -> None:
    """Print the table."""
    library = sys.modules["library"] = types.ModuleType("library")
    known = fill(library, int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
    print(f"Python {sys.version.split()[0]}, {known:,} objects".replace(",", " "))
    print(f"{'':12} {'least':>10} {'median':>10} {'another waits':>17}")
    measure("collection", gc.collect)

    library.CACHE = {"order": make()}
    look = search(library.CACHE["order"], "[0] -> function shop.total")
    measure("near", search(library.CACHE["order"], "library.CACHE['order'] -> function shop.total"))
    for _ in range(100):
        library.CACHE["order"] = [library.CACHE["order"]]
    measure("far", look)

    library.CACHE.clear()
    look = search(atexit.register(make()), "something the collector cannot see")
    measure("hidden", look)

    gc.disable()  # it has only itself, in a cycle
    measure("not at all", search(make(), "nothing"))


if __name__ == "__main__":
    main()
