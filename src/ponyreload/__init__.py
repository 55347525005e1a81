"""Reload a web application's own modules in the running process: save a file, the next request runs it."""

from __future__ import annotations

from ponyreload.autoreload import AutoreloadMiddleware, generation, use_autoreload
from ponyreload.errors import LoadError
from ponyreload.hooks import on_reload
from ponyreload.marking import star_mark

# In the order of `dir`.
__all__ = ["AutoreloadMiddleware", "LoadError", "USE_AUTORELOAD", "generation", "on_reload", "use_autoreload"]  # noqa: RUF022

USE_AUTORELOAD: bool

__getattr__ = star_mark(__name__)


def __dir__() -> list[str]:
    return __all__
