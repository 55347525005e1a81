"""Options: what the user may set. Each is declared once, as a field of `Options`."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

from ponyreload.options.kinds import CLIENTS, HOSTS, PATHS, YES_OR_NO, Kind, choice, names, seconds
from ponyreload.options.libraries import refusal
from ponyreload.options.marking import is_project_file

__all__ = ["DRAIN_SECONDS", "OPTIONS", "Option", "Options"]

# Seconds. A request that holds a superseded generation for longer is named in the log.
DRAIN_SECONDS = 30.0


class Option(NamedTuple):
    """The declaration of one option.

    The checks, the command line and pyproject.toml follow from it. A test compares it with what has to be written out:
    the signatures of `use_autoreload` and `AutoreloadMiddleware`, and the tables of the reference.

    Attributes:
        kind: Which values the option takes.
        key: Name in pyproject.toml; empty if the option cannot be set there.
        flag: Name on the command line; empty if there is none.
        metavar: Placeholder for the flag's value in the help text.
        help: Help text of the flag.
        is_of_run: Whether only `ponyreload run` has the flag.
    """

    kind: Kind
    key: str = ""
    flag: str = ""
    metavar: str | None = None
    help: str = ""
    is_of_run: bool = False


@dataclass(frozen=True)
class Options:
    """The options given to `use_autoreload` and `AutoreloadMiddleware`, checked."""

    # Names of packages and modules that count as marked, the isolated ones among them.
    include: tuple[str, ...] = field(default=(), metadata={"option": Option(
        names("shop", "lib.prices"), "include", "--include", "NAME",
        "Treat this package or module as a user module. Repeatable.")})  # fmt: skip
    # Absolute paths and globs of files that also trigger a reload.
    extra_files: tuple[str, ...] = field(default=(), metadata={"option": Option(
        PATHS, "extra-files", "--extra-file", "PATH",
        "Also reload when this file, folder or glob changes. Repeatable.")})  # fmt: skip
    # Interval of polling; None: poll only where file events do not arrive.
    poll_seconds: float | None = field(default=None, metadata={"option": Option(
        seconds(0.01, "None for events of the files"), "poll", "--poll", "[SECONDS]",
        "Poll for changes every SECONDS (default: 1).", is_of_run=True)})  # fmt: skip
    # How long a request may hold a superseded generation before it is named in the log; None: `DRAIN_SECONDS`.
    drain_seconds: float | None = field(
        default=None, metadata={"option": Option(seconds(0.0, f"None for {DRAIN_SECONDS:g}"))}
    )
    # The names that only `isolate=` has: libraries, which are not watched.
    isolate: tuple[str, ...] = field(default=(), metadata={"option": Option(
        names("django", "lib.registry", refusal=refusal), "isolate", "--isolate", "NAME",
        "Load this library with each generation. Repeatable.")})  # fmt: skip
    # Names of packages and modules that only requests can import: a load does not try them.
    on_demand: tuple[str, ...] = field(default=(), metadata={"option": Option(
        names("shop.admin", "shop.views"), "on-demand", "--on-demand", "NAME",
        "Leave this package or module to requests: only they can import it. Repeatable.")})  # fmt: skip
    # Which modules to reload; None: all.
    scope: str | None = field(default=None, metadata={"option": Option(
        choice("all", "affected"), "scope", "--scope", None,
        "Which modules to reload: all (default) or affected.")})  # fmt: skip
    # Whether pages refresh themselves and `/__ponyreload__/` answers; None: yes.
    browser_refresh: bool | None = field(default=None, metadata={"option": Option(
        YES_OR_NO, "browser-refresh", "--browser-refresh/--no-browser-refresh", None,
        "Refresh open pages in the browser after a reload.", is_of_run=True)})  # fmt: skip
    # Addresses and networks besides loopback that `/__ponyreload__/` answers.
    trusted_clients: tuple[str, ...] = field(default=(), metadata={"option": Option(CLIENTS, "trusted-clients")})
    # The same for names in the Host header.
    trusted_hosts: tuple[str, ...] = field(default=(), metadata={"option": Option(HOSTS, "trusted-hosts")})
    # Absolute paths. Source below them counts as marked, except installed packages. Set by the command line only.
    project_folders: tuple[str, ...] = ()

    @classmethod
    def checked(cls, given: Mapping[str, Any]) -> Options:
        """Make options from what the user gave.

        Args:
            given: Values by the options' names. Missing ones get their default, and other names are ignored: a public
                function passes all its arguments.

        Raises:
            TypeError, ValueError: With what is accepted, and what was found.
        """
        default = vars(cls())
        values = {name: option.kind.check(name, given.get(name, default[name])) for name, option in OPTIONS.items()}
        isolated = values.pop("isolate")
        return cls(**values).joined(cls(isolated, isolate=isolated))

    def joined(self, other: Options) -> Options:
        """Return both together: collections add up; of two other values, that of *other* counts, unless it is None."""
        both: dict[str, Any] = dict(vars(self))
        for name, value in vars(other).items():
            if isinstance(value, tuple):
                both[name] = tuple(dict.fromkeys(both[name] + value))
            elif value is not None:
                both[name] = value
        included = {*self.included, *other.included}
        both["isolate"] = tuple(name for name in both["isolate"] if name not in included)
        return Options(**both)

    @property
    def included(self) -> tuple[str, ...]:
        """The names that `include=` has: those that are not only isolated."""
        return tuple(name for name in self.include if name not in self.isolate)

    def are_of_project(self, file: str | None) -> bool:
        """Tell whether *file* is source below one of the project's folders."""
        folders = tuple(os.path.join(folder, "") for folder in self.project_folders)
        return bool(folders) and file is not None and file.startswith(folders) and is_project_file(file)

    def without(self, names: Collection[str]) -> Options:
        """Return these options with *names* neither included nor isolated."""
        include, isolate = ([n for n in every if n not in names] for every in (self.include, self.isolate))
        return replace(self, include=tuple(include), isolate=tuple(isolate))


# By name, in the order of the signatures.
OPTIONS: dict[str, Option] = {each.name: each.metadata["option"] for each in fields(Options) if each.metadata}
