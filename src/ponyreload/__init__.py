"""Reload a web application's own modules in the running process: save a file, the next request runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ponyreload.options.marking import star_mark

if TYPE_CHECKING:
    from ponyreload.autoreload import AutoreloadMiddleware, generation, use_autoreload
    from ponyreload.errors import LoadError
    from ponyreload.lifecycle.hooks import on_reload, on_retire, superseded
    from ponyreload.lifecycle.keeping import keep
    from ponyreload.lifecycle.per_generation import PerGeneration

# In the order of `dir`.
__all__ = [  # noqa: RUF022
    "AutoreloadMiddleware", "LoadError", "PerGeneration", "USE_AUTORELOAD", "generation", "keep", "on_reload",
    "on_retire", "superseded", "use_autoreload",
]  # fmt: skip

USE_AUTORELOAD: bool

# Each name is imported when it is first used: a module that needs one of them does not wait for the others.
__getattr__ = star_mark(
    __name__,
    {
        "ponyreload.autoreload": ("AutoreloadMiddleware", "generation", "use_autoreload"),
        "ponyreload.errors": ("LoadError",),
        "ponyreload.lifecycle.hooks": ("on_reload", "on_retire", "superseded"),
        "ponyreload.lifecycle.keeping": ("keep",),
        "ponyreload.lifecycle.per_generation": ("PerGeneration",),
    },
)


def __dir__() -> list[str]:
    return __all__
