"""A page's Content-Security-Policy: whether our script may be in it, and what it may ask. Pure; nothing is weakened."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

__all__ = ["Policies", "policies_in"]

NONCE = re.compile(r"'nonce-([A-Za-z0-9+/_-]+=*)'", re.IGNORECASE)

# Bounded, and never over the next element: no document is to take long. One that is missed, the browser keeps to still.
META = re.compile(
    rb"<meta\b[^<>]*\bhttp-equiv\s{0,9}=\s{0,9}[\"']?\s{0,9}content-security-policy\b[^<>]*>", re.IGNORECASE
)
CONTENT = re.compile(rb"\bcontent\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)

# The scheme of a page stands for itself too: it is a page of http or https.
OWN = {"*", "'self'", "http:"}
ANY = {"*", "http:"}


class Policies:
    """All policies of one page; each has to allow what is done.

    Args:
        values: Of the headers; a value may have several policies, with commas between them.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        # directive -> sources:  "script-src" -> ["'self'", "'nonce-c29tZQ=='"]
        self._policies = [_parsed(policy) for value in values for policy in value.split(",") if policy.strip()]

    @property
    def nonce(self) -> str:
        """The nonce that a script of ours is to have; "" if there is none, or if none is needed."""
        return next((found for policy in self._policies for found in _nonces(policy)), "")

    def allow_script(self) -> bool:
        """Tell whether a script of the page's own origin may run, with `nonce`."""
        return all(_is_unboxed(policy) and self._allows_script(policy) for policy in self._policies)

    def allow_polls(self) -> bool:
        """Tell whether a script may ask the page's own origin."""
        return self._allow_connections(OWN)

    def allow_any_origin(self) -> bool:
        """Tell whether a script may ask other origins."""
        return self._allow_connections(ANY)

    def _allow_connections(self, sources: set[str]) -> bool:
        found = [_sources(policy, "connect-src", "default-src") for policy in self._policies]
        return all(each is None or sources.intersection(each) for each in found)

    def _allows_script(self, policy: dict[str, list[str]]) -> bool:
        sources = _script_sources(policy)
        if sources is None or (self.nonce and self.nonce in _nonces(policy)):
            return True
        return "'strict-dynamic'" not in sources and bool(OWN.intersection(sources))


def policies_in(document: bytes) -> list[str]:
    """Return the policies that a document states itself, in `meta` elements."""
    values = []
    for meta in META.findall(document):
        found = CONTENT.search(meta)
        # One that we cannot read allows nothing.
        value = (found[1] or found[2] or b"").decode("latin-1") if found else "default-src 'none'"
        values.append(html.unescape(value))
    return values


def _parsed(policy: str) -> dict[str, list[str]]:
    directives: dict[str, list[str]] = {}
    for directive in policy.split(";"):
        name, *sources = directive.split() or [""]
        # Of two directives with one name, the first counts. A nonce is case-sensitive, keywords are not.
        plain = [each if NONCE.fullmatch(each) else each.lower() for each in sources]
        directives.setdefault(name.lower(), plain)
    return directives


def _sources(policy: dict[str, list[str]], *names: str) -> list[str] | None:
    return next((policy[name] for name in names if name in policy), None)


def _script_sources(policy: dict[str, list[str]]) -> list[str] | None:
    return _sources(policy, "script-src-elem", "script-src", "default-src")


def _nonces(policy: dict[str, list[str]]) -> list[str]:
    return [found[1] for each in _script_sources(policy) or () if (found := NONCE.fullmatch(each))]


def _is_unboxed(policy: dict[str, list[str]]) -> bool:
    """Tell whether a policy leaves the page its scripts, and its origin."""
    return "sandbox" not in policy or {"allow-scripts", "allow-same-origin"} <= set(policy["sandbox"])
