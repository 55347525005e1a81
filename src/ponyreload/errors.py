"""Exceptions that carry their parts."""

from __future__ import annotations

__all__ = ["Abandoned", "LoadError", "PonyreloadError", "outcome", "summary"]


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
        hint: What else can be done than to mend the file; empty if there is nothing.
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
        hint: str = "",
    ) -> None:
        self.number = number
        self.serving = serving
        self.reason = reason
        self.file = file
        self.line = line
        self.details = details
        self.source = source
        self.shareable = shareable
        self.hint = hint
        self.summary = summary(reason, has_place=bool(place))
        super().__init__(f"generation {number} not served: {place + ' ' if place else ''}{self.summary}")

    @property
    def outcome(self) -> str:
        """What is served now, and what to do."""
        return outcome(self.serving, self.hint)


def outcome(serving: int, hint: str) -> str:
    """Return what is served after a load that has failed, and what to do."""
    what = f"still serving generation {serving}" if serving else "nothing is served yet"
    return "; ".join(filter(None, (what, "save the file to try again", hint)))


def summary(error: BaseException, has_place: bool = False) -> str:
    """Return what an error is and says, in one line.

    Args:
        error: The error.
        has_place: Whether its place is given besides: the text of a SyntaxError ends with that.
    """
    try:
        said = error.msg if has_place and isinstance(error, SyntaxError) else str(error)
    except Exception:
        said = "its text cannot be had: its __str__ raises"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


class Abandoned(BaseException):
    """Raised in a load that newer contents have overtaken, to end it early.

    A BaseException, so that ``except Exception`` in user code lets it through.
    """
