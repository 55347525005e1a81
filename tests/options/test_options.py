"""What the user may set: `include=`, `extra_files=`, `poll_seconds=`, `isolate=`; wrong options fail at once."""

from __future__ import annotations

import re

# -- wrong options -----------------------------------------------------------------------------------------------

NAMES = "include= takes importable names such as 'shop' or 'lib.prices', not "
NAME_LIST = "include= takes a list or tuple of package or module names, such as include=('shop', 'lib.prices'), not "
ISOLATED = "isolate= takes importable names such as 'django' or 'lib.registry', not "
ISOLATED_LIST = (
    "isolate= takes a list or tuple of package or module names, such as isolate=('django', 'lib.registry'), not "
)
STANDARD = "it is the standard library's, which all generations share; a module of your own is marked instead"
SERVER = "it runs the server, which goes on through all generations"
COMPILED = "its compiled part stays shared, and takes no other objects than those of the first copy"
FILES = "extra_files= takes paths and globs (str or os.PathLike), not "
FILE_LIST = (
    "extra_files= takes a list or tuple of paths and globs, such as extra_files=('shop.toml', 'pages/**/*.html'), not "
)
SECONDS = "poll_seconds= takes seconds, or None for events of the files, not "
RANGE = "poll_seconds= takes 0.01 to 3600 seconds, not "
SPEC = "an import string looks like 'shop.wsgi:app', not "

# Options -> the whole message.
WRONG_OPTIONS = {
    "include='shop'": f"TypeError: {NAME_LIST}'shop'",
    "include=None": f"TypeError: {NAME_LIST}None",
    "include=5": f"TypeError: {NAME_LIST}5",
    "include=('shop/cart.py',)": f"ValueError: {NAMES}'shop/cart.py'",
    "include=('shop.*',)": f"ValueError: {NAMES}'shop.*'",
    "include=('.shop',)": f"ValueError: {NAMES}'.shop'",
    "include=('',)": f"ValueError: {NAMES}''",
    "include=(re,)": f"ValueError: {NAMES}{re!r}",
    "isolate='django'": f"TypeError: {ISOLATED_LIST}'django'",
    "isolate=None": f"TypeError: {ISOLATED_LIST}None",
    "isolate=('django/db.py',)": f"ValueError: {ISOLATED}'django/db.py'",
    "isolate=('',)": f"ValueError: {ISOLATED}''",
    "isolate=(5,)": f"ValueError: {ISOLATED}5",
    "isolate=('json',)": f"ValueError: isolate= cannot take 'json': {STANDARD}",
    "isolate=('django', 'logging.handlers')": f"ValueError: isolate= cannot take 'logging.handlers': {STANDARD}",
    "scope='some'": "ValueError: scope= takes 'all' or 'affected', not 'some'",
    "scope=5": "ValueError: scope= takes 'all' or 'affected', not 5",
    "isolate=('ponyreload',)": "ValueError: isolate= cannot take 'ponyreload': it does the reloading",
    "isolate=('watchdog.events',)": "ValueError: isolate= cannot take 'watchdog.events': ponyreload watches the files with it",
    **{
        f"isolate=({name!r},)": f"ValueError: isolate= cannot take {name!r}: {SERVER}"
        for name in (
            "cheroot",
            "cherrypy",
            "flup.server",
            "gevent",
            "gunicorn",
            "uwsgi",
            "waitress",
            "werkzeug.serving",
        )
    },
    **{
        f"isolate=({name!r},)": f"ValueError: isolate= cannot take {name!r}: {COMPILED}"
        for name in ("cryptography", "google.protobuf", "numpy.linalg")
    },
    "isolate=('sqlalchemy',)": f"ValueError: isolate= cannot take 'sqlalchemy': {COMPILED}; put what it keeps, such as a "
    "declarative Base, into a user module instead",
    "isolate=('google',)": f"ValueError: isolate= cannot take 'google': it holds google.protobuf, and {COMPILED}; name the "
    "parts of google that you mean",
    "extra_files='shop.toml'": f"TypeError: {FILE_LIST}'shop.toml'",
    "extra_files=Path('shop.toml')": f"TypeError: {FILE_LIST}PosixPath('shop.toml')",
    "extra_files=b'shop.toml'": f"TypeError: {FILE_LIST}b'shop.toml'",
    "extra_files=None": f"TypeError: {FILE_LIST}None",
    "extra_files=(5,)": f"TypeError: {FILES}5",
    "extra_files=('',)": f"TypeError: {FILES}''",
    "extra_files=(b'shop.toml',)": f"TypeError: {FILES}b'shop.toml'",
    "extra_files=('shop\\0toml',)": f"TypeError: {FILES}'shop\\x00toml'",
    "poll_seconds='1'": f"TypeError: {SECONDS}'1'",
    "poll_seconds=True": f"TypeError: {SECONDS}True",
    "poll_seconds=0": f"ValueError: {RANGE}0",
    "poll_seconds=-1": f"ValueError: {RANGE}-1",
    "poll_seconds=3601": f"ValueError: {RANGE}3601",
    "poll_seconds=float('nan')": f"ValueError: {RANGE}nan",
}
WRONG = {
    **{f"use_autoreload({options})": message for options, message in WRONG_OPTIONS.items()},
    **{f"AutoreloadMiddleware(app, {options})": message for options, message in WRONG_OPTIONS.items()},
    "AutoreloadMiddleware(5)": "TypeError: AutoreloadMiddleware takes a WSGI callable or an import string, not 5",
    "AutoreloadMiddleware('shop.wsgi')": f"ValueError: {SPEC}'shop.wsgi'",
    "AutoreloadMiddleware('shop.wsgi:')": f"ValueError: {SPEC}'shop.wsgi:'",
    "AutoreloadMiddleware('shop.wsgi:make()')": f"ValueError: {SPEC}'shop.wsgi:make()'",
    "AutoreloadMiddleware('shop/wsgi.py:app')": f"ValueError: {SPEC}'shop/wsgi.py:app'",
    "on_reload(5)": "TypeError: on_reload takes a function without parameters, not 5",
}


