"""Kinds of options: which values an option takes in a call, in pyproject.toml and on the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ponyreload.options.trusted import check_client, check_host

__all__ = ["CLIENTS", "HOSTS", "PATHS", "YES_OR_NO", "Kind", "choice", "names", "seconds"]


class Kind(NamedTuple):
    """What an option takes.

    Attributes:
        annotation: Type of the parameter in the public signatures:  "float | None"
        text: The same in the reference:  "`float` from 0.01 to 3600, or None"
        in_file: What pyproject.toml has for it:  "true, false or a number of seconds"
        check: Returns the value for `Options`, given the option's name and the user's value. Raises TypeError or
            ValueError with what is accepted, and what was found.
        choices: The accepted texts; empty if any text may be one.
    """

    annotation: str
    text: str
    in_file: str
    check: Callable[[str, Any], Any]
    choices: tuple[str, ...] = ()


def _many(
    what: str, examples: tuple[str, ...], checked: Callable[[str, Any], Any], more: tuple[str, str] = ("", "")
) -> Kind:
    """Return the kind of an option that takes several values; *checked* checks and returns one of them."""

    def check(option: str, value: Any) -> tuple[Any, ...]:
        if isinstance(value, str | bytes | os.PathLike) or not isinstance(value, Iterable):
            example = f"{option}={examples!r}"
            raise TypeError(f"{option}= takes a list or tuple of {what}, such as {example}, not {value!r}")
        return tuple(checked(option, each) for each in value)

    return Kind(f"Iterable[str{more[0]}]", f"iterable of `str`{more[1]}", "a list of strings", check)


def names(*examples: str, refusal: Callable[[str], str | None] | None = None) -> Kind:
    """Names of packages and modules; *refusal* returns why one cannot be taken."""

    def checked(option: str, name: Any) -> str:
        if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
            accepted = " or ".join(map(repr, examples))
            raise ValueError(f"{option}= takes importable names such as {accepted}, not {name!r}")
        reason = refusal and refusal(name)
        if reason is not None:
            raise ValueError(f"{option}= cannot take {name!r}: {reason}")
        return name

    return _many("package or module names", examples, checked)


def _path(option: str, value: Any) -> str:
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise TypeError(f"{option}= takes paths and globs (str or os.PathLike), not {value!r}")
    return os.path.abspath(path)


def seconds(least: float, otherwise: str) -> Kind:
    """A number of seconds from *least* to an hour; None stands for what *otherwise* says."""

    def check(option: str, value: Any) -> Any:
        if value is not None:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{option}= takes seconds, or {otherwise}, not {value!r}")
            if not least <= value <= 3600:
                raise ValueError(f"{option}= takes {least:g} to 3600 seconds, not {value!r}")
        return value

    return Kind("float | None", f"`float` from {least:g} to 3600, or None", "true, false or a number of seconds", check)


def choice(*choices: str) -> Kind:
    """One of these texts, or None."""

    def check(option: str, value: Any) -> Any:
        if value not in (None, *choices):
            raise ValueError(f"{option}= takes {' or '.join(map(repr, choices))}, not {value!r}")
        return value

    text = ", ".join(f'`"{each}"`' for each in choices)
    return Kind("str | None", f"{text}, or None", "a string", check, choices)


def _yes_or_no(option: str, value: Any) -> Any:
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"{option}= takes True or False, or None for True, not {value!r}")
    return value


PATHS = _many(
    "paths and globs", ("shop.toml", "pages/**/*.html"), _path, (" | os.PathLike[str]", " or `os.PathLike[str]`")
)
CLIENTS = _many("addresses and networks", ("10.0.0.7",), check_client)
HOSTS = _many("names", ("shop.test",), check_host)
YES_OR_NO = Kind("bool | None", "`bool` or None", "true or false", _yes_or_no)
