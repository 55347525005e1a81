"""Commands: `ponyreload run`, `explain` and `check`, and their options."""

from __future__ import annotations

import logging
import os
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ponyreload.cli.addresses import Address
from ponyreload.cli.checking import check_project
from ponyreload.cli.ending import LONGEST_SECONDS, end_by_force
from ponyreload.cli.explaining import explain
from ponyreload.cli.first import load_first
from ponyreload.cli.isolating import libraries_to_isolate
from ponyreload.cli.problems import CommandError, TargetError, UseError
from ponyreload.cli.serving import SERVERS, serve
from ponyreload.cli.settings import find_settings
from ponyreload.cli.targets import Target
from ponyreload.options.options import OPTIONS, Options
from ponyreload.project import HiddenError, own_imports
from ponyreload.reporting import say
from ponyreload.watching.polling import POLL_SECONDS

if TYPE_CHECKING:
    from ponyreload.cli.terminal import Terminal

__all__ = ["run_command_line"]

F = TypeVar("F", bound=Callable[..., Any])
# Exit status after Ctrl-C, as in shells.
INTERRUPTED = 130


def run_command_line(arguments: Sequence[str]) -> int:
    """Run a command, and return the exit status. An error of use is one line on stderr."""
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
    """A command whose option ``--poll`` needs no number."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        read = list(args)
        for number, argument in enumerate(args[: args.index("--")] if "--" in args else args):
            if argument == "--poll" and not _is_number(args[number + 1 : number + 2]):
                read[number] = f"--poll={POLL_SECONDS}"
        return super().parse_args(ctx, read)


def _is_number(arguments: Sequence[str]) -> bool:
    try:
        return bool(arguments) and float(arguments[0]) >= 0
    except ValueError:
        return False


# What a value in pyproject.toml must be, in the words of `Kind.in_file` -> how click reads it.
READ_BY_CLICK: dict[str, dict[str, Any]] = {
    "a string": {},
    "a list of strings": {"multiple": True},
    "true or false": {"default": None},
    "true, false or a number of seconds": {"type": float},
}


def _options_of(*, run: bool) -> Callable[[F], F]:
    """Give a command the declared options that have a flag; *run* tells whether it is `ponyreload run`."""

    def give(command: F) -> F:
        for name, (kind, _, flag, metavar, text, is_of_run) in reversed(OPTIONS.items()):
            if flag and (run or not is_of_run):
                more = READ_BY_CLICK[kind.in_file] | ({"type": click.Choice(kind.choices)} if kind.choices else {})
                command = click.option(flag, name, metavar=metavar, help=text, **more)(command)
        text = "TARGET as a module or package, as in python -m."
        return click.option("-m", "module", metavar="MODULE", help=text)(command)

    return give


@click.group(
    invoke_without_command=True,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Options can also be set in [tool.ponyreload] of pyproject.toml; the command line wins.",
)
@click.option("--version", is_flag=True, help="Show the version and exit.")
@click.pass_context
def commands(context: click.Context, version: bool) -> None:
    """Reload a web application's own modules in the running process."""
    if version:
        click.echo(f"ponyreload {_version()}")
        context.exit()
    if context.invoked_subcommand is None:
        raise UseError("No command given: expected run, explain or check (see ponyreload --help)")


def _version() -> str:
    from importlib import metadata  # here: the import takes long

    try:
        return metadata.version("ponyreload")
    except metadata.PackageNotFoundError:
        return "from source"


