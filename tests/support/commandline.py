"""The command line: run to its end, as a server that is asked, or on a terminal."""

from __future__ import annotations

import subprocess

from frontends import Behind, front_end
from live import Live
from projects import Project

# Puts the port, which is not known before, into the arguments.
START = """
import os, sys
os.execv(sys.executable, [sys.executable, "-m", "ponyreload", *map(os.path.expandvars, sys.argv[1:])])
"""
APP = """
    import shop

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [shop.NAME.encode()]
"""
SITE = {"app.py": APP, "shop.py": "NAME = 'tea'"}


def serve(project: Project, *arguments: str, bind: str = "127.0.0.1:$PORT", ready: str = "/", **more: str) -> Live:
    """Start ``ponyreload run *arguments*`` on a free port, and wait until it answers."""
    return project.serve("-c", START, "run", *arguments, "--bind", bind, ready=ready, **more)


def serve_behind(project: Project, front: str, *arguments: str, unix: bool = False) -> Behind:
    """Start ``ponyreload run *arguments*``, and that front end before it."""
    bind = "unix:$ADDRESS" if unix else "$ADDRESS:$PORT"
    return front_end(front, project, "-c", unix=unix, arguments=(START, "run", *arguments, "--bind", bind))


def run(project: Project, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run ``ponyreload *arguments*`` to its end."""
    return project.run("-m", "ponyreload", *arguments, check=False, **more)


def complaint(project: Project, *arguments: str, status: int = 2, **more: str) -> str:
    """The one line that ``ponyreload *arguments*`` has to say before it ends with *status*."""
    done = run(project, *arguments, **more)
    assert (done.returncode, done.stdout) == (status, ""), done.stdout + done.stderr
    line, rest = done.stderr.split("\n", 1)
    assert rest == ""
    assert line.startswith("ponyreload: ")
    return line.removeprefix("ponyreload: ")
