"""The developer's tools, as a slot sees them."""

from __future__ import annotations

__all__ = ["PREFIX"]

# Below the place where a server has the application.
PREFIX = "/__ponyreload__/"
