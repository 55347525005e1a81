"""Import paths, finders, warning filters, reducers, generic functions and codecs: each load sees to its own."""

from __future__ import annotations

import sys
import textwrap

import pytest

SYSTEM = """
    import functools, sys

    version, fails = 1, False

    class Pool:
        pass

    @functools.singledispatch
    def show(thing):
        return "library"

    @show.register(str)
    def show_text(thing):
        return "text"

    class Viewer:
        @functools.singledispatchmethod
        def show(self, thing):
            return "library"

    class Finder:
        def find_spec(self, name, path=None, target=None):
            return None
"""
APP = """
    from ponyreload import *
    import codecs, copyreg, gc, pickle, sys, warnings, system
    {before}
    reloader = use_autoreload()
    {after}

    class Order:
        def total(self):
            return 0

    if system.fails:
        1 / 0

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [])
        return iter([b""])
"""
DRIVE = """
    import codecs, copyreg, pickle, warnings
    import app, system
    reloader = app.reloader

    def reload(version=None, **facts):
        vars(system).update(facts, version=version)
        try:
            reloader.reload()
        except ponyreload.LoadError as error:
            assert system.fails, error

    def alone():
        until(lambda: len(reloader.living) == 1)
        until(lambda: living_generations() == [reloader.generation])
"""


@pytest.fixture
def drive(project):
    def run(code: str, before: str = "", after: str = "", **more: str) -> dict:
        app = APP
        for place, text in (("{before}", before), ("{after}", after)):
            app = app.replace(place, textwrap.dedent(text).strip().replace("\n", "\n    "))
        site = project({"system.py": SYSTEM, "app.py": app, **{f"{name}.py": text for name, text in more.items()}})
        return site.drive(textwrap.dedent(DRIVE) + textwrap.dedent(code))

    return run


# -- generic functions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [0, 1])
def test_a_registration_with_a_librarys_generic_function_is_that_of_what_serves(drive, first):
    told = drive("""
        def shown():
            return [system.show(1), system.show("a"), system.show(1.5)]

        seen = [shown()]
        reload(2)
        seen.append(shown())
        alone()
        reload(3, fails=True)
        seen.append(shown())
        alone()
        reload(4, fails=False)
        alone()
        seen.append(shown())
        reload(5)
        alone()
        tell(seen=seen, last=shown())
    """, before=f"first = {first}", after="""
        version = system.version
        if first < version < 5:
            @system.show.register(int)
            def _(thing):
                return version

            @system.show.register(str)
            def _(thing):
                return version
    """)  # fmt: skip
    assert told["seen"][0] == [[1, 1, "library"], ["library", "text", "library"]][first]
    assert told["seen"][1:] == [[2, 2, "library"], [2, 2, "library"], [4, 4, "library"]]
    # What the first generation had taken the place of, nobody knows.
    assert told["last"] == ["library", ["library", "text"][first], "library"]


def test_generic_methods_are_seen_to_as_well(drive):
    told = drive("""
        reload(2)
        seen = system.Viewer().show(1)
        reload(3)
        alone()
        tell(seen=seen, last=system.Viewer().show(1))
    """, after="if system.version == 2: system.Viewer.show.register(int, lambda self, thing: 2)")  # fmt: skip
    assert told["seen"] == 2
    assert told["last"] == "library"


# -- pickling ----------------------------------------------------------------------------------------------------


def test_a_reducer_for_a_librarys_class_is_that_of_what_serves(drive):
    told = drive("""
        def reduced():
            return copyreg.dispatch_table[system.Pool](None) if system.Pool in copyreg.dispatch_table else None

        copyreg.pickle(system.Pool, lambda pool: "library")
        reload(2)
        seen = [reduced()]
        alone()
        reload(3, fails=True)
        seen.append(reduced())
        reload(4, fails=False)
        alone()
        seen.append(reduced())
        reload(5)
        alone()
        tell(seen=seen, last=reduced())
    """, after="""
        version = system.version
        if 1 < version < 5:
            copyreg.pickle(system.Pool, lambda pool: version)
    """)  # fmt: skip
    assert told["seen"] == [2, 2, 4]
    assert told["last"] == "library"


