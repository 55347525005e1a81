"""What the developer reads: the lines of the log are interface, so they are compared whole."""

from __future__ import annotations

import re

import pytest

APP = """
    from ponyreload import *
    import shop.cart, shop.api, shop.views, shop.orders
    reloader = use_autoreload()
"""
USER = "from ponyreload import *\nWORD = 'one'\n"
SHOP = {
    "app.py": APP,
    "shop/__init__.py": "",
    "shop/cart.py": USER,
    "shop/api.py": USER,
    "shop/views.py": USER,
    "shop/orders.py": USER,
}
# Sees to it that all files are watched before the first edit, and that nothing has been said so far.
START = """
    import app
    number = app.reloader.reload()
    sys.stderr.write("=== START ===\\n")

    def fails(edit, *arguments):
        before = app.reloader.error
        edit(*arguments)
        until(lambda: app.reloader.error not in (None, before))

    def serves(edit, *arguments):
        before = app.reloader.generation
        edit(*arguments)
        app.reloader.wait(before, 10)
"""


def said(project, code: str, files=SHOP) -> str:
    """Run *code* after START; return what was written to stderr, with the milliseconds as N."""
    code = "\n".join(line[4:] for line in (START + code).splitlines())
    # The last word of a reload may come after it is served; the next one waits for it.
    told = project(files).drive(f"{code}\napp.reloader.stop()\ntell()\n")
    return re.sub(r"\(\d+ ms\)", "(N ms)", told["stderr"].partition("=== START ===\n")[2])


def test_one_line_for_each_reload(project):
    written = said(project, """
    serves(project.edit, "shop/cart.py", "from ponyreload import *")
    serves(project.replace, "shop/api.py", "one", "two")
    app.reloader.reload()
    """)  # fmt: skip
    assert written == (
        "generation 3 serves: shop/cart.py changed (N ms)\n"
        "generation 4 serves: shop/api.py changed (N ms)\n"
        "generation 5 serves: reload requested (N ms)\n"
    )


def changed_together(project, *paths: str) -> str:
    """What is said of files that changed before the watching began, and so in one go."""
    told = project(SHOP).drive(f"""
        import app
        for path in {paths!r}:
            project.replace(path, "one", "two")
        app.reloader.wait(1, 10)
        app.reloader.stop()
        tell()
    """)
    return re.sub(r"\(\d+ ms\)", "(N ms)", told["stderr"])


def test_up_to_three_changed_files_are_named_in_the_order_of_the_alphabet(project):
    written = changed_together(project, "shop/views.py", "shop/api.py", "shop/cart.py")
    assert written == "generation 2 serves: shop/api.py, shop/cart.py, shop/views.py changed (N ms)\n"


def test_of_more_than_three_changed_files_the_number_is_told(project):
    written = changed_together(project, "shop/views.py", "shop/api.py", "shop/cart.py", "shop/orders.py")
    assert written == "generation 2 serves: 4 files changed (N ms)\n"


def test_a_file_outside_the_current_folder_is_named_in_full(project):
    site = project({"app.py": "from ponyreload import *\nimport other\nreloader = use_autoreload()\n"})
    other = site.folder.parent / "lib" / "other.py"
    other.parent.mkdir()
    other.write_text("from ponyreload import *\n")
    told = site.drive(f"""
        sys.path.append({str(other.parent)!r})
        import app
        app.reloader.reload()
        Path({str(other)!r}).write_text("from ponyreload import *\\nA = 1\\n")
        app.reloader.wait(2, 10)
        app.reloader.stop()
        tell()
    """)
    assert f"generation 3 serves: {other} changed (" in told["stderr"]


# -- failed loads ------------------------------------------------------------------------------------------------


def test_a_failed_load_shows_the_users_own_frames_and_what_still_serves(project):
    files = {**SHOP, "shop/cart.py": "from ponyreload import *\nimport shop.price\n", "shop/price.py": USER}
    written = said(project, """
    fails(project.edit, "shop/price.py", """ + repr(PRICE) + """)
    """, files)  # fmt: skip
    assert bare(written) == (
        "Traceback (most recent call last):\n"
        '  File "/app.py", line 3, in <module>\n'
        "    import shop.cart, shop.api, shop.views, shop.orders\n"
        '  File "/shop/cart.py", line 2, in <module>\n'
        "    import shop.price\n"
        '  File "/shop/price.py", line 7, in <module>\n'
        "    PRICE = json.loads('1', object_hook=None, parse_int=price)\n"
        '  File "/shop/price.py", line 5, in price\n'
        "    return Basket\n"
        "NameError: name 'Basket' is not defined\n"
        "generation 3 not served: shop/price.py:5 NameError: name 'Basket' is not defined\n"
        "still serving generation 2; save the file to try again\n"
    )


# The library calls back, so that its frames are between the user's.
PRICE = """
from ponyreload import *
import json
def price(text):
    return Basket

PRICE = json.loads('1', object_hook=None, parse_int=price)
"""


