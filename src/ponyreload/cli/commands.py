"""Commands: what `ponyreload` understands. The terminal's side of everything is in the other files."""

from __future__ import annotations

import logging
import os
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from ponyreload.cli.addresses import Address
from ponyreload.cli.checking import check_project
from ponyreload.cli.ending import LONGEST_SECONDS, end_by_force
from ponyreload.cli.explaining import explain
from ponyreload.cli.first import load_first
from ponyreload.cli.problems import CommandError, TargetError, UseError
from ponyreload.cli.serving import SERVERS, serve
from ponyreload.cli.settings import Settings, find_settings
from ponyreload.cli.targets import Target
from ponyreload.cli.terminal import terminal_on
from ponyreload.options.options import SCOPES, Options
from ponyreload.reporting import say
from ponyreload.watching.polling import POLL_SECONDS

__all__ = ["run_command_line"]

F = TypeVar("F", bound=Callable[..., Any])
INTERRUPTED = 130  # as shells have it


def run_command_line(arguments: Sequence[str]) -> int:
    """Run a command, and return the exit status. What the user got wrong is one line on stderr."""
    try:
        status = commands.main(list(arguments), prog_name="ponyreload", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except (click.Abort, KeyboardInterrupt):
        end_by_force(LONGEST_SECONDS, INTERRUPTED)  # what the application has started may go on
        return INTERRUPTED
    except click.ClickException as error:
        return _end(" ".join(error.format_message().split()), UseError.status)
    except CommandError as problem:
        return _end(" ".join(str(problem).split("\n")), problem.status)
    return status if isinstance(status, int) else 0


def _end(text: str, status: int) -> int:
    click.echo(f"ponyreload: {text}", err=True)
    return status


class PollCommand(click.Command):
    """A command whose option ``--poll`` may do without its number."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        read = []
        for number, argument in enumerate(args):
            if argument == "--":
                read += args[number:]
                break
            is_alone = argument == "--poll" and not _is_number(args[number + 1 : number + 2])
            read.append(f"--poll={POLL_SECONDS}" if is_alone else argument)
        return super().parse_args(ctx, read)


def _is_number(arguments: Sequence[str]) -> bool:
    try:
        return bool(arguments) and float(arguments[0]) >= 0
    except ValueError:
        return False


def _loading_options(command: F) -> F:
    """Give a command the options that say which modules are whose."""
    for option in (
        click.option(
            "--extra-file",
            "extra_files",
            multiple=True,
            metavar="PATH",
            help="Reload at changes of these files too: a path, a folder or a glob. Repeatable.",
        ),
        click.option(
            "--isolate", multiple=True, metavar="NAME", help="Load this library with each generation. Repeatable."
        ),
        click.option(
            "--include",
            multiple=True,
            metavar="NAME",
            help="Take this package or module for the user's too. Repeatable.",
        ),
        click.option("--scope", type=click.Choice(SCOPES), help="What a reload loads anew; all if you say nothing."),
        click.option("-m", "module", metavar="MODULE", help="The target as a module or package, as with python -m."),
    ):
        command = option(command)
    return command


@click.group(
    invoke_without_command=True,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Options may stand in [tool.ponyreload] of pyproject.toml; the command line wins.",
)
@click.option("--version", is_flag=True, help="Say the version, and end.")
@click.pass_context
def commands(context: click.Context, version: bool) -> None:
    """Reload a web application's own modules in the running process."""
    if version:
        click.echo(f"ponyreload {_version()}")
        context.exit()
    if context.invoked_subcommand is None:
        raise UseError("say what to do: run, explain or check; ponyreload --help tells more")


def _version() -> str:
    from importlib import metadata  # here: it takes its time

    try:
        return metadata.version("ponyreload")
    except metadata.PackageNotFoundError:
        return "from source"


@commands.command(cls=PollCommand)
@click.argument("target", required=False)
@_loading_options
@click.option("--server", type=click.Choice(list(SERVERS)), help="The server to run on; cheroot if you say nothing.")
@click.option("--bind", metavar="ADDRESS", help="Where to listen: host:port, :port (0 is any free one) or unix:path.")
@click.option("--poll", type=float, metavar="[SECONDS]", help="Look at the files every so many seconds, 1 if not said.")
@click.option(
    "--browser-refresh/--no-browser-refresh", default=None, help="Whether the browser shows a reload by itself."
)
@click.option("--open/--no-open", "open_browser", default=None, help="Open the application in the browser.")
def run(
    target: str | None,
    module: str | None,
    server: str | None,
    bind: str | None,
    browser_refresh: bool | None,
    open_browser: bool | None,
    **given: Any,
) -> int:
    """Serve TARGET, and reload it when its files change.

    TARGET is a WSGI application: shop.wsgi:app, a factory shop:create_app(), a file app.py, or a module or package in
    which it has a usual name, such as app. Everything below the project's folder is reloaded, but for installed
    packages and for modules that say USE_AUTORELOAD = False.
    """
    settings = find_settings(os.getcwd())
    found = _target(target, module, settings)
    chosen = SERVERS[server or settings.values.get("server", "cheroot")]
    name = next(name for name, each in SERVERS.items() if each is chosen)
    address = chosen.address(bind or settings.values.get("bind"))
    opens = settings.values.get("open_browser") if open_browser is None else open_browser
    if opens and not (chosen.protocol == "http" and address.url):
        raise UseError(f"--open needs an address that a browser can open, not {name} at {address}")
    if browser_refresh is None:
        browser_refresh = settings.values.get("browser_refresh")
    options = _options(settings, found, browser_refresh, given)
    chosen.require()
    address.probe()
    terminal = terminal_on(sys.stderr)
    if terminal is not None:
        terminal.take_log()
    loaded = load_first(found, options, terminal)

    def ready(bound: Address) -> None:
        if terminal is not None:
            terminal.announce(found.text, name, bound)
        else:
            # Not through the log: the application may have turned that down, and the port may have been any free one.
            where = (chosen.protocol == "http" and bound.url) or str(bound)
            click.echo(f"serving {found.text} on {name} at {where}", err=True)
        if loaded.reloader is None:
            say("autoreload does nothing here, so an edit takes a restart", logging.WARNING)
        if opens:
            threading.Thread(target=webbrowser.open, args=(bound.url,), daemon=True).start()

    return serve(chosen, loaded.app, address, ready)


@commands.command("explain")
@click.argument("path_or_module")
@click.option("--target", metavar="TARGET", help="The application, as for run; not needed if pyproject.toml says it.")
@_loading_options
def explain_command(path_or_module: str, target: str | None, module: str | None, **given: Any) -> int:
    """Say whether PATH_OR_MODULE is reloaded and why, who imports it, and what an edit of it does.

    The application is loaded for that, and not served.
    """
    settings = find_settings(os.getcwd())
    found = _target(target, module, settings)
    options = _options(settings, found, False, given)
    return explain(path_or_module, found, options)


@commands.command()
@click.argument("target", required=False)
@_loading_options
def check(target: str | None, module: str | None, **given: Any) -> int:
    """Look for what will not reload well in TARGET; exit status 1 if there is something.

    The application is loaded for that, reloaded once, and not served.
    """
    settings = find_settings(os.getcwd())
    found = _target(target, module, settings)
    return check_project(found, _options(settings, found, False, given))


def _target(text: str | None, module: str | None, settings: Settings) -> Target:
    """Return the target that the command line names, or else the file.

    Raises:
        TargetError: None is named, or two are.
    """
    if text is not None and module is not None:
        raise TargetError(f"there are two targets, {text} and -m {module}: name one")
    if text is None and module is None:
        if "target" not in settings.values:
            raise TargetError("say what to serve, such as shop.wsgi:app or app.py; or set target in [tool.ponyreload]")
        return Target.parsed(settings.values["target"], settings.folder)
    return Target.parsed(text or module or "", os.getcwd())


def _options(settings: Settings, target: Target, browser_refresh: bool | None, given: dict[str, Any]) -> Options:
    """Return the options of the reloader; the command line's win over the file's.

    Raises:
        UseError: One is not accepted.
    """
    chosen = {
        name: settings.values.get(name, value) if value is None or value == () else value
        for name, value in given.items()
    }
    try:
        options = Options.checked(
            include=chosen["include"],
            extra_files=chosen["extra_files"],
            isolate=chosen["isolate"],
            poll_seconds=chosen.get("poll"),
            drain_seconds=None,
            scope=chosen["scope"],
            browser_refresh=browser_refresh,
            trusted_clients=settings.values.get("trusted_clients", ()),
            trusted_hosts=settings.values.get("trusted_hosts", ()),
        )
    except (TypeError, ValueError) as error:
        raise UseError(str(error)) from None
    return options.joined(Options(project_folders=tuple({settings.folder, target.folder})))