def test_an_extension_code_gives_the_class_of_what_serves_and_may_change(drive):
    told = drive("""
        def loaded():
            order = pickle.loads(pickle.dumps(sys.modules["app"].Order(), 2))
            return [type(order) is sys.modules["app"].Order, copyreg._extension_registry.get(("app", "Order"))]

        seen = []
        for version, fails in ((100, False), (101, False), (102, True), (103, False)):
            body = start(app.application)  # the older generation goes on for a while
            reload(version, fails=fails)
            seen.append(loaded())
            body.close()
        alone()
        tell(seen=seen)
    """, after="copyreg.add_extension('app', 'Order', system.version)")  # fmt: skip
    assert told["seen"] == [[True, 100], [True, 101], [True, 101], [True, 103]]


def test_the_extension_code_of_a_library_is_not_taken(drive):
    told = drive("""
        copyreg.add_extension("system", "Pool", 200)
        reload(200, fails=True)
        tell(error=str(reloader.error), code=copyreg._extension_registry["system", "Pool"])
    """, after="copyreg.add_extension('app', 'Order', system.version)")  # fmt: skip
    assert "ValueError: code 200 is already in use for key ('system', 'Pool')" in told["error"]
    assert told["code"] == 200


# -- codecs ------------------------------------------------------------------------------------------------------


def test_a_codec_is_that_of_what_serves(drive):
    told = drive("""
        def name():
            try:
                return codecs.lookup("shop").name
            except LookupError:
                return None

        seen = [name()]
        for version, fails in ((2, False), (3, True), (4, False), (5, False)):
            reload(version, fails=fails)
            alone()
            seen.append(name())
        tell(seen=seen)
    """, after="""
        def search(name, version=system.version):
            return codecs.CodecInfo(None, None, name=f"shop {version}") if name == "shop" else None

        if system.version < 5:
            codecs.register(search)
    """)  # fmt: skip
    assert told["seen"] == ["shop 1", "shop 2", "shop 2", "shop 4", None]


# -- import paths and finders ------------------------------------------------------------------------------------


def test_an_import_path_counts_where_the_newest_generation_has_put_it(drive):
    told = drive("""
        def mine():
            return [path for path in sys.path if path.startswith("/there/")]

        sys.path.append("/there/first")
        seen = []
        for version, fails in ((2, False), (3, True), (4, False), (5, False), (6, False), (7, False)):
            reload(version, fails=fails)
            alone()
            seen.append(mine())
        tell(seen=seen)
    """, after="""
        if system.version in (2, 3):
            sys.path.insert(0, "/there/b")
            sys.path.insert(0, "/there/a")
        if system.version == 3:
            sys.path.remove("/there/first")
        if 4 <= system.version < 7:
            sys.path.insert(0, "/there/a")
            sys.path.insert(0, "/there/b")
        if system.version in (5, 6):
            sys.path[:0] = ["/there/first"]
    """)  # fmt: skip
    assert told["seen"] == [
        ["/there/a", "/there/b", "/there/first"],
        ["/there/a", "/there/b", "/there/first"],
        ["/there/b", "/there/a", "/there/first"],
        ["/there/first", "/there/b", "/there/a"],
        ["/there/first", "/there/b", "/there/a"],
        # Added while they were there, so by code that does not ask. The other one was there before them all.
        ["/there/first"],
    ]


def test_an_import_path_that_code_asks_for_stays(drive):
    told = drive("""
        for version in range(2, 8):
            reload(version)
            alone()
        tell(count=sys.path.count("/there"))
    """, after="if 1 < system.version < 6 and '/there' not in sys.path: sys.path.append('/there')")  # fmt: skip
    assert told["count"] == 1


