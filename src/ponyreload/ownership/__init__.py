"""Ownership: what a generation's code registers or leaves running outside of its modules, and how that is undone."""

from __future__ import annotations

__all__ = ()
