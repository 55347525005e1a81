"""`ponyreload run` on a terminal: what is seen there, and that a pipe gets plain lines."""

from __future__ import annotations

import re

import pytest

from commandline import APP, SITE, serve
from ponyreload.cli.tracebacks import printable, traceback_of
from terminals import OnTerminal, Screen

pytestmark = pytest.mark.any_python

TIME = r"^\d\d:\d\d:\d\d"
# Goes on when a file is there: the test says when.
SLOW = """
    import os, time
    while not os.path.exists("go"):
        time.sleep(0.01)
    NAME = "tea"
"""


def start(site, *arguments: str, **more) -> OnTerminal:
    return OnTerminal(site, "run", "app", "--bind", ":0", *arguments, **more)


def test_the_address_is_shown_and_each_reload_is_one_line_with_what_changed_and_the_time(project):
    site = project(SITE)
    with start(site) as terminal:
        terminal.wait_for(r"➜ http://127\.0\.0\.1:\d+/  Press Ctrl-C to stop$")
        terminal.wait_for(TIME + r" ✓ generation 1 serves  \d+ ms$")
        site.edit("shop.py", "NAME = 'milk'")
        terminal.wait_for(TIME + r" ✓ generation 2 serves  shop\.py  \d+ ms$")
        assert "\x1b[32m" in terminal.written or "\x1b[1;32m" in terminal.written
        assert terminal.interrupt() == 130
        # What listeners of the journal are told is not read a second time in the log.
        assert [len(re.findall(rf"generation {number} serves", terminal.written)) for number in (1, 2)] == [1, 1]
        assert "Traceback" not in terminal.written


def test_a_traceback_has_the_source_around_the_place_and_no_frames_but_the_users(project):
    site = project({**SITE, "shop.py": "NAME = 'tea'\n"})
    with start(site) as terminal:
        terminal.wait_for("➜ http")
        site.edit("shop.py", "import json\n\ndef price():\n    return json.loads('[') # here\n\nNAME = price()\n")
        terminal.wait_for(TIME + r" ✗ generation 2 not served: shop\.py:4 JSONDecodeError: .*  \d+ ms$")
        terminal.wait_for("^           still serving generation 1; save the file to try again$")
        shown = terminal.lines
        assert "  app.py:2 in <module>" in shown
        assert "  shop.py:6 in <module>" in shown
        assert "  shop.py:4 in price" in shown
        assert "       3 | def price():" in shown
        assert "  >    4 |     return json.loads('[') # here" in shown
        assert "       6 | NAME = price()" in shown
        assert not [line for line in shown if "decoder.py" in line]
        site.edit("shop.py", "NAME = 'tea'\n")
        terminal.wait_for(TIME + " ✓ change undone; generation 1 is current again$")


def test_an_error_at_the_start_is_shown_and_says_that_nothing_is_served(project):
    with start(project({**SITE, "shop.py": "NAME = ("})) as terminal:
        terminal.wait_for(TIME + r" ✗ generation 1 not served: shop\.py:1 SyntaxError: '\(' was never closed  \d+ ms$")
        terminal.wait_for("^           nothing is served yet; save the file to try again$")
        assert "  >    1 | NAME = (" in terminal.lines
        terminal.wait_for("➜ http")


def test_a_spinner_tells_what_is_executed_and_leaves_nothing_behind(project):
    site = project({**SITE, "go": ""})
    with start(site) as terminal:
        terminal.wait_for("➜ http")
        site.delete("go")
        # A long name, so that what comes in its place does not cover it.
        site.edit(f"{'long' * 15}.py", SLOW)
        site.edit("shop.py", f"from {'long' * 15} import NAME")
        terminal.wait_for(r"^\S loading generation 2: (long){15} \(\d s\)$")
        site.edit("go", "")
        terminal.wait_for(TIME + r" ✓ generation 2 serves  shop\.py  \d+ ms$")
        assert not [line for line in terminal.lines if "long" in line]


def test_the_spinner_of_the_first_load_leaves_the_applications_lines_whole(project):
    text = """
        import logging, os, sys, time
        logging.basicConfig(format="%(message)s")
        number = 0
        while not os.path.exists("go"):
            print("a line of the application's", number)
            sys.stderr.write(f"the beginning of {number}")
            sys.stderr.flush()
            time.sleep(0.02)
            sys.stderr.write(", and its end\\n")
            logging.warning("logged %s", number)
            time.sleep(0.2)
            number += 1
        NAME = "tea"
    """
    site = project({**SITE, "shop.py": text})
    with start(site) as terminal:
        terminal.wait_for(r"^\S loading generation 1: shop \(\d s\)$")
        begun = len(terminal.lines)
        terminal.wait_until(lambda: len(terminal.lines) > begun + 9, "lines of the application's")
        site.edit("go", "")
        terminal.wait_for("➜ http")
        lines = terminal.lines
        number = sum(line.startswith("logged ") for line in lines)
        expected = [
            text
            for each in range(number)
            for text in (
                f"a line of the application's {each}",
                f"the beginning of {each}, and its end",
                f"logged {each}",
            )
        ]
        assert lines[: 3 * number] == expected
        assert re.match(TIME + " ✓ generation 1 serves", lines[3 * number])


