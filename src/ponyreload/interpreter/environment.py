"""The environment: what `os.environ` stands for."""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["environment_of_process"]


def environment_of_process() -> Mapping[str, str]:
    """Return ``os.environ``, or what it stands for.

    The SDK of Google App Engine gives each thread one of its own. On Python 3.13, a new thread finds it empty.
    """
    if os.environ or not os.supports_bytes_environ:
        return os.environ
    return {os.fsdecode(name): os.fsdecode(value) for name, value in os.environb.items()}
