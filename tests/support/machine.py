"""A state machine on the loader: whatever is done to the files, the answers are a fresh interpreter's.

Run as a script, in a process of its own, because it changes the interpreter:
``machine.py EXAMPLES [SCOPE [SEED]]``. The examples of a seed are always the same; without one, each run has others.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

import ponyreload.autoreload
import ponyreload.reloading.pacing
from driving import finish, start, until
from oracle import Oracle

EAGER = ["one", "two", "pack.three", "pack.four"]  # each may import those after it, at the top
LATE = ["late", "pack.late"]  # imported in functions
PROJECT = ["app", "support", "pack", *EAGER, *LATE]
ENDINGS = {
    "good": "",
    "syntax": "X = = 1",
    "raises": "1 / 0",
    "exits": "raise SystemExit(3)",
    "missing": "import no_such_module",
    "name": "no_such_name",
}
APP = """
from ponyreload import *
import one
reloader = use_autoreload(include=("pack.late",), scope={scope!r})

def answer():
    return ["app", one.value()]

@AutoreloadMiddleware
def application(environ, start_response):
    start_response("200 OK", [])
    return stream(environ["PATH_INFO"] == "/slow")

def stream(is_slow):
    if is_slow:
        yield b""  # what it imports late and registers comes when a newer generation may serve
    yield repr(answer()).encode()
    yield b"|"
    yield repr(answer()).encode()
"""
SUPPORT = """
def ask_late(names):
    import importlib
    told = []
    for name in names:
        try:
            told.append(importlib.import_module(name).value())
        except Exception as error:
            told.append(type(error).__name__)
    return told

class Pool:
    is_open = True

    def close(self):
        self.is_open = False
"""
# What a module of this version makes and registers when a request asks it first.
POOLED = 3
POOL = """
pool = None
def is_open():
    global pool
    if pool is None:
        pool = Pool()
        on_retire(pool.close)
    return pool.is_open
