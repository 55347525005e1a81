"""Platforms: where the process runs, by what sign that is seen, and whether autoreload has anything to do there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

from ponyreload.options.servers import TABLE

__all__ = ["Platform", "detect"]

ON = ("on", "1", "yes", "true")
OFF = ("off", "0", "no", "false")

# Platforms that start the process and end it, so that a reload is hardly meant -> what they put into its environment.
OWNERS = {
    "AWS Lambda": ("AWS_LAMBDA_FUNCTION_NAME",),
    # Tools that run a service at home set the first one too; the second is given where it has been deployed.
    "Cloud Run": ("K_SERVICE", "K_REVISION"),
    "Passenger": ("IN_PASSENGER",),
}


class Platform(NamedTuple):
    """Where the process runs, by what sign that was seen, and whether there is anything to do here.

    The remarks are for the developer: ``((logging.INFO, "AWS Lambda runs this process …"),)``.
    """

    name: str
    sign: str
    is_ours: bool
    remarks: tuple[tuple[int, str], ...] = ()


def detect(modules: Mapping[str, ModuleType], environment: Mapping[str, str]) -> Platform:
    """Tell where the process runs. A pure function of ``sys.modules`` and ``os.environ``; it imports nothing."""
    word = environment.get("PONYRELOAD", "").strip()
    if word.lower() in OFF:
        return Platform("off", f"PONYRELOAD={word} in the environment", False)
    is_forced = word.lower() in ON
    found = (
        _mod_wsgi(modules)
        or _app_engine(environment)
        or (None if is_forced else _owner(environment) or _restarter(environment))
        or _interpreter(modules)
        or _server(modules)
    )
    if is_forced and not found.is_ours:
        return found._replace(sign=f"{found.sign}, and PONYRELOAD={word} changes nothing here")
    if word and not is_forced:
        unknown = f"PONYRELOAD={word} is ignored: it is neither {' or '.join(ON)}, nor {' or '.join(OFF)}"
        return found._replace(remarks=((logging.WARNING, unknown), *found.remarks))
    return found


def _mod_wsgi(modules: Mapping[str, ModuleType]) -> Platform | None:
    found = modules.get("mod_wsgi")
    # Inside Apache the module is made by the server; the package of that name from the index has no such attributes.
    if isinstance(getattr(found, "version", None), tuple) and hasattr(found, "process_group"):
        return Platform("mod_wsgi", "the module mod_wsgi was made by Apache", False)
    return None


def _app_engine(environment: Mapping[str, str]) -> Platform | None:
    # Not APPLICATION_ID or GAE_APPLICATION: the SDK sets these wherever it is used.
    if environment.get("GAE_ENV") in ("standard", "localdev"):
        return Platform("Google App Engine", f"GAE_ENV={environment['GAE_ENV']} in the environment", False)
    if environment.get("GAE_SERVICE") and environment.get("GAE_INSTANCE"):
        return Platform("Google App Engine", "GAE_SERVICE and GAE_INSTANCE in the environment", False)
    return None


def _owner(environment: Mapping[str, str]) -> Platform | None:
    for name, signs in OWNERS.items():
        if all(map(environment.get, signs)):
            sign = f"{' and '.join(signs)} in the environment"
            remark = f"{name} runs this process ({sign}), so autoreload is off; PONYRELOAD=on turns it on"
            return Platform(name, sign, False, ((logging.INFO, remark),))
    return None


def _restarter(environment: Mapping[str, str]) -> Platform | None:
    if environment.get("WERKZEUG_RUN_MAIN") == "true":
        sign = "WERKZEUG_RUN_MAIN=true in the environment"
        remark = (
            f"two reloaders meet: werkzeug's restarts this process at each change ({sign}), so autoreload is off; "
            "to have it instead, pass use_reloader=False to run_simple or app.run (Flask's debug=True means True)"
        )
        return Platform("werkzeug's reloader", sign, False, ((logging.WARNING, remark),))
    return None


def _interpreter(modules: Mapping[str, ModuleType]) -> Platform | None:
    system: Any = modules.get("sys")
    if hasattr(system, "ps1"):
        return Platform("interactive interpreter", "sys.ps1 is set", False)
    if system is not None and system.flags.interactive:
        return Platform("interactive interpreter", "Python was started with -i", False)
    return None


def _server(modules: Mapping[str, ModuleType]) -> Platform:
    # This is a matter of names only: the server that is started is the one that counts.
    for name, signs, adapter, _, is_server, _ in TABLE:
        for module in signs if name and adapter and is_server else ():
            if module in modules:
                return Platform(name, f"the module {module} is imported", True)
    return Platform("WSGI server", "no sign of a server that is known by name", True)
