"""Holders: what keeps a retired generation in memory, found by a walk over all objects, and said in words."""

from __future__ import annotations

__all__ = ()