"""


def text_of(version: int, imports: list[str], late: list[str], ending: str) -> str:
    """The source of a module."""
    lines = ["from ponyreload import *", "from support import Pool, ask_late"]
    # In each of the ways to get hold of a module; what one makes of another when it is imported counts as well.
    if version % 2:
        lines += [f"import {name}" for name in imports]
    else:
        lines += [f"import {name}" if "." not in name else f"from pack import {name[5:]}" for name in imports]
        imports = [name.rpartition(".")[2] for name in imports]
    made, values = (", ".join(f"{name}.{what}" for name in imports) for what in ("MADE", "value()"))
    lines += [f"MADE = [{version}, {made}]", ENDINGS[ending], "def value():"]
    pooled = "is_open(), " if version == POOLED else ""
    lines += [f"    return [{version}, MADE, {pooled}{values and values + ','} *ask_late({late})]"]
    return "\n".join(lines) + "\n" + (POOL if pooled else "")


class Loader(RuleBasedStateMachine):
    oracle: Oracle
    scope = sys.argv[2] if len(sys.argv) > 2 else "all"
    folder: str

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        os.mkdir(os.path.join(self.folder, "pack"))
        self.write("pack/__init__.py", "from ponyreload import *\n" if self.scope == "affected" else "")
        self.write("support.py", SUPPORT)
        self.write("app.py", APP.replace("{scope!r}", repr(self.scope)))
        for name in EAGER + LATE:
            self.write(path_of(name), text_of(0, [], [], "good"))
        self.write("one.py", text_of(0, EAGER[1:], LATE, "good"))
        os.chdir(self.folder)
        sys.path.insert(0, self.folder)
        import app

        self.reloader = app.reloader
        self.application = app.application
        self.reloader.updater.is_started = True  # it is stepped by hand
        self.answer = self.expected()[1]
        self.requests: list[tuple[Any, str, Any]] = []  # body, the rest of its text, and its iterator

    def write(self, path: str, text: str) -> None:
        target = Path(self.folder, path)
        target.write_text(text)
        if not hasattr(self, "reloader"):
            os.utime(target, (1_600_000_000, 1_600_000_000))

    def expected(self) -> Any:
        return self.oracle.ask(self.folder)

    # -- what is done to the files -----------------------------------------------------------------------------

    @rule(
        name=st.sampled_from(EAGER),
        version=st.integers(0, 3),
        picks=st.lists(st.sampled_from(EAGER), unique=True),
        late=st.lists(st.sampled_from(LATE), unique=True),
        ending=st.sampled_from(["good"] * 6 + sorted(ENDINGS)),
    )
    def save(self, name: str, version: int, picks: list[str], late: list[str], ending: str) -> None:
        imports = [each for each in picks if EAGER.index(each) > EAGER.index(name)]
        self.write(path_of(name), text_of(version, imports, late, ending))
        self.check()

    @rule(
        names=st.lists(st.sampled_from(EAGER), unique=True, min_size=2),
        picks=st.lists(st.sampled_from(EAGER), unique=True),
        version=st.integers(0, 3),
        ending=st.sampled_from(["good"] * 6 + sorted(ENDINGS)),
    )
    def check_out(self, names: list[str], picks: list[str], version: int, ending: str) -> None:
        """Change several files at once, the last of them in any way."""
        for name in names:
            imports = [each for each in picks if EAGER.index(each) > EAGER.index(name)]
            self.write(path_of(name), text_of(version, imports, LATE, ending if name == names[-1] else "good"))
        self.check()

    # A generation that has not imported a late module yet finds what is on disk by then; so these come only where
    # nothing is under way.
    @precondition(lambda self: not self.requests and self.reloader.error is None)
    @rule(
        name=st.sampled_from(LATE),
        version=st.integers(0, 3),
        ending=st.sampled_from(["good", "good", "raises", "name"]),
    )
    def save_late(self, name: str, version: int, ending: str) -> None:
        self.write(path_of(name), text_of(version, [], [], ending))
        self.check()

    @precondition(lambda self: not self.requests and self.reloader.error is None)
    @rule(name=st.sampled_from(LATE))
    def delete_late(self, name: str) -> None:
        self.delete(name)

    @rule(name=st.sampled_from(EAGER[1:]))
    def delete(self, name: str) -> None:
        Path(path_of(name)).unlink(missing_ok=True)
        self.check()

    @rule(old=st.sampled_from(EAGER[1:]), new=st.sampled_from(EAGER[1:]))
    def rename(self, old: str, new: str) -> None:
        if os.path.exists(path_of(old)) and f"import {old}" not in Path(path_of(old)).read_text():
            # A module renamed to one that comes earlier could import itself.
            Path(path_of(new)).write_text(text_of(7, [], [], "good"))
            if old != new:
                os.unlink(path_of(old))
        self.check()

    @rule()
    def repair_all(self) -> None:
        for name in EAGER:
            self.write(path_of(name), text_of(0, [], [], "good"))
        self.write("one.py", text_of(1, EAGER[1:], LATE, "good"))
        self.check()

    # -- requests ----------------------------------------------------------------------------------------------

    @rule()
    def begin_request(self) -> None:
        body = start(self.application)
        parts = iter(body)
        assert next(parts).decode() == repr(self.answer)
        self.requests.append((body, f"|{self.answer!r}", parts))

    @rule()
    def begin_slow_request(self) -> None:
        body = start(self.application, "/slow")
        parts = iter(body)
        assert next(parts) == b""
        self.requests.append((body, f"{self.answer!r}|{self.answer!r}", parts))

    @rule()
    def pause(self) -> None:
        """No request comes for a while."""
        while self.requests:
            self.end(0)

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def end_request(self, data: st.DataObject) -> None:
        self.end(data.draw(st.integers(0, len(self.requests) - 1)))

    def end(self, place: int) -> None:
        body, expected, parts = self.requests.pop(place)
        rest = b"".join(parts).decode()
        body.close()
        self.step()
        # What it imported late at its start it has kept, and so it answers the same at its end.
        assert rest == expected, (rest, expected)

    # -- what must hold ----------------------------------------------------------------------------------------

    def step(self) -> None:
        self.reloader.application.lookout.schedule_scan(0)
        while self.reloader.updater.is_called():
            self.reloader.updater.attend()
        until(lambda: not any(each.retires for each in self.reloader.living))

    def check(self) -> None:
        modules = {name: id(module) for name, module in sys.modules.items()}
        before = self.reloader.generation
        self.step()
        kind, value = self.expected()
        if kind == "value":
            assert self.reloader.error is None, self.reloader.error.details
            self.answer = value
        else:
            assert self.reloader.error is not None, f"a fresh interpreter ends with {value}"
            assert type(self.reloader.error.reason).__name__ == value, (self.reloader.error.details, value)
            assert self.reloader.generation == before
            # Modules of the library may be new: traceback imports some of them when it needs them.
            now = {name: id(module) for name, module in sys.modules.items() if name in modules or name in PROJECT}
            assert now == modules, set(now) ^ set(modules)
        assert finish(start(self.application)) == f"{self.answer!r}|{self.answer!r}"
        self.step()

    @invariant()
    def generations_are_few(self) -> None:
        if hasattr(self, "reloader"):
            living = self.reloader.living
            # One with which a shared module has registered something waits for the older ones.
            waiting = [each for each in living if each.bound & each.shared and not each.leases]
            assert len(living) <= 1 + len(self.requests) + len(waiting)
            assert sum(len(each.leases) for each in living) == len(self.requests)

    def teardown(self) -> None:
        for body, *_ in self.requests:
            body.close()
        self.step()
        assert [each.number for each in self.reloader.living] == [self.reloader.generation]
        assert self.reloader.serving.leases == set()
        self.reloader.stop()
        ponyreload.autoreload._reloader = None
        for name in PROJECT:
            sys.modules.pop(name, None)
        sys.path.remove(self.folder)
        sys.path_importer_cache.clear()
        os.chdir("/")
        shutil.rmtree(self.folder)


def path_of(name: str) -> str:
    return name.replace(".", "/") + ".py"


if __name__ == "__main__":
    ponyreload.reloading.pacing.QUIET_SECONDS = 0.0
    with Oracle() as Loader.oracle:
        run_state_machine_as_test(
            seed(int(sys.argv[3]))(Loader) if len(sys.argv) > 3 else Loader,
            settings=settings(
                max_examples=int(sys.argv[1]),
                stateful_step_count=20,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
