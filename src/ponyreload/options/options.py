"""Options: what the user may set, checked at the door."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

from ponyreload.options.libraries import refusal
from ponyreload.options.marking import is_project_file
from ponyreload.options.trusted import check_client, check_host

__all__ = ["DRAIN_SECONDS", "Options"]

# A request that holds a superseded generation for longer is named in the log.
DRAIN_SECONDS = 30.0
# What a reload loads anew: all user modules, or those that the edit affects.
SCOPES = ("all", "affected")


@dataclass(frozen=True)
class Options:
    """What `use_autoreload` and `AutoreloadMiddleware` were told.

    Attributes:
        include: Names of packages and modules that count as marked, those that are isolated among them.
        extra_files: Absolute paths and globs whose changed contents also fire a reload.
        poll_seconds: Look at the files every so many seconds, while the application is used, instead of waiting for
            events; None: decide by itself.
        drain_seconds: Name the requests that hold a superseded generation for longer; None: `DRAIN_SECONDS`.
        scope: What a reload loads anew, "all" user modules or the "affected" ones; None: all.
        isolate: Those of the names that only `isolate=` has: libraries, which are not watched.
        browser_refresh: Whether pages refresh themselves, and `/__ponyreload__/` answers; None: they do.
        trusted_clients: Addresses and networks that may see the latter, besides loopback ones.
        trusted_hosts: Names in the Host header besides loopback ones, for the same.
        project_folders: Absolute paths: source below these counts as marked, but for installed packages.
    """

    include: tuple[str, ...] = ()
    extra_files: tuple[str, ...] = ()
    poll_seconds: float | None = None
    drain_seconds: float | None = None
    isolate: tuple[str, ...] = ()
    scope: str | None = None
    browser_refresh: bool | None = None
    trusted_clients: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    project_folders: tuple[str, ...] = ()

    @classmethod
    def checked(
        cls,
        *,
        include: Iterable[str],
        extra_files: Iterable[str | os.PathLike[str]],
        poll_seconds: float | None,
        drain_seconds: float | None,
        isolate: Iterable[str],
        scope: str | None,
        browser_refresh: bool | None = None,
        trusted_clients: Iterable[str] = (),
        trusted_hosts: Iterable[str] = (),
    ) -> Options:
        """Make options of what the user gave.

        Raises:
            TypeError, ValueError: With what is accepted, and what was found.
        """
        names = _names("include", include, "shop", "lib.prices")
        files = _listed("extra_files", extra_files, "paths and globs", "extra_files=('shop.toml', 'pages/**/*.html')")
        for file in files:
            path = os.fspath(file) if isinstance(file, str | os.PathLike) else None
            if not isinstance(path, str) or not path or "\0" in path:
                raise TypeError(f"extra_files= takes paths and globs (str or os.PathLike), not {file!r}")
        _check_seconds("poll_seconds", poll_seconds, 0.01, "None for events of the files")
        _check_seconds("drain_seconds", drain_seconds, 0.0, f"None for {DRAIN_SECONDS:g}")
        if scope not in (None, *SCOPES):
            raise ValueError(f"scope= takes {' or '.join(map(repr, SCOPES))}, not {scope!r}")
        libraries = _names("isolate", isolate, "django", "lib.registry")
        for name in libraries:
            reason = refusal(name)
            if reason is not None:
                raise ValueError(f"isolate= cannot take {name!r}: {reason}")
        if browser_refresh is not None and not isinstance(browser_refresh, bool):
            raise TypeError(f"browser_refresh= takes True or False, or None for True, not {browser_refresh!r}")
        clients = _listed("trusted_clients", trusted_clients, "addresses and networks", "trusted_clients=('10.0.0.7',)")
        hosts = _listed("trusted_hosts", trusted_hosts, "names", "trusted_hosts=('shop.test',)")
        for client in clients:
            check_client(client)
        for host in hosts:
            check_host(host)
        paths = tuple(os.path.abspath(file) for file in files)
        return cls(
            names,
            paths,
            poll_seconds,
            drain_seconds,
            scope=scope,
            browser_refresh=browser_refresh,
            trusted_clients=clients,
            trusted_hosts=hosts,
        ).joined(cls(libraries, isolate=libraries))

    def joined(self, other: Options) -> Options:
        """Return what both say together; of two numbers of seconds or answers, the later one said."""
        included = {*self.included, *other.included}
        return Options(
            tuple(dict.fromkeys(self.include + other.include)),
            tuple(dict.fromkeys(self.extra_files + other.extra_files)),
            self.poll_seconds if other.poll_seconds is None else other.poll_seconds,
            self.drain_seconds if other.drain_seconds is None else other.drain_seconds,
            tuple(name for name in dict.fromkeys(self.isolate + other.isolate) if name not in included),
            self.scope if other.scope is None else other.scope,
            self.browser_refresh if other.browser_refresh is None else other.browser_refresh,
            tuple(dict.fromkeys(self.trusted_clients + other.trusted_clients)),
            tuple(dict.fromkeys(self.trusted_hosts + other.trusted_hosts)),
            tuple(dict.fromkeys(self.project_folders + other.project_folders)),
        )

    @property
    def included(self) -> tuple[str, ...]:
        """The names that `include=` has."""
        return tuple(name for name in self.include if name not in self.isolate)

    def are_of_project(self, file: str | None) -> bool:
        """Tell whether *file* is source below one of the project's folders."""
        folders = tuple(os.path.join(folder, "") for folder in self.project_folders)
        return bool(folders) and file is not None and file.startswith(folders) and is_project_file(file)

    def without(self, names: Collection[str]) -> Options:
        """Return the same but for these names, which are not isolated."""
        include, isolate = ([n for n in every if n not in names] for every in (self.include, self.isolate))
        return replace(self, include=tuple(include), isolate=tuple(isolate))


def _listed(option: str, value: Any, what: str, example: str) -> tuple[Any, ...]:
    if isinstance(value, str | bytes | os.PathLike) or not isinstance(value, Iterable):
        raise TypeError(f"{option}= takes a list or tuple of {what}, such as {example}, not {value!r}")
    return tuple(value)


def _names(option: str, value: Any, *examples: str) -> tuple[str, ...]:
    names = _listed(option, value, "package or module names", f"{option}={examples!r}")
    for name in names:
        if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
            raise ValueError(
                f"{option}= takes importable names such as {' or '.join(map(repr, examples))}, not {name!r}"
            )
    return names


def _check_seconds(option: str, value: Any, least: float, otherwise: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{option}= takes seconds, or {otherwise}, not {value!r}")
    if not least <= value <= 3600:
        raise ValueError(f"{option}= takes {least:g} to 3600 seconds, not {value!r}")
