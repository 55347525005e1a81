"""The living: the generations that have not been retired, which one of them serves, and which ones requests hold."""

from __future__ import annotations

import threading
import time

from ponyreload.generations.contents import early_contents
from ponyreload.generations.context import entered_generation, publish
from ponyreload.generations.generation import Generation

__all__ = ["Living"]


class Living:
    """The generations that have not been retired, and the leases by which requests hold them.

    Threads: `lock` protects which one serves and the list; nobody's code runs while it is held. `news` is a condition
    on it, told when one of them may have become idle. The reloader and the updater guard what they know by the same
    two, as who waits for one of these waits for the others too. All methods are safe to call from any thread.

    Attributes:
        serving: The generation that serves new requests.
    """

    def __init__(self) -> None:
        # Re-entrant, because the collector may drop an abandoned response body, and so end its lease, at any moment
        # of any thread, also while that holds the lock.
        self.lock = threading.RLock()
        self.news = threading.Condition(self.lock)
        self.serving = Generation(1, early_contents)
        self._all = [self.serving]

    def all(self) -> tuple[Generation, ...]:
        """Return them, oldest first; also one that is being loaded."""
        with self.lock:
            return tuple(self._all)

    def begin(self) -> Generation:
        """Make the generation that is to be loaded next."""
        with self.lock:
            generation = Generation(self.serving.number + 1)
            self._all.append(generation)
        return generation

    def supersede(self, generation: Generation) -> Generation:
        """Have a loaded generation serve new requests; return the one that has until now."""
        # The new one serves before the old one can retire, or a request would find neither.
        with self.lock:
            before = self.serving
            before.superseded_at = time.monotonic()
            self.serving = generation
            publish(generation)
        return before

    def lease(self) -> Generation:
        """Give the caller a hold on the generation that serves; each is to be given back by `release` once."""
        while True:
            generation = self.serving
            generation.leases.append(None)
            # No lock: this is in the way of each request. `supersede` first puts another one in its place, and only
            # then is asked whether it has leases. So either that sees this lease, or here it is seen to come too late.
            if generation is self.serving:
                generation.is_asked = True
                return generation
            self.release(generation)

    def release(self, generation: Generation) -> None:
        """Take back a lease."""
        generation.leases.pop()
        # Here too: if it is superseded only now, who does that finds this lease gone.
        if generation is not self.serving and not generation.leases:
            with self.news:
                self.news.notify_all()

    def idle(self) -> list[Generation]:
        """Return the superseded ones whose last lease has ended, and that nobody has claimed."""
        with self.lock:
            superseded = [each for each in self._all if each.published and each is not self.serving]
            return [each for each in superseded if not each.leases and not each.retires]

    def held(self) -> list[Generation]:
        """Return the superseded ones that requests hold, and that has not been told of."""
        with self.lock:
            return [each for each in self._all if each is not self.serving and each.leases and not each.is_told]

    def claim(self, generation: Generation) -> bool:
        """Tell whether the caller is the one who is to retire a generation."""
        with self.lock:
            is_first, generation.retires = not generation.retires, True
            return is_first

    def remove(self, generation: Generation) -> None:
        """Take out one that has been retired."""
        with self.lock:
            self._all.remove(generation)

    def begin_in_child(self) -> None:
        """Begin anew in a forked process, which has only the thread that forked and its request; with `lock` held."""
        self._all = [self.serving]
        self.serving.leases = [None] * (entered_generation() is self.serving)
        self.serving.forget_other_threads()
