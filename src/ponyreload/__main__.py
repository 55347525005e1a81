"""The command line's door: ``ponyreload`` and ``python -m ponyreload``. What is missing is said in one line."""

from __future__ import annotations

import sys
from typing import NoReturn

from ponyreload.project import HiddenError, own_imports

__all__ = ["main"]


def main() -> None:
    """Run the command line, and end the process with its exit status."""
    try:
        with own_imports("click.core"):
            from ponyreload.cli.commands import run_command_line  # here: `import ponyreload` imports none of this
    except HiddenError as error:
        _end(str(error))
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        _end("the command line needs click and rich: pip install 'ponyreload[cli]'")
    sys.exit(run_command_line(sys.argv[1:]))


def _end(text: str) -> NoReturn:
    sys.stderr.write(f"ponyreload: {text}\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
