"""The command line: what it refuses, what pyproject.toml says, what explain and check tell, and completion."""

from __future__ import annotations

import json
import os
import sys

import pytest

from commandline import APP, SITE, complaint, run, serve
from ponyreload.cli.addresses import Address
from ponyreload.cli.problems import UseError

pytestmark = pytest.mark.any_python

# -- errors of use -----------------------------------------------------------------------------------------------

USUAL = "(app, application, wsgi_app, wsgi, create_app, make_app …)"
TARGETS = "module, module:attribute, module:factory(), file.py or file.py:attribute"
NO_TARGET = "No target given: pass one, such as shop.wsgi:app or app.py, or set target in [tool.ponyreload]"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "No command given: expected run, explain or check (see ponyreload --help)"),
        (("serve",), "No such command 'serve'."),
        (("run",), NO_TARGET),
        (("run", "nowhere"), "No module named 'nowhere' in the current folder or among the installed packages"),
        (("run", "nowhere:app"), "No module named 'nowhere' in the current folder or among the installed packages"),
        (("run", "app.nowhere:app"), "No module named 'app.nowhere' in the current folder or among the installed packages"),
        (("run", "nowhere.py"), "No such file: nowhere.py"),
        (("run", "."), f"Invalid target '.': expected {TARGETS}"),
        (("run", "./"), "Folder . is not a package: name a file in it"),
        (("run", "my-app.py"), "Cannot import my-app.py: 'my-app' is not a valid module name"),
        (("run", "app:app(1)"), f"Invalid target 'app:app(1)': expected {TARGETS}"),
        (("run", "app:ap"), "app has no attribute 'ap'; did you mean app:app?"),
        (("run", "app:zzz"), "app has no attribute 'zzz'; did you mean app:app or app:other?"),
        (("run", "app:NUMBER"), "app:NUMBER is not a WSGI application: 'int' object is not callable"),
        (("run", "app:three"), "app:three is not a WSGI application: it does not take (environ, start_response)"),
        (("run", "app:three()"), "Cannot call app:three() without arguments: wrap it in a function that takes none"),
        (("run", "app:nothing_made()"), "app:nothing_made() returned NoneType, not a WSGI application"),
        (("run", "empty"), f"empty has no application under a usual name {USUAL}; nothing in it takes (environ, start_response)"),
        (("run", "unusual.py"), f"unusual has no application under a usual name {USUAL}; did you mean unusual:site or unusual:desk?"),
        (("run", "-m", "app", "app"), "Two targets given, app and -m app: expected one"),
        (("run", "app", "--bind", "here"), "Invalid address 'here': expected host:port, :port or unix:path"),
        (("run", "app", "--bind", "unix:"), "Invalid address 'unix:': unix: takes the path of a socket"),
        (("run", "app", "--server", "flup-ajp", "--bind", "unix:a"), "flup's AJP server cannot listen on unix:a: expected a host name or an IPv4 address"),
        (("run", "app", "--open", "--bind", "unix:a"), "--open needs an address that a browser can open, not cheroot at unix:a"),
        (("run", "app", "--open", "--server", "flup-fcgi"), "--open needs an address that a browser can open, not flup-fcgi at 127.0.0.1:9000"),
        (("run", "app", "--include", "no name"), "include= takes importable names such as 'shop' or 'lib.prices', not 'no name'"),
        (("run", "app", "--isolate", "json"), "isolate= cannot take 'json': it is the standard library's, which all generations share; a module of your own is marked instead"),
        (("run", "app", "--poll", "0"), "poll_seconds= takes 0.01 to 3600 seconds, not 0.0"),
        (("explain", "app"), NO_TARGET),
        (("check", "nowhere"), "No module named 'nowhere' in the current folder or among the installed packages"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_an_error_of_use_is_one_line_and_exit_status_2(project, arguments, expected):
    unusual = APP.replace("def app", "def site") + APP.replace("import shop", "").replace("def app", "def desk")
    defined = (
        "\ndef other(environ, start_response): pass\nNUMBER = 1\ndef three(a, b, c): pass\ndef nothing_made(): pass\n"
    )
    app = "def app(environ, start_response): pass" + defined
    files = {"app.py": app, "shop.py": "NAME = 1", "empty.py": "", "my-app.py": "", "unusual.py": unusual}
    # Some targets are known to be wrong only when they are imported, and the address is taken before that.
    free = () if arguments[:1] != ("run",) or any(each.startswith("--") for each in arguments) else ("--bind", ":0")
    assert complaint(project(files), *arguments, *free) == expected


def test_an_option_or_a_server_that_is_not_known_is_one_line_and_exit_status_2(project):
    site = project(SITE)
    assert "'--servr'" in complaint(site, "run", "app", "--servr", "cheroot")
    assert "'gunicorn'" in complaint(site, "run", "app", "--server", "gunicorn")
    assert "'often'" in complaint(site, "run", "app", "--poll=often")


@pytest.mark.parametrize(
    ("missing", "arguments", "expected"),
    [
        ("click", (), "the command line needs click and rich: pip install 'ponyreload[cli]'"),
        ("rich", ("run", "app"), "the command line needs click and rich: pip install 'ponyreload[cli]'"),
        ("cheroot", ("run", "app"), "cheroot is not installed: pip install 'ponyreload[cli]'"),
        ("cherrypy", ("run", "app", "--server", "cherrypy"), "cherrypy is not installed: pip install 'ponyreload[cherrypy]'"),
        ("flup", ("run", "app", "--server", "flup-scgi"), "flup is not installed: pip install 'ponyreload[flup]'"),
    ],
)  # fmt: skip
def test_what_is_not_installed_is_said_in_one_line(project, missing, arguments, expected):
    block = f"""
        import sys

        class Missing:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == {missing!r}:
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

        sys.meta_path.insert(0, Missing())
    """
    site = project({**SITE, "block/sitecustomize.py": block})
    path = os.pathsep.join((str(site / "block"), site.environment()["PYTHONPATH"]))
    assert complaint(site, *arguments, PYTHONPATH=path) == expected


def test_importing_ponyreload_imports_nothing_of_the_command_line(project):
    code = "import sys, ponyreload; print(*{name.partition('.')[0] for name in sys.modules} & {'click', 'rich', 'cheroot', 'tomllib'})"
    assert project({}).run("-c", code).stdout == "\n"


@pytest.mark.parametrize(
    ("text", "address", "shown", "url"),
    [
        (":0", ("127.0.0.1", 0), "127.0.0.1:0", "http://127.0.0.1:0/"),
        ("localhost:80", ("localhost", 80), "localhost:80", "http://localhost:80/"),
        ("0.0.0.0:8080", ("0.0.0.0", 8080), "0.0.0.0:8080", "http://127.0.0.1:8080/"),
        ("[::1]:8080", ("::1", 8080), "[::1]:8080", "http://[::1]:8080/"),
        ("[::]:8080", ("::", 8080), "[::]:8080", "http://[::1]:8080/"),
        ("unix:/run/a.sock", "/run/a.sock", "unix:/run/a.sock", ""),
    ],
)
def test_addresses_are_taken_as_they_are_written(text, address, shown, url):
    parsed = Address.parsed(text)
    assert (parsed.for_bind, str(parsed), parsed.url) == (address, shown, url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8080",
        "host",
        "host:",
        "host:http",
        "::1:80",
        "[host]:80",
        "a b:80",
        "http://a:80",
        "a:65536",
        "a:-1",
        "unix:",
        "a:²",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(UseError):
        Address.parsed(text)


# -- pyproject.toml ----------------------------------------------------------------------------------------------


def toml(**values: object) -> str:
    return "[tool.ponyreload]\n" + "".join(
        f"{key.replace('_', '-')} = {json.dumps(value)}\n" for key, value in values.items()
    )


def test_options_stand_in_the_nearest_pyproject_toml_and_paths_are_relative_to_it(project):
    files = {"shop.py": "NAME = open('../name.txt').read()", "name.txt": "a", "deep/er/readme": ""}
    settings = toml(
        target="app.py", extra_files=["name.txt"], poll=0.05, browser_refresh=False, server="cheroot", open=False
    )
    site = project({**SITE, **files, "pyproject.toml": settings + "bind = '127.0.0.1:1'\n"})
    site.edit("shop.py", f"NAME = open({str(site / 'name.txt')!r}).read()")
    site.folder = site / "deep/er"
    with serve(site) as server:  # --bind wins over the file
        assert server.get() == "a"
        site.edit("../../name.txt", "b")
        server.wait_for("/", "b")
        site.edit("../../shop.py", "NAME = 'c'")
        server.wait_for("/", "c")


def test_the_command_line_wins_over_the_file(project):
    settings = toml(target="other:app", extra_files=["other.txt"], server="cherrypy", scope="affected")
    site = project({**SITE, "pyproject.toml": settings, "name.txt": "a", "shop.py": "NAME = open('name.txt').read()"})
    with serve(site, "app", "--server", "cheroot", "--extra-file", "name.txt", "--scope", "all") as server:
        assert "serving app on cheroot" in server.log
        site.edit("name.txt", "b")
        server.wait_for("/", "b")


def test_a_pyproject_toml_without_the_table_says_nothing(project):
    site = project({**SITE, "pyproject.toml": "[project]\nname = 'shop'\n"})
    with serve(site, "app") as server:
        assert server.get() == "tea"


KEYS = "target, server, bind, include, extra-files, poll, isolate, on-demand, scope, browser-refresh, trusted-clients, trusted-hosts, open"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[tool.ponyreload]\nservr = 'cheroot'", f"unknown key 'servr' in tool.ponyreload: expected {KEYS}"),
        ("[tool]\nponyreload = 1", "tool.ponyreload must be a table, not a number"),
        (toml(target=1), "tool.ponyreload.target: must be a string, not a number"),
        (toml(server=True), "tool.ponyreload.server: must be a string, not a boolean"),
        (toml(server="gunicorn"), "tool.ponyreload.server: must be one of cheroot, cherrypy, flup-fcgi, flup-scgi, flup-ajp, not 'gunicorn'"),
        (toml(bind="here"), "tool.ponyreload.bind: Invalid address 'here': expected host:port, :port or unix:path"),
        (toml(include="shop"), "tool.ponyreload.include: must be a list of strings, not a string"),
        (toml(include=[1]), "tool.ponyreload.include: must be a list of strings, not a list"),
        (toml(include=["no name"]), "tool.ponyreload.include: include= takes importable names such as 'shop' or 'lib.prices', not 'no name'"),
        (toml(isolate=["json"]), "tool.ponyreload.isolate: isolate= cannot take 'json': it is the standard library's, which all generations share; a module of your own is marked instead"),
        (toml(extra_files="a.txt"), "tool.ponyreload.extra-files: must be a list of strings, not a string"),
        (toml(poll="often"), "tool.ponyreload.poll: must be true, false or a number of seconds, not a string"),
        (toml(poll=0), "tool.ponyreload.poll: poll_seconds= takes 0.01 to 3600 seconds, not 0"),
        (toml(scope="some"), "tool.ponyreload.scope: scope= takes 'all' or 'affected', not 'some'"),
        (toml(browser_refresh=1), "tool.ponyreload.browser-refresh: must be true or false, not a number"),
        (toml(trusted_clients="10.0.0.1"), "tool.ponyreload.trusted-clients: must be a list of strings, not a string"),
        (toml(trusted_clients=["here"]), "tool.ponyreload.trusted-clients: trusted_clients="),
        (toml(trusted_hosts=["a b"]), "tool.ponyreload.trusted-hosts: trusted_hosts="),
        (toml(open="yes"), "tool.ponyreload.open: must be true or false, not a string"),
    ],
    ids=lambda value: value.partition("\n")[2].strip(),
)  # fmt: skip
def test_what_the_file_has_wrong_is_one_line_with_the_file_and_the_key(project, text, expected):
    site = project({**SITE, "pyproject.toml": text})
    line = complaint(site, "run", "app")
    assert line == f"pyproject.toml: {expected}" or (
        expected.endswith("=") and line.startswith(f"pyproject.toml: {expected}")
    )