def bare(written: str) -> str:
    """A traceback without the project's folder, and without the marks below the lines, which differ by version."""
    folder = re.search(r'File "(.*?)/(app|shop/\w+)\.py"', written)[1]
    return re.sub(r"(?m)^ +[~^]+\n", "", written.replace(folder, ""))


def test_what_ended_a_load_is_named_with_its_place(project):
    written = said(project, """
    fails(project.edit, "shop/cart.py", "WORD = 1\\nWORD = = 2\\n")
    fails(project.edit, "shop/cart.py", "raise SystemExit(3)\\n")
    fails(project.edit, "shop/cart.py", "raise KeyboardInterrupt\\n")
    fails(project.edit, "shop/cart.py", "import no_such_module\\n")
    """)  # fmt: skip
    app = '  File "/app.py", line 3, in <module>\n    import shop.cart, shop.api, shop.views, shop.orders\n'
    still = "still serving generation 2; save the file to try again\n"
    assert bare(written) == (
        f'Traceback (most recent call last):\n{app}  File "/shop/cart.py", line 2\n    WORD = = 2\n'
        "SyntaxError: invalid syntax\n"
        f"generation 3 not served: shop/cart.py:2 SyntaxError: invalid syntax\n{still}"
        f'Traceback (most recent call last):\n{app}  File "/shop/cart.py", line 1, in <module>\n'
        "    raise SystemExit(3)\nSystemExit: 3\n"
        f"generation 3 not served: shop/cart.py:1 SystemExit: 3\n{still}"
        f'Traceback (most recent call last):\n{app}  File "/shop/cart.py", line 1, in <module>\n'
        "    raise KeyboardInterrupt\nKeyboardInterrupt\n"
        f"generation 3 not served: shop/cart.py:1 KeyboardInterrupt\n{still}"
        f'Traceback (most recent call last):\n{app}  File "/shop/cart.py", line 1, in <module>\n'
        "    import no_such_module\nModuleNotFoundError: No module named 'no_such_module'\n"
        f"generation 3 not served: shop/cart.py:1 ModuleNotFoundError: No module named 'no_such_module'\n{still}"
    )


def test_an_error_that_is_undone_is_taken_back(project):
    written = said(project, """
    fails(project.replace, "shop/cart.py", "WORD", "1 / 0 #")
    project.replace("shop/cart.py", "1 / 0 #", "WORD")
    until(lambda: app.reloader.error is None)
    """)  # fmt: skip
    assert written.endswith(
        "generation 3 not served: shop/cart.py:2 ZeroDivisionError: division by zero\n"
        "still serving generation 2; save the file to try again\n"
        "change undone; generation 2 is current again\n"
    )


def test_the_error_is_at_hand_with_its_parts(project):
    told = project(SHOP).drive("\n".join(line[4:] for line in (START + """
    fails(project.replace, "shop/cart.py", "WORD", "1 / 0 #")
    error = app.reloader.error
    tell(text=str(error), number=error.number, serving=error.serving, file=error.file, line=error.line,
         reason=repr(error.reason), details=error.details, folder=str(project.folder))
    """).splitlines()))  # fmt: skip
    assert told["text"] == "generation 3 not served: shop/cart.py:2 ZeroDivisionError: division by zero"
    assert (told["number"], told["serving"]) == (3, 2)
    assert (told["file"], told["line"]) == (f"{told['folder']}/shop/cart.py", 2)
    assert told["reason"] == "ZeroDivisionError('division by zero')"
    assert told["details"].startswith("Traceback (most recent call last):\n")
    assert told["details"].endswith("\nZeroDivisionError: division by zero")


# -- other words -------------------------------------------------------------------------------------------------


def test_a_hook_that_fails_is_shown_and_the_reload_goes_on(project):
    hook = "@on_reload\ndef close_shop():\n    raise OSError('no')\n"
    written = said(project, """
    serves(project.replace, "shop/api.py", "one", "two")
    """, {**SHOP, "shop/cart.py": USER + hook}).partition("on_reload function close_shop")  # fmt: skip
    assert bare(written[2]) == (
        " failed; the reload continues:\n"
        "Traceback (most recent call last):\n"
        '  File "/shop/cart.py", line 5, in close_shop\n'
        "    raise OSError('no')\n"
        "OSError: no\n"
        "generation 3 serves: shop/api.py changed (N ms)\n"
    )


def test_a_load_that_runs_long_says_so_and_where_it_is(project):
    files = {**SHOP, "gates.py": "import threading\ngate = threading.Event()\n"}
    written = said(project, """
    import gates, logging
    said, words = threading.Event(), []
    handler = logging.Handler()
    handler.emit = lambda record: words.append(f"{record.levelname} {record.getMessage()}\\n") or said.set()
    logging.getLogger("ponyreload").addHandler(handler)
    project.edit("shop/cart.py", "from ponyreload import *\\nimport gates\\ngates.gate.wait(20)\\n")
    said.wait(10)
    gates.gate.set()
    app.reloader.wait(2, 10)
    app.reloader.stop()
    sys.stderr.write("".join(words[:1]))
    """, files)  # fmt: skip
    assert written == "WARNING generation 3 is still loading after 2 s: shop/cart.py:3\n"


