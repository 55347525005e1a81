"""Checking: loads an application, reloads it once, and reports problems."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from ponyreload.adapters.platforms import detect
from ponyreload.cli.ending import LONGEST_SECONDS, end_by_force
from ponyreload.cli.first import load_first
from ponyreload.cli.targets import Target
from ponyreload.errors import LoadError
from ponyreload.generations.generation import Generation
from ponyreload.imports.advice import homes_of
from ponyreload.imports.names import MAIN, file_of, unrouted_modules
from ponyreload.imports.reasons import why_system
from ponyreload.imports.routed import RoutedModule
from ponyreload.interpreter.environment import environment_of_process
from ponyreload.options.marking import is_project_file
from ponyreload.options.options import Options
from ponyreload.reloading.reloader import Reloader
from ponyreload.reporting import logger, shown
from ponyreload.watching.folders import Folders
from ponyreload.watching.strangers import Strangers
from ponyreload.watching.watcher import events_arrive

__all__ = ["check_project"]

# Seconds. How long to wait for generation 1 to retire.
RETIRE_SECONDS = 5.0
MOST_NAMES = 3


class Findings(logging.Handler):
    """The problems found, among them each warning that ponyreload logs meanwhile, once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not getattr(record, "of_load", False):
            self.add(record.getMessage())

    def add(self, text: str) -> None:
        """Add a finding, unless it is there already."""
        if text not in self.texts:
            self.texts.append(text)


def check_project(target: Target, options: Options) -> int:
    """Print the findings, and return the exit status: 1 if there are any."""
    findings = Findings()
    logger.addHandler(findings)
    logger.propagate = False
    platform = detect(sys.modules, environment_of_process())
    loaded = load_first(target, options)
    _row("platform", f"{platform.name}: autoreload {'is on' if platform.is_ours else 'does nothing'} ({platform.sign})")
    if loaded.reloader is not None:
        if loaded.error is not None:
            _row("load", str(loaded.error))
            findings.add(f"{target.text} does not load:\n{loaded.error.details}")
        else:
            record = loaded.reloader.application.journal.records()[0]
            _row("load", f"{target.text} was loaded in {record.seconds * 1000:.0f} ms")
        _check_modules(loaded.reloader, findings)
        _check_folders(loaded.reloader, findings)
        if loaded.error is None:
            _check_reload(loaded.reloader, findings)
        loaded.reloader.stop()
    for text in findings.texts:
        click.echo("\n! " + text.replace("\n", "\n  "))
    status = int(bool(findings.texts))
    click.echo(f"\n{_counted(findings.texts, 'finding')}" if status else "\nnothing to do")
    end_by_force(LONGEST_SECONDS, status)  # threads of the application may run on
    return status


def _counted(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _row(title: str, text: str) -> None:
    click.echo(f"{title:<10}{text}")


def _check_modules(reloader: Reloader, findings: Findings) -> None:
    """Count the modules; find system modules that keep objects of the first generation."""
    generation = reloader.serving
    names = sorted(generation.modules)
    _row("modules", f"{_counted(names, 'user module')}: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}")
    for name, namespace in _system_modules():
        file = file_of(namespace)
        if file is not None and is_project_file(file):
            _row("", f"system module {name} ({shown(file)}): {why_system(name, namespace)}")
        held = [f"{name}.{key}" for key in _held(namespace, generation)]
        if held:
            more = f" and {len(held) - MOST_NAMES} more" if len(held) > MOST_NAMES else ""
            what = f"{', '.join(held[:MOST_NAMES])}{more} came from a user module: {name} is a system module"
            findings.add(f"{what}, and keeps the first generation's; import it where it is used")


def _system_modules() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the names and namespaces of system modules that are neither ours nor the standard library's, sorted."""
    for name, _, namespace in sorted(unrouted_modules()):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in ("ponyreload", MAIN):
            yield name, namespace


def _held(namespace: Mapping[str, Any], generation: Generation) -> Iterator[str]:
    for key, home in homes_of(namespace):
        # A routed module leads to the newest generation.
        if home in generation.modules and type(namespace.get(key)) is not RoutedModule:
            yield key


def _check_folders(reloader: Reloader, findings: Findings) -> None:
    """Find the folders in which file events do not arrive."""
    application = reloader.application
    folders = sorted(Folders(application.files, Strangers(application.sources)).to_watch(reloader.serving))
    deaf = [folder for folder in folders if not events_arrive(folder)]
    for folder in deaf:
        where = f"{shown(folder)}, which another machine may write to"
        findings.add(f"no file events arrive in {where}: --poll looks there")
    number = _counted(folders, "folder")
    _row("events", f"none in {len(deaf)} of {number}" if deaf else f"arrive in {number}")


def _check_reload(reloader: Reloader, findings: Findings) -> None:
    """Reload once, and find what keeps the first generation in memory."""
    try:
        reloader.reload()
    except LoadError as error:
        _row("reload", str(error))
        findings.add(f"the same files do not load a second time:\n{error.details}")
        return
    record = reloader.application.journal.records()[-1]
    _row("reload", f"generation {record.number} was loaded in {record.seconds * 1000:.0f} ms")
    with reloader.application.news:
        is_over = reloader.application.news.wait_for(lambda: len(reloader.living) == 1, RETIRE_SECONDS)
    if not is_over:
        _row("memory", f"generation 1 had not retired after {RETIRE_SECONDS:.0f} s")
        return
    gc.collect()
    holders = reloader.retained()
    for holder in holders:
        findings.add(holder.text)
    _row("memory", "generation 1 stays in memory" if holders else "generation 1 has left the memory")
