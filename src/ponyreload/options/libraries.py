"""Libraries: which ones should be loaded with each generation, and which ones cannot be. Pure look-ups."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ponyreload.options.marking import is_named_by
from ponyreload.options.servers import TABLE

__all__ = ["KNOWN", "Known", "refusal"]


class Known(NamedTuple):
    """A library that keeps what user modules register with it, and so fails when it outlives their generation.

    Attributes:
        trouble: What goes wrong, as a phrase after "which".
        is_used: Tells from the library's namespace whether anything is registered that goes wrong; by default, always.
    """

    trouble: str
    is_used: Callable[[Mapping[str, Any]], bool] = bool


def _has_routes(namespace: Mapping[str, Any]) -> bool:
    # Only the default application is shared; `bottle.Bottle()` of a user module belongs to its generation.
    return any(getattr(app, "routes", True) for app in namespace.get("apps", [None]))


# Each was tested: five reloads without isolation, and five with it. docs/how-to/isolate.md lists those that need none.
KNOWN = {
    "bottle": Known("keeps the routes of older generations, and of loads that failed", _has_routes),
    "django": Known("keeps the models and signals of older generations"),
    "marshmallow": Known("finds a schema that is nested by name in the first generation"),
    "mongoengine": Known("finds a document that is referred to by name in the newest load, also if that failed"),
    "prometheus_client": Known("refuses to register a metric a second time, so that the next load fails"),
    "sqlmodel": Known("refuses to define a table a second time, so that the next load fails"),
    "sqlobject": Known("refuses to register a class a second time, so that the next load fails"),
}

SERVER = "it runs the server, which goes on through all generations"
COMPILED = "its compiled part stays shared, and takes no other objects than those of the first copy"
IN_BASE = "; put what it keeps, such as a declarative Base, into a user module instead"
REFUSED = {
    **{package: SERVER for library in TABLE if library.is_server for package in library.packages},
    "cryptography": COMPILED,
    "google.protobuf": COMPILED,
    "numpy": COMPILED,
    "ponyreload": "it does the reloading",
    "sqlalchemy": COMPILED + IN_BASE,
    "watchdog": "ponyreload watches the files with it",
}


def refusal(name: str) -> str | None:
    """Return why the package or module *name* cannot be loaded with each generation; None if it can."""
    if name.partition(".")[0] in sys.stdlib_module_names:
        return "it is the standard library's, which all generations share; a module of your own is marked instead"
    for refused, reason in REFUSED.items():
        if is_named_by(name, (refused,)):
            return reason
        if is_named_by(refused, (name,)):
            return f"it holds {refused}, and {reason}; name the parts of {name} that you mean"
    return None