def test_wrong_options_fail_at_once_and_change_nothing(project):
    told = project({}).drive(f"""
        import re
        from ponyreload import *
        def app(environ, start_response): pass
        found = {{}}
        for text in {list(WRONG)!r}:
            try:
                found[text] = repr(eval(text))
            except Exception as error:
                found[text] = f"{{type(error).__name__}}: {{error}}"
        tell(found=found, generation=generation(), threads=threading.active_count())
    """)
    assert told["found"] == WRONG
    assert (told["generation"], told["threads"]) == (0, 1)


def test_an_import_string_that_leads_nowhere_fails_at_once(project):
    told = project({"shop/__init__.py": "", "shop/wsgi.py": "from ponyreload import *\nPRICE = 1\n"}).drive("""
        from ponyreload import *
        found = []
        for text in ("shop.wsgy:app", "shop.wsgi:app", "shop.wsgi:PRICE"):
            try:
                AutoreloadMiddleware(text)
            except Exception as error:
                found.append(f"{type(error).__name__}: {error}")
        tell(found=found)
    """)
    assert told["found"] == [
        "ModuleNotFoundError: No module named 'shop.wsgy'",
        "AttributeError: module 'shop.wsgi' has no attribute 'app'",
        "TypeError: 'shop.wsgi:PRICE' is not a WSGI callable: 1",
    ]


def test_an_import_string_and_its_attributes_may_have_several_parts(project):
    wsgi = """
        class Shop:
            def app(environ, start_response):
                start_response("200 OK", [])
                return [b"one"]
    """
    app = "import ponyreload\napp = ponyreload.AutoreloadMiddleware('shop.wsgi:Shop.app')"
    told = project({"app.py": app, "shop/__init__.py": "", "shop/wsgi.py": wsgi}).drive("""
        from app import app
        before = request(app)
        project.replace("shop/wsgi.py", "one", "two")
        until(lambda: request(app) != before)
        tell(before=before, after=request(app))
    """)
    assert (told["before"], told["after"]) == ("one", "two")


