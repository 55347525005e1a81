"""Each option is declared once; what has to be written out besides says the same: signatures, command line, reference."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import click
import pytest

from ponyreload.autoreload import AutoreloadMiddleware, use_autoreload
from ponyreload.cli.commands import commands
from ponyreload.cli.serving import SERVERS
from ponyreload.cli.settings import KEYS
from ponyreload.options.options import OPTIONS, Options
from ponyreload.options.servers import ADAPTERS, TABLE

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = (DOCS / "reference.md").read_text(encoding="utf-8")
COMMAND_LINE = (DOCS / "reference/command-line.md").read_text(encoding="utf-8")
DEFAULTS = vars(Options())


def table_below(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its two first lines."""
    section = re.split(rf"^#+ {re.escape(heading)}.*$", text, maxsplit=1, flags=re.MULTILINE)[1]
    lines = re.search(r"(^\|.*\n)+", section, re.MULTILINE)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_fields_are_the_options_and_what_only_the_command_line_sets():
    assert list(DEFAULTS) == [*OPTIONS, "project_folders"]


# -- signatures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function", [use_autoreload, AutoreloadMiddleware.__init__], ids=lambda each: each.__qualname__
)
def test_a_public_signature_has_the_declared_options(function):
    found = inspect.signature(function).parameters.values()
    options = [each for each in found if each.name not in ("self", "app")]
    assert [(each.name, each.annotation, each.default) for each in options] == [
        (name, option.kind.annotation, DEFAULTS[name]) for name, option in OPTIONS.items()
    ]
    assert {each.kind for each in options} == {inspect.Parameter.KEYWORD_ONLY}


def test_the_docstring_of_use_autoreload_has_the_declared_options():
    arguments = inspect.getdoc(use_autoreload).split("Args:\n")[1].split("\n\n")[0]
    assert re.findall(r"^    (\w+): ", arguments, re.MULTILINE) == list(OPTIONS)


# -- the reference -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "first"), [("use_autoreload", "*"), ("AutoreloadMiddleware", "app, *")])
def test_the_headings_of_the_reference_have_the_signatures(name, first):
    options = "".join(f", {option}={DEFAULTS[option]!r}" for option in OPTIONS)
    assert f"\n### `{name}({first}{options})`\n" in REFERENCE


def test_the_reference_has_a_row_for_each_option_with_what_it_takes():
    rows = table_below(REFERENCE, "`use_autoreload(")
    assert [(name, text) for name, text, _ in rows] == [
        (f"`{name}`", option.kind.text) for name, option in OPTIONS.items()
    ]
    assert all(meaning for _, _, meaning in rows)


def test_the_reference_of_the_command_line_has_a_row_for_each_option_with_its_help():
    options = [each for each in commands.commands["run"].params if isinstance(each, click.Option)]
    rows = table_below(COMMAND_LINE, "`ponyreload run`")
    expected = [
        ("`, `".join([*each.opts, *each.secondary_opts]) + (f" {each.metavar}" if each.metavar else ""), each.help)
        for each in options
    ]
    assert [flags for flags, _ in rows] == [f"`{flags}`" for flags, _ in expected]
    texts = [(meaning.replace("`", ""), text) for (_, meaning), (_, text) in zip(rows, expected, strict=True)]
    assert [text for meaning, text in texts if not meaning.startswith(text)] == []


def test_the_reference_has_a_row_for_each_key_of_pyproject_toml_with_what_it_takes():
    rows = {key.strip("`"): value.replace("`", "") for key, value in table_below(COMMAND_LINE, "`[tool.ponyreload]`")}
    assert list(rows) == list(KEYS)
    taken = {option.key: option.kind.in_file for option in OPTIONS.values() if option.key}
    assert [key for key, words in taken.items() if not rows[key].lower().startswith(words)] == []


# -- the command line --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["run", "explain", "check"])
def test_a_command_has_the_flags_that_are_declared_for_it(command):
    found = {each.name: "/".join([*each.opts, *each.secondary_opts]) for each in commands.commands[command].params}
    assert {name: found.get(name, "") for name in OPTIONS} == {
        name: option.flag if command == "run" or not option.is_of_run else "" for name, option in OPTIONS.items()
    }


# -- servers -----------------------------------------------------------------------------------------------------


def test_the_command_line_runs_the_servers_that_the_table_names_for_it():
    assert {name: server.module for name, server in SERVERS.items()} == {
        name: module for each in TABLE for name, module in each.run.items()
    }


def test_each_module_stands_in_one_row_and_each_adapter_is_there():
    modules = [module for each in TABLE for module in each.modules]
    assert len(modules) == len(set(modules))
    source = Path(__file__).parents[2] / "src"
    assert [each for each in ADAPTERS.values() if not (source / f"{each.replace('.', '/')}.py").is_file()] == []
