"""Trusted clients and hosts: addresses and names, parsed and checked."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["HOST", "UNIX", "Address", "Network", "check_client", "check_host", "host_name", "parsed_address"]

T = TypeVar("T")

# In `trusted_clients`: clients that connect through a unix socket, and so have no address.
UNIX = "unix"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# A name or an address, and a port:  "localhost:8080", "[::1]"
HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+))(?::[0-9]{1,5})?")
NAME = re.compile(r"\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def host_name(host: str) -> str | None:
    """Return the name in a Host header, in lower case; None if the header is not valid."""
    found = HOST.fullmatch(host)
    return None if found is None else (found[1] or found[2]).lower().removesuffix(".")


def check_client(option: str, value: Any) -> Any:
    """Return *value*, an address or network for `Access`.

    Raises:
        ValueError: *value* is neither.
    """
    if value != UNIX and (not isinstance(value, str) or _parsed(ipaddress.ip_network, value) is None):
        raise ValueError(f"{option}= takes addresses and networks such as '10.0.0.7' or '172.17.0.0/16', "
                         f"and {UNIX!r}, not {value!r}")  # fmt: skip
    return value


def check_host(option: str, value: Any) -> Any:
    """Return *value*, a host name for `Access`.

    Raises:
        ValueError: *value* is not a host name.
    """
    if not isinstance(value, str) or (NAME.fullmatch(value) is None and parsed_address(value) is None):
        raise ValueError(f"{option}= takes names without a port such as 'shop.test' or '.shop.test', not {value!r}")
    return value


def _parsed(parse: Callable[[str], T], value: str) -> T | None:
    try:
        return parse(value)
    except ValueError:
        return None


def parsed_address(value: str) -> Address | None:
    """Return the address that *value* is, if any."""
    address = _parsed(ipaddress.ip_address, value)
    # A dual-stack socket shows an IPv4 client as an IPv6 address:  "::ffff:127.0.0.1"
    return getattr(address, "ipv4_mapped", None) or address