def test_a_changed_file_that_is_no_user_module_takes_a_restart_and_that_is_said(project):
    files = {
        **SHOP,
        "shop/settings.py": "PRICE = 1\n",
        "shop/cart.py": "from ponyreload import *\nimport shop.settings",
    }
    written = said(project, """
    project.edit("shop/settings.py", "PRICE = 2\\n")
    (project / "shop/settings.py").touch()
    serves(project.replace, "shop/api.py", "one", "two")
    serves(project.replace, "shop/api.py", "two", "three")
    """, files)  # fmt: skip
    advice = "Restart to pick it up, or mark it: from ponyreload import *"
    assert sorted(written.splitlines()) == [
        "generation 3 serves: shop/api.py changed (N ms)",
        "generation 4 serves: shop/api.py changed (N ms)",
        f"shop/settings.py changed but is not reloaded (shop.settings is a system module). {advice}",
    ]


def test_nothing_more_is_said_when_an_application_with_asyncio_ends(project):
    written = said(project, """
    serves(project.edit, "shop/cart.py", "from ponyreload import *\\nimport asyncio\\n")
    serves(project.replace, "shop/api.py", "one", "two")
    """)  # fmt: skip
    assert written == (
        "generation 3 serves: shop/cart.py changed (N ms)\ngeneration 4 serves: shop/api.py changed (N ms)\n"
    )


# -- logging -----------------------------------------------------------------------------------------------------

LOGGED = """
    serves(project.replace, "shop/api.py", "one", "two")
    fails(project.replace, "shop/cart.py", "WORD", "1 / 0 #")
"""


@pytest.mark.parametrize("level", ["", ", level=logging.INFO"])
def test_where_logging_is_configured_its_handlers_get_all_and_stderr_gets_nothing(project, level):
    written = said(project, f"""
    import logging
    logging.basicConfig(filename="log.txt", format="%(levelname)s %(name)s|%(message)s"{level})
    """ + LOGGED + """
    app.reloader.stop()
    text = (project / "log.txt").read_text()
    sys.stdout.write(text)
    sys.stderr.write("stderr: nothing\\n" + "".join(line for line in text.splitlines(True) if "|" in line))
    sys.stderr.write(text.splitlines(True)[-2] + text.splitlines(True)[-1])
    """)  # fmt: skip
    assert written.startswith("stderr: nothing\n")
    assert written.removeprefix("stderr: nothing\n") == (
        "INFO ponyreload|generation 3 serves: shop/api.py changed (N ms)\n"
        "ERROR ponyreload|Traceback (most recent call last):\n"
        "generation 4 not served: shop/cart.py:2 ZeroDivisionError: division by zero\n"
        "still serving generation 3; save the file to try again\n"
    )


def test_the_level_of_the_logger_counts_where_logging_is_not_configured(project):
    written = said(project, """
    import logging
    logging.getLogger("ponyreload").setLevel(logging.ERROR)
    """ + LOGGED)  # fmt: skip
    assert written.startswith("Traceback (most recent call last):\n")
    assert written.endswith("still serving generation 3; save the file to try again\n")


@pytest.mark.parametrize("call", ["getLogger().setLevel(logging.ERROR)", "disable(logging.WARNING)"])
def test_a_level_that_the_user_has_set_counts_where_logging_is_configured(project, call):
    written = said(project, f"""
    import logging
    logging.basicConfig(format="%(message)s")
    logging.{call}
    """ + LOGGED)  # fmt: skip
    assert written.startswith("Traceback (most recent call last):\n")
    assert written.endswith("still serving generation 3; save the file to try again\n")


def test_logging_that_is_configured_without_a_word_of_ponyreload_does_not_silence_it(project):
    written = said(project, """
    import logging.config
    logging.config.dictConfig({"version": 1, "handlers": {"all": {"class": "logging.StreamHandler"}}, "root": {"handlers": ["all"]}})
    assert logging.getLogger("ponyreload").disabled
    """ + LOGGED)  # fmt: skip
    assert written.startswith("generation 3 serves: shop/api.py changed (N ms)\nTraceback (most recent call last):\n")
    assert written.endswith("still serving generation 3; save the file to try again\n")


def test_a_filter_of_the_logger_counts(project):
    written = said(project, """
    import logging
    logging.getLogger("ponyreload").addFilter(lambda record: "Traceback" in record.getMessage())
    """ + LOGGED)  # fmt: skip
    assert written.startswith("Traceback (most recent call last):\n")
