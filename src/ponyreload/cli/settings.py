"""Settings: the table `[tool.ponyreload]` of the project's pyproject.toml. Errors name the file and the key."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ponyreload.cli.addresses import Address
from ponyreload.cli.problems import UseError
from ponyreload.cli.serving import SERVERS
from ponyreload.options.kinds import PATHS, YES_OR_NO
from ponyreload.options.options import OPTIONS
from ponyreload.reporting import shown
from ponyreload.watching.polling import POLL_SECONDS

__all__ = ["Settings", "find_settings"]


class Settings(NamedTuple):
    """The settings of a project.

    Attributes:
        folder: The project's folder: that of the file, or the current one if no file has the table.
        values: By the parameters of the commands:  {"server": "cheroot", "include": ["lib"]}
    """

    folder: str
    values: dict[str, Any]


def find_settings(start: str) -> Settings:
    """Read the nearest pyproject.toml from the folder *start* upwards. It need not have the table.

    Raises:
        UseError: The file is not valid TOML, or a key or value of the table is not valid.
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
        raise UseError(f"Cannot read {shown(str(file))}: {error}") from None
    if "ponyreload" not in text:
        return None  # not for us, so it need not be valid
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
        raise UseError(f"{shown(str(file))}: invalid TOML: {error}") from None
    tool = tables.get("tool", {})
    return tool.get("ponyreload") if isinstance(tool, Mapping) else None


def _checked(table: Any, file: Path) -> dict[str, Any]:
    """Return the table by the parameters' names."""
    where = shown(str(file))
    if not isinstance(table, Mapping):
        raise UseError(f"{where}: tool.ponyreload must be a table, not {_named(table)}")
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in KEYS:
            raise UseError(f"{where}: unknown key {key!r} in tool.ponyreload: expected {', '.join(KEYS)}")
        name, check = KEYS[key]
        try:
            values[name] = check(value, file.parent)
        except (TypeError, ValueError, UseError) as error:
            raise UseError(f"{where}: tool.ponyreload.{key}: {error}") from None
    return values


def _named(value: object) -> str:
    kind = {bool: "a boolean", str: "a string", list: "a list", dict: "a table", int: "a number", float: "a number"}
    return kind.get(type(value), type(value).__name__)


# What a value must be, in the words of `Kind.in_file` -> whether it is.
ACCEPTS: dict[str, Callable[[Any], bool]] = {
    "a string": lambda value: isinstance(value, str),
    "a list of strings": lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
    "true or false": lambda value: isinstance(value, bool),
    "true, false or a number of seconds": lambda value: isinstance(value, bool | int | float),
}


def _read(expected: str, value: object, folder: Path) -> Any:  # noqa: ARG001 - all readers take the same
    if not ACCEPTS[expected](value):
        raise TypeError(f"must be {expected}, not {_named(value)}")
    return value


def _server(value: object, folder: Path) -> Any:
    if _read("a string", value, folder) not in SERVERS:
        raise ValueError(f"must be one of {', '.join(SERVERS)}, not {value!r}")
    return value


def _bind(value: object, folder: Path) -> str:
    text: str = _read("a string", value, folder)
    Address.parsed(text)
    return f"unix:{folder / text.removeprefix('unix:')}" if text.startswith("unix:") else text


def _option(name: str, given: object, folder: Path) -> Any:
    """Check the value of an option as `use_autoreload` does. Paths are relative to the file."""
    kind = OPTIONS[name].kind
    value: Any = _read(kind.in_file, given, folder)
    if isinstance(value, bool) and kind is not YES_OR_NO:
        return POLL_SECONDS if value else None
    kind.check(name, value)
    return [os.path.join(folder, each) for each in value] if kind is PATHS else value


# key -> parameter of the commands, and what checks the value
KEYS: dict[str, tuple[str, Callable[[object, Path], Any]]] = {
    "target": ("target", functools.partial(_read, "a string")),
    "server": ("server", _server),
    "bind": ("bind", _bind),
    **{option.key: (name, functools.partial(_option, name)) for name, option in OPTIONS.items() if option.key},
    "open": ("open_browser", functools.partial(_read, "true or false")),
}
