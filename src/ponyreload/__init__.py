"""Reload a web application's own modules in the running process: save a file, the next request runs it."""

from __future__ import annotations

from ponyreload.autoreload import AutoreloadMiddleware, generation, use_autoreload
from ponyreload.errors import LoadError
from ponyreload.lifecycle.hooks import on_reload, on_retire
from ponyreload.lifecycle.keeping import keep
from ponyreload.lifecycle.per_generation import PerGeneration
from ponyreload.lifecycle.superseded import superseded
from ponyreload.options.marking import star_mark

# In the order of `dir`.
__all__ = [  # noqa: RUF022
    "AutoreloadMiddleware", "LoadError", "PerGeneration", "USE_AUTORELOAD", "generation", "keep", "on_reload",
    "on_retire", "superseded", "use_autoreload",
]  # fmt: skip

USE_AUTORELOAD: bool

__getattr__ = star_mark(__name__)


def __dir__() -> list[str]:
    return __all__
