"""Measuring: one row of the table, a contender with a scenario."""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.reloading.application import Scenario
from benchmarks.reloading.clients import Answer, Clients, Seen, ask
from benchmarks.reloading.contenders import Contender
from benchmarks.reloading.serving import Gone, Serving, versions_of

__all__ = ["Effort", "Row", "measure", "quantile"]

# One row of the table: column -> figure. Sample: {"contender": "naive", "scenario": "small", "p50_ms": 4.1, …}
Row = dict[str, Any]


class Effort(NamedTuple):
    """How much is measured.

    Attributes:
        edits: In quiet, one after another.
        load_edits: Under four clients.
        memory_edits: After how many edits the memory is taken; as far as the time allows.
        requests: To tell what a request costs, for each of on and off.
        patience: Seconds after which an edit counts as missed.
        start_seconds: How long a start may take.
        quiet_seconds: How long is measured without edits, before those in quiet and before those under clients.
        row_seconds: After this, no more edits are made for one row, so that slow contenders make fewer.
    """

    edits: int = 40
    load_edits: int = 20
    memory_edits: int = 200
    requests: int = 2000
    patience: float = 5.0
    start_seconds: float = 180.0
    quiet_seconds: float = 3.0
    row_seconds: float = 120.0


# A reload is over when that has passed since the first new answer: it lets go of the generation before, and watches.
SETTLE_SECONDS = 0.1


class Edit(NamedTuple):
    """One edit and what came of it; seconds on the monotonic clock.

    Sample row: ``Edit(True, 1000.0, 1000.007, 0.003, 0, 0.002)``.
    """

    is_atomic: bool
    saved_at: float
    live_at: float | None  # None: missed
    longest: float  # of the requests that were asked while it was reloaded
    failed: int
    later: float = 0.0  # of those from then to the next edit: what a reload leaves to be done holds up requests too


def measure(contender: Contender, scenario: Scenario, python: str, effort: Effort) -> Row:
    """Measure one row. What goes wrong with a contender is said in the row's "state"."""
    row: Row = {"contender": contender.name, "kind": contender.kind, "scenario": scenario.name, "state": "measured"}
    row["versions"] = versions_of(contender, python)
    missing = [name for name, version in row["versions"].items() if version is None]
    if missing:
        row["state"] = f"not installed: {', '.join(missing)}"
        return row
    try:
        with Serving(contender, scenario, python, False, effort.start_seconds) as plain:
            row["request_off_us"] = _request_us(plain, effort.requests)
        with Serving(contender, scenario, python, True, effort.start_seconds) as serving:
            row["start_s"] = serving.start_seconds
            row["request_on_us"] = _request_us(serving, effort.requests)
            _measure_reloads(serving, effort, row)
    except Gone as gone:
        row["state"] = str(gone)
    return row


def _measure_reloads(serving: Serving, effort: Effort, row: Row) -> None:
    row["memory_first_mib"] = serving.memory_mib()
    ends_at = time.monotonic() + effort.row_seconds
    row["longest_before_ms"] = 1000 * _longest(serving, effort.quiet_seconds)
    making = Making(serving, effort.patience)
    # The first edit may have to do what later ones find done.
    row["first_ms"] = max(_milliseconds([making.edit(True)]), default=None)
    edits = making.many(effort.edits, lambda: ends_at - time.monotonic() < effort.row_seconds * 2 / 3)
    _note_edits(edits, row)
    row["load"] = _under_load(serving, making, effort, ends_at)
    while making.made < effort.memory_edits and time.monotonic() < ends_at:
        making.edit(making.made % 2 == 0)
    time.sleep(effort.quiet_seconds / 2)  # collecting comes after a while of rest
    row["memory_mib"] = serving.memory_mib()
    row["memory_edits"] = making.made


class Making:
    """Makes edits, and waits for each to be live."""

    def __init__(self, serving: Serving, patience: float) -> None:
        self._serving = serving
        self._patience = patience
        self._chance = random.Random(7)
        self.made = 0

    def many(self, number: int, is_late: Callable[[], bool]) -> list[Edit]:
        """Make so many edits, by turns atomic and in place, with pauses of all lengths; fewer if it gets late."""
        edits: list[Edit] = []
        while len(edits) < number and not (is_late() and len(edits) >= 4):
            # Those that look once a second are met at any moment of it; and some edits come within one second.
            self._rest(edits, self._chance.uniform(0.1, 1.1))
            edits.append(self.edit(len(edits) % 2 == 0))
        self._rest(edits, 1.5)
        return edits

    def _rest(self, edits: list[Edit], seconds: float) -> None:
        """Go on asking."""
        settling, later = (_longest(self._serving, part) for part in (SETTLE_SECONDS, seconds - SETTLE_SECONDS))
        if edits:
            edits[-1] = edits[-1]._replace(longest=max(settling, edits[-1].longest), later=later)

    def edit(self, is_atomic: bool) -> Edit:
        """Make one edit; ask until the answer is new.

        Raises:
            Gone: Nothing answers any more.
        """
        serving = self._serving
        self.made += 1
        new = serving.editor.edit(is_atomic)
        saved_at = serving.editor.saved_at
        longest, failed = 0.0, 0
        while True:
            answer = ask(serving.port, "/", self._patience)
            longest = max(longest, answer.ended - answer.began) if answer.is_good else longest
            failed += not answer.is_good
            if answer.body.startswith(new) and answer.is_good:
                return Edit(is_atomic, saved_at, answer.ended, longest, failed)
            waited = time.monotonic() - saved_at
            if waited > self._patience:
                if not answer.is_good:
                    serving.check()
                    raise Gone(f"answers no more after {self.made} edits: {serving.last_words()}")
                return Edit(is_atomic, saved_at, None, longest, failed)
            # Half a millisecond at first, then one part in a hundred: enough to tell, and the ports do not run out.
            time.sleep(max(0.0005, waited / 100))


