"""Errors of the command line: one line on stderr, and an exit status."""

from __future__ import annotations

from ponyreload.errors import PonyreloadError

__all__ = ["CommandError", "ServeError", "TargetError", "UseError"]


class CommandError(PonyreloadError):
    """Ends the command.

    Attributes:
        status: The exit status of the process.
    """

    status = 1


class UseError(CommandError):
    """The arguments or settings are not valid, or need a library that is not installed."""

    status = 2


class TargetError(UseError):
    """The target leads to no WSGI application. In a later load, it makes that load fail."""


class ServeError(CommandError):
    """The server cannot be started."""