# -- include -----------------------------------------------------------------------------------------------------


def test_include_marks_modules_without_the_constant_unless_they_say_no(project):
    site = project({
        "app.py": """
            from ponyreload import *
            import lib.prices, lib.fixed, lib.deep.prices, tools, other
            reloader = use_autoreload(include=(name for name in ("lib", "tools")))

            def application(environ, start_response):
                start_response("200 OK", [])
                modules = (lib.prices, lib.fixed, lib.deep.prices, tools, other)
                return [" ".join(module.WORD for module in modules).encode()]

            application = AutoreloadMiddleware(application, include=["more"])
        """,
        "lib/__init__.py": "",
        "lib/prices.py": "WORD = 'one'",
        "lib/fixed.py": "USE_AUTORELOAD = False\nWORD = 'one'",
        "lib/deep/__init__.py": "",
        "lib/deep/prices.py": "WORD = 'one'",
        "tools.py": "WORD = 'one'",
        "other.py": "WORD = 'one'",
    })  # fmt: skip
    told = site.drive("""
        import app
        fixed = sys.modules["lib.fixed"]
        before = request(app.application)
        for path in ("other.py", "lib/fixed.py", "lib/prices.py", "lib/deep/prices.py", "tools.py"):
            project.replace(path, "one", "two")
        until(lambda: request(app.application).endswith("two two one"))
        after = request(app.application)
        project.replace("lib/prices.py", "two", "three")
        until(lambda: request(app.application).startswith("three"))
        tell(before=before, after=after, same=sys.modules["lib.fixed"] is fixed)
    """)
    assert told["before"] == "one one one one one"
    assert told["after"] == "two one two two one"
    assert told["same"]


# -- extra files -------------------------------------------------------------------------------------------------

EXTRA = {
    "app.py": """
        from pathlib import Path
        from ponyreload import *
        reloader = use_autoreload(extra_files=[Path("shop.toml"), "templates/**/*.html", "texts/", "../far/late/on/*.ini"])
        CONFIG = Path("shop.toml").read_text()
        WORD = "word1"

        def more():
            use_autoreload(extra_files=["conf/*.toml"])

        @AutoreloadMiddleware
        def application(environ, start_response):
            start_response("200 OK", [])
            return [CONFIG.encode()]
    """,
    "shop.toml": "price = 1",
    "outside.toml": "price = 1",
    "templates/page.html": "page",
    "templates/deep/page.html": "page",
    "templates/page.css": "style",
    "texts/hello.txt": "hello",
    "../far/readme.txt": "no source of the application lies here",
}
# Carries out changes that each fire a reload, and waits for each.
CHANGE = """
    import app
    until(lambda: request(app.application) == "price = 1")

    def change(do, *arguments):
        number = app.reloader.generation
        do(*arguments)
        app.reloader.wait(number, 10)
"""


def reloads(told):
    """What each reload was for, in order."""
    return [
        (int(number), what) for number, what in re.findall(r"generation (\d+) serves: (.*) \(\d+ ms\)", told["stderr"])
    ]


def numbered(*changes):
    return [(number, f"{change} changed") for number, change in enumerate(changes, start=2)]


def drive(project, code):
    """Run CHANGE and *code*, which begins in the first column of its own."""
    return project(EXTRA).drive("\n".join(line[4:] for line in (CHANGE + code).splitlines()))


