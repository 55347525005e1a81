"""The compiler process, which `compiling` starts: reads sources, writes code objects. Imports nothing of ours."""

from __future__ import annotations

import marshal
import sys
import warnings
from typing import Any

__all__ = ["main"]


def main() -> None:
    """Compile what standard input has, as `marshal` writes it, and write the outcome to standard output.

    In: the optimisation level, and rows of source and file name. Out: this Python's version, so that the other side
    can tell whether the rest is for it; then a row for each source: its code, or None if it does not compile, and the
    warnings that this gave, each with its category, text and line.
    """
    optimize, sources = marshal.loads(sys.stdin.buffer.read())  # noqa: S302 - from our own process
    rows = [_compiled(data, file, optimize) for data, file in sources]
    sys.stdout.buffer.write(marshal.dumps((sys.version, marshal.dumps(rows))))


def _compiled(data: bytes, file: str, optimize: int) -> tuple[Any, list[tuple[str, str, int]]]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            code = compile(data, file, "exec", dont_inherit=True, optimize=optimize)
        except Exception:
            # Whoever asked compiles it once more, and gets the error with all that belongs to it.
            return None, []
    return code, [(each.category.__name__, str(each.message), each.lineno) for each in seen]


if __name__ == "__main__":
    main()