@commands.command(cls=PollCommand)
@click.argument("target", required=False)
@_options_of(run=True)
@click.option("--server", type=click.Choice(list(SERVERS)), help="Server to run on (default: cheroot).")
@click.option("--bind", metavar="ADDRESS", help="Where to listen: host:port, :port (0 picks a free port) or unix:path.")
@click.option("--open/--no-open", "open_browser", default=None, help="Open the application in the browser.")
def run(
    target: str | None,
    module: str | None,
    server: str | None,
    bind: str | None,
    open_browser: bool | None,
    **given: Any,
) -> int:
    """Serve TARGET and reload it when its files change.

    TARGET is a WSGI application: shop.wsgi:app, a factory shop:create_app(), a file app.py, or a module or package
    that has an application under a usual name, such as app. All modules below the project's folder are reloaded,
    except installed packages and modules with USE_AUTORELOAD = False.
    """
    values, found, options = _chosen(target, module, given)
    chosen = SERVERS[server or values.get("server", "cheroot")]
    name = next(name for name, each in SERVERS.items() if each is chosen)
    address = chosen.address(bind or values.get("bind"))
    opens = values.get("open_browser") if open_browser is None else open_browser
    if opens and not (chosen.protocol == "http" and address.url):
        raise UseError(f"--open needs an address that a browser can open, not {name} at {address}")
    chosen.require()
    address.probe()
    found.make_importable()
    terminal = _terminal()
    if terminal is not None:
        terminal.take_log()
    loaded = load_first(found, options, terminal, libraries_to_isolate())

    def ready(bound: Address) -> None:
        if terminal is not None:
            terminal.announce(found.text, name, bound)
        else:
            # Not through the log, which the application may have silenced: the port may be one that the system chose.
            where = (chosen.protocol == "http" and bound.url) or str(bound)
            click.echo(f"serving {found.text} on {name} at {where}", err=True)
        if loaded.reloader is None:
            say("autoreload does nothing here, so an edit needs a restart", logging.WARNING)
        if opens:
            threading.Thread(target=webbrowser.open, args=(bound.url,), daemon=True).start()

    return serve(chosen, loaded.app, address, ready)


def _terminal() -> Terminal | None:
    """Return the terminal; None if there is none, or if the project hides what it is written with."""
    try:
        with own_imports("rich.console"):
            from ponyreload.cli.terminal import terminal_on  # here: the project's folder is on the path now
    except HiddenError as error:
        say(f"{error}; the output is plain", logging.WARNING)
        return None
    except ModuleNotFoundError as error:
        if error.name != "rich":
            raise
        raise UseError("the command line needs click and rich: pip install 'ponyreload[cli]'") from None
    return terminal_on(sys.stderr)


@commands.command("explain")
@click.argument("path_or_module")
@click.option("--target", metavar="TARGET", help="Application to load, as for run (default: target in pyproject.toml).")
@_options_of(run=False)
def explain_command(path_or_module: str, target: str | None, module: str | None, **given: Any) -> int:
    """Show whether and why PATH_OR_MODULE is reloaded, who imports it, and what an edit of it does.

    The application is loaded, but not served.
    """
    _, found, options = _chosen(target, module, {**given, "browser_refresh": False})
    return explain(path_or_module, found, options)


@commands.command()
@click.argument("target", required=False)
@_options_of(run=False)
def check(target: str | None, module: str | None, **given: Any) -> int:
    """Report what will not reload well in TARGET. The exit status is 1 if there are findings.

    The application is loaded and reloaded once, but not served.
    """
    _, found, options = _chosen(target, module, {**given, "browser_refresh": False})
    return check_project(found, options)


def _chosen(text: str | None, module: str | None, given: dict[str, Any]) -> tuple[dict[str, Any], Target, Options]:
    """Return the settings of pyproject.toml, the target, and the options. The command line wins over the file.

    Raises:
        TargetError: No target is given, or two.
        UseError: An option is not valid.
    """
    folder, values = find_settings(os.getcwd())
    if text is not None and module is not None:
        raise TargetError(f"Two targets given, {text} and -m {module}: expected one")
    if text is None and module is None and "target" not in values:
        ways = "pass one, such as shop.wsgi:app or app.py, or set target in [tool.ponyreload]"
        raise TargetError(f"No target given: {ways}")
    said = module if text is None else text
    target = Target.parsed(values["target"], folder) if said is None else Target.parsed(said, os.getcwd())
    try:
        options = Options.checked({**values, **{k: v for k, v in given.items() if v not in (None, ())}})
    except (TypeError, ValueError) as error:
        raise UseError(str(error)) from None
    return values, target, options.joined(Options(project_folders=tuple({folder, target.folder})))
