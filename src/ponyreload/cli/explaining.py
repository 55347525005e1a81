"""Explaining: whether a file or module is reloaded and why, and what an edit of it does."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import replace
from typing import Any

import click

from ponyreload.cli.ending import LONGEST_SECONDS, end_by_force
from ponyreload.cli.first import Loaded, load_first
from ponyreload.cli.importers import files_of_modules, importers_of
from ponyreload.cli.targets import Target
from ponyreload.errors import LoadError
from ponyreload.imports.isolation import is_library
from ponyreload.imports.names import MAIN, namespace_of
from ponyreload.imports.reasons import why_system, why_user
from ponyreload.imports.sharing import find_affected
from ponyreload.options.marking import is_project_file, own_word
from ponyreload.options.options import Options
from ponyreload.reloading.reloader import Reloader
from ponyreload.reporting import logger, shown
from ponyreload.watching.extra import find_extra_files

__all__ = ["explain"]

MOST_IMPORTERS = 10
MOST_NAMED = 10


def explain(path_or_module: str, target: Target, options: Options) -> int:
    """Print the explanation, and return the exit status: 1 if it is incomplete, as the application failed to load."""
    logger.setLevel(logging.WARNING)
    # In this scope, a load records who imports whom.
    loaded = load_first(target, replace(options, scope="affected"))
    status = 1 if loaded.error else 0
    if loaded.reloader is None:
        click.echo("autoreload does nothing here, so an edit needs a restart")
    else:
        _explain(path_or_module, target, loaded, options.scope)
        loaded.reloader.stop()
    end_by_force(LONGEST_SECONDS, status)  # threads of the application may run on
    return status


def _explain(path_or_module: str, target: Target, loaded: Loaded, scope: str | None) -> None:
    assert loaded.reloader is not None
    reloader, generation = loaded.reloader, loaded.reloader.serving
    files = files_of_modules(generation)
    name, file = _resolved(path_or_module, files)
    place = f" ({shown(file)})" if file and name else ""
    click.echo(f"{name or shown(file)}{place}")
    if file in find_extra_files(reloader.application.options.extra_files):
        click.echo("  extra file: the option extra_files names it")
        click.echo("  an edit of it: all user modules are loaded again")
        if not name:
            return
    if not name:
        click.echo("  no module: no module that the application imports has this file")
        click.echo(f"  an edit of it: nothing happens; {_remedy(file)}")
        return
    module = generation.modules.get(name)
    is_user = module is not None
    if module is None:
        standing = sys.modules.get(name)
        if standing is None or (name in generation.running and loaded.error):
            click.echo(f"  not imported: {target.text} has not imported it so far")
            click.echo("  an edit of it: nothing happens, unless a load has looked for it in vain")
            return
        module = standing
    namespace = namespace_of(name, module)
    if is_user:
        click.echo(f"  user module: {_why_user(name, namespace, target, reloader)}")
    else:
        click.echo(f"  system module: {why_system(name, namespace)}")
    _print_importers(name, target, files)
    if is_user and not is_library(name, file):
        _print_effects(name, loaded, scope)
        return
    click.echo(f"  an edit of it: {_effect(name, file)}")
    if not is_user and own_word(namespace) is None and is_project_file(file):
        click.echo(f'  to have it reloaded: mark it with "from ponyreload import *", or --include {name}')


def _resolved(text: str, files: dict[str, str]) -> tuple[str, str]:
    """Return the module's name and its absolute file; each may be empty.

    A text that is both a module and a file, such as a package in the current folder, is taken as the module.
    """
    if text in files or text in sys.modules:
        return text, files.get(text, "")
    path = os.path.abspath(text)
    if os.path.isdir(path):
        path = os.path.join(path, "__init__.py")
    real = os.path.realpath(path)
    for name, file in files.items():
        if file == path or os.path.realpath(file) == real:
            return name, file
    is_path = os.path.exists(path) or os.sep in text or text.endswith(".py")
    return ("", path) if is_path else (text, "")


def _why_user(name: str, namespace: dict[str, Any], target: Target, reloader: Reloader) -> str:
    if name == target.module and own_word(namespace) is None:
        return "it is the target"
    application = reloader.application
    return why_user(name, namespace, application.options, application.entries.names)


def _print_importers(name: str, target: Target, files: dict[str, str]) -> None:
    found = importers_of(name, files)
    by = [f"{each.name} ({shown(each.file)}:{each.line})" for each in found[:MOST_IMPORTERS]]
    if len(found) > MOST_IMPORTERS:
        by.append(f"{len(found) - MOST_IMPORTERS} more")
    if name == target.module:
        by.insert(0, f"ponyreload, as the target {target.text}")
    click.echo(f"  imported by: {', '.join(by) or 'no import statement that is seen'}")


def _print_effects(name: str, loaded: Loaded, scope: str | None) -> None:
    """Print what an edit of a user module does, in each scope."""
    assert loaded.reloader is not None
    generation = loaded.reloader.serving
    record = loaded.reloader.application.journal.records()[-1]
    count = len(generation.modules)
    every = f"all {count} user modules are loaded again" if count > 1 else "its 1 user module is loaded again"
    affected = _affected(name, loaded.reloader)
    some = "not known, as it could not be loaded a second time"
    if affected is not None:
        more = f" and {len(affected) - MOST_NAMED} more" if len(affected) > MOST_NAMED else ""
        some = f"{len(affected)} of {count} are loaded again: {', '.join(affected[:MOST_NAMED])}{more}"
    took = f"{record.seconds * 1000:.0f} ms, {record.modules.get(name, 0.0) * 1000:.0f} ms of it in this module"
    this, other, others = (some, "all", every) if scope == "affected" else (every, "affected", some)
    click.echo(f"  an edit of it: {this}; the first load took {took}")
    click.echo(f"  with --scope {other}: {others}")


def _affected(name: str, reloader: Reloader) -> list[str] | None:
    """Return the modules that an edit of *name* reloads with scope="affected"; None if that cannot be known."""
    if reloader.error is None:
        try:
            reloader.reload()  # imports of modules that Python itself loaded are not recorded
        except LoadError:
            return None
    found = find_affected(reloader.serving, [MAIN, *reloader.application.entries.names, name])
    return None if found is None else sorted(found & reloader.serving.modules.keys())


def _effect(name: str, file: str) -> str:
    """Say what an edit does to a module that is not a user module of the application."""
    if is_library(name, file):
        return "nothing happens, as libraries are not watched; the next load takes it up"
    if is_project_file(file):
        return "nothing is reloaded, and the log says so; it needs a restart"
    return "nothing happens; it needs a restart"


def _remedy(file: str) -> str:
    if file.endswith((".py", ".pyw")):
        return "import it, and it is watched"
    return f"--extra-file {shown(file)} has it reload the application"
