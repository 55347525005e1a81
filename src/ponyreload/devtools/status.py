"""Status: what the reloader has and does, as plain data that JSON can hold."""

from __future__ import annotations

import os
import platform
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ponyreload.adapters.platforms import detect
from ponyreload.generations.generation import Generation
from ponyreload.holders.retention import GRACE_SECONDS
from ponyreload.holders.roots import script_runs
from ponyreload.imports.reasons import Reason, system_modules, user_modules
from ponyreload.interpreter.environment import environment_of_process
from ponyreload.loading.journal import Failure, LoadRecord
from ponyreload.options.servers import TABLE
from ponyreload.reloading.application import Application
from ponyreload.reporting import shown
from ponyreload.wsgi.requests import requests_of

if TYPE_CHECKING:
    from ponyreload.errors import LoadError
    from ponyreload.holders.remains import Remains
    from ponyreload.holders.retention import Kept

__all__ = ["Status"]

# At most: the last loads, the changed files of each, and the slowest modules of each.
LOADS = 20
CHANGED = 20
MODULES = 40
# What has retired and been collected waits this long for what is ending anyway, before its holder is looked for.
COLLECTING_SECONDS = GRACE_SECONDS + 3.0

# What a developer may want to know the version of:  package -> distribution
DISTRIBUTIONS = {package: each.distribution for each in TABLE if each.distribution for package in each.packages}
DISTRIBUTIONS |= {"ponyreload": "ponyreload", "watchdog": "watchdog"}


