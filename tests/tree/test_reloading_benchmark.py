"""The benchmarks run: a short run measures what it says, and leaves nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks is no part of what is installed

from benchmarks.reloading.clients import Seen

pytestmark = pytest.mark.any_python

ROOT = Path(__file__).parents[2]
MARK = "TEST_OF_BENCHMARKS"


def run(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run the benchmarks on their smallest scenario; return what they write as JSON."""
    command = [sys.executable, "-m", "benchmarks.reloading", "--scenarios", "tiny", "--output", str(folder), *arguments]
    # What it starts has this too, whatever becomes of its parent.
    environment = os.environ | {MARK: str(folder)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads((folder / "reloading.json").read_text())
    return told | {"printed": done.stdout, "left": left(folder)}


def left(folder: Path) -> list[str]:
    """The command lines of processes that the run in *folder* has left."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # ended, or somebody else's
            if f"{MARK}={folder}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text())
    return found


@pytest.fixture(scope="module")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    # The naive reloader misses edits within a second; a miss is waited for no longer than this.
    effort = (
        "--edits=4", "--load-edits=3", "--memory-edits=10", "--patience=0.7", "--quiet-seconds=0.5", "--row-seconds=6",
    )  # fmt: skip

    return run(tmp_path_factory.mktemp("bench"), "--contenders", "floor,ponyreload,naive", *effort)


def row_of(told: dict[str, Any], contender: str) -> dict[str, Any]:
    return next(row for row in told["rows"] if row["contender"] == contender)


def test_a_row_has_every_figure(short_run: dict[str, Any]) -> None:
    row = row_of(short_run, "ponyreload")
    assert row["state"] == "measured"
    assert row["versions"]["python"]
    assert row["edits"] == 4
    assert row["missed"] == row["failed_in_quiet"] == 0
    assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["max_ms"]
    assert min(row["longest_ms"], row["later_ms"], row["longest_before_ms"], row["first_ms"], row["start_s"]) > 0
    assert min(row["request_on_us"], row["request_off_us"], row["memory_first_mib"], row["memory_mib"]) > 0
    assert row["memory_edits"] >= 8
    load = row["load"]
    assert load["answers"] > 50
    assert load["refused"] == load["failed"] == load["mixed"] == load["stale"] == 0
    assert min(load["in_flight"], load["silence_ms"], load["silence_before_ms"]) > 0


def test_answers_that_mix_versions_show(short_run: dict[str, Any]) -> None:
    load = row_of(short_run, "naive")["load"]
    # An edit that it has seen meets requests that take 20 ms, and it lets them meet both versions. Of those within a
    # second it misses some: Python's bytecode does not tell.
    assert load["edits"] - load["missed"] < 2 or load["mixed_in_flight"] > 0
    assert Seen(0.0, 1.0, "", ["1", "2", "1"]).is_mixed
    assert not Seen(0.0, 1.0, "", ["2", "2", "1"]).is_mixed
    assert Seen(0.0, 1.0, "", ["2", "2", "1"]).is_stale


def test_the_floor_is_below(short_run: dict[str, Any]) -> None:
    floor = row_of(short_run, "floor")
    assert set(floor["stages_ms"]) == {"event", "hash", "compile", "execute"}
    assert floor["p50_ms"] < row_of(short_run, "ponyreload")["p50_ms"]


def test_the_tables_have_a_row_for_each_contender_and_target(short_run: dict[str, Any]) -> None:
    printed = short_run["printed"]
    for beginning in (
        "| floor | ",
        "| ponyreload | ",
        "| naive | ",
        "| requests refused, failed or mixed | 0 | 0 | met |",
    ):
        assert beginning in printed


def test_one_that_does_not_start_is_a_row_that_says_so(tmp_path: Path) -> None:
    # An interpreter that has nothing installed, and one that never serves.
    broken = tmp_path / "python"
    broken.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} "$@"\necho no server today\nexit 3\n')
    broken.chmod(0o755)
    told = run(tmp_path, "--contenders", "naive,granian", "--python", f"naive={broken}", "--edits", "1")
    assert row_of(told, "naive")["state"] == "ended with status 3: no server today"
    assert "p50_ms" not in row_of(told, "naive")
    assert row_of(told, "granian")["state"].startswith("not installed: granian")


def test_nothing_of_a_run_stays(short_run: dict[str, Any]) -> None:
    assert short_run["left"] == []
