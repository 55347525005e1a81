"""Fetching: the source distribution of a suite, at the version that is installed, below `.conformance/`."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
import tarfile
from pathlib import Path

from benchmarks.conformance.suites import Suite

__all__ = ["fetch"]

FOLDER = Path(__file__).parents[2] / ".conformance"


def fetch(name: str, suite: Suite) -> Path:
    """Return the folder that the paths of *suite* start at; download its source if it is not there."""
    if suite.source is None:
        spec = importlib.util.find_spec(suite.library)
        assert spec is not None
        return Path(str(spec.origin)).parent
    version = importlib.metadata.version(name)
    folder = FOLDER / f"{name}-{version}"
    if not folder.is_dir():
        FOLDER.mkdir(exist_ok=True)
        # What builds it is installed: making an environment for that takes pip minutes.
        options = ("--quiet", "--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--dest", str(FOLDER))
        subprocess.run([sys.executable, "-m", "pip", "download", *options, f"{name}=={version}"], check=True)
        with tarfile.open(FOLDER / f"{name}-{version}.tar.gz") as archive:
            archive.extractall(FOLDER, filter="data")
    return folder
