"""Isolating: the libraries that the commands load with each generation by themselves."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from importlib import metadata

from ponyreload.options.libraries import KNOWN, refusal
from ponyreload.project import is_installed

__all__ = ["libraries_to_isolate"]


def libraries_to_isolate() -> tuple[str, ...]:
    """Return the installed libraries that are known to need it, and what is built on them: ("django", "wagtail").

    What is built on a library has its objects: models, signals, fields. That is told by the requirements of the
    installed distributions, without those of their extras. Nothing is imported. A name that the application does not
    import has no effect.
    """
    known = [name for name in KNOWN if importlib.util.find_spec(name) is not None]
    if not known:
        return ()
    distributions = {_normal(each.name): each for each in metadata.distributions() if each.name}
    requirements = {name: set(_required(each)) for name, each in distributions.items()}
    needing = found = {_normal(name) for name in known}  # each of them is of a distribution of its own name
    while found := {name for name, needs in requirements.items() if needs & found} - needing:
        needing = needing | found
    built = {package for name in needing & distributions.keys() for package in _packages(distributions[name])}
    return (*known, *sorted(built.difference(known)))


def _required(distribution: metadata.Distribution) -> Iterator[str]:
    for requirement in distribution.requires or ():
        name = re.match(r"[\w.-]+", requirement)
        if name and not re.search(r"\bextra\s*==", requirement):
            yield _normal(name[0])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _packages(distribution: metadata.Distribution) -> set[str]:
    """Return the packages of a distribution that can be loaded with each generation; none of the project's own."""
    tops = {file.parts[0].partition(".")[0] for file in distribution.files or () if file.suffix == ".py"}
    return {name for name in tops if name.isidentifier() and refusal(name) is None and _is_library(name)}


def _is_library(package: str) -> bool:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return False
    places = [] if spec is None else [*(spec.submodule_search_locations or ()), spec.origin or ""]
    return any(map(is_installed, places))
