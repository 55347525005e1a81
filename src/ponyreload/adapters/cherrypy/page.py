"""Page: a function, the pattern of its path and the headers of its answer."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = ["Page", "checked_headers", "name_of", "parameters_of", "pattern_of", "takes_any"]


PARAMETER = re.compile(r"\$[^\W\d]\w*")


HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


class Page(NamedTuple):
    """One page: the pattern of its path, and the function that answers.

    Sample row: ``Page(("blog", "$year"), <function>, {"Content-Type": "text/html"})``.
    """

    pattern: tuple[str, ...]
    function: Callable[..., Any]
    headers: dict[str, str]

    def match(self, path: tuple[str, ...]) -> dict[str, str] | None:
        """Return the parameters that *path* gives this page; None if it is not this page's path."""
        if len(path) != len(self.pattern):
            return None
        parameters: dict[str, str] = {}
        for wanted, found in zip(self.pattern, path, strict=True):
            if wanted.startswith("$"):
                parameters[wanted[1:]] = found
            elif wanted != found:
                return None
        return parameters

    @property
    def order(self) -> tuple[bool, ...]:
        """What sorts pages so that a literal word is tried before a parameter in its place."""
        return tuple(part.startswith("$") for part in self.pattern)


def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    # Those of a decorator's own wrapper, which is what is called.
    return inspect.signature(function, follow_wrapped=False).parameters


def takes_any(parameters: Mapping[str, inspect.Parameter]) -> bool:
    return any(each.kind is each.VAR_KEYWORD for each in parameters.values())


def name_of(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', function)}"


def pattern_of(path: str) -> tuple[str, ...]:
    if not path.startswith("/") or "?" in path or "#" in path:
        raise ValueError(f"a page's path starts with '/' and has no query, as in '/blog/$year', not {path!r}")
    pattern = tuple(part for part in path.split("/") if part)
    parameters = [part for part in pattern if "$" in part]
    if not all(map(PARAMETER.fullmatch, parameters)) or len(parameters) != len(set(parameters)):
        raise ValueError(f"a parameter is a whole part of a path, once, as in '/blog/$year'; not so in {path!r}")
    return pattern


def checked_headers(headers: Mapping[str, object]) -> dict[str, str]:
    return {_header_name(name): _header_value(name, value) for name, value in headers.items()}


def _header_name(name: str) -> str:
    header = name.replace("_", "-").title()
    if not HEADER.fullmatch(header):
        raise ValueError(f"a header is named as in content_type='text/html', not {name!r}")
    return header


def _header_value(name: str, value: object) -> str:
    if not isinstance(value, str) or "\n" in value or "\r" in value:
        raise TypeError(f"header {_header_name(name)} takes one line of text, not {value!r}")
    return value
