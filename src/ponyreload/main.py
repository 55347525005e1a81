"""The star-import face: ``from ponyreload.main import *`` brings in all of `ponyreload`, and `http`."""

from __future__ import annotations

from ponyreload import AutoreloadMiddleware, LoadError, generation, on_reload, use_autoreload
from ponyreload.marking import star_mark
from ponyreload.pages import http

__all__ = ["USE_AUTORELOAD", "AutoreloadMiddleware", "LoadError", "generation", "http", "on_reload", "use_autoreload"]

USE_AUTORELOAD: bool

__getattr__ = star_mark(__name__)


def __dir__() -> list[str]:
    return __all__
