"""Failures: the report of a load that failed, cut to the frames of user code."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

from ponyreload.errors import LoadError
from ponyreload.generations.context import entered, published
from ponyreload.generations.generation import Generation
from ponyreload.options import marking
from ponyreload.reporting import shown

__all__ = ["load_error"]

# How many lines are shown before and after the one where it went wrong.
LINES_AROUND = 4


def load_error(
    generation: Generation,
    serving: int,
    reason: BaseException,
    may_show: Callable[[str], bool] | None = None,
    hint: str = "",
) -> LoadError:
    """Build the report of a failed load, with the traceback cut to the user's own frames.

    Args:
        generation: The one that is not served.
        serving: The number of the one that is.
        reason: What ended the load. It loses its frames.
        may_show: Tells of a file whether a browser may show its text; None: the report goes to no browser.
        hint: What else can be done than to mend the file.
    """
    with entered(generation):  # so that the lines shown are those that ran
        cut = traceback.TracebackException.from_exception(reason)
        _cut(cut, generation, set())
        details = "".join(cut.format()).rstrip()
        shareable = ""
        if may_show is not None:
            _hide(cut, may_show, set())
            shareable = "".join(cut.format()).rstrip()
    file, line = None, None
    if isinstance(reason, SyntaxError) and reason.filename and os.path.isabs(reason.filename):
        file, line = reason.filename, reason.lineno
    elif isinstance(cut.stack, list) and cut.stack:
        file, line = cut.stack[-1].filename, cut.stack[-1].lineno
    is_open = may_show is not None and file is not None and may_show(file)
    source = _around(generation, file, line) if is_open and file is not None and line else ()
    place = "" if file is None else f"{shown(file)}:{line}"
    _drop_frames(reason)
    return LoadError(
        number=generation.number,
        serving=serving,
        reason=reason,
        file=file,
        line=line,
        place=place,
        details=details,
        source=source,
        shareable=shareable,
        hint=hint,
    )


def _around(generation: Generation, file: str, line: int) -> tuple[tuple[int, str], ...]:
    """Return the lines around one, of the version that was to be loaded."""
    serving = published()
    source = generation.sources.get(file) or (serving and serving.sources.get(file))
    lines = source.lines() if source else []
    first = max(0, line - 1 - LINES_AROUND)
    return tuple((number, text.rstrip()) for number, text in enumerate(lines[first : line + LINES_AROUND], first + 1))


def _cut(report: traceback.TracebackException, generation: Generation, seen: set[int]) -> None:
    """Keep the user's frames of a traceback and of those that it was raised from."""
    if id(report) in seen:
        return
    seen.add(id(report))
    own = [
        frame
        for frame in report.stack
        if frame.filename in generation.sources or marking.is_project_file(os.path.abspath(frame.filename))
    ]
    report.stack[:] = own
    for other in (report.__cause__, report.__context__):
        if other is not None:
            _cut(other, generation, seen)


def _hide(report: traceback.TracebackException, may_show: Callable[[str], bool], seen: set[int]) -> None:
    """Take the source lines of other files out of a traceback, and of those that it was raised from or holds."""
    if id(report) in seen:
        return
    seen.add(id(report))
    report.stack[:] = [
        frame
        if may_show(frame.filename)
        else traceback.FrameSummary(frame.filename, frame.lineno, frame.name, lookup_line=False, line="")
        for frame in report.stack
    ]
    # Of a SyntaxError: where it is, and what is there.
    if not may_show(getattr(report, "filename", None) or ""):
        report.text = None  # type: ignore[assignment]
    for other in (report.__cause__, report.__context__, *(getattr(report, "exceptions", None) or ())):
        if other is not None:
            _hide(other, may_show, seen)


def _drop_frames(error: BaseException | None) -> None:
    """Let go of the frames, and so of the generation that failed; the text of the traceback has been made."""
    # A chain may be a ring (`raise error from error`), and forks at a cause, a context and a group.
    seen: set[int] = set()
    todo = [error]
    while todo:
        each = todo.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            each.__traceback__ = None
            todo += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
