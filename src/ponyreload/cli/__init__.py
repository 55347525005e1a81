"""The command line: `ponyreload run` serves an application; `explain` and `check` report on its reloading.

In: arguments, and the table `[tool.ponyreload]` of pyproject.toml. Out: a running server, lines on the terminal, and
the exit status. Nothing below this package imports it.
"""

__all__ = ["commands"]
