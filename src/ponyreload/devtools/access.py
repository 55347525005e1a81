"""Access: who may see what the developer's tools show, told by address and by Host. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ponyreload.options.trusted import HOST, UNIX, Address, Network, host_name, parsed_address

__all__ = ["Access"]


# Headers in which a proxy names its clients, each a list, and what it adds besides.
NAMING = ("HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP", "HTTP_X_CLUSTER_CLIENT_IP")
FORWARDED_FOR = re.compile(r"""\bfor\s*=\s*("[^"]*"|[^\s;,"]*)""", re.IGNORECASE)


class Access:
    """Tells whether a request may see the developer's tools.

    Args:
        clients: Addresses and networks that are trusted besides loopback ones, and `UNIX`.
        hosts: Names that are trusted besides loopback ones; ``".shop.test"`` stands for all that end so.
    """

    def __init__(self, clients: Iterable[str] = (), hosts: Iterable[str] = ()) -> None:
        clients = tuple(clients)
        self._networks: tuple[Network, ...] = tuple(ipaddress.ip_network(each) for each in clients if each != UNIX)
        self._trusts_unix = UNIX in clients
        self._hosts = tuple(each.lower().rstrip(".") for each in hosts)

    def refusal(self, environ: Mapping[str, Any]) -> str | None:
        """Return why a request may not see the tools, and what to do about it; None if it may."""
        # A page that has its name point at this machine (DNS rebinding) sends that name.
        hosts = [environ.get("HTTP_HOST", ""), *_parts(environ.get("HTTP_X_FORWARDED_HOST", ""))]
        if not all(map(self.admits_host, hosts)):
            return "the Host is no name of this machine; name it in trusted_hosts="
        client = environ.get("REMOTE_ADDR", "")
        client = client if parsed_address(client) else UNIX  # of waitress, it has "localhost"
        if not self._admits_client(client):
            return "the client's address is not loopback; name it in trusted_clients="
        if not self._trusts(client) and _is_proxied(environ):
            return "a proxy may hide the client's address; name the proxy's own in trusted_clients="
        if not all(map(self._admits_client, _forwarded(environ))):
            return "a proxy names a client whose address is not loopback; name it in trusted_clients="
        return None

    def is_here(self, environ: Mapping[str, Any]) -> bool:
        """Tell whether the browser is on this machine, as far as an admitted request shows."""
        clients = [environ.get("REMOTE_ADDR") or "", *_forwarded(environ)]
        return all(_is_loopback(parsed_address(each)) for each in clients)

    def admits_host(self, host: str) -> bool:
        """Tell whether a Host header has a name of this machine:  "localhost:8080"."""
        name = host_name(host)
        if name is None:
            return False
        if name == "localhost" or name.endswith(".localhost") or _is_loopback(parsed_address(name)):
            return True
        return any(name == each or (each.startswith(".") and name.endswith(each)) for each in self._hosts)

    def _admits_client(self, client: str) -> bool:
        return _is_loopback(parsed_address(client)) or self._trusts(client)

    def _trusts(self, client: str) -> bool:
        """Tell whether an address is one that the developer named."""
        if client == UNIX:
            return self._trusts_unix
        address = parsed_address(client)
        return address is not None and any(address in network for network in self._networks)


def _is_loopback(address: Address | None) -> bool:
    return address is not None and address.is_loopback


def _is_proxied(environ: Mapping[str, Any]) -> bool:
    """Tell whether a request comes from a proxy that may not name its client.

    nginx does not, unless it is told to; and hands on what a client itself says in the headers for that. So these can
    shut the door, and never open it. What gives nginx away is that it does not ask as a browser does.
    """
    is_old = environ.get("SERVER_PROTOCOL") in ("HTTP/1.0", "HTTP/0.9")
    closes = environ.get("HTTP_CONNECTION", "").strip().lower() == "close"
    hides = "HTTP_VIA" in environ and not _forwarded(environ)
    return is_old or closes or hides


def _forwarded(environ: Mapping[str, Any]) -> list[str]:
    """Return the clients that proxies name, as they are written, whether or not they are addresses."""
    named = [each for header in NAMING for each in _parts(environ.get(header, ""))]
    if "HTTP_FORWARDED" in environ:
        # An element without a "for", or with a hidden one, names nobody that could be admitted.
        named += [found.strip('"') or "unknown" for found in FORWARDED_FOR.findall(environ["HTTP_FORWARDED"])] or [
            "unknown"
        ]
    return [_without_port(each) for each in named]


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")] if value else []


def _without_port(client: str) -> str:
    """Return the address of a client that a proxy names:  "[::1]:4711", "127.0.0.1:4711", "::1"."""
    if client == UNIX:
        return "unknown"  # anybody can say so
    found = HOST.fullmatch(client)
    return client if found is None else found[1] or found[2]
