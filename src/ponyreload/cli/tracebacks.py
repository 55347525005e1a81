"""Tracebacks for the terminal: each place in user code, with the source around it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.syntax import Syntax
from rich.text import Text

from ponyreload.reporting import shown

__all__ = ["printable", "traceback_of"]

FRAME = re.compile(r'^ +File "(?P<file>.*)", line (?P<line>\d+)(?:, in (?P<function>.*))?$')
MARKERS = re.compile(r"^\s*[\^~ ]*[\^~][\^~ ]*$")
# How many lines are shown before and after the one that failed.
AROUND = 2
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def printable(text: str) -> str:
    """Return *text* with control characters escaped: the text of an exception may come from anywhere."""
    return text.translate(CONTROLS)


def traceback_of(details: str) -> Text:
    """Return a traceback of user frames, with the source around the last frame of each stack.

    Args:
        details: The traceback as the `traceback` module formats it.
    """
    lines = printable(details).split("\n")
    result = Text()
    number = 0
    while number < len(lines):
        found = FRAME.match(lines[number])
        number += 1
        if found is None:
            is_heading = lines[number - 1].startswith(("Traceback ", "During ", "The above ", " "))
            result.append(f"{lines[number - 1]}\n", "dim" if is_heading else "bold red")
            continue
        code = []  # the line, and the marks below it
        while number < len(lines) and lines[number].startswith("    "):
            code.append(lines[number])
            number += 1
        is_last = number >= len(lines) or FRAME.match(lines[number]) is None
        result.append(f"  {shown(found['file'])}:{found['line']}", "cyan")
        result.append(f" in {found['function']}\n" if found["function"] else "\n", "dim")
        around = AROUND if is_last else 0
        for line in _source(found["file"], int(found["line"]), code, around):
            result.append_text(line).append("\n")
    return result


def _source(file: str, at: int, code: list[str], around: int) -> Iterator[Text]:
    """Yield the lines of a file around line *at*; if that is no longer the first line of *code*, yield the code."""
    marks = [line for line in code[1:] if MARKERS.match(line)]
    source = _lines(file)
    if not code or not 0 < at <= len(source) or source[at - 1].strip() != code[0].strip():
        for line in code:  # the file has changed since
            yield Text(line)
        return
    first, last = max(1, at - around), min(len(source), at + around)
    while not source[first - 1].strip() and first < at:
        first += 1
    while not source[last - 1].strip() and last > at:
        last -= 1
    snippet = "\n".join(source[first - 1 : last])
    # This theme uses the terminal's own sixteen colours, which are readable on its background.
    coloured = Syntax("", "python", theme="ansi_dark").highlight(snippet).split("\n", allow_blank=True)
    indent = len(source[at - 1]) - len(source[at - 1].lstrip())
    for number, text in enumerate(coloured[: last - first + 1], first):
        is_it = number == at
        gutter = Text(f"  {'>' if is_it else ' '} {number:>4} | ", "bold red" if is_it else "dim")
        yield gutter.append_text(text)
        if is_it:
            for mark in marks:
                yield Text(f"         | {' ' * indent}{mark[4:]}", "red")


def _lines(file: str) -> list[str]:
    import tokenize

    try:
        with tokenize.open(file) as stream:
            return printable(stream.read().expandtabs(4)).split("\n")
    except (OSError, SyntaxError, UnicodeDecodeError):
        return []
