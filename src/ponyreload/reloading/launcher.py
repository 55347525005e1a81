"""The launcher: an unmarked main script that calls a user module, which starts the server."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any

from ponyreload.generations.context import MARK
from ponyreload.generations.owners import owner_of
from ponyreload.imports.names import MAIN, has_source, namespace_of
from ponyreload.imports.routed import RoutedModule
from ponyreload.interpreter.frames import outward, thread_frames
from ponyreload.options.marking import own_word

__all__ = ["find_launcher"]


def find_launcher() -> dict[str, Any] | None:
    """Return the namespace of the main script, if a load has to run it to have the server's application made again.

    Console scripts are of this kind, and ``__main__.py`` files of three lines: ``from shop import main; main()``. It is
    one if the main thread is in a call from it to code of a user module. It may call that through a library, as
    commands of click do; then it has that code by a name of its own. A server's own command, such as ``gunicorn``, has
    none.
    """
    script = sys.modules.get(MAIN)
    if script is None or type(script) is RoutedModule:
        return None
    namespace = namespace_of(MAIN, script)
    if MARK in namespace or own_word(namespace) is False or not has_source(MAIN, namespace):
        return None
    called: FrameType | None = None
    is_in_user_code = False
    for frame in outward(thread_frames().get(threading.main_thread().ident or 0)):
        if frame.f_globals is namespace:
            calls_it = called is not None and MARK in called.f_globals
            has_it = is_in_user_code and any(owner_of(each, carried=True) for each in list(namespace.values()))
            return namespace if calls_it or has_it else None
        called = frame
        is_in_user_code = is_in_user_code or MARK in frame.f_globals
    return None
