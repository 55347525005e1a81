"""Processes and the sockets they listen on, read from /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def family(pid: int) -> set[int]:
    """The ids of a process, of all that it started, and of all in its session; those that live."""
    # Tests ask every few milliseconds: plain files, as paths would take three times as long.
    living: dict[int, tuple[int, int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:
            state, parent, _, session = stat.read().rpartition(b")")[2].split(None, 4)[:4]
            if state not in b"ZX":
                living[int(name)] = int(parent), int(session)
    known = {one for one, (_, session) in living.items() if pid in (one, session)}
    while more := {one for one, (parent, session) in living.items() if {parent, session} & known} - known:
        known |= more
    return known


def parent_of(pid: int) -> int:
    """The id of a process's parent; 0 if it has ended."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def has_socket(pid: int) -> bool:
    """Tell whether a process has a socket. This takes much less than to find out whether it listens."""
    with suppress(OSError):
        files = f"/proc/{pid}/fd"
        return any(os.readlink(f"{files}/{name}").startswith("socket:") for name in os.listdir(files))
    return False


def listens(address: str, port: str | None = None) -> bool:
    """Tell whether a process listens at that address, or at that path, without asking it."""
    if port is None:
        return any(
            line.split()[3] == "00010000" and line.endswith(f" {address}")
            for line in Path("/proc/net/unix").read_text().splitlines()
        )
    # The system's table of connections:  "0: 0100007F:2328 00000000:0000 0A ..."
    return f" 0100007F:{int(port):04X} 00000000:0000 0A " in Path("/proc/net/tcp").read_text()
