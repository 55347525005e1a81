"""The command line's door: ``ponyreload`` and ``python -m ponyreload``. What is missing is said in one line."""

from __future__ import annotations

import sys

__all__ = ["main"]

# What the command line itself is made of; servers are asked for where they are used.
NEEDED = {"click", "rich"}


def main() -> None:
    """Run the command line, and end the process with its exit status."""
    try:
        from ponyreload.cli.commands import run_command_line  # here: `import ponyreload` imports none of this
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        sys.stderr.write("ponyreload: the command line needs click and rich: pip install 'ponyreload[cli]'\n")
        sys.exit(2)
    sys.exit(run_command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