def test_a_file_that_is_no_toml_is_said_in_one_line(project):
    site = project({**SITE, "pyproject.toml": "[tool.ponyreload"})
    assert complaint(site, "run", "app").startswith("pyproject.toml: invalid TOML: ")


# -- explain -----------------------------------------------------------------------------------------------------

SHOP = {
    "store/__init__.py": "",
    "store/wsgi.py": "from store.views import app",
    "store/views.py": "import conf\n\nfrom . import cart\n\ndef app(environ, start_response): pass",
    "store/cart.py": "def late():\n    import store.views",
    "store/alone.py": "",
    "conf.py": "USE_AUTORELOAD = False",
    "marked.py": "from ponyreload import *",
    "page.html": "",
    "pyproject.toml": toml(target="store.wsgi:app", extra_files=["*.html"]),
}


def explanation(site, what: str, *options: str) -> list[str]:
    done = run(site, "explain", what, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("what", ["store/cart.py", "store.cart", "./store/cart.py"])
def test_explain_says_of_a_user_module_why_it_is_one_and_who_imports_it(project, what):
    lines = explanation(project(SHOP), what)
    assert lines[:3] == [
        "store.cart (store/cart.py)",
        "  user module: its folder is the project's",
        "  imported by: store.views (store/views.py:3)",
    ]
    assert lines[3].startswith("  an edit of it: all 4 user modules are loaded again; the first load took ")


def test_explain_says_what_the_scope_leaves_out(project):
    affected = "3 of 4 are loaded again: store.cart, store.views, store.wsgi"
    site = project(SHOP)
    assert explanation(site, "store.cart")[4] == f"  with --scope affected: {affected}"
    first, second = explanation(site, "store.cart", "--scope", "affected")[3:]
    assert first.startswith(f"  an edit of it: {affected}; the first load took ")
    assert second == "  with --scope all: all 4 user modules are loaded again"


def test_explain_says_if_the_application_cannot_be_loaded_twice(project):
    once = "import sys\nassert not hasattr(sys, 'once')\nsys.once = True\n"
    lines = explanation(project({**SHOP, "store/cart.py": once + SHOP["store/cart.py"]}), "store.cart")
    assert lines[4] == "  with --scope affected: not known, as it could not be loaded a second time"


def test_explain_says_that_the_target_is_an_entry_and_that_imports_may_be_late(project):
    site = project(SHOP)
    lines = explanation(site, "store.wsgi")
    assert lines[1] == "  user module: it is the target"
    assert lines[2] == "  imported by: ponyreload, as the target store.wsgi:app"
    assert (
        explanation(site, "store.views")[2]
        == "  imported by: store.cart (store/cart.py:2), store.wsgi (store/wsgi.py:1)"
    )


def test_explain_says_of_a_system_module_why_it_is_none(project):
    site = project(SHOP)
    assert explanation(site, "conf.py") == [
        "conf (conf.py)",
        "  system module: its USE_AUTORELOAD is false",
        "  imported by: store.views (store/views.py:1)",
        "  an edit of it: nothing is reloaded, and the log says so; it needs a restart",
    ]
    assert explanation(site, "logging")[1] == "  system module: it is part of the standard library"
    assert explanation(site, "click")[1] == "  system module: it is an installed package"
    assert explanation(site, "ponyreload.options.options")[1] == "  system module: it is part of ponyreload"


def test_explain_says_of_the_options_and_the_mark_what_they_do(project):
    site = project({**SHOP, "store/cart.py": "import marked, click"})
    assert "marked: its USE_AUTORELOAD is true" in explanation(site, "marked.py")[1]
    assert explanation(site, "click", "--include", "click")[1] == "  user module: include= names click"
    lines = explanation(site, "click", "--isolate", "click")
    assert lines[1] == "  user module: isolate= names click"
    assert lines[3] == "  an edit of it: nothing happens, as libraries are not watched; the next load takes it up"


def test_explain_says_what_no_module_is(project):
    site = project({**SHOP, "readme.txt": ""})
    assert explanation(site, "page.html") == [
        "page.html",
        "  extra file: the option extra_files names it",
        "  an edit of it: all user modules are loaded again",
    ]
    assert explanation(site, "readme.txt") == [
        "readme.txt",
        "  no module: no module that the application imports has this file",
        "  an edit of it: nothing happens; --extra-file readme.txt has it reload the application",
    ]
    assert explanation(site, "store/alone.py")[2] == "  an edit of it: nothing happens; import it, and it is watched"
    assert explanation(site, "store.nothing")[1] == "  not imported: store.wsgi:app has not imported it so far"


def test_explain_of_a_broken_application_says_what_it_can_and_exits_with_1(project):
    site = project({**SHOP, "store/cart.py": "PRICE = TAX"})
    done = run(site, "explain", "conf")
    assert done.returncode == 1
    assert done.stdout.startswith("conf (conf.py)\n  system module: its USE_AUTORELOAD is false\n")
    assert "generation 1 not served: store/cart.py:1 NameError: name 'TAX' is not defined" in done.stderr


# -- check -------------------------------------------------------------------------------------------------------


def test_check_of_a_sound_application_finds_nothing(project):
    done = run(project(SHOP), "check")
    assert done.returncode == 0, done.stdout
    rows = [line[:10].strip() for line in done.stdout.splitlines() if line]
    assert rows == ["platform", "load", "modules", "", "events", "reload", "memory", "nothing to"]
    assert "platform  WSGI server: autoreload is on (no sign of a server that is known by name)\n" in done.stdout
    assert "modules   4 user modules: store, store.cart, store.views, store.wsgi\n" in done.stdout
    assert "system module conf (conf.py): its USE_AUTORELOAD is false\n" in done.stdout
    assert "memory    generation 1 has left the memory\n\nnothing to do\n" in done.stdout


def finding(project, text: str, **more: str) -> str:
    done = run(project({"app.py": APP, "shop.py": text, **more}), "check", "app")
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_check_finds_a_system_module_that_holds_user_modules(project):
    conf = "USE_AUTORELOAD = False\nCACHE = {}\ndef fill():\n    global Tea\n    from shop import Tea\n    CACHE.setdefault('tea', Tea())"
    out = finding(
        project, "class Tea:\n    def brew(self): pass\nNAME = 'tea'\nimport conf\nconf.fill()", **{"conf.py": conf}
    )
    assert "! conf.Tea came from a user module: conf is a system module, and keeps the first generation's" in out
    assert "generation 1 is kept alive by conf.CACHE['tea']" in out
    assert "memory    generation 1 stays in memory\n" in out


def test_check_finds_a_library_that_needs_isolation(project):
    out = finding(project, "import bottle\nNAME = 'tea'\n@bottle.route('/')\ndef page(): pass")
    assert "! shop.py uses bottle, which keeps the routes of older generations" in out
    assert 'use_autoreload(isolate=("bottle",))' in out


def test_check_finds_files_that_do_not_load_a_second_time(project):
    text = "import keeper\nNAME = 'tea'\nassert not keeper.SEEN, 'once only'\nkeeper.SEEN.append(1)"
    out = finding(project, text, **{"keeper.py": "USE_AUTORELOAD = False\nSEEN = []"})
    assert "! the same files do not load a second time:\n" in out
    assert "AssertionError: once only" in out


def test_check_finds_an_application_that_does_not_load(project):
    out = finding(project, "NAME = TAX")
    assert "load      generation 1 not served: shop.py:1 NameError: name 'TAX' is not defined\n" in out
    assert "! app does not load:\n" in out
    assert out.endswith("\n1 finding\n")


def test_check_finds_folders_in_which_events_do_not_arrive(project, tmp_path):
    site = project(SITE)
    deaf = "import ponyreload.watching.watcher\nponyreload.watching.watcher.events_arrive = lambda folder: False\n"
    (tmp_path / "sitecustomize.py").write_text(deaf)
    path = os.pathsep.join((str(tmp_path), site.environment()["PYTHONPATH"]))
    done = run(site, "check", "app", PYTHONPATH=path)
    assert done.returncode == 1
    assert "events    none in 2 of 2 folders\n" in done.stdout
    assert "! no file events arrive in ., which another machine may write to: --poll looks there\n" in done.stdout


def test_check_says_what_platform_keeps_autoreload_off(project):
    done = run(project(SITE), "check", "app", PONYRELOAD="off")
    assert (
        done.stdout == "platform  off: autoreload does nothing (PONYRELOAD=off in the environment)\n\nnothing to do\n"
    )


# -- completion --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ponyreload ", {"run", "explain", "check"}),
        ("ponyreload run --server fl", {"flup-fcgi", "flup-scgi", "flup-ajp"}),
    ],
)
def test_the_shell_completes_commands_and_servers(project, words, expected):
    site = project(SITE)
    count = str(len(words.split(" ")) - 1)
    done = site.run(
        "-m", "ponyreload", check=False, _PONYRELOAD_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=count
    )
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == expected
    script = site.run("-m", "ponyreload", check=False, _PONYRELOAD_COMPLETE="zsh_source").stdout
    assert "ponyreload" in script


def test_the_version_is_said(project):
    assert run(project({}), "--version").stdout.startswith("ponyreload ")


def test_each_command_has_help_that_fits_the_screen(project):
    site = project({})
    for command in ((), ("run",), ("explain",), ("check",)):
        done = run(site, *command, "--help", COLUMNS="80")
        assert done.returncode == 0
        assert max(map(len, done.stdout.splitlines())) <= 80
        assert sys.executable not in done.stdout
