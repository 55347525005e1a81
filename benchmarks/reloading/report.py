"""The report: tables in Markdown, everything as JSON, and a plot where matplotlib is installed."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.reloading.application import SCENARIOS
from benchmarks.reloading.measuring import Row
from benchmarks.reloading.targets import Results, verdicts

__all__ = ["machine", "plot", "read_json", "tables", "write_json"]

# -- one row -----------------------------------------------------------------------------------------------------


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if abs(value) < 100 else f"{value:,.0f}"


def _column(name: str) -> Callable[[Row], str]:
    return lambda row: _number(row.get(name))


def _load(*names: str) -> Callable[[Row], str]:
    return lambda row: " / ".join(str(row["load"][name]) for name in names) if "load" in row else ""


def _missed(row: Row) -> str:
    if "edits" not in row:
        return ""
    load = row.get("load", {})
    return f"{row['missed'] + load.get('missed', 0)} of {row['edits'] + load.get('edits', 0)}"


def _mixed(row: Row) -> str:
    load = row.get("load")
    if not load:
        return ""
    of_flying = f" ({100 * load['mixed_in_flight'] / load['in_flight']:.0f} % in flight)" if load["mixed"] else ""
    return f"{load['mixed']}{of_flying}" + (", import-time values stay old" if load["stale"] else "")


def _silence(row: Row) -> str:
    load = row.get("load")
    return f"{load['silence_ms']:.0f} ({load['silence_before_ms']:.0f})" if load else ""


def _longest(row: Row) -> str:
    if row.get("longest_ms") is None or "longest_before_ms" not in row:
        return ""
    return f"{_number(row['longest_ms'])}, {_number(row['later_ms'])} ({_number(row['longest_before_ms'])})"


def _memory(row: Row) -> str:
    if "memory_mib" not in row:
        return ""
    return f"{row['memory_first_mib']:.0f} to {row['memory_mib']:.0f} in {row['memory_edits']}"


def _request(row: Row) -> str:
    return f"{row['request_on_us']:.0f} / {row['request_off_us']:.0f}" if "request_on_us" in row else ""


# heading -> what a row has there
COLUMNS: dict[str, Callable[[Row], str]] = {
    "contender": lambda row: row["contender"],
    "p50 ms": _column("p50_ms"),
    "p95": _column("p95_ms"),
    "max": _column("max_ms"),
    "first edit": _column("first_ms"),
    "edits missed": _missed,
    "answers refused / failed": _load("refused", "failed"),
    "mixed": _mixed,
    "silence ms (before)": _silence,
    "longest request ms: in reloads, between them (before)": _longest,
    "memory MiB": _memory,
    "request µs on / off": _request,
}


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    headings = list(headings)
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


# -- all of them -------------------------------------------------------------------------------------------------


def tables(run: dict[str, Any]) -> str:
    """Return all of a run as Markdown."""
    parts = [_conditions(run)]
    for scenario in SCENARIOS.values():
        rows = [row for row in run["rows"] if row["scenario"] == scenario.name]
        if rows:
            parts.append(f"### {scenario.name}: {_described(scenario.name)}")
            parts.append(_table(COLUMNS, [[show(row) for show in COLUMNS.values()] for row in rows]))
            parts += [f"{row['contender']}: {row['state']}." for row in rows if row["state"] != "measured"]
            stages = next((row["stages_ms"] for row in rows if "stages_ms" in row), None)
            if stages:
                shown = ", ".join(f"{stage} {milliseconds:.2f}" for stage, milliseconds in stages.items())
                parts.append(f"Of the floor, in ms: {shown}.")
    for name, cost in run["costs"].items():
        shown = ", ".join(
            f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in cost.items()
        )
        parts.append(f"{name}: {shown}.")
    parts.append("### Targets")
    parts.append(_table(("what", "target", "measured", ""), verdicts(Results(run["rows"], run["costs"]))))
    return "\n\n".join(parts) + "\n"


def _described(name: str) -> str:
    scenario = SCENARIOS[name]
    text = f"{scenario.modules:,} modules"
    if scenario.is_heavy:
        text += "; system imports of numpy, pandas, SQLAlchemy, jinja2, requests"
    if scenario.lines:
        text += f", of which the edited one has {scenario.lines:,} lines"
    return text


def _conditions(run: dict[str, Any]) -> str:
    versions: dict[str, dict[str, None]] = {}
    for row in run["rows"]:
        for name, version in row.get("versions", {}).items():
            if version is not None:
                versions.setdefault(name, {})[version] = None
    shown = ", ".join(f"{name} {' and '.join(found)}" for name, found in sorted(versions.items()))
    machine = run["machine"]
    where = (
        f"{machine['system']}, {machine['cpus']} CPUs ({machine['processor']}), load {machine['load']:.1f} at the start"
    )
    return f"{where}. {shown}."


def machine() -> dict[str, Any]:
    """Return what it runs on."""
    processor = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        processor = (
            cpuinfo.read_text().partition("model name")[2].partition(":")[2].partition("\n")[0].strip() or processor
        )
    return {
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "cpus": os.cpu_count(),
        "processor": processor,
        "load": os.getloadavg()[0],
    }


def write_json(run: dict[str, Any], file: Path) -> None:
    """Write all of a run."""
    file.write_text(json.dumps(run, indent=1), encoding="utf-8")


def read_json(file: Path) -> dict[str, Any]:
    """Read a run again."""
    run: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return run


def plot(run: dict[str, Any], file: Path) -> bool:
    """Draw edit-to-live of all contenders, one panel for each scenario; tell whether matplotlib is there to do it."""
    if importlib.util.find_spec("matplotlib") is None:
        return False
    import matplotlib  # type: ignore[import-not-found,unused-ignore]

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "reloading"  # the same run gives the same file
    matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text
    from matplotlib import pyplot  # type: ignore[import-not-found,unused-ignore]

    names = [name for name in SCENARIOS if any(row["scenario"] == name and row.get("p50_ms") for row in run["rows"])]
    if not names:
        return False
    figure, axes = pyplot.subplots(len(names), 1, figsize=(8, 3.2 * len(names)), squeeze=False, layout="constrained")
    colours = {"floor": "#999999", "generations": "#2a7f3f", "patches": "#c58a1d", "restarts": "#3d6fb0"}
    for panel, name in zip(axes[:, 0], names, strict=True):
        rows = [row for row in run["rows"] if row["scenario"] == name and row.get("p50_ms")]
        rows.sort(key=lambda row: row["p50_ms"], reverse=True)
        labels = [row["contender"] for row in rows]
        panel.barh(labels, [row["p50_ms"] for row in rows], color=[colours[row["kind"]] for row in rows])
        for place, row in enumerate(rows):
            panel.plot([row["p50_ms"], row["p95_ms"]], [place, place], color="black", linewidth=1)
            panel.annotate(
                _number(row["p50_ms"]),
                (row["p95_ms"], place),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        panel.set_xscale("log")
        panel.set_title(f"{name}: {_described(name)}", fontsize=9, loc="left")
        panel.set_xlabel("ms from the save to the first new answer: median, and to the 95th percentile", fontsize=8)
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
        panel.margins(x=0.15)
        panel.set_xlim(left=1)
        panel.minorticks_off()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
    return True