def test_what_the_log_says_of_ponyreload_is_one_line_even_if_the_application_configures_logging(project):
    text = "import logging\nlogging.basicConfig(level='INFO', format='root says %(message)s')\nNAME = 'tea'"
    site = project({**SITE, "shop.py": "import conf\n" + text, "conf.py": "USE_AUTORELOAD = False"})
    with start(site) as terminal:
        terminal.wait_for("➜ http")
        site.edit("conf.py", "USE_AUTORELOAD = False\nA = 1")
        terminal.wait_for(TIME + " ! conf.py changed but is not reloaded")
        site.edit("shop.py", "NAME = 'milk'")
        terminal.wait_for(TIME + " ✓ generation 2 serves")
        assert not [line for line in terminal.lines if line.startswith("root says")]


@pytest.mark.parametrize("value", ["1", "yes"])
def test_no_color_is_honoured(project, value):
    site = project({**SITE, "shop.py": "NAME = TAX"})
    with start(site, NO_COLOR=value) as terminal:
        terminal.wait_for("still|nothing is served yet")
        site.edit("shop.py", "NAME = 'tea'")
        terminal.wait_for(TIME + " ✓ generation 2 serves")
        assert not re.findall(r"\x1b\[[\d;]*m", terminal.written)


def test_a_terminal_that_is_dumb_or_not_utf_8_gets_what_it_can_show(project):
    site = project(SITE)
    with start(
        site, TERM="dumb", LC_ALL="C", LANG="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"
    ) as terminal:
        terminal.wait_for(r"> http://127\.0\.0\.1:\d+/")
        site.edit("shop.py", "NAME = 'milk'")
        terminal.wait_for(TIME + r" \+ generation 2 serves  shop\.py")
        assert "\x1b[" not in terminal.written


def test_a_pipe_gets_plain_lines_as_the_log_has_them(project):
    site = project(SITE)
    with serve(site, "app", FORCE_COLOR="") as server:
        site.edit("shop.py", "NAME = 'milk'")
        server.wait_for_log("generation 2 serves: shop.py changed")
        site.edit("shop.py", "NAME = TAX")
        server.wait_for_log("save the file to try again")
        assert re.sub(r"\(\d+ ms\)|:\d+/$", "…", server.log, flags=re.MULTILINE).splitlines()[:3] == [
            "generation 1 serves: app …",
            "serving app on cheroot at http://127.0.0.1…",
            "generation 2 serves: shop.py changed …",
        ]
        assert "\x1b" not in server.log
        assert "\r" not in server.log


def test_an_exception_cannot_command_the_terminal(project):
    site = project({**SITE, "shop.py": "raise ValueError('\\x1b]0;owned\\x07 and \\x9b2J')"})
    with start(site) as terminal:
        terminal.wait_for(r"generation 1 not served: .*ValueError: \\x1b]0;owned\\x07 and \\x9b2J")
        assert "\x1b]0" not in terminal.written
        assert "\x9b" not in terminal.written


def test_long_lines_are_not_cut_and_a_small_terminal_gets_a_short_spinner(project):
    site = project(
        {**SITE, "app.py": APP.replace("import shop", "import a_module_with_quite_a_long_name_to_show"), "shop.py": ""}
    )
    site.edit("a_module_with_quite_a_long_name_to_show.py", SLOW)
    with start(site, columns=30) as terminal:
        found = terminal.wait_for(r"^\S loading generation 1: .*$")
        assert len(found[0]) < 30
        site.edit("go", "")
        terminal.wait_for("➜ http")


# -- tracebacks --------------------------------------------------------------------------------------------------


def test_the_source_is_that_which_ran_and_not_what_was_saved_since(tmp_path):
    file = tmp_path / "shop.py"
    file.write_text("# another\nfirst line\n")
    details = f'Traceback (most recent call last):\n  File "{file}", line 2, in price\n    return TAX\n           ^^^\nNameError: no TAX'
    assert traceback_of(details).plain.splitlines() == [
        "Traceback (most recent call last):",
        f"  {file}:2 in price",
        "    return TAX",
        "           ^^^",
        "NameError: no TAX",
    ]


def test_marks_stand_below_what_they_mark(tmp_path):
    file = tmp_path / "shop.py"
    file.write_text("if True:\n\treturn TAX\n\n\n")
    details = f'  File "{file}", line 2, in price\n    return TAX\n           ^^^\nNameError: no TAX'
    assert traceback_of(details).plain.splitlines() == [
        f"  {file}:2 in price",
        "       1 | if True:",
        "  >    2 |     return TAX",
        "         |            ^^^",
        "NameError: no TAX",
    ]


def test_a_screen_forgets_what_was_erased():
    assert Screen("spin\r\x1b[Ktext\r\nab\rc").lines == ["text", "cb"]
    assert printable("a\x1b[2Jb\tc\n") == "a\\x1b[2Jb\tc\n"