def _note_edits(edits: list[Edit], row: Row) -> None:
    times = _milliseconds(edits)
    row["edits"] = len(edits)
    row["edits_ms"] = times
    row["missed"] = len(edits) - len(times)
    row["p50_ms"], row["p95_ms"], row["max_ms"] = quantile(times, 0.5), quantile(times, 0.95), max(times, default=None)
    for name, is_atomic in (("atomic", True), ("in_place", False)):
        same = [edit for edit in edits if edit.is_atomic is is_atomic]
        row[f"{name}_p50_ms"] = quantile(_milliseconds(same), 0.5)
        row[f"{name}_missed"] = sum(edit.live_at is None for edit in same)
    row["longest_ms"] = max((1000 * edit.longest for edit in edits), default=None)
    row["later_ms"] = max((1000 * edit.later for edit in edits), default=None)
    row["failed_in_quiet"] = sum(edit.failed for edit in edits)


def _under_load(serving: Serving, making: Making, effort: Effort, ends_at: float) -> Row:
    """Make edits while four clients ask; return what these have seen."""
    edits: list[Edit] = []
    with Clients(serving.port) as clients:
        began = time.monotonic()
        time.sleep(effort.quiet_seconds)
        edits_begin = time.monotonic()
        edits = making.many(effort.load_edits, lambda: time.monotonic() > ends_at)
        time.sleep(0.2)
        over = time.monotonic()
    seen = clients.seen
    flying = [each for each in seen if any(_is_met(each, edit) for edit in edits)]
    return {
        "edits": len(edits),
        "missed": sum(edit.live_at is None for edit in edits),
        "p50_ms": quantile(_milliseconds(edits), 0.5),
        "answers": sum(not each.trouble for each in seen),
        "refused": sum(each.trouble == "refused" for each in seen),
        "failed": sum(each.trouble == "failed" for each in seen),
        "mixed": sum(each.is_mixed for each in seen),
        "in_flight": len(flying),
        "mixed_in_flight": sum(each.is_mixed for each in flying),
        "stale": sum(each.is_stale for each in seen if each.began > edits_begin),
        "silence_before_ms": 1000 * _silence(seen, began, edits_begin),
        "silence_ms": 1000 * _silence(seen, edits_begin, over),
    }


def _is_met(seen: Seen, edit: Edit) -> bool:
    """Tell whether an edit came to be live while this request was under way."""
    return edit.live_at is not None and seen.began < edit.live_at and seen.ended > edit.saved_at


def _silence(seen: list[Seen], began: float, ended: float) -> float:
    """Return the longest time without a good answer to anybody, in seconds."""
    moments = [began, *(each.ended for each in seen if not each.trouble and began < each.ended < ended), ended]
    return max(after - before for before, after in itertools.pairwise(moments))


def _longest(serving: Serving, seconds: float) -> float:
    """Return the longest that a request takes while nothing is edited, in seconds; asked as when an edit is awaited."""
    longest = 0.0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = ask(serving.port, "/")
        longest = max(longest, _took(answer)) if answer.is_good else longest
        time.sleep(0.002)
    return longest


def _request_us(serving: Serving, requests: int) -> float:
    """Return what one request takes at the median, in microseconds."""
    for _ in range(50):
        ask(serving.port, "/")
    return 1e6 * statistics.median(_took(ask(serving.port, "/")) for _ in range(requests))


def _took(answer: Answer) -> float:
    return answer.ended - answer.began


def _milliseconds(edits: list[Edit]) -> list[float]:
    return [1000 * (edit.live_at - edit.saved_at) for edit in edits if edit.live_at is not None]


def quantile(values: list[float], part: float) -> float | None:
    """Return the value that *part* of the values lie below or at; None if there are none."""
    if not values:
        return None
    if part == 0.5:
        return statistics.median(values)
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]
