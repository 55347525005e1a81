"""Trusted clients and hosts: addresses and names, parsed and checked."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

__all__ = ["HOST", "UNIX", "Address", "Network", "check_client", "check_host", "host_name", "parsed_address"]

# What stands in `trusted_clients` for a client that comes through a unix socket, and so has no address.
UNIX = "unix"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# A name or an address, and a port:  "localhost:8080", "[::1]"
HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+))(?::[0-9]{1,5})?")
NAME = re.compile(r"\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def host_name(host: str) -> str | None:
    """Return the name in a Host header, in lower case; None for what is none."""
    found = HOST.fullmatch(host)
    return None if found is None else (found[1] or found[2]).lower().removesuffix(".")


def check_client(value: Any) -> None:
    """Check an address or network for `Access`.

    Raises:
        ValueError: It is none.
    """
    if value != UNIX and (not isinstance(value, str) or parsed_network(value) is None):
        raise ValueError(f"trusted_clients= takes addresses and networks such as '10.0.0.7' or '172.17.0.0/16', "
                         f"and {UNIX!r}, not {value!r}")  # fmt: skip


def check_host(value: Any) -> None:
    """Check a name for `Access`.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, str) or (NAME.fullmatch(value) is None and parsed_address(value) is None):
        raise ValueError(
            f"trusted_hosts= takes names without a port such as 'shop.test' or '.shop.test', not {value!r}"
        )


def parsed_network(value: str) -> Network | None:
    try:
        return ipaddress.ip_network(value)
    except ValueError:
        return None


def parsed_address(value: str) -> Address | None:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return None
    # What a socket for both kinds shows of a client of the older kind:  "::ffff:127.0.0.1"
    return getattr(address, "ipv4_mapped", None) or address
