"""The command line: serves an application, explains a module, and checks a project."""

from __future__ import annotations

__all__ = ()
