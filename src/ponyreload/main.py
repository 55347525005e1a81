"""The star-import face: ``from ponyreload.main import *`` brings in all of `ponyreload`, and `http`."""

from __future__ import annotations

from ponyreload import (
    AutoreloadMiddleware,
    LoadError,
    PerGeneration,
    generation,
    keep,
    on_reload,
    on_retire,
    superseded,
    use_autoreload,
)
from ponyreload.adapters.cherrypy.pages import http
from ponyreload.options.marking import star_mark

# In the order of `dir`.
__all__ = [  # noqa: RUF022
    "AutoreloadMiddleware", "LoadError", "PerGeneration", "USE_AUTORELOAD", "generation", "http", "keep", "on_reload",
    "on_retire", "superseded", "use_autoreload",
]  # fmt: skip

USE_AUTORELOAD: bool

__getattr__ = star_mark(__name__)


def __dir__() -> list[str]:
    return __all__
