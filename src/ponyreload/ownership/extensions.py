"""Extensions: the codes of `copyreg.add_extension`."""

from __future__ import annotations

import copyreg

from ponyreload.interpreter.patches import Patches
from ponyreload.interpreter.private import extension_tables
from ponyreload.ownership.makers import maker

__all__ = ["Extensions"]


class Extensions:
    """The codes of `copyreg.add_extension`. A load may give another code to what an earlier generation gave one."""

    def __init__(self, patches: Patches) -> None:
        self._codes, self._names = extension_tables()
        # What user code has registered: {("shop.cart", "Order")}
        self._of_generations: set[tuple[str, str]] = set()
        # What that has changed in this load:  ("shop.cart", "Order") -> the code before, or None
        self._before: dict[tuple[str, str], int | None] = {}
        self._patches = patches

    def install(self) -> None:
        self._patches.put(copyreg, "add_extension", self._add)

    def begin(self) -> None:
        self._before = {}

    def published(self) -> None:
        self._before = {}
        copyreg.clear_extension_cache()  # it has classes of the generation before

    def fail(self) -> None:
        before, self._before = self._before, {}
        for key in before:
            self._remove(key)
        for (module, name), code in before.items():
            if code is not None:
                _plain_add_extension(module, name, code)

    def _add(self, module: str, name: str, code: int) -> None:
        """What `copyreg.add_extension` is while autoreload is on."""
        by = maker()
        if by is not None:
            for key in {(module, name), self._names.get(code, (module, name))} & self._codes.keys():
                is_other = (key, self._codes[key]) != ((module, name), code)
                if is_other and (key in self._of_generations or key[0] in by.generation.modules):
                    self._before.setdefault(key, self._codes[key])
                    self._remove(key)
            if (module, name) not in self._codes:
                self._before.setdefault((module, name), None)
            self._of_generations.add((module, name))
        _plain_add_extension(module, name, code)

    def _remove(self, key: tuple[str, str]) -> None:
        if key in self._codes:
            copyreg.remove_extension(*key, self._codes[key])


_plain_add_extension = copyreg.add_extension
