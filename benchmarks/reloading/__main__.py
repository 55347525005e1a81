"""Measures ponyreload beside its peers, and prints tables in Markdown.

    python -m benchmarks.reloading
    python -m benchmarks.reloading --contenders ponyreload,gunicorn --scenarios small --edits 10
    python -m benchmarks.reloading --table run.json      prints the tables of an earlier run

`make bench` does the first, in an environment of its own with the peers that benchmarks/requirements.txt names. One
that is not installed is a row that says so. Linux only: it reads /proc.
One contender runs at a time. Whatever happens, nothing of it stays.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.reloading.application import SCENARIOS
from benchmarks.reloading.contenders import CONTENDERS
from benchmarks.reloading.costs import measure_costs
from benchmarks.reloading.floor import measure_floor
from benchmarks.reloading.measuring import Effort, measure
from benchmarks.reloading.report import machine, plot, read_json, tables, write_json

DEFAULT_SCENARIOS = ("small", "heavy", "big", "huge", "long")


def main() -> None:
    effort = Effort()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = ("floor", *CONTENDERS, "costs")
    parser.add_argument("--contenders", type=_names(every), default=every, metavar="A,B", help=f"({','.join(every)})")
    parser.add_argument("--scenarios", type=_names(tuple(SCENARIOS)), default=DEFAULT_SCENARIOS, metavar="A,B",
                        help=f"of {','.join(SCENARIOS)} ({','.join(DEFAULT_SCENARIOS)})")  # fmt: skip
    parser.add_argument("--edits", type=int, default=effort.edits, metavar="N", help=f"in quiet ({effort.edits})")
    parser.add_argument("--load-edits", type=int, metavar="N", help="under four clients (half of --edits)")
    parser.add_argument(
        "--memory-edits", type=int, metavar="N", help="memory is taken after so many (five times --edits)"
    )
    parser.add_argument("--patience", type=float, default=effort.patience, metavar="S",
                        help=f"seconds after which an edit counts as missed ({effort.patience:g})")  # fmt: skip
    parser.add_argument("--quiet-seconds", type=float, default=effort.quiet_seconds, metavar="S",
                        help=f"how long is measured without edits ({effort.quiet_seconds:g})")  # fmt: skip
    parser.add_argument("--row-seconds", type=float, default=effort.row_seconds, metavar="S",
                        help=f"after which a row gets no more edits ({effort.row_seconds:g})")  # fmt: skip
    parser.add_argument("--python", action="append", default=[], metavar="[A=]PATH",
                        help="the interpreter for all contenders, or for one of them (this one)")  # fmt: skip
    parser.add_argument(
        "--output", type=Path, default=Path("."), metavar="FOLDER", help="for reloading.json, .md, .svg"
    )
    parser.add_argument("--table", type=Path, metavar="JSON", help="print the tables of an earlier run")
    options = parser.parse_args()
    if options.table is not None:
        print(tables(read_json(options.table)))
        return
    # Ended from outside, too, it ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    effort = effort._replace(
        edits=options.edits,
        load_edits=options.edits // 2 if options.load_edits is None else options.load_edits,
        memory_edits=5 * options.edits if options.memory_edits is None else options.memory_edits,
        requests=min(effort.requests, 50 * options.edits),
        patience=options.patience,
        quiet_seconds=options.quiet_seconds,
        row_seconds=options.row_seconds,
    )
    pythons = {"": sys.executable} | dict(each.rpartition("=")[::2] for each in options.python)
    options.output.mkdir(parents=True, exist_ok=True)
    run: dict[str, Any] = {"machine": machine(), "effort": effort._asdict(), "rows": [], "costs": {}}
    for scenario in (SCENARIOS[name] for name in options.scenarios):
        for name in options.contenders:
            if name == "costs":
                continue
            started = time.monotonic()
            python = pythons.get(name, pythons[""])
            if name == "floor":
                row = measure_floor(scenario, python, max(options.edits, 10))
            else:
                row = measure(CONTENDERS[name], scenario, python, effort)
            run["rows"].append(row)
            _say(f"{scenario.name:6} {name:20} {_short(row)} ({time.monotonic() - started:.0f} s)")
            write_json(run, options.output / "reloading.json")  # what there is, should it be ended
    if "costs" in options.contenders:
        run["costs"] = measure_costs(pythons[""], rounds=max(3, min(15, options.edits)))
    write_json(run, options.output / "reloading.json")
    (options.output / "reloading.md").write_text(tables(run), encoding="utf-8")
    if not plot(run, options.output / "reloading.svg"):
        _say("no plot: matplotlib is not installed, or there is nothing to draw")
    print(tables(run))


def _names(known: tuple[str, ...]) -> Any:
    def names(text: str) -> tuple[str, ...]:
        wrong = [name for name in text.split(",") if name not in known]
        if wrong:
            raise argparse.ArgumentTypeError(f"{', '.join(wrong)}: there are {', '.join(known)}")
        return tuple(text.split(","))

    return names


def _short(row: dict[str, Any]) -> str:
    return f"{row['p50_ms']:8.1f} ms" if row["state"] == "measured" and row.get("p50_ms") else row["state"]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
