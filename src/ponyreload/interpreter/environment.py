"""The environment of the process, where `os.environ` is not it."""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["environment_of_process"]


def environment_of_process() -> Mapping[str, str]:
    """Return the environment variables of the process.

    The SDK of Google App Engine replaces ``os.environ`` by one for each thread. On Python 3.13, that of a new thread is
    empty.
    """
    if os.environ or not os.supports_bytes_environ:
        return os.environ
    return {os.fsdecode(name): os.fsdecode(value) for name, value in os.environb.items()}
