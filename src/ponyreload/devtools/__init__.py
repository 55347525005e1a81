"""The developer's tools in the browser: page refresh, the error overlay, what answers below `/__ponyreload__/`."""

from __future__ import annotations

__all__ = ()
