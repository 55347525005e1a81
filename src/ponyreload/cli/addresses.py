"""Addresses: where a server listens."""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import NamedTuple

from ponyreload.cli.problems import ServeError, UseError
from ponyreload.reporting import shown

__all__ = ["LOOPBACK", "Address"]

LOOPBACK = "127.0.0.1"
ACCEPTED = "host:port, :port or unix:path"
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - only if the user names it


class Address(NamedTuple):
    """A host and a port, where 0 is any free port; or the absolute path of a unix socket, which is otherwise empty."""

    host: str
    port: int
    path: str = ""

    @classmethod
    def parsed(cls, text: str) -> Address:
        """Make an address from the user's text.

        Raises:
            UseError: The text is not a valid address.
        """
        if text.startswith("unix:"):
            path = text.removeprefix("unix:")
            if not path or "\0" in path:
                raise UseError(f"Invalid address {text!r}: unix: takes the path of a socket")
            return cls("", 0, os.path.abspath(path))
        host, colon, port = text.rpartition(":")
        is_bracketed = host.startswith("[") and host.endswith("]")
        host = host[1:-1] if is_bracketed else host
        is_port = colon and port.isascii() and port.isdecimal() and int(port) <= 65535
        if not is_port or (":" in host) is not is_bracketed or any(each.isspace() or each == "/" for each in host):
            raise UseError(f"Invalid address {text!r}: expected {ACCEPTED}")
        return cls(host or LOOPBACK, int(port))

    def __str__(self) -> str:
        if self.path:
            return f"unix:{shown(self.path)}"
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"

    @property
    def is_ipv6(self) -> bool:
        """Whether the host is an IPv6 address."""
        return ":" in self.host

    @property
    def url(self) -> str:
        """What to open in a browser; empty for a unix socket."""
        if self.path:
            return ""
        host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(self.host, self.host)  # noqa: S104 - it says where to look
        return f"http://{self._replace(host=host)}/"

    @property
    def for_bind(self) -> tuple[str, int] | str:
        """The address as servers take it."""
        return self.path or (self.host, self.port)

    def bound(self, real: object) -> Address:
        """Return the same address with the port that the system chose."""
        return self._replace(port=int(real[1])) if isinstance(real, tuple) else self

    def probe(self) -> None:
        """Check that a server can listen here, before the application is loaded, which may take long.

        Raises:
            ServeError: It cannot.
        """
        if self.path:
            self._probe_path()
            return
        try:
            # As servers do: one of the addresses that a name resolves to is enough.
            found = socket.getaddrinfo(self.host, self.port, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)
            failed: OSError | None = None
            for family, kind, protocol, _, address in found:
                failed = _try_to_bind(family, kind, protocol, address)
                if failed is None:
                    return
            if failed is not None:
                raise failed
        except OSError as error:
            way_out = " (--bind :0 picks a free port)" if error.errno == errno.EADDRINUSE else ""
            raise ServeError(f"Cannot listen on {self}: {error.strerror or error}{way_out}") from None

    def _probe_path(self) -> None:
        folder = os.path.dirname(self.path)
        if not os.path.isdir(folder):
            raise ServeError(f"Cannot listen on {self}: folder {shown(folder)} does not exist")
        try:
            is_socket = stat.S_ISSOCK(os.stat(self.path).st_mode)
        except FileNotFoundError:
            return
        if not is_socket:
            raise ServeError(f"Cannot listen on {self}: the file exists and is not a socket")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(self.path)
            except OSError:
                return  # left behind by a server that has ended; the next server removes it
        raise ServeError(f"Cannot listen on {self}: another process does")


def _try_to_bind(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> OSError | None:
    try:
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None
