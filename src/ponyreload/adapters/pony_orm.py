"""Pony ORM: what it remembers of a function in a query, it remembers by the function, and not by its address.

A query may call a method, a property or a function of the user's: ``select(a for a in Article if a.is_cheap())``. Pony
keeps what it has found out about that under the `id` of the function (https://github.com/ponyorm/pony/issues/675).
Functions of a retired generation go, and a function of a newer one may get the address. It would be taken for the other
function, and the query give the wrong rows, without an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ponyreload.adapters.adapter import Adapter, Host
from ponyreload.interpreter.private import imported

__all__ = ["ADAPTER", "PonyOrmAdapter"]


class PonyOrmAdapter(Adapter):
    """Wraps the function that finds out, where it is called for functions. For queries themselves it is called well."""

    def install(self, host: Host) -> None:  # noqa: ARG002 - nothing is asked of it
        module = imported("pony.orm.sqltranslation")
        if hasattr(module, "create_extractors"):
            self.patches.wrap(module, "create_extractors", _create_extractors)


def _create_extractors(plain: Callable[..., Any], key: int, tree: Any, *args: Any, **kwargs: Any) -> Any:
    """Have *plain* remember by the syntax tree of the function's code, which Pony keeps for ever with that code."""
    del key
    return plain(id(tree), tree, *args, **kwargs)


ADAPTER = PonyOrmAdapter()
