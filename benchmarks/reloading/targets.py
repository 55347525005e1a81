"""Targets: what the project wants of itself, each beside the figure that was measured."""

# ruff: noqa: RUF001 - a multiplication sign is what is meant

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from benchmarks.reloading.measuring import Row

__all__ = ["TARGETS", "Results", "Target", "verdicts"]

OURS = "ponyreload"
AFFECTED = "ponyreload-affected"


class Results:
    """All that a run has measured, by contender and scenario."""

    def __init__(self, rows: Iterable[Row], costs: dict[str, dict[str, Any]]) -> None:
        self.rows = {(row["contender"], row["scenario"]): row for row in rows}
        self._costs = costs

    def of(self, contender: str, scenario: str, column: str = "p50_ms") -> float | None:
        """Return one figure; None where there is none."""
        value: float | None = self.rows.get((contender, scenario), {}).get(column)
        return value

    def fastest(self, kind: str, scenario: str) -> tuple[str, float] | None:
        """Return the peer of a kind whose median is the least, of those that saw at least half of the edits."""
        found = [
            (row["p50_ms"], contender)
            for (contender, of), row in self.rows.items()
            # A naive reloader is no peer: it is what all of this is to be better than.
            if of == scenario and row["kind"] == kind and contender != "naive" and row.get("p50_ms")
            and row["missed"] * 2 <= row["edits"]
        ]  # fmt: skip
        return min(found)[::-1] if found else None

    def cost(self, name: str, column: str) -> float | None:
        """Return a figure of what is taken while nothing is edited."""
        value: float | None = self._costs.get(name, {}).get(column)
        return value

    def stall(self, scenario: str, when: str) -> float | None:
        """Return by how much a concurrent request took longer than without reloads, in ms.

        Args:
            scenario: "small" …
            when: "longest_ms", while a reload ran; "later_ms", after that.
        """
        longest, before = self.of(OURS, scenario, when), self.of(OURS, scenario, "longest_before_ms")
        return None if longest is None or before is None else longest - before


class Target(NamedTuple):
    """One target.

    Attributes:
        what: For the table.
        limit: In words.
        figure: The figure that is to meet it, or None.
        meets: Whether that figure does.
        unit: Of the figure.
    """

    what: str
    limit: str
    figure: Callable[[Results], float | None]
    meets: Callable[[float], bool]
    unit: str = " ms"


def _at_most(limit: float) -> Callable[[float], bool]:
    return lambda figure: figure <= limit


def _at_least(limit: float) -> Callable[[float], bool]:
    return lambda figure: figure >= limit


def _ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or not below else above / below


def _p50(contender: str, scenario: str) -> Callable[[Results], float | None]:
    return lambda results: results.of(contender, scenario)


def _beside_floor(results: Results) -> float | None:
    ours, floor = results.of(OURS, "big"), results.of("floor", "big")
    return None if ours is None or floor is None else ours - (1.15 * floor + 5)


def _faster_than(kind: str, scenario: str, contender: str = OURS) -> Callable[[Results], float | None]:
    def figure(results: Results) -> float | None:
        peer = results.fastest(kind, scenario)
        return None if peer is None else _ratio(peer[1], results.of(contender, scenario))

    return figure


def _wrong_answers(results: Results) -> float | None:
    found = [
        row["failed_in_quiet"] + sum(row.get("load", {}).get(what, 0) for what in ("refused", "failed", "mixed"))
        for (contender, _), row in results.rows.items()
        if contender == OURS and "failed_in_quiet" in row
    ]
    return sum(found) if found else None


def _cost(name: str, column: str) -> Callable[[Results], float | None]:
    return lambda results: results.cost(name, column)


