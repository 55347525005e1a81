"""Patches: attributes of classes and modules that are replaced while autoreload is on, and restored afterwards."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["Patches"]

# Stands for an attribute that the holder does not have itself.
INHERITED = object()


class Patches:
    """Replaced attributes, and how to restore them."""

    def __init__(self) -> None:
        # Holder and name -> the attribute before (INHERITED if the holder had none), and the replacement:
        #   (<class WSGIServer>, "serve_forever") -> (<function serve_forever>, <function replacement>)
        self._put: dict[tuple[Any, str], tuple[Any, Any]] = {}

    def put(self, holder: Any, name: str, replacement: Any) -> None:
        """Replace ``holder.name``."""
        self._put[holder, name] = vars(holder).get(name, INHERITED), replacement
        setattr(holder, name, replacement)

    def wrap(self, holder: Any, name: str, wrapper: Callable[..., Any]) -> None:
        """Replace a function of a class or a module by one that calls ``wrapper(plain, ...)``; once for each name."""
        if (holder, name) in self._put:
            return
        own = vars(holder).get(name, INHERITED)
        # An inherited function is looked up at each call: a subclass with several bases may inherit another one.
        plain = functools.partial(_inherited, holder, name) if own is INHERITED else own

        @functools.wraps(getattr(holder, name))
        def replacement(*args: Any, **kwargs: Any) -> Any:
            return wrapper(plain, *args, **kwargs)

        self.put(holder, name, replacement)

    def undo(self) -> None:
        """Restore all attributes, except those that somebody else has replaced since: they may call ours."""
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
