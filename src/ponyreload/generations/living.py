"""The living: the generations that have not been retired, which one of them serves, and which ones requests hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from threading import get_ident
from typing import Any

from ponyreload.generations.contents import early_contents
from ponyreload.generations.context import publish
from ponyreload.generations.generation import Generation
from ponyreload.generations.lease import Lease, WorkLease, lease_on

__all__ = ["Living", "is_held"]


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
        self._asked_at = time.monotonic()  # when a request was last known of

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

    def lease(self, environ: Mapping[str, Any]) -> Lease:
        """Give a request a hold on the generation that serves; give it back by `release`, once.

        Args:
            environ: The request's WSGI environment.
        """
        while True:
            generation = self.serving
            lease = lease_on(generation, environ)
            # Runs on every request, so it takes no lock of ours. What carries it is the lock inside the set, which
            # Python takes for `add` here and for `copy` in `is_held` (with a GIL, that is the lock). `supersede`
            # replaces `serving` before anybody asks `is_held`. If that comes after this `add`, it finds the lease.
            # If it comes before, its unlocking happens before our locking, so the next line reads the new `serving`.
            generation.leases.add(lease)
            if generation is self.serving:
                generation.is_asked = True
                return lease
            self.release(lease)

    def hold(self, generation: Generation, function: Any) -> WorkLease:
        """Give work that a request of *generation* leaves to a pool a hold on it; give it back by `release`, once.

        The request holds the generation meanwhile, so it cannot retire. Where that has ended, this changes nothing.
        """
        lease = WorkLease(function, generation)
        generation.leases.add(lease)
        return lease

    def release(self, lease: Lease) -> None:
        """Take back a lease."""
        generation = lease.generation
        generation.leases.discard(lease)
        # The same order, the other way round: a `supersede` that this line does not see finds the lease gone.
        if generation is not self.serving and not is_held(generation):
            with self.news:
                self.news.notify_all()

    def last_request(self) -> float:
        """Return when a request was last known of, on the monotonic clock. Called with the lock held."""
        serving = self.serving
        if serving.is_asked:
            serving.is_asked, self._asked_at = False, time.monotonic()
        return self._asked_at

    def idle(self) -> list[Generation]:
        """Return the superseded ones whose last lease has ended, and that nobody has claimed.

        One with which a shared module has registered something waits for the older ones that have the module.
        """
        with self.lock:
            superseded = [each for each in self._all if each.published and each is not self.serving]
            return [each for each in superseded if not each.retires and not is_held(each) and not self._is_used(each)]

    def _is_used(self, generation: Generation) -> bool:
        """Tell whether an older one that lives has modules that have registered something with *generation*."""
        names = generation.bound & generation.shared
        older = [each for each in self._all if each.number < generation.number] if names else []
        return any(each.modules.get(name) is generation.modules[name] for each in older for name in names)

    def held(self) -> list[Generation]:
        """Return the superseded ones that requests hold, and that has not been told of."""
        with self.lock:
            return [
                each for each in self._all if each is not self.serving and is_held(each) and not each.has_named_requests
            ]

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
        self.serving.leases = {each for each in self.serving.leases.copy() if each.thread == get_ident()}
        self.serving.forget_other_threads()


def is_held(generation: Generation) -> bool:
    """Tell whether requests hold a generation. Takes the lock inside the set of leases; see `Living.lease`."""
    return bool(generation.leases.copy())
