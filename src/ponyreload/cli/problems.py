"""CommandErrors: what the command line says in one line before it ends."""

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
    """What the user asked for cannot be meant, or needs something that is not installed."""

    status = 2


class TargetError(UseError):
    """The target leads to no WSGI application. In a later load, it fails that."""


class ServeError(CommandError):
    """The server cannot be started."""
