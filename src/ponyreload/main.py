"""The star-import face: ``from ponyreload.main import *`` brings in all of `ponyreload`, and `http`."""

from __future__ import annotations

from ponyreload import AutoreloadMiddleware, LoadError, generation, on_reload, use_autoreload
from ponyreload.marking import star_mark
from ponyreload.pages import http

# In the order of `dir`.
__all__ = ["AutoreloadMiddleware", "LoadError", "USE_AUTORELOAD", "generation", "http", "on_reload", "use_autoreload"]  # noqa: RUF022

USE_AUTORELOAD: bool

__getattr__ = star_mark(__name__)


def __dir__() -> list[str]:
    return __all__
