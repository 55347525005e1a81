"""Costs: what ponyreload takes while nothing is edited. Each is measured by a script in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.reloading.application import SCENARIOS, write_application

__all__ = ["COSTS", "measure_costs"]

ROOT = Path(__file__).parents[2]
# How long it is watched: two looks at least, where the files are looked at rarely.
IDLE_SECONDS = 10.0
# It begins to watch, and collects; and 30 seconds later, polling comes to rest.
SETTLE_SECONDS = 4.0
REST_SECONDS = 34.0
GENERATIONS = 5

REQUEST = """
import json, os, statistics, threading, time, timeit, http.client
from ponyreload import *

def plain(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]

use_autoreload()
wrapped = AutoreloadMiddleware(plain)
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}

def each(app, calls=20_000):
    start_response = lambda status, headers: None
    return timeit.timeit(lambda: app(environ, start_response), number=calls) / calls * 1e6

rounds = [(each(plain), each(wrapped)) for _ in range(ROUNDS)]
told = {"plain_us": min(each[0] for each in rounds), "wrapped_us": min(each[1] for each in rounds)}

from cheroot.wsgi import Server

if generation() <= 1:
    server = Server(("127.0.0.1", 0), wrapped)
    server.prepare()
    threading.Thread(target=server.serve, daemon=True).start()
    connection = http.client.HTTPConnection(*server.bind_addr[:2])
    times = []
    for _ in range(100 * ROUNDS):
        began = time.perf_counter()
        connection.request("GET", "/")
        connection.getresponse().read()
        times.append(time.perf_counter() - began)
    told["cheroot_us"] = statistics.median(times) * 1e6
    print(json.dumps(told), flush=True)
    os._exit(0)
"""

IMPORT = """
import json, os, timeit
from ponyreload import *
import shop.wsgi
from shop import prices
use_autoreload(include=("shop",))

def from_user():
    from shop.prices import version

def import_user():
    import shop.prices

def from_system():
    from os.path import join

def import_system():
    import json

def attribute():
    prices.version

functions = (from_user, import_user, from_system, import_system, attribute)
calls = 20_000
print(json.dumps({
    each.__name__: min(timeit.repeat(each, number=calls, repeat=ROUNDS)) / calls * 1e6 for each in functions
}), flush=True)
os._exit(0)
"""

START = """
import json, os, sys, time
began = time.perf_counter()
from ponyreload import *
imported = time.perf_counter()
import shop.wsgi
ready = time.perf_counter()
reloader = use_autoreload(include=("shop",))
done = time.perf_counter()
cpu = time.process_time()
reloader.start()
time.sleep(5)
print(json.dumps({
    "import_ms": 1000 * (imported - began), "application_ms": 1000 * (ready - imported),
    "call_ms": 1000 * (done - ready), "thread_cpu_ms": 1000 * (time.process_time() - cpu),
    "modules": sum(name.partition(".")[0] == "shop" for name in sys.modules),
}), flush=True)
os._exit(0)
"""

IDLE = """
import os, signal
from ponyreload import *
import shop.wsgi
reloader = use_autoreload(include=("shop",), poll_seconds=POLL)
reloader.start()
print("ready", flush=True)
signal.pause()
"""

MEMORY = """
import gc, json, os, sys, time
from ponyreload import *
import shop.wsgi
reloader = use_autoreload(include=("shop",))

def memory():
    for _ in range(3):
        gc.collect()
    with open("/proc/self/status") as status:
        return sys.getallocatedblocks(), int(status.read().partition("VmRSS:")[2].split()[0])

if generation() <= 1:
    # The first one compiles; and what has just been written is not yet remembered, but looked for each time.
    reloader.reload()
    time.sleep(3)
    reloader.reload()
    before = memory()
    held = []
    for _ in range(GENERATIONS):
        held.append(reloader.lease({}).generation)
        reloader.reload()
    after = memory()
    names = [name for name in held[-1].modules if ".m" in name]
    functions = [
        [vars(each.modules[name])["report" + name.rpartition(".m")[2]] for each in held[-2:]] for name in names
    ]
    print(json.dumps({
        "blocks": (after[0] - before[0]) / GENERATIONS, "kib": (after[1] - before[1]) / GENERATIONS,
        "functions": len(functions), "shared_code": sum(a.__code__ is b.__code__ for a, b in functions),
        "modules": len(held[-1].modules),
    }), flush=True)
    os._exit(0)
"""

# As much as it has to be: the same code objects, executed in new modules that are kept.
LEAST_MEMORY = """
import gc, json, os, sys, time
sys.path.insert(0, FLOOR)
from floor_program import Floor
floor = Floor()
floor.load()

def memory():
    for _ in range(3):
        gc.collect()
    with open("/proc/self/status") as status:
        return sys.getallocatedblocks(), int(status.read().partition("VmRSS:")[2].split()[0])

floor.execute()
before = memory()
held = []
for _ in range(GENERATIONS):
    held.append({name: module for name, module in sys.modules.items() if name.partition(".")[0] == "shop"})
    floor.execute()
