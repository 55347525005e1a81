"""What an adapter is, and what it may ask of the reloader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ponyreload.generations.generation import Generation
from ponyreload.interpreter.patches import Patches
from ponyreload.wsgi.slots import Slot

__all__ = ["Adapter", "Host"]


class Host(Protocol):
    """The reloader, as adapters see it. All of it may be called from any thread."""

    @property
    def living(self) -> Sequence[Generation]:
        """The generations that have not been retired, oldest first; also one that is being loaded."""

    @property
    def slots(self) -> Sequence[Slot]:
        """The applications that servers and middlewares hold."""

    def slot(
        self,
        key: object,
        name: str,
        app: Any,
        filler: Generation,
        shared: bool = False,
        place: str | None = None,
        make: Callable[[], Any] | None = None,
    ) -> Slot:
        """Fill slot *key* in generation *filler* with *app*; return what a server is to hold."""

    def note_unrouted(self, server: str) -> None:
        """Note that a server calls an application of which nothing is known, so it cannot be given a newer one."""

    def watch_file(self, file: str) -> None:
        """Have a change of *file* fire a reload, as one of `extra_files` does; call it before the file is read."""

    def take_launcher(self) -> None:
        """Have loads run the main script too, if it has user code start a server now, and is not marked itself."""

    def start(self) -> None:
        """Start watching, unless that has been done. Call it once no fork can come any more."""

    def end(self) -> None:
        """Let the parked scripts run their clean-up, and wait for it: the server has ended."""

    def begin_in_child(self) -> None:
        """Reset the state in a process that was forked without Python's knowledge; its only thread calls this."""


class Adapter:
    """What ponyreload knows about one server or library. One object per process; its module has it as ``ADAPTER``."""

    # Set by `install`.
    host: Host

    def __init__(self) -> None:
        self.patches = Patches()

    def install(self, host: Host) -> None:
        """Put the hooks into what has been imported of the library; called again when more of it is imported."""
        self.host = host

    def uninstall(self) -> None:
        """Take the hooks out."""
        self.patches.undo()

    def before_publish(self, generation: Generation) -> None:
        """Prepare a loaded generation for serving; an exception keeps it from being published."""

    def retire(self, generation: Generation) -> None:
        """Let go of what the library holds for a generation; also for one that was never published."""
