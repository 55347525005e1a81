"""Apache with mod_wsgi: a real server, with the configuration that the how-to page has.

    with debian("daemon", site) as server:          # site: what the fixture `project` returns, with a shop.wsgi
        assert server.get("/") == "one"

`debian` and `index` take a file of docs/how-to/mod_wsgi, and the module of the Debian package (and with it the system's
Python) or that of the index package (and this Python); `express` is the command of the how-to page. `HOSTS` has them all.
The result is a `Live`. Leaving the block ends all processes that Apache has started.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from frontends import replaced
from live import Live
from processes import family
from programs import found, missing
from projects import Project

HOW_TO = Path(__file__).parents[2] / "docs/how-to"
DEBIANS_MODULE = "/usr/lib/apache2/modules/mod_wsgi.so"
EXPRESS = "python -m pip install mod_wsgi  # needs: apt-get install --no-install-recommends apache2-bin apache2-dev"


class Apache(Live):
    """Apache, which starts other processes. A context manager: leaving the block ends them all."""

    def __init__(self, command: Sequence[str], project: Project, folder: Path, ready: str) -> None:
        # As each process of a host gets it: no byte code is written next to the sources, by whatever user.
        environment = project.environment(PYTHONDONTWRITEBYTECODE="1")
        self.folder = folder
        try:
            super().__init__([*UNPRIVILEGED, *command], project.folder, environment, ready)
        except BaseException:
            self._end()
            raise

    def _start(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], **more: bool
    ) -> subprocess.Popen[bytes]:
        # A session of its own, by which its processes are known.
        command = [part.replace("$PORT", environment["PORT"]) for part in command]
        self.process = super()._start(command, folder, environment, start_new_session=True)
        return self.process

    def __exit__(self, *exception: object) -> None:
        self._end()
        self._log.close()

    def _end(self) -> None:
        # Without asking: Debian's mod_wsgi does not come to an end when it takes down a sub-interpreter. The first
        # process goes first, or it would start others in place of those that are gone.
        self.process.kill()
        self.process.wait()
        for pid in family(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


# Apache refuses to serve as root. As nobody, it still has to read what belongs to root: this Python, and the project;
# and `access`, by which mod_wsgi looks for them, is to say so.
UNPRIVILEGED = (
    (
        *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
        *("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"),
    )
    if os.geteuid() == 0
    else ()
)


def debian(mode: str, project: Project, ready: str = "/") -> Apache:
    """Start Apache with the mod_wsgi of the distribution, and so with the system's Python."""
    return configured(mode, f"LoadModule wsgi_module {DEBIANS_MODULE}", project, ready)


def index(mode: str, project: Project, ready: str = "/") -> Apache:
    """Start Apache with the mod_wsgi of the package index, and so with this Python."""
    lines = subprocess.run([express_program(), "module-config"], capture_output=True, text=True, check=True).stdout
    return configured(mode, lines, project, ready)


def configured(mode: str, lines: str, project: Project, ready: str) -> Apache:
    """Start Apache with the how-to's configuration, in which mod_wsgi is loaded by these lines."""
    program = found("apache2", "apache2-bin")
    if not Path(DEBIANS_MODULE).exists():
        missing(DEBIANS_MODULE, "apt-get install --no-install-recommends libapache2-mod-wsgi-py3")
    text = (HOW_TO / f"mod_wsgi/{mode}.conf").read_text(encoding="utf-8")
    places = {"8080": "${PORT}", "/srv/shop": str(project.folder), f"LoadModule wsgi_module {DEBIANS_MODULE}": lines}
    # A folder of its own: the path of a unix socket is limited to about 100 bytes.
    folder = Path(tempfile.mkdtemp())
    configuration = folder / "apache.conf"
    configuration.write_text(replaced(text, places), encoding="utf-8")
    command = [program, "-d", str(folder), "-f", str(configuration), "-D", "FOREGROUND"]
    return Apache(command, project, folder, ready)


def express(mode: str, project: Project, ready: str = "/", *options: str) -> Apache:
    """Start mod_wsgi-express as the how-to page has it, in daemon mode or with ``--embedded-mode``."""
    page = (HOW_TO / "mod_wsgi.md").read_text(encoding="utf-8")
    command = re.search(r"^\$ mod_wsgi-express (start-server shop\.wsgi --port 8080)$", page, re.MULTILINE)
    assert command, "the page shows no such command"
    folder = Path(tempfile.mkdtemp())
    return Apache(
        [
            *(express_program(), *command[1].replace("8080", "$PORT").split()),
            *(("--embedded-mode",) if mode == "embedded" else ()),
            *("--host", "127.0.0.1", "--server-root", str(folder), "--log-to-terminal", *options),
        ],
        project,
        folder,
        ready,
    )


def express_program() -> str:
    """The path of mod_wsgi-express."""
    program = Path(sys.executable).with_name("mod_wsgi-express")
    if not program.exists():
        missing("mod_wsgi-express", EXPRESS)
    return str(program)


HOSTS: dict[str, Callable[..., Apache]] = {"Debian's mod_wsgi": debian, "the index package": index, "express": express}
MODES = ("embedded", "daemon")
