"""Front ends: real web servers in front of an application of flup's, each with its configuration from docs/how-to/flup.

    with front_end("nginx-fastcgi", site, "app.py") as server:      # site: what the fixture `project` returns
        assert server.get("/") == "one"
        site.replace("app.py", "one", "two")
        server.wait_for("/", "two")
        assert server.stop(signal.SIGTERM) == 0                     # of the application; the front end stays till the end

The result is a `Live`: `get`, `ask`, `open`, `wait_for`, `wait_for_log`, `stop` and so on. Those ask the front end;
`process`, `pid` and `stop` are of the application; `log` is what both have written; `processes()` are the ids of the
application's process and of all that it started, also if it has ended itself. Leaving the block kills them.

The application is ``python app.py`` in the project's folder, with the environment of `Project.environment`, and
``bindAddress=ADDRESS`` for it is told in the environment:

    $ADDRESS and $PORT      listen there, through TCP
    $ADDRESS alone          listen at this path, a unix socket (with umask=0)
    none of the two         the listening socket is there, as file descriptor 0

`BIND` is Python source that makes flup's bindAddress of them. The front ends are the files' names without their ``.conf``:
`FRONT_ENDS` has them with the class of server that each goes with; those of `OF_HTTP` go with a server of HTTP. More of `front_end`'s arguments:

    unix=True               the other way that the file has in a comment: a unix socket instead of TCP
    spawned=True            `spawn-fcgi -n` opens the listening socket and starts the application
    arguments=("-x",)       of the script
    port=9000               of the application, where a free one does not do
    ready="/path"           is asked until something answers that; it must not be a 500

With "lighttpd-bin-path", lighttpd starts the application itself. Then `process` is lighttpd, `pid` is still the
application's, and `stop` waits for what lighttpd says of its end; lighttpd then starts the application again.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from live import Live, free_port
from processes import family, has_socket, listens, parent_of
from programs import found
from projects import Project

CONFIGURATIONS = Path(__file__).parents[2] / "docs/how-to/flup"
# In front of a server that speaks HTTP, and not of flup's.
PROXIES = CONFIGURATIONS.parent / "browser"
OF_HTTP = {"nginx-proxy"}

# Name of the configuration -> module of `flup.server` that goes with it.
FRONT_ENDS = {
    "nginx-fastcgi": "fcgi",
    "nginx-fastcgi-unix": "fcgi",
    "nginx-scgi": "scgi",
    "apache-ajp": "ajp",
    "apache-fastcgi": "fcgi",
    "lighttpd": "fcgi",
    "lighttpd-bin-path": "fcgi",
}

# Python source: flup's bindAddress out of the environment.
BIND = '((os.environ["ADDRESS"], int(os.environ["PORT"])) if "PORT" in os.environ else os.environ.get("ADDRESS"))'


class Program(NamedTuple):
    """A web server: how it is started in the foreground, and what it needs besides when root starts it."""

    name: str
    package: str
    arguments: tuple[str, ...]
    for_root: tuple[str, ...] = ()


# By the beginning of the configuration's name.
PROGRAMS = {
    "nginx": Program("nginx", "nginx-light", ("-p", "{folder}", "-c", "{file}"), ("-g", "user root;")),
    "apache": Program(
        "apache2",
        "apache2",
        ("-d", "{folder}", "-f", "{file}", "-D", "FOREGROUND"),
        ("-c", "User www-data", "-c", "Group www-data"),  # it refuses to serve as root
    ),
    "lighttpd": Program("lighttpd", "lighttpd", ("-D", "-f", "{file}")),
}


def front_end(
    name: str,
    project: Project,
    script: str = "app.py",
    *,
    unix: bool = False,
    spawned: bool = False,
    ready: str = "/",
    arguments: Sequence[str] = (),
    port: int = 0,
    **environment: str,
) -> Behind:
    """Start an application and the front end whose configuration has that name; wait until *ready* answers."""
    command, variables = [script, *arguments], project.environment(**environment)
    return Behind(name, project, command, variables, ready, unix=unix, spawned=spawned, port=port or free_port())


class Behind(Live):
    """A server process behind a front end. A context manager: leaving the block ends both."""

    def __init__(
        self,
        name: str,
        project: Project,
        script: Sequence[str],
        environment: Mapping[str, str],
        ready: str,
        *,
        unix: bool,
        spawned: bool,
        port: int,
    ) -> None:
        folder = PROXIES if name in OF_HTTP else CONFIGURATIONS
        self._text = (folder / f"{name}.conf").read_text(encoding="utf-8")
        if unix:
            self._text = other_way(self._text)
        settings = re.sub(r"#.*", "", self._text)
        self._is_spawned_by_front_end = "bin-path" in settings
        self._uses_unix = "shop.sock" in settings
        self._spawned = spawned
        self._application_port = str(port)
        self._program = PROGRAMS[name.partition("-")[0]]
        self._pid = 0
        self._front: subprocess.Popen[bytes] | None = None
        self._project = project
        # A folder of its own: the path of a unix socket is limited to about 100 bytes, and Apache runs as another user.
        self._folder = Path(tempfile.mkdtemp())
        self._folder.chmod(0o755)
        super().__init__([sys.executable, *script], project.folder, environment, ready)

    @property
    def pid(self) -> int:
        return self._pid

    def processes(self) -> list[int]:
        """The ids of the application's processes that live."""
        known = family(self.process.pid)
        if self._is_spawned_by_front_end:
            known.discard(self.process.pid)
        return sorted(known)

    def wait_until_gone(self, pids: Iterable[int], seconds: float = 5) -> None:
        """Wait until none of these processes lives, although the application may have ended."""
        deadline = time.monotonic() + seconds
        while left := set(pids) & set(self.processes()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{sorted(left)} live still after {seconds} s\n--- log\n{self.log}")
            time.sleep(0.005)

    def stop(self, how: int = signal.SIGTERM, seconds: float = 15) -> int:
        if not self._is_spawned_by_front_end:
            return super().stop(how, seconds)
        self.wait_until(self._is_idle, "idle server")
        os.kill(self.pid, how)
        ended = re.compile(r"child exited: (\d+)|child signalled: (\d+)")
        self.wait_until(lambda: ended.search(self.log) is not None, "end of the application", seconds)
        exited, signalled = re.findall(ended, self.log)[-1]
        return int(exited) if exited else -int(signalled)

    def __exit__(self, *exception: object) -> None:
        self._kill()
        self._log.close()

    def _start(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], **more: bool
    ) -> subprocess.Popen[bytes]:
        """Start the application and the front end. Each gets a session, by which its processes are known."""
        socket, port = str(self._folder / "shop.sock"), self._application_port
        places = {
            "/srv/shop/venv/bin/python": sys.executable,
            "/srv/shop/shop.sock": socket,
            "/srv/shop": str(folder),
            "8080": str(self.port),
            "9000": port,
        }
        configuration = self._folder / "front.conf"
        configuration.write_text(replaced(self._text, places), encoding="utf-8")
        inherited = {key: value for key, value in environment.items() if key not in ("ADDRESS", "PORT")}
        start = super()._start
        begin_front = [part.format(folder=self._folder, file=configuration) for part in self._program.arguments]
        front = [found(self._program.name, self._program.package), *begin_front]
        front += self._program.for_root if os.geteuid() == 0 else ()
        if self._is_spawned_by_front_end:
            self._front = start(front, self._folder, inherited, start_new_session=True)
            return self._front
        address = [socket] if self._uses_unix else ["127.0.0.1", port]
        if self._spawned:
            options = ["-s", socket, "-M", "0666"] if self._uses_unix else ["-a", "127.0.0.1", "-p", port]
            command = [found("spawn-fcgi", "spawn-fcgi"), "-n", *options, "--", *command]
        else:
            inherited |= dict(zip(("ADDRESS", "PORT"), address, strict=False))
        self.process = start(command, folder, inherited, start_new_session=True)
        self._pid = self.process.pid
        self.wait_until(
            lambda: has_socket(self.pid) and listens(*address), f"application that listens at {':'.join(address)}", 30
        )
        self._front = start(front, self._folder, inherited, start_new_session=True)
        return self.process

    def _check(self) -> None:
        super()._check()
        if self._front is not None and self._front.poll() is not None:
            raise AssertionError(f"{self._program.name} ended with {self._front.returncode}\n--- log\n{self.log}")

    def _answers(self, path: str) -> bool:
        try:
            answer = self.ask(path)
        except OSError:
            return False
        # The application listens already, so this is its answer, or of one who cannot reach it.
        assert answer.status < 500, f"{path}: {answer.status}\n{answer.text}\n--- log\n{self.log}"
        if self._is_spawned_by_front_end:
            children = [pid for pid in family(self.process.pid) if parent_of(pid) == self.process.pid]
            assert len(children) == 1, f"lighttpd has the children {children}"
            self._pid = children[0]
        return True

    def _kill(self) -> None:
        """End the front end as a user would, and whatever is left of both without asking."""
        for process in (self._front, getattr(self, "process", None)):
            if process is None:
                continue
            # Children whose parent has ended may be found no more.
            known = family(process.pid)
            if process is self._front:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(5)
            for pid in known | family(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
            # Those that others started end a moment later.
            deadline = time.monotonic() + 5
            while (left := family(process.pid)) and time.monotonic() < deadline:
                time.sleep(0.005)
            assert not left, f"{sorted(left)} cannot be killed"
        shutil.rmtree(self._folder, ignore_errors=True)


def replaced(text: str, places: Mapping[str, str]) -> str:
    """Replace what a reader would replace: paths and ports. Each comes once at least, or is none of this file's."""
    return re.sub("|".join(map(re.escape, places)), lambda match: places[match[0]], text)


def other_way(text: str) -> str:
    """Turn a configuration from TCP to the unix socket that it has in a comment."""
    lines = [re.sub(r"^( *)(?=.*9000)(?!#)", r"\1# ", line) for line in text.splitlines()]
    turned = [re.sub(r"^( *)# (?=[^…]*shop\.sock)", r"\1", line) for line in lines]
    assert turned != lines, "this configuration knows no unix socket"
    return "\n".join(turned) + "\n"
