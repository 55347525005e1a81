"""Patches: what classes and modules of Python and of servers get while autoreload is on; then they have their own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["Patches"]

INHERITED = object()


class Patches:
    """What was replaced, and by what."""

    def __init__(self) -> None:
        # (<class WSGIServer>, "serve_forever") -> what stood there before, and what stands there now
        self._put: dict[tuple[Any, str], tuple[Any, Any]] = {}

    def put(self, holder: Any, name: str, replacement: Any) -> None:
        """Have *replacement* stand where ``holder.name`` does."""
        self._put[holder, name] = vars(holder).get(name, INHERITED), replacement
        setattr(holder, name, replacement)

    def wrap(self, holder: Any, name: str, wrapper: Callable[..., Any]) -> None:
        """Replace attribute *name* of a class or a module by a function that calls ``wrapper(plain, ...)``; once."""
        if (holder, name) in self._put:
            return
        own = vars(holder).get(name, INHERITED)
        # What is inherited is looked up at each call: in a subclass with several bases another one may come next.
        plain = functools.partial(_inherited, holder, name) if own is INHERITED else own

        @functools.wraps(getattr(holder, name))
        def replacement(*args: Any, **kwargs: Any) -> Any:
            return wrapper(plain, *args, **kwargs)

        self.put(holder, name, replacement)

    def undo(self) -> None:
        """Put back what stood there, except where somebody else has put something since: that calls ours."""
        for (holder, name), (own, ours) in reversed(self._put.items()):
            if vars(holder).get(name) is not ours:
                continue
            if own is INHERITED:
                delattr(holder, name)
            else:
                setattr(holder, name, own)
        self._put.clear()


def _inherited(holder: type, name: str, instance: Any, *args: Any, **kwargs: Any) -> Any:
    return getattr(super(holder, instance), name)(*args, **kwargs)