def test_changed_contents_of_an_extra_file_fire_a_reload(project):
    told = drive(project, """
    change(project.replace, "shop.toml", "1", "2")
    config = request(app.application)
    change(project.write_in_place, "shop.toml", "price = 3")
    change(project.edit, "templates/page.html", "other page")
    change(project.edit, "templates/deep/page.html", "other page")
    change(project.edit, "texts/hello.txt", "goodbye")
    tell(config=config)
    """)  # fmt: skip
    assert told["config"] == "price = 2"
    assert reloads(told) == numbered(
        "shop.toml", "shop.toml", "templates/page.html", "templates/deep/page.html", "texts/hello.txt"
    )


def test_files_that_come_and_go_fire_a_reload(project):
    told = drive(project, """
    change(project.edit, "templates/new.html", "new")
    change(project.delete, "templates/new.html")
    change(project.edit, "templates/newer/still/new.html", "new")
    change(project.delete, "templates/newer")
    change(project.edit, "texts/more/new.txt", "new")
    change(project.edit, "../far/late/on/new.ini", "new")
    change(project.edit, "../far/late/on/new.ini", "newer")
    change(project.delete, "texts/more/new.txt")
    tell(far=str(project.folder.parent / "far"))
    """)  # fmt: skip
    ini = str(told["far"]) + "/late/on/new.ini"
    assert reloads(told) == numbered(
        "templates/new.html",
        "templates/new.html",
        "templates/newer/still/new.html",
        "templates/newer/still/new.html",
        "texts/more/new.txt",
        ini,
        ini,
        "texts/more/new.txt",
    )


def test_what_changes_before_the_first_request_fires_a_reload(project):
    told = project(EXTRA).drive("""
        import app
        project.edit("templates/new.html", "new")
        project.edit("texts/hello.txt", "goodbye")
        app.reloader.wait(1, 10)
        tell()
    """)
    assert reloads(told) == numbered("templates/new.html, texts/hello.txt")


def test_equal_contents_and_files_outside_fire_no_reload(project):
    told = drive(project, """
    (project / "shop.toml").touch()
    project.edit("shop.toml", "price = 1")
    (project / "shop.toml").chmod(0o600)
    project.edit("outside.toml", "price = 2")
    project.edit("templates/page.css", "other style")
    project.edit("templates/page.html.txt", "no template")
    (project / "texts/empty").mkdir()
    change(project.edit, "texts/hello.txt", "goodbye")
    tell()
    """)  # fmt: skip
    assert reloads(told) == numbered("texts/hello.txt")


def test_options_of_a_later_call_count_too(project):
    code = """
        import app
        app.reloader.reload()  # from now on the folders are watched
        app.more()
        project.edit("conf/shop.toml", "price = 2")
        app.reloader.wait(2, 10)
        tell()
    """
    told = project({**EXTRA, "conf/shop.toml": "price = 1"}).drive(code)
    assert reloads(told) == [(2, "reload requested"), (3, "conf/shop.toml changed")]


# -- poll_seconds ------------------------------------------------------------------------------------------------


def test_polling_sees_edits_without_events_also_of_the_same_size_within_a_second(project):
    files = {**EXTRA, "app.py": EXTRA["app.py"].replace("extra_files", "poll_seconds=0.02, extra_files")}
    code = """
        import app, os
        until(lambda: request(app.application) == "price = 1")
        words = []
        for number in range(1, 6):
            before = os.stat("app.py")
            text = (project / "app.py").read_text()
            project.write_in_place("app.py", text.replace(f"word{number}", f"word{number + 1}"))
            os.utime("app.py", ns=(before.st_atime_ns, before.st_mtime_ns))
            app.reloader.wait(number, 10)
            words.append(sys.modules["app"].WORD)
        project.edit("shop.toml", "price = 2")
        app.reloader.wait(6, 10)
        tell(words=words, watchers=[name for name in sys.modules if name.startswith("watchdog")])
    """
    told = project(files).drive(code)
    assert told["words"] == ["word2", "word3", "word4", "word5", "word6"]
    assert told["watchers"] == []
    assert reloads(told) == numbered(*["app.py"] * 5, "shop.toml")