after = memory()
print(json.dumps({"blocks": (after[0] - before[0]) / GENERATIONS, "kib": (after[1] - before[1]) / GENERATIONS}))
"""


class Scripts:
    """Runs scripts in a folder with a scenario's application."""

    def __init__(self, python: str, folder: Path, rounds: int) -> None:
        self._python = python
        self._folder = folder
        self._rounds = rounds

    def run(self, script: str, on: bool = True, **values: object) -> dict[str, Any]:
        """Run a script to its end; return what it prints."""
        done = subprocess.run(
            self._command(script, values), cwd=self._folder, env=self._environment(on), capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        if done.returncode or not done.stdout:
            raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "nothing was told")
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told

    def idle(self, poll: float | None = None, settle: float = SETTLE_SECONDS) -> dict[str, Any]:
        """Run the idle script; after some seconds, count its wake-ups and its time on the processor, of all threads."""
        process = subprocess.Popen(
            self._command(IDLE, {"POLL": poll}), cwd=self._folder, env=self._environment(True), stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(settle)
            wakes, busy = _activity(process.pid)
            time.sleep(IDLE_SECONDS)
            later_wakes, later_busy = _activity(process.pid)
        finally:
            process.kill()
            process.wait()
        return {
            "wakes_a_second": (later_wakes - wakes) / IDLE_SECONDS,
            "core_percent": 100 * (later_busy - busy) / IDLE_SECONDS,
        }

    def _command(self, script: str, values: dict[str, object]) -> list[str]:
        given = {"ROUNDS": self._rounds, "GENERATIONS": GENERATIONS, "FLOOR": str(Path(__file__).parent), **values}
        # A file, as a main script is one; the values are names of the interpreter's.
        (self._folder / "cost.py").write_text(
            f"import builtins; vars(builtins).update({given!r})\n{script}", encoding="utf-8"
        )
        return [self._python, "cost.py"]

    def _environment(self, on: bool) -> dict[str, str]:
        mine = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PONYRELOAD"))}
        mine |= {"PYTHONPATH": str(ROOT / "src"), "MALLOC_ARENA_MAX": "1"}
        return mine if on else mine | {"PONYRELOAD": "off"}


def _activity(process: int) -> tuple[int, float]:
    """Return how often threads have waited, and how long they have run, in seconds."""
    wakes, busy = 0, 0
    for task in Path(f"/proc/{process}/task").iterdir():
        wakes += int((task / "status").read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0])
        busy += int((task / "schedstat").read_text().split()[0])
    return wakes, busy / 1e9


# -- the costs ---------------------------------------------------------------------------------------------------


def _request(scripts: Scripts) -> dict[str, Any]:
    on, off = scripts.run(REQUEST), scripts.run(REQUEST, on=False)
    return {
        "on_us": on["wrapped_us"] - on["plain_us"],
        "off_us": off["wrapped_us"] - off["plain_us"],
        "cheroot_us": on["cheroot_us"],
        "on_percent": 100 * (on["wrapped_us"] - on["plain_us"]) / on["cheroot_us"],
    }


def _import(scripts: Scripts) -> dict[str, Any]:
    # By turns, so that what else the machine does meets both.
    pairs = [(scripts.run(IMPORT), scripts.run(IMPORT, on=False)) for _ in range(3)]
    least = [{name: min(pair[side][name] for pair in pairs) for name in pairs[0][side]} for side in (0, 1)]
    return {f"{name}_us": least[0][name] - least[1][name] for name in least[0]} | {
        f"plain_{name}_us": least[1][name] for name in least[1]
    }


def _start(scripts: Scripts) -> dict[str, Any]:
    scripts.run(START)  # has Python write its bytecode
    told = [scripts.run(START) for _ in range(3)]
    return {name: min(each[name] for each in told) for name in told[0]}


def _memory(scripts: Scripts) -> dict[str, Any]:
    told, least = scripts.run(MEMORY), scripts.run(LEAST_MEMORY)
    return told | {"least_blocks": least["blocks"], "least_kib": least["kib"]}


# What is measured, with which scenario:  "request" -> ("small", <function>)
COSTS: dict[str, tuple[str, Callable[[Scripts], dict[str, Any]]]] = {
    "request": ("small", _request),
    "import": ("small", _import),
    "start": ("big", _start),
    "idle": ("big", Scripts.idle),
    "polling": ("big", lambda scripts: scripts.idle(1.0)),
    "polling at rest": ("big", lambda scripts: scripts.idle(1.0, REST_SECONDS)),
    "memory": ("big", _memory),
}


def measure_costs(python: str = sys.executable, rounds: int = 15) -> dict[str, dict[str, Any]]:
    """Measure all costs:  "request" -> {"on_us": 0.9, …}; what cannot be measured says why: {"state": "…"}."""
    costs: dict[str, dict[str, Any]] = {}
    for name, (scenario, measure) in COSTS.items():
        with tempfile.TemporaryDirectory(prefix="reloading-") as folder:
            write_application(Path(folder), SCENARIOS[scenario])
            try:
                costs[name] = measure(Scripts(python, Path(folder), rounds))
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                costs[name] = {"state": str(error)}
    return costs
