"""Adapters: what ponyreload knows about servers and platforms. Each server is known by name only, until it is there."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from ponyreload.generations import Generation
    from ponyreload.reloader import Reloader

__all__ = ["ADAPTERS", "Adapter", "Platform", "adapter_for", "detect"]

# The module whose import shows that a server may be used -> the module that knows that server.
ADAPTERS = {
    "cheroot.server": "ponyreload.adapters.cheroot",
    "cherrypy": "ponyreload.adapters.cherrypy",
}


class Adapter(Protocol):
    """What ponyreload knows about one server."""

    def install(self, reloader: Reloader) -> None:
        """Put the hooks into the server's library, which has been imported."""

    def uninstall(self) -> None:
        """Take them out."""

    def before_publish(self, generation: Generation) -> None:
        """Do what is due before a loaded generation serves; an exception keeps it from being published."""

    def retire(self, generation: Generation) -> None:
        """Let go of what the server's library holds for a generation; also for one that was never published."""


def adapter_for(server: str) -> Adapter:
    """Return the adapter for the server that module *server* belongs to."""
    adapter: Adapter = importlib.import_module(ADAPTERS[server]).ADAPTER
    return adapter


class Platform(NamedTuple):
    """Where the process runs, by what sign that was seen, and whether there is anything to do here."""

    name: str
    sign: str
    is_ours: bool


def detect(modules: Mapping[str, ModuleType], environment: Mapping[str, str]) -> Platform:
    """Tell where the process runs. A pure function of ``sys.modules`` and ``os.environ``; it imports nothing."""
    if environment.get("PONYRELOAD", "").strip().lower() in ("off", "0", "no", "false"):
        return Platform("off", f"PONYRELOAD={environment['PONYRELOAD']} in the environment", False)
    mod_wsgi = modules.get("mod_wsgi")
    # Inside Apache the module is made by the server; the package of that name from the index has no such attributes.
    if isinstance(getattr(mod_wsgi, "version", None), tuple) and hasattr(mod_wsgi, "process_group"):
        return Platform("mod_wsgi", "the module mod_wsgi was made by Apache", False)
    if environment.get("GAE_ENV") in ("standard", "localdev"):
        return Platform("Google App Engine", f"GAE_ENV={environment['GAE_ENV']}", False)
    if environment.get("GAE_SERVICE") and environment.get("GAE_INSTANCE"):
        return Platform("Google App Engine", "GAE_SERVICE and GAE_INSTANCE are set", False)
    system: Any = modules.get("sys")
    if hasattr(system, "ps1") or (system is not None and system.flags.interactive):
        return Platform("interactive interpreter", "sys.ps1 or the -i option", False)
    for server in ADAPTERS:
        if server in modules:
            return Platform(server.partition(".")[0], f"the module {server} is imported", True)
    return Platform("WSGI server", "no sign of a server that is known by name", True)