def test_what_a_path_hook_has_made_goes_with_it(drive):
    told = drive("""
        reload(2)
        (project / "there.mine").touch()
        sys.path.append(str(project / "there.mine"))
        try:
            import nothing_of_that_name
        except ImportError:
            made = str(project / "there.mine") in sys.path_importer_cache
        reload(3)
        alone()
        tell(made=made, left=[type(each).__name__ for each in sys.path_importer_cache.values()])
    """, after="""
        class Found:
            def find_spec(self, name, target=None):
                return None

        def hook(path):
            if not path.endswith(".mine"):
                raise ImportError
            return Found()

        if system.version == 2:
            sys.path_hooks.append(hook)
    """)  # fmt: skip
    assert told["made"]
    assert "Found" not in told["left"]


# -- warnings ----------------------------------------------------------------------------------------------------


def test_warning_filters_are_those_that_the_newest_generation_wants(drive):
    told = drive("""
        def mine():
            return [each[0] + each[1].pattern for each in warnings.filters if each[1] and each[1].pattern.startswith("about")]

        def is_shown():
            with warnings.catch_warnings(record=True) as shown:
                warnings.warn("nothing special")
            return len(shown)

        warnings.filterwarnings("ignore", "about first")
        seen = []
        for version, fails in ((2, False), (3, False), (4, True), (5, False), (6, False)):
            reload(version, fails=fails)
            alone()
            seen.append(mine())
        tell(seen=seen)
    """, after="""
        if system.version < 6:
            warnings.filterwarnings("ignore", "about all")
        if system.version == 2:
            warnings.filterwarnings("ignore", "about two")
            warnings.filterwarnings("error", "about first", append=True)
        if system.version in (3, 4):
            warnings.filterwarnings("ignore", "about three")
            warnings.filterwarnings("ignore", "about end", append=True)
        if system.version == 4:
            warnings.resetwarnings()
            warnings.simplefilter("error")
        if system.version == 5:
            warnings.filterwarnings("ignore", "about end", append=True)
            warnings.filterwarnings("ignore", "about first")
            with warnings.catch_warnings():
                warnings.filterwarnings("error", "about moment")
    """)  # fmt: skip
    assert told["seen"] == [
        ["ignoreabout two", "ignoreabout all", "ignoreabout first", "errorabout first"],
        ["ignoreabout three", "ignoreabout all", "ignoreabout first", "ignoreabout end"],
        ["ignoreabout three", "ignoreabout all", "ignoreabout first", "ignoreabout end"],
        ["ignoreabout first", "ignoreabout all", "ignoreabout end"],
        [],
    ]


def test_a_filter_that_has_gone_does_not_count_any_more(drive):
    told = drive("""
        def shown():
            caught.clear()
            for _ in range(2):
                warnings.warn_explicit("special", UserWarning, "shop.py", 7, registry=registry)
            return len(caught)

        registry, caught = {}, []
        warnings.showwarning = lambda *args, **more: caught.append(args)
        warnings.filterwarnings("always", "special")
        reload(2)
        before = shown()
        reload(3)
        alone()
        tell(before=before, after=shown())
    """, after="if system.version == 2: warnings.filterwarnings('once', 'special')")  # fmt: skip
    # Python remembers what it has shown once, until it hears that the filters are others.
    assert told["before"] == 1
    assert told["after"] == 2


def test_what_libraries_and_system_modules_add_when_they_are_imported_stays(drive):
    told = drive("""
        def mine():
            return [each[1].pattern for each in warnings.filters if each[1] and each[1].pattern.startswith("about")]

        reload(2)
        alone()
        reload(3)
        alone()
        tell(filters=mine(), paths=sys.path.count("/library"), finders=[type(each).__name__ for each in sys.meta_path].count("Finder"),
             shown=system.show([]), reducer=copyreg.dispatch_table[sys.modules["late"].Pool](None))
    """, after="if system.version == 2: import late", late="""
        import copyreg, sys, system, warnings

        class Pool:
            pass

        warnings.filterwarnings("ignore", "about late")
        sys.path.append("/library")
        sys.meta_path.append(system.Finder())
        system.show.register(list, lambda thing: "late")
        copyreg.pickle(Pool, lambda pool: "late")
    """)  # fmt: skip
    assert told["filters"] == ["about late"]
    assert told["paths"] == 1
    assert told["finders"] == 1
    assert told["shown"] == told["reducer"] == "late"


