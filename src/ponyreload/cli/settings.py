"""Settings: what `[tool.ponyreload]` of the project's pyproject.toml says, checked with the file and the key."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ponyreload.cli.addresses import Address
from ponyreload.cli.problems import UseError
from ponyreload.cli.serving import SERVERS
from ponyreload.options.options import Options
from ponyreload.reporting import shown
from ponyreload.watching.polling import POLL_SECONDS

__all__ = ["Settings", "find_settings"]


class Settings(NamedTuple):
    """What the file says.

    Attributes:
        folder: The project's: that of the file, or the current one if no file says anything.
        values: By the parameters of the commands:  {"server": "cheroot", "include": ["lib"]}
    """

    folder: str
    values: dict[str, Any]


def find_settings(start: str) -> Settings:
    """Read the nearest pyproject.toml from the folder *start* upwards; one without the table says nothing.

    Raises:
        UseError: It is no TOML, or the table has what is not accepted.
    """
    for folder in (Path(start), *Path(start).parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            table = _table(file)
            return Settings(start, {}) if table is None else Settings(str(folder), _checked(table, file))
    return Settings(start, {})


def _table(file: Path) -> Any:
    """Return ``[tool.ponyreload]``; None if there is none."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UseError(f"{shown(str(file))} cannot be read: {error}") from None
    if "ponyreload" not in text:
        return None  # whatever else it says is no matter of ours
    try:
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
    except ModuleNotFoundError:
        raise UseError(
            f"{shown(str(file))}: Python 3.10 needs tomli to read it: pip install 'ponyreload[cli]'"
        ) from None
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UseError(f"{shown(str(file))} is no TOML: {error}") from None
    tool = tables.get("tool", {})
    return tool.get("ponyreload") if isinstance(tool, Mapping) else None


def _checked(table: Any, file: Path) -> dict[str, Any]:
    """Return the table by the parameters' names."""
    where = shown(str(file))
    if not isinstance(table, Mapping):
        raise UseError(f"{where}: tool.ponyreload is to be a table, not {_named(table)}")
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in KEYS:
            raise UseError(f"{where}: tool.ponyreload has no key {key!r}; it takes {', '.join(KEYS)}")
        name, check = KEYS[key]
        try:
            values[name] = check(value, file.parent)
        except (TypeError, ValueError, UseError) as error:
            raise UseError(f"{where}: tool.ponyreload.{key}: {error}") from None
    return values


def _named(value: object) -> str:
    kind = {bool: "a boolean", str: "text", list: "a list", dict: "a table", int: "a number", float: "a number"}
    return kind.get(type(value), type(value).__name__)


def _text(value: object, folder: Path) -> str:  # noqa: ARG001 - all take the same
    if not isinstance(value, str):
        raise TypeError(f"takes text, not {_named(value)}")
    return value


def _flag(value: object, folder: Path) -> bool:  # noqa: ARG001 - as above
    if not isinstance(value, bool):
        raise TypeError(f"takes true or false, not {_named(value)}")
    return value


def _seconds(value: object, folder: Path) -> float | None:  # noqa: ARG001 - as above
    if isinstance(value, bool):
        return POLL_SECONDS if value else None
    if not isinstance(value, int | float):
        raise TypeError(f"takes true, false or seconds, not {_named(value)}")
    _options(poll_seconds=value)
    return float(value)


def _server(value: object, folder: Path) -> str:
    if _text(value, folder) not in SERVERS:
        raise ValueError(f"takes {', '.join(SERVERS)}, not {value!r}")
    return str(value)


def _scope(value: object, folder: Path) -> str:
    _options(scope=_text(value, folder))
    return str(value)


def _bind(value: object, folder: Path) -> str:
    text = _text(value, folder)
    if text.startswith("unix:"):
        return f"unix:{folder / text.removeprefix('unix:')}" if Address.parsed(text) else text
    Address.parsed(text)
    return text


def _texts(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError(f"takes a list of texts, not {_named(value)}")
    return value


def _include(value: object, folder: Path) -> list[str]:  # noqa: ARG001 - as above
    _options(include=_texts(value))
    return _texts(value)


def _isolate(value: object, folder: Path) -> list[str]:  # noqa: ARG001 - as above
    _options(isolate=_texts(value))
    return _texts(value)


def _clients(value: object, folder: Path) -> list[str]:  # noqa: ARG001 - as above
    _options(trusted_clients=_texts(value))
    return _texts(value)


def _hosts(value: object, folder: Path) -> list[str]:  # noqa: ARG001 - as above
    _options(trusted_hosts=_texts(value))
    return _texts(value)


def _files(value: object, folder: Path) -> list[str]:
    _options(extra_files=_texts(value))
    return [os.path.join(folder, each) for each in _texts(value)]


def _options(**given: Any) -> None:
    """Check as `use_autoreload` does.

    Raises:
        TypeError, ValueError: With what is accepted.
    """
    plain: dict[str, Any] = {"include": (), "extra_files": (), "isolate": (), "poll_seconds": None, "scope": None}
    Options.checked(**{**plain, "drain_seconds": None, **given})


# key -> parameter of the commands, and what checks the value.
KEYS: dict[str, tuple[str, Callable[[object, Path], Any]]] = {
    "target": ("target", _text),
    "server": ("server", _server),
    "bind": ("bind", _bind),
    "include": ("include", _include),
    "isolate": ("isolate", _isolate),
    "extra-files": ("extra_files", _files),
    "poll": ("poll", _seconds),
    "scope": ("scope", _scope),
    "browser-refresh": ("browser_refresh", _flag),
    "trusted-clients": ("trusted_clients", _clients),
    "trusted-hosts": ("trusted_hosts", _hosts),
    "open": ("open_browser", _flag),
}
