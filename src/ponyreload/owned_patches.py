"""Patches: what stands in places of the standard library while autoreload is on."""

from __future__ import annotations

from typing import Any

__all__ = ["Patches"]

INHERITED = object()


class Patches:
    """Replaces attributes of classes and modules, and puts back what stood there."""

    def __init__(self) -> None:
        # (<class Thread>, "start", what stood there, what stands there now)
        self._put: list[tuple[Any, str, Any, Any]] = []

    def put(self, holder: Any, name: str, replacement: Any) -> None:
        """Have *replacement* stand where ``holder.name`` does."""
        self._put.append((holder, name, vars(holder).get(name, INHERITED), replacement))
        setattr(holder, name, replacement)

    def undo(self) -> None:
        """Put all back, except where somebody else has put something since: that calls ours, and goes on to."""
        for holder, name, before, ours in reversed(self._put):
            if vars(holder).get(name) is ours:
                if before is INHERITED:
                    delattr(holder, name)
                else:
                    setattr(holder, name, before)
        self._put.clear()
