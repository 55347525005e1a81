"""Exceptions that carry their parts."""

from __future__ import annotations

__all__ = ["Abandoned", "LoadError", "PonyreloadError", "outcome"]


class PonyreloadError(Exception):
    """The base of what ponyreload raises on purpose."""


class LoadError(PonyreloadError):
    """A generation could not be loaded; the one before serves on.

    Attributes:
        number: The number that the generation would have had.
        serving: The number of the generation that still serves; 0 if none has been served yet.
        file: Absolute path of the user's file where it went wrong, or None.
        line: Line number in *file*, or None.
        reason: The exception that ended the load.
        details: The traceback, cut to the user's own frames.
        summary: What *reason* is and says, in one line:  "NameError: name 'Basket' is not defined"
        source: The lines around *line*, if *file* is a user module's:  ((12, "basket = Basket()"), …)
        shareable: The *details* without source lines of files that are no user module's; for a browser.
    """

    def __init__(
        self,
        *,
        number: int,
        serving: int,
        reason: BaseException,
        file: str | None = None,
        line: int | None = None,
        place: str = "",
        details: str = "",
        source: tuple[tuple[int, str], ...] = (),
        shareable: str = "",
    ) -> None:
        self.number = number
        self.serving = serving
        self.reason = reason
        self.file = file
        self.line = line
        self.details = details
        self.source = source
        self.shareable = shareable
        # The text of a SyntaxError ends with the place, which is given already.
        try:
            said = reason.msg if place and isinstance(reason, SyntaxError) else str(reason)
        except Exception:
            said = "its text cannot be had: its __str__ raises"
        self.summary = f"{type(reason).__name__}: {said}" if said else type(reason).__name__
        super().__init__(f"generation {number} not served: {place + ' ' if place else ''}{self.summary}")

    @property
    def outcome(self) -> str:
        """What is served now, and what to do."""
        return outcome(self.serving)


def outcome(serving: int) -> str:
    """Return what is served after a load that has failed, and what to do."""
    what = f"still serving generation {serving}" if serving else "nothing is served yet"
    return f"{what}; save the file to try again"


class Abandoned(BaseException):
    """Raised in a load that newer contents have overtaken, to end it early.

    A BaseException, so that ``except Exception`` in user code lets it through.
    """