def test_what_a_library_adds_when_a_load_imports_it_stays_though_that_fails(drive):
    library = """
        import codecs, copyreg, gc, sys, system, warnings
        USE_AUTORELOAD = False

        class Pool:
            pass

        class Finder:
            def find_spec(self, name, path=None, target=None):
                return None

        def callback(phase, info):
            pass

        warnings.filterwarnings("ignore", "about first")
        warnings.filterwarnings("ignore", "about late")
        warnings.filterwarnings("ignore", "about end", append=True)
        sys.path.append("/usr/lib/python3/site-packages/late/vendor")
        sys.meta_path.append(Finder())
        gc.callbacks.append(callback)
        system.show.register(list, lambda thing: "late")
        copyreg.pickle(Pool, lambda pool: "late")
    """
    # Not a project's file, so it is a library's.
    told = drive("""
        warnings.filterwarnings("ignore", "about first")
        sys.path.append(str(project / "site-packages"))
        reload(2, fails=True)
        import late
        tell(filters=[each[1].pattern for each in warnings.filters if each[1] and each[1].pattern.startswith("about")],
             user=sum(each[4] == 7 for each in warnings.filters),
             paths=[path for path in sys.path if path.endswith(("vendor", "/there"))],
             finders=[type(each).__name__ for each in sys.meta_path].count("Finder"), callbacks=late.callback in gc.callbacks,
             shown=system.show([]), reducer=copyreg.dispatch_table[late.Pool](None))
    """, after="""
        if system.version == 2:
            sys.path.append("/there")
            sys.meta_path.insert(0, system.Finder())
            warnings.simplefilter("ignore", UserWarning, 7)
            import late
    """, **{"site-packages/late": library})  # fmt: skip
    assert told["filters"] == ["about late", "about first", "about end"]
    assert told["user"] == 0
    assert told["paths"] == ["/usr/lib/python3/site-packages/late/vendor"]
    assert told["finders"] == 1
    assert told["callbacks"]
    assert told["shown"] == told["reducer"] == "late"


def test_what_sqlite3_has_comes_back_though_a_load_was_the_first_to_import_it(project):
    app = """
        from ponyreload import *
        import datetime
        reloader = use_autoreload()
        if generation() == 2:
            import sqlite3
            sqlite3.register_adapter(datetime.date, lambda date: "of 2")
            sqlite3.register_converter("date", lambda text: "of 2")
    """
    told = project({"app.py": app}).drive("""
        import app, importlib.util, datetime
        early = "sqlite3" in sys.modules
        assert importlib.util.find_spec("sqlite3")  # only a look whether it is there
        said = []
        for _ in range(2):
            app.reloader.reload()
            until(lambda: len(app.reloader.living) == 1)
            import sqlite3
            functions = sqlite3.adapters[datetime.date, sqlite3.PrepareProtocol], sqlite3.converters["DATE"]
            said.append([each.__module__ for each in functions])
            del functions
        until(lambda: living_generations() == [3])
        tell(early=early, said=said)
    """)
    assert told["early"] is False
    assert told["said"] == [["app", "app"], ["sqlite3.dbapi2", "sqlite3.dbapi2"]]


# -- typing ------------------------------------------------------------------------------------------------------


def test_the_overloads_of_an_older_generation_go_wherever_their_lines_were(drive):
    told = drive("""
        import typing

        def lines():
            found = getattr(typing, "get_overloads", lambda function: [])(app.total)
            return [each.__code__.co_firstlineno for each in found]

        seen = [len(lines())]
        for version in range(2, 5):
            source = Path("app.py").read_text()
            Path("app.py").write_text(source.replace("import *", "import *\\n", 1))
            reload(version)
            alone()
            seen.append(len(lines()))
        until(lambda: living_generations() == [reloader.generation])
        tell(seen=seen)
    """, after="""
        import typing

        @typing.overload
        def total(number: int) -> int: ...
        @typing.overload
        def total(number: str) -> str: ...
        def total(number):
            return number
    """)  # fmt: skip
    assert told["seen"] == [2 if sys.version_info >= (3, 11) else 0] * 4