TARGETS = (
    Target("edit-to-live, small, p50", "≤ 10 ms", _p50(OURS, "small"), _at_most(10)),
    Target("edit-to-live, heavy, p50", "≤ 10 ms", _p50(OURS, "heavy"), _at_most(10)),
    Target("heavy beside small", "the same", lambda r: _ratio(r.of(OURS, "heavy"), r.of(OURS, "small")),
           lambda figure: 0.8 <= figure <= 1.25, " ×"),
    Target("big: above 1.15 × the floor + 5 ms", "≤ 0 ms", _beside_floor, _at_most(0)),
    Target("fastest restarting peer, small", "≥ 8 × faster", _faster_than("restarts", "small"), _at_least(8), " ×"),
    Target("fastest restarting peer, heavy", "≥ 50 × faster", _faster_than("restarts", "heavy"), _at_least(50), " ×"),
    Target("fastest restarting peer, big", "faster", _faster_than("restarts", "big"), _at_least(1), " ×"),
    Target("fastest restarting peer, big, affected", "≥ 40 × faster", _faster_than("restarts", "big", AFFECTED),
           _at_least(40), " ×"),
    Target("fastest in-process peer, small", "≥ 5 × faster", _faster_than("patches", "small"), _at_least(5), " ×"),
    Target("fastest in-process peer, heavy", "≥ 5 × faster", _faster_than("patches", "heavy"), _at_least(5), " ×"),
    Target("fastest in-process peer, big, affected", "≥ 5 × faster", _faster_than("patches", "big", AFFECTED),
           _at_least(5), " ×"),
    Target("leaf of 5,000 modules, affected, p50", "≤ 15 ms", _p50(AFFECTED, "huge"), _at_most(15)),
    Target("requests refused, failed or mixed", "0", _wrong_answers, _at_most(0), ""),
    *(
        Target(f"longest stall beyond the no-reload maximum, {words}, {scenario}", "≤ 15 ms",
               lambda results, scenario=scenario, when=when: results.stall(scenario, when), _at_most(15))  # type: ignore[misc]
        for when, words in (("longest_ms", "in reloads"), ("later_ms", "between them"))
        for scenario in ("small", "heavy", "big", "huge", "long")
    ),
    Target("middleware per request, on", "≤ 1 µs", _cost("request", "on_us"), _at_most(1), " µs"),
    Target("the same, of a cheroot request", "≤ 1 %", _cost("request", "on_percent"), _at_most(1), " %"),
    Target("middleware per request, off", "not measurable", _cost("request", "off_us"), _at_most(0.1), " µs"),
    Target("function-level from-import of a user module", "≤ 0.5 µs more", _cost("import", "from_user_us"),
           _at_most(0.5), " µs"),
    Target("function-level import of a user module", "≤ 0.5 µs more", _cost("import", "import_user_us"),
           _at_most(0.5), " µs"),
    Target("function-level from-import of a system module", "≤ 0.5 µs more", _cost("import", "from_system_us"),
           _at_most(0.5), " µs"),
    Target("function-level import of a system module", "≤ 0.5 µs more", _cost("import", "import_system_us"),
           _at_most(0.5), " µs"),
    Target("attribute of a user module", "none", _cost("import", "attribute_us"), _at_most(0.01), " µs"),
    Target("idle, with events", "0 wake-ups a second", _cost("idle", "wakes_a_second"), _at_most(0), ""),
    Target("idle, polling 1,000 files, at rest", "≤ 0.1 % of a core", _cost("polling at rest", "core_percent"),
           _at_most(0.1), " %"),
    Target("use_autoreload() with 1,000 modules", "≤ 50 ms", _cost("start", "call_ms"), _at_most(50)),
    Target("memory of one more generation of 1,000 modules, beside its modules alone", "the same",
           lambda r: _ratio(r.cost("memory", "blocks"), r.cost("memory", "least_blocks")), _at_most(1.1), " ×"),
    Target("code objects that two generations share", "all",
           lambda r: _ratio(r.cost("memory", "shared_code"), r.cost("memory", "functions")), _at_least(1), " ×"),
)  # fmt: skip


def verdicts(results: Results) -> list[tuple[str, str, str, str]]:
    """Return a row for each target: what, limit, figure, "met", "missed" or "not measured"."""
    rows = []
    for target in TARGETS:
        figure = target.figure(results)
        if figure is None:
            rows.append((target.what, target.limit, "", "not measured"))
        else:
            shown = f"{figure:.3g}" if abs(figure) < 1000 else f"{figure:.0f}"
            rows.append((target.what, target.limit, shown + target.unit, "met" if target.meets(figure) else "missed"))
    return rows
