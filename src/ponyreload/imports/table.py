"""Table: which modules each generation has, and which routed modules represent them in `sys.modules`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from ponyreload.generations.context import MARK, note_imports
from ponyreload.generations.generation import Generation
from ponyreload.imports.names import file_of, namespace_of
from ponyreload.imports.routed import RoutedModule, become_plain, become_routed, is_initializing, lead_to, name_of
from ponyreload.imports.sharing import is_led
from ponyreload.interpreter.attributes import own_namespace

__all__ = ["Table", "end_routing"]


class Table:
    """Knows which modules each generation has, and which routed modules represent them in `sys.modules`.

    Threads: `lock` protects what is here, and the `modules`, `running`, `import_locks` and `unmarked` of the
    generations where several of them have to fit together, or to fit what is here. It is held for look-ups only,
    never while the code of a module runs. It is re-entrant, because the methods call each other. `loaded` takes no
    lock: each of its look-ups in a dict is atomic, without a GIL too, and a module is in `modules` once it is complete.

    Args:
        living: Returns the generations that have not been retired.
        modules: Where routed modules find the real ones.

    Attributes:
        lock: See above.
        routed: What is in `sys.modules` for each user module:  "shop.cart" -> <routed module 'shop.cart'>
        packages: The packages of these, which may be system modules:  {"shop"}
        put_off: User modules that are in `sys.modules`, to run when somebody uses them:  {"shop.admin"}
        by_hand: Names that code of user modules has put into `sys.modules` itself:  {"settings"}
    """

    def __init__(self, living: Callable[[], Iterable[Generation]], modules: Any) -> None:
        self.living = living
        self.modules = modules
        self.lock = threading.RLock()
        self.routed: dict[str, RoutedModule] = {}
        self.packages: set[str] = set()
        self.put_off: set[str] = set()
        self.by_hand: set[str] = set()
        # Modules that a generation loaded and that turned out to be system modules, while older generations still
        # have them as user modules:  "shop.const" -> <module>
        self._system: dict[str, Any] = {}
        # Generations that are running modules: a thread of a retired one may too.
        self._busy: set[Generation] = set()

    def loaded(self, generation: Generation, name: str) -> Any:
        """Return the generation's module *name* if the calling thread may see it, else None.

        A module whose code is running is seen by the thread that runs it, and by no other.
        """
        module = generation.modules.get(name)
        if module is None:
            module = self._system.get(name)
        if module is None:
            lock = generation.import_locks.get(name)
            if lock is not None and lock.owner == threading.get_ident():
                module = generation.running.get(name)
        return module

    # -- a module comes ----------------------------------------------------------------------------------------------

    def route(self, name: str, routed: RoutedModule) -> None:
        """Add the routed module of a user module."""
        with self.lock:
            self.routed[name] = routed
            self.packages.add(name.rpartition(".")[0])

    def begin(self, generation: Generation, name: str) -> Any:
        """Note that *generation* is about to run module *name*.

        Returns:
            What stands in `sys.modules` for it: the system module of that name if there is one by now, or what code has
            put there itself. Then there is nothing to run. Else None.
        """
        # Another thread may call `tidy` at any moment. The lock makes this one step: if `tidy` came first, a new routed
        # module takes the place of the one that it removed. From here on it leaves the name in place.
        with self.lock:
            standing = sys.modules.get(name)
            if type(standing) is RoutedModule:
                if name_of(standing) == name:
                    # Where another generation runs it for the first time, this one must not get hold of that.
                    if name in self.routed:
                        sys.modules[name] = self.routed[name]
                    else:
                        self.route(name, standing)
                    standing = None
                else:
                    standing = self.loaded(generation, name_of(standing))
            if standing is not None:
                if name in self.routed:
                    self.take(generation, name, standing)
                return standing
            if name not in self.routed:
                sys.modules[name] = routed = RoutedModule(name, self.modules)
                self.route(name, routed)
            generation.running.setdefault(name, None)
            self._busy.add(generation)
            return None

    def end(self, generation: Generation, name: str) -> None:
        """Note that the code of a module has run."""
        with self.lock:
            self._has_ended(generation, name)
            if generation.published:
                self.sort_out(generation)

    def give_up(self, generation: Generation, name: str) -> None:
        """Forget a module that has failed."""
        with self.lock:
            self._has_ended(generation, name)
            if generation.published:
                self.sort_out(generation)
            self.tidy()

    def _has_ended(self, generation: Generation, name: str) -> None:
        generation.running.pop(name, None)
        self.put_off.discard(name)
        if not generation.running:
            self._busy.discard(generation)

    def show(self, generation: Generation, name: str, module: ModuleType) -> None:
        """Have a module that is new to this process stand in `sys.modules` for itself while its code runs.

        Later ones do not: a request of another generation that looked one up would still hold it when it has run.
        """
        with self.lock:
            generation.running[name] = module
            routed = self.routed.get(name)
            is_new = routed is not None and is_initializing(routed) and sys.modules.get(name) is routed
            if is_new and type(module) is ModuleType:
                become_routed(module, name, self.modules)
                sys.modules[name] = module

    def hide(self, name: str, module: ModuleType) -> Any:
        """Take back `show`; return the object that the module has put in its place, or None."""
        with self.lock:
            become_plain(module)
            standing = sys.modules.get(name)
            other = None if standing is module else _unrouted(name)
            if name in self.routed and (standing is module or other is not None):
                sys.modules[name] = self.routed[name]
            return other

    def add(self, generation: Generation, name: str, module: ModuleType) -> Any:
        """Add a module that has run; return it, or the object that it has put in its place in `sys.modules`."""
        other = self.hide(name, module)
        # Under its own name, its code has found the routed module, and means the real one, also in a proxy of it.
        self.settle(generation, own_namespace(module) or {})
        self.settle(generation, own_namespace(other) or {})
        with self.lock:
            if other is not None:
                generation.behind[name] = module
            result: Any = module if other is None else other
            generation.modules[name] = result
        return result

    def take(self, generation: Generation, name: str, value: Any, earlier: Any = None) -> None:
        """Make what code of *generation* has put into `sys.modules` its own; for others, what was there *earlier*."""
        with self.lock:
            generation.modules[name] = value
            self.by_hand.add(name)
            if name not in self.routed:
                if earlier is not None:
                    self._system.setdefault(name, earlier)
                self.route(name, RoutedModule(name, self.modules, value))
            sys.modules[name] = self.routed[name]

    def settle(self, generation: Generation, namespace: dict[str, Any]) -> None:
        """Put real modules for the routed ones in a user module's namespace.

        They get there when a system package hands out its submodule, or from `sys.modules` in a circular import.
        """
        if RoutedModule not in map(type, list(namespace.values())):
            return  # nearly always, and this is the fastest check
        for key, value in list(namespace.items()):
            if type(value) is RoutedModule:
                name = name_of(value)
                module = self.loaded(generation, name)
                if module is not None and not is_led(generation, str(namespace.get("__name__")), key, name):
                    namespace[key] = module
                    note_imports((name,), namespace)

    def bind(self, generation: Generation, name: str, module: Any) -> None:
        """Make a module an attribute of its package, as the import system does."""
        parent, _, child = name.rpartition(".")
        package = self.loaded(generation, parent)
        if package is not None:
            if "__getattr__" in (own_namespace(package) or {}):
                # It may keep what it has found in the child, as `lazy_loader` does.
                note_imports((name,), own_namespace(package))
            setattr(package, child, self.routed[name] if is_led(generation, parent, child, name) else module)
        elif parent in sys.modules:
            setattr(sys.modules[parent], child, self.routed.get(name, module))

    def bind_system(self, generation: Generation, name: str) -> None:
        """Make a system module an attribute of the generation's package that it is in.

        The import system does so once, when it loads the module: later generations have packages of their own.
        """
        parent, _, child = name.rpartition(".")
        module, package = sys.modules.get(name), self.loaded(generation, parent)
        if module is not None and package is not None and child not in (own_namespace(package) or {}):
            setattr(package, child, module)

    # -- a module turns out to be a system module --------------------------------------------------------------------

    def sort_out(self, generation: Generation) -> None:
        """Make system modules of those that *generation* loaded and that turned out to be unmarked."""
        with self.lock:
            for name in generation.unmarked:
                module = generation.modules.pop(name)
                first = _unrouted(name)  # the first copy becomes the system's
                self._system.setdefault(name, module if first is None else first)
                namespace = namespace_of(name, module)
                namespace.pop(MARK, None)
                generation.sources.pop(file_of(namespace) or "", None)
                for key, value in list(namespace.items()):
                    if issubclass(type(value), ModuleType):
                        home = str((own_namespace(value) or {}).get("__name__"))
                        if generation.modules.get(home) is value:
                            namespace[key] = self.routed.get(home, value)
            if generation.unmarked:
                generation.unmarked.clear()
                self.tidy()

    def result(self, generation: Generation, name: str, module: Any) -> Any:
        """Return what importing module *name* gives, after it has run in *generation*.

        If it turned out to be a system module, another generation may have run it at the same time: all get one copy.
        """
        system = None if name in generation.modules else self._system.get(name, _unrouted(name))
        return module if system is None else system

    # -- a module goes -----------------------------------------------------------------------------------------------

    def tidy(self, failed: str = "") -> None:
        """Remove the routed modules that no living generation needs.

        Args:
            failed: Name of one that the import system is about to give up.
        """
        with self.lock:
            needed = self.put_off.copy()
            for generation in self.living():
                needed |= generation.modules.keys() | generation.running.keys()
            for generation in self._busy:
                needed |= generation.running.keys()
            # The import system looks for the name once more, when the module has run.
            begun = {name for name, routed in self.routed.items() if is_initializing(routed)}
            needed |= begun - self._system.keys() - {failed}
            for name in self.routed.keys() - needed:
                routed, system = self.routed.pop(name), self._system.pop(name, None)
                _substitute(sys.modules, name, routed, system)
                if system is not None:
                    lead_to(routed, system)  # somebody may have got it from `sys.modules`
                parent, _, child = name.rpartition(".")
                packages = [sys.modules.get(parent), *(each.modules.get(parent) for each in self.living())]
                for package in packages:
                    _substitute(own_namespace(package) or {}, child, routed, system)


def end_routing(table: Table, generation: Generation) -> None:
    """Put the real modules of *generation* into `sys.modules`."""
    with table.lock:
        for name, routed in table.routed.items():
            _substitute(sys.modules, name, routed, table.loaded(generation, name))


def _unrouted(name: str) -> Any:
    """Return what `sys.modules` has under *name*, unless that is a routed module; else None."""
    standing = sys.modules.get(name)
    return None if type(standing) is RoutedModule else standing


def _substitute(names: dict[str, Any], name: str, routed: RoutedModule, module: Any) -> None:
    """Put *module* where *names* has this routed module under *name*; remove the name if *module* is None."""
    if names.get(name) is routed:
        if module is None:
            del names[name]
        else:
            names[name] = module
