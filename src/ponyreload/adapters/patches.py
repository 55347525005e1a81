"""Patches: what classes and modules of servers get while autoreload is on; they have their own again afterwards."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["Patches"]

INHERITED = object()


class Patches:
    """What was replaced, and by what."""

    def __init__(self) -> None:
        # What stood there before:  (<class WSGIServer>, "serve_forever") -> <function>
        self._own: dict[tuple[Any, str], Any] = {}

    def wrap(self, holder: Any, name: str, wrapper: Callable[..., Any]) -> None:
        """Replace attribute *name* of a class or a module by a function that calls ``wrapper(plain, ...)``; once."""
        if (holder, name) in self._own:
            return
        own = self._own[holder, name] = vars(holder).get(name, INHERITED)
        # What is inherited is looked up at each call: in a subclass with several bases another one may come next.
        plain = functools.partial(_inherited, holder, name) if own is INHERITED else own

        @functools.wraps(getattr(holder, name))
        def replacement(*args: Any, **kwargs: Any) -> Any:
            return wrapper(plain, *args, **kwargs)

        setattr(holder, name, replacement)

    def undo(self) -> None:
        """Put back what stood there."""
        for (holder, name), own in self._own.items():
            if own is INHERITED:
                delattr(holder, name)
            else:
                setattr(holder, name, own)
        self._own.clear()


def _inherited(holder: type, name: str, instance: Any, *args: Any, **kwargs: Any) -> Any:
    return getattr(super(holder, instance), name)(*args, **kwargs)