class Status:
    """Describes a reloader. Safe to call from any thread; it changes nothing, and no user code runs."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._versions: dict[str, str] = {}

    def data(self) -> dict[str, Any]:
        """Return all of it. Times are in seconds."""
        application = self._application
        serving = application.serving
        error = application.error
        lookout = application.lookout
        where = detect(sys.modules, environment_of_process())
        options = application.options
        return {
            "serving": 0 if serving.is_broken else serving.number,
            "at": time.time(),
            "error": None if error is None else _error(error),
            "generations": self._generations(serving),
            "loads": [_load(record) for record in reversed(application.journal.records()[-LOADS:])],
            "modules": {
                "user": [_module(each) for each in user_modules(serving, options, application.entries.names)],
                "system": [_module(each) for each in system_modules()],
            },
            "watching": {
                "folders": [{"folder": shown(each), "deep": deep} for each, deep in sorted(lookout.watched.items())],
                "poll_seconds": lookout.seconds,
                "extra_files": [shown(each) for each in options.extra_files],
            },
            "options": {
                "include": list(options.included),
                "isolate": list(options.isolate),
                "drain_seconds": options.drain_seconds,
                "scope": options.scope,
            },
            "platform": {"name": where.name, "sign": where.sign},
            "adapters": _adapters(application),
            "applications": [slot.name for slot in tuple(application.slots.values())],
            "process": {"id": os.getpid(), "folder": os.getcwd(), "python": platform.python_version()},
            "versions": self._versions_of_imported(),
        }

    # -- generations -----------------------------------------------------------------------------------------

    def _generations(self, serving: Generation) -> list[dict[str, Any]]:
        """Return all that are in memory, the newest first."""
        now = time.monotonic()
        living = self._application.living.all()
        rows = [self._living(each, serving, now) for each in living]
        rows += [
            _retained(kept, now, self._application.collector.collected_at)
            for kept in self._application.retained.known()
        ]
        return sorted(rows, key=lambda row: row["number"], reverse=True)

    def _living(self, generation: Generation, serving: Generation, now: float) -> dict[str, Any]:
        is_old = generation.published and generation is not serving
        row = _row(generation, _state(generation, serving), now)
        row["leases"] = len(generation.leases)
        row["requests"] = [{"request": each.line, "seconds": each.seconds} for each in requests_of(generation)]
        row["superseded_seconds"] = now - generation.superseded_at if is_old else None
        return row

    # -- versions --------------------------------------------------------------------------------------------

    def _versions_of_imported(self) -> dict[str, str]:
        from importlib.metadata import PackageNotFoundError, version  # here: it imports much

        for module, distribution in DISTRIBUTIONS.items():
            if module in sys.modules and distribution not in self._versions:
                with suppress(PackageNotFoundError):  # imported from a source tree
                    self._versions[distribution] = version(distribution)
        return self._versions


def _state(generation: Generation, serving: Generation) -> str:
    if generation is serving:
        return "broken" if generation.is_broken else "serving"
    if not generation.published:
        return "given up" if generation.abandoned or generation.retires else "loading"
    return "retiring" if generation.retires else "superseded"


def _row(generation: Generation | Remains, state: str, now: float) -> dict[str, Any]:
    load = generation.load
    began = generation.published_at if generation.published else now if load is None else load.started
    return {
        "number": generation.number,
        "state": state,
        "age": max(0.0, now - began),
        "modules": len(generation.modules),
        "shared": len(generation.shared),
        "leases": 0,
        "requests": [],
        "superseded_seconds": None,
        "held_by": None,
        "note": f"at {load.where()}" if state == "loading" and load is not None else None,
    }


def _retained(kept: Kept, now: float, collected_at: float) -> dict[str, Any]:
    remains, holder = kept
    generation = remains.generation()
    row = _row(generation or remains, "retained", now)
    row["superseded_seconds"] = max(0.0, now - remains.superseded_at) if remains.published else None
    if holder is not None:
        row["held_by"] = {"path": list(holder.path), "text": holder.text}
    elif generation is not None and script_runs(generation):
        row["note"] = "the script that it began with runs on in the main thread, and holds it"
    elif collected_at <= remains.at or now - remains.at < COLLECTING_SECONDS:
        row["state"] = "retired" if remains.published else "given up"
        row["note"] = "its memory has not been collected yet"
    else:
        row["note"] = "what holds it has not been found; Reloader.retained() looks again"
    return row


# -- loads, modules, adapters --------------------------------------------------------------------------------


def _load(record: LoadRecord) -> dict[str, Any]:
    """Return a load with the times of its slowest modules, and what the others took together."""
    slowest = sorted(record.modules.items(), key=lambda each: -each[1])
    rest = slowest[MODULES:]
    return {
        "number": record.number,
        "at": record.at,
        "seconds": record.seconds,
        "changed": [shown(file) for file in record.changed[:CHANGED]],
        "changed_count": len(record.changed),
        "modules": [{"name": name, "seconds": seconds} for name, seconds in slowest[:MODULES]],
        "others": {"count": len(rest), "seconds": sum(seconds for _, seconds in rest)},
        "error": None if record.error is None else _failure(record.error),
    }


def _error(error: LoadError) -> dict[str, Any]:
    """Return what went wrong and where, with the lines there and the traceback; no text of other than user modules."""
    lines = [{"line": line, "text": text} for line, text in error.source]
    return {**_failure(Failure.of(error)), "source": lines, "details": error.shareable}


def _failure(failure: Failure) -> dict[str, Any]:
    """Return what went wrong and where."""
    return {
        "number": failure.number,
        "serving": failure.serving,
        "text": failure.text,
        "summary": failure.summary,
        "outcome": failure.outcome,
        "file": None if failure.file is None else shown(failure.file),
        "line": failure.line,
    }


def _module(reason: Reason) -> dict[str, Any]:
    file = None if reason.file is None else shown(reason.file)
    return {"name": reason.name, "file": file, "why": reason.why, "modules": reason.modules}


def _adapters(application: Application) -> list[str]:
    """Return the names of the adapters of servers and libraries; `binding` is for the ones that are not known."""
    names = {type(adapter).__module__.rpartition(".")[2] for adapter in application.adapters.all()}
    return sorted(names - {"binding"})
