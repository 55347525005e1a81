"""`isolate=`: libraries that keep the application's objects are loaded with each generation."""

from __future__ import annotations

import importlib.util
import re

import pytest

INSTALL = "python -m pip install -r requirements-test.txt"

# A library that refuses to register a name twice, as prometheus_client, SQLObject and others do.
LIBRARY = {
    "site-packages/ledger/__init__.py": "from ledger.registry import NAMES, register",
    "site-packages/ledger/registry.py": """
        from ledger import shared
        NAMES = []

        def register(name):
            if name in NAMES:
                raise ValueError(f"{name} is registered")
            NAMES.append(name)
    """,
    "site-packages/ledger/shared.py": "USE_AUTORELOAD = False\nCALLS = []\n",
}
APP = {
    "app.py": """
        from ponyreload import *
        import ledger
        reloader = use_autoreload(isolate=["ledger", "never_imported"])
        WORD = "one"
        ledger.register("order")
        ledger.shared.CALLS.append(WORD)

        @AutoreloadMiddleware
        def application(environ, start_response):
            start_response("200 OK", [])
            return [f"{WORD} {ledger.NAMES}".encode()]
    """,
    **LIBRARY,
}
# The libraries lie where no project's files do.
BEGIN = """
    sys.path.append(str(project / "site-packages"))
    import app

    def save(path, old, new):
        number = app.reloader.generation
        project.replace(path, old, new)
        app.reloader.wait(number, 20)
"""


def drive(project, code, **more):
    return project.drive("\n".join(line[4:] for line in BEGIN.splitlines()) + "\n" + code, **more)


def dedented(code):
    return "\n".join(line[8:] for line in code.splitlines())


def warnings_in(told):
    return [line for line in told["stderr"].splitlines() if "isolate" in line or "which each generation loads" in line]


# -- the mechanism -----------------------------------------------------------------------------------------------


def test_without_isolation_a_library_that_refuses_to_register_twice_fails_the_load(project):
    site = project({**APP, "app.py": APP["app.py"].replace('isolate=["ledger", "never_imported"]', "")})
    told = drive(site, dedented("""
        before = sys.modules["ledger"]
        try:
            app.reloader.reload()
        except ponyreload.LoadError as error:
            tell(error=str(error), same=sys.modules["ledger"] is before)
    """))  # fmt: skip
    assert "ValueError: order is registered" in told["error"]
    assert told["same"]


def test_an_isolated_library_is_loaded_with_each_generation(project):
    told = drive(project(APP), dedented("""
        import ledger
        answers = [request(app.application)]
        for old, new in (("one", "two"), ("two", "three")):
            save("app.py", f'"{old}"', f'"{new}"')
            answers.append(request(app.application))
        until(lambda: len(living_generations()) == 1)
        tell(answers=answers, living=living_generations(), shared=sys.modules["ledger.shared"].CALLS)
    """))  # fmt: skip
    assert told["answers"] == ["one ['order']", "two ['order']", "three ['order']"]
    assert told["living"] == [3]
    # A module that says no is shared, here as everywhere.
    assert told["shared"] == ["one", "two", "three"]


def test_a_request_that_is_in_progress_keeps_its_own_copy(project):
    app = """
        from ponyreload import *
        import ledger
        WORD = "one"
        ledger.register(WORD)

        def application(environ, start_response):
            start_response("200 OK", [])
            for _ in range(2):
                import ledger, sys
                from ledger.registry import NAMES
                yield f"{ledger.NAMES} {NAMES} {sys.modules['ledger'].NAMES} ".encode()

        application = AutoreloadMiddleware(application, isolate=("ledger",))
        reloader = use_autoreload()
    """
    told = drive(project({**LIBRARY, "app.py": app}), dedented("""
        body = iter(start(app.application))
        parts = [next(body)]
        save("app.py", '"one"', '"two"')
        after = request(app.application)
        parts.append(next(body))
        tell(parts=[part.decode() for part in parts], after=after)
    """))  # fmt: skip
    assert told["parts"] == ["['one'] ['one'] ['one'] "] * 2
    assert told["after"] == "['two'] ['two'] ['two'] " * 2


def test_a_load_that_fails_leaves_no_trace_in_an_isolated_library(project):
    told = drive(project(APP), dedented("""
        names = set(sys.modules)
        project.replace("app.py", 'ledger.shared.CALLS.append(WORD)', 'ledger.register("basket")\\nimport ledger.late\\n1 / 0')
        project.edit("site-packages/ledger/late.py", "from ledger import register\\nregister('late')")
        errors = []
        for _ in range(3):
            try:
                app.reloader.reload()
            except ponyreload.LoadError as error:
                errors.append(type(error.reason).__name__)
        until(lambda: len(living_generations()) == 1)
        tell(errors=errors, answer=request(app.application), living=living_generations(),
             more=[name for name in sys.modules if name not in names and name.startswith("ledger")])
    """))  # fmt: skip
    assert told["errors"] == ["ZeroDivisionError"] * 3
    assert told["answer"] == "one ['order']"
    assert told["living"] == [1]
    assert told["more"] == []


def test_an_edit_of_an_isolated_library_fires_no_reload_and_the_next_one_takes_it_up(project):
    told = drive(project(APP), dedented("""
        watched = sorted(app.reloader.serving.sources)
        app.reloader.reload()
        project.replace("site-packages/ledger/registry.py", "NAMES.append(name)", "NAMES.append(name.upper())")
        save("app.py", '"one"', '"two"')
        tell(answer=request(app.application), generation=app.reloader.generation,
             watched=[*watched, *app.reloader.serving.sources, *app.reloader.application.lookout.watched])
    """))  # fmt: skip
    assert told["answer"] == "two ['ORDER']"
    assert told["generation"] == 3
    assert [path for path in told["watched"] if "site-packages" in path] == []
    assert [path for path in told["watched"] if path.endswith("app.py")]


@pytest.mark.parametrize("include", ["ledger", "ledger.registry"])
def test_what_is_included_too_is_watched(project, include):
    site = project(APP)
    site.replace("app.py", "use_autoreload(", f"use_autoreload(include=[{include!r}], ")
    told = drive(site, dedented("""
        app.reloader.reload()
        save("site-packages/ledger/registry.py", "NAMES.append(name)", "NAMES.append(name.upper())")
        tell(answer=request(app.application), watched=sorted(app.reloader.serving.sources))
    """))  # fmt: skip
    assert told["answer"] == "one ['ORDER']"
    watched = [path.partition("site-packages/ledger/")[2] for path in told["watched"] if "site-packages" in path]
    assert watched == (["registry.py"] if include == "ledger.registry" else ["__init__.py", "registry.py"])


def test_a_module_of_the_project_is_watched_also_if_it_is_isolated(project):
    files = {path.replace("site-packages/", ""): text for path, text in APP.items()}
    told = drive(project(files), dedented("""
        app.reloader.reload()
        save("ledger/registry.py", "NAMES.append(name)", "NAMES.append(name.upper())")
        tell(answer=request(app.application))
    """))  # fmt: skip
    assert told["answer"] == "one ['ORDER']"


def test_the_code_of_a_library_is_read_once_and_may_come_from_its_pyc_file(project):
    told = drive(project(APP), dedented("""
        import importlib.util, opcode
        codes = []
        opened = []
        sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
        for _ in range(3):
            app.reloader.reload()
            codes.append(id(sys.modules["ledger"].register.__code__))
        tell(codes=codes, opened=[os.path.basename(path) for path in opened if "ledger" in path])
    """))  # fmt: skip
    assert len(set(told["codes"])) == 1
    assert len(told["opened"]) == 2, told["opened"]  # both modules, once
    assert [name for name in told["opened"] if not name.endswith(".pyc")] == []


def test_one_module_of_a_library_can_be_isolated_alone(project):
    site = project(APP)
    site.replace("app.py", '"ledger", "never_imported"', '"ledger.registry"')
    site.replace("app.py", "import ledger", "import ledger, ledger.registry\nfrom ledger import registry")
    site.replace("app.py", "ledger.register(", "registry.register(")
    site.replace("app.py", "{ledger.NAMES}", "{ledger.registry.NAMES} {ledger.registry is registry}")
    told = drive(site, dedented("""
        before = sys.modules["ledger"]
        save("app.py", '"one"', '"two"')
        tell(answer=request(app.application), same=sys.modules["ledger"] is before)
    """))  # fmt: skip
    # The package is a system module, which passes on to the module of the request.
    assert told["answer"] == "two ['order'] False"
    assert told["same"]


@pytest.mark.parametrize("isolate", ["acme.stock", "acme"])
def test_a_namespace_package_can_be_isolated_in_part_or_as_a_whole(project, isolate):
    site = project({
        "app.py": f"""
            from ponyreload import *
            import acme.orders
            from acme import stock
            reloader = use_autoreload(isolate=({isolate!r},))
            acme.orders.LOADED.append(1)
            stock.LOADED.append(1)

            @AutoreloadMiddleware
            def application(environ, start_response):
                start_response("200 OK", [])
                return [f"{{len(acme.orders.LOADED)}} {{len(stock.LOADED)}} {{len(acme.stock.LOADED)}}".encode()]
        """,
        "site-packages/acme/orders.py": "LOADED = []",
        "more/site-packages/acme/stock.py": "LOADED = []",
    })  # fmt: skip
    told = site.drive("""
        sys.path += [str(project / "site-packages"), str(project / "more/site-packages")]
        import app
        answers = [request(app.application)]
        for _ in range(2):
            app.reloader.reload()
            answers.append(request(app.application))
        tell(answers=answers)
    """)
    assert told["answers"] == ["1 1 1", *(["2 1 1", "3 1 1"] if isolate == "acme.stock" else ["1 1 1"] * 2)]


def test_extension_modules_stay_shared_and_are_attributes_of_each_generations_package(project):
    _need("markupsafe")
    told = project({"app.py": """
        from ponyreload import *
        import markupsafe
        from markupsafe import _speedups
        reloader = use_autoreload(isolate=("markupsafe",))

        def look():
            return id(markupsafe._speedups), id(_speedups), id(markupsafe.Markup), markupsafe.escape("<") == "&lt;"
    """}).drive("""
        import app
        looks = []
        for _ in range(3):
            looks.append(sys.modules["app"].look())
            app.reloader.reload()
        tell(looks=looks, name=type(sys.modules["markupsafe._speedups"]).__name__)
    """)  # fmt: skip
    assert len({each for look in told["looks"] for each in look[:2]}) == 1
    assert len({look[2] for look in told["looks"]}) == 3
    assert all(look[3] for look in told["looks"])
    assert told["name"] == "module"


def test_modules_that_a_library_makes_by_hand_stay_shared(project):
    site = project(APP)
    site.edit(
        "site-packages/ledger/shared.py",
        """
        import sys, types
        CALLS = []
        plugins = sys.modules.setdefault("ledger.plugins", types.ModuleType("ledger.plugins"))
        plugins.__dict__.update(__file__=__file__, __path__=[])
    """,
    )
    told = drive(site, dedented("""
        plugins = sys.modules["ledger.plugins"]
        app.reloader.reload()
        tell(answer=request(app.application), same=sys.modules["ledger.plugins"] is plugins)
    """))  # fmt: skip
    assert (told["answer"], told["same"]) == ("one ['order']", True)


def test_reload_runs_a_user_module_again_in_its_own_generation(project):
    site = project({"app.py": """
        from ponyreload import *
        from importlib import reload
        import importlib, sys
        import shop
        reloader = use_autoreload()

        def again():
            found = [reload(shop) is shop, importlib.reload(shop) is shop]
            importlib.reload(sys.modules["shop"])
            return *found, shop.LOADED, reload(importlib.import_module("string")).digits
    """, "shop.py": "from ponyreload import *\nLOADED = globals().get('LOADED', 0) + 1"})  # fmt: skip
    told = site.drive("""
        import app
        import shop
        found = [app.again()]
        app.reloader.reload()
        found.append(sys.modules["app"].again())
        app.reloader.stop()
        import importlib
        tell(found=found, plain=importlib.reload.__module__)
    """)
    assert told["found"] == [[True, True, 4, "0123456789"]] * 2
    assert told["plain"] == "importlib"


# -- what is said ------------------------------------------------------------------------------------------------

KNOWN = (
    "{file} uses prometheus_client, which refuses to register a metric a second time, so that the next load fails; "
    'load it with each generation: use_autoreload(isolate=({before}"prometheus_client",)), and restart'
)


def _need(*modules):
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.fail(f"{module} is missing: {INSTALL}")


@pytest.mark.parametrize("place", ["", "isolate=('never_imported',)"])
def test_a_known_library_that_is_used_and_not_isolated_is_named_once_with_the_line_to_add(project, place):
    _need("prometheus_client")
    site = project({
        "app.py": f"""
            from ponyreload import *
            import shop, store
            reloader = use_autoreload({place})
            use_autoreload()
        """,
        "shop.py": "from ponyreload import *\nfrom prometheus_client import Counter\n",
        "store.py": "from ponyreload import *\nimport prometheus_client\n",
    })  # fmt: skip
    told = site.drive("import app\napp.reloader.reload()\napp.reloader.reload()\ntell()")
    before = '"never_imported", ' if place else ""
    (line,) = warnings_in(told)
    expected = {KNOWN.format(file=file, before=before) for file in ("shop.py", "store.py")}
    assert line.replace('",))', '"))') in {text.replace('",))', '"))') for text in expected}
    assert line.count(",))") == (0 if place else 1)


def test_a_known_library_that_is_used_by_a_later_edit_is_named_too(project):
    _need("prometheus_client")
    site = project({"app.py": "from ponyreload import *\nreloader = use_autoreload()\nWORD = 1\n"})
    told = drive(site, dedented("""
        save("app.py", "WORD = 1", "from prometheus_client import Counter")
        tell()
    """))  # fmt: skip
    assert warnings_in(told) == [KNOWN.format(file="app.py", before="")]


def test_nothing_is_said_of_a_known_library_that_only_system_modules_use_or_that_is_isolated(project):
    _need("prometheus_client", "bottle")
    site = project({
        "app.py": """
            from ponyreload import *
            import metrics
            from bottle import Bottle
            import marshmallow
            application = Bottle()  # belongs to its generation
            reloader = use_autoreload(isolate=["marshmallow"])
        """,
        "metrics.py": "from prometheus_client import Counter\nHITS = Counter('hits', 'hits')",
    })  # fmt: skip
    told = site.drive("import app\napp.reloader.reload()\ntell()")
    assert warnings_in(told) == []


def test_the_added_line_takes_a_restart_and_says_so(project):
    site = project({**APP, "app.py": APP["app.py"].replace('isolate=["ledger", "never_imported"]', "")})
    site.replace("app.py", 'ledger.register("order")\n', "ledger.NAMES.append(WORD)\n")
    site.edit("site-packages/other.py", "LOADED = []")
    told = drive(site, dedented("""
        save("app.py", "use_autoreload()", "use_autoreload(isolate=('ledger', 'other'))")
        app.reloader.reload()
        # What nobody has imported yet can still be isolated.
        save("app.py", "WORD =", "import other; other.LOADED.append(1); WORD =")
        app.reloader.reload()
        tell(answer=request(app.application), loaded=len(sys.modules["other"].LOADED))
    """))  # fmt: skip
    assert warnings_in(told) == [
        'use_autoreload(isolate=("ledger",)) needs a restart: ledger was imported as a system module'
    ]
    assert told["answer"] == "one ['one', 'one', 'one', 'one', 'one']"
    assert told["loaded"] == 1


MIXED = ", and uses ledger, which each generation loads for itself: it keeps generation {}'s; "
MARK_IT = "mark it (from ponyreload import *) to load it with each generation too, and restart"


def test_system_modules_that_use_an_isolated_library_are_named_with_what_to_do(project):
    site = project({
        **APP,
        "conf.py": "from ledger import register",
        "plain.py": "import ledger",
        "late.py": "from ledger.registry import NAMES as names, register as enter",
        "site-packages/booking/__init__.py": "",
        "site-packages/booking/views.py": "import ledger.registry\nfrom ledger import register",
        "site-packages/booking/more.py": "from ledger import register",
        "site-packages/acme/tax.py": "from ledger import register",
        "site-packages/innocent.py": "import json, booking\nledger = 5",
    })  # fmt: skip
    site.replace(
        "app.py", "import ledger", "import ledger, conf, plain, booking.views, booking.more, acme.tax, innocent"
    )
    told = drive(site, dedented("""
        app.reloader.reload()
        save("app.py", "import ledger,", "import late, ledger,")
        app.reloader.reload()
        tell()
    """))  # fmt: skip
    own = f"conf.py is a system module{MIXED.format(1)}{MARK_IT}"
    library = f"{{}} is a system module{MIXED.format(1)}have {{}} loaded with each generation too: "
    line = 'use_autoreload(isolate=("ledger", "never_imported", "{}")), and restart'
    assert sorted(warnings_in(told)) == sorted([
        own,
        own.replace("conf", "plain"),
        f"late.py is a system module{MIXED.format(3)}{MARK_IT}",
        library.format("booking.views", "booking") + line.format("booking"),
        library.format("acme.tax", "acme.tax") + line.format("acme.tax"),
    ])  # fmt: skip


def test_an_extension_module_that_keeps_objects_of_its_isolated_library_is_named(project):
    told = project(APP).drive("""
        import importlib.machinery, types
        sys.path.append(str(project / "site-packages"))
        fast = sys.modules["ledger._fast"] = types.ModuleType("ledger._fast")
        fast.__file__ = str(project / "site-packages/ledger/_fast") + importlib.machinery.EXTENSION_SUFFIXES[0]
        fast.register = __import__("ledger").register
        import app
        app.reloader.reload()
        tell()
    """)
    what = "uses ledger, which each generation loads for itself: it keeps generation 1's"
    remedy = "if that fails after a reload, do not isolate ledger"
    assert warnings_in(told) == [f"the extension module ledger._fast {what}; {remedy}"]


def test_an_isolated_library_without_source_files_is_named(project):
    files = {**APP, "site-packages/ledger/shared.py": "CALLS = []\n"}
    told = project(files).drive("""
        import zipfile
        with zipfile.ZipFile("ledger.zip", "w") as archive:
            for name in ("__init__", "registry", "shared"):
                archive.write(f"site-packages/ledger/{name}.py", f"ledger/{name}.py")
        sys.path.append(os.path.abspath("ledger.zip"))
        import app
        tell()
    """)
    (line,) = warnings_in(told)
    assert re.match(r"ledger\.\w+ has no source file to reload \(.*ledger.zip/ledger/", line)
    assert line.endswith(": all generations share it; unpack it so that it can be isolated")


# -- real libraries ----------------------------------------------------------------------------------------------

# Each library that is known to need isolation: what a user module has, what `look()` gives in each generation, and
# the exception of a load, or what `look()` gives after two reloads and a load that fails, without isolation.
ROWS = {
    "bottle": (
        """
            import bottle, io

            @bottle.route(f"/{generation() or 1}")
            def page():
                return "page"

            def look():
                statuses = []
                for number in (1, 2, 3, 4):
                    environ = {"PATH_INFO": f"/{number}", "REQUEST_METHOD": "GET", "wsgi.errors": io.StringIO()}
                    bottle.default_app()(environ, lambda status, headers, info=None: statuses.append(status[:3]))
                return [number for number, status in enumerate(statuses, 1) if status == "200"] == [generation()]
        """,
        False,
    ),
    "marshmallow": (
        """
            from marshmallow import Schema, fields

            class ItemSchema(Schema):
                name = fields.Str()

            class OrderSchema(Schema):
                item = fields.Nested("ItemSchema")

            def look():
                return type(OrderSchema().fields["item"].schema) is ItemSchema
        """,
        False,
    ),
    "mongoengine": (
        """
            from mongoengine import Document, ReferenceField

            class Item(Document):
                pass

            class Order(Document):
                item = ReferenceField("Item")

            def look():
                return Order.item.document_type is Item
        """,
        False,
    ),
    "prometheus_client": (
        """
            from prometheus_client import Counter, generate_latest
            HITS = Counter("hits", "hits")

            def look():
                HITS.inc()
                return b"hits_total 1.0" in generate_latest()
        """,
        "Duplicated timeseries in CollectorRegistry",
    ),
    "sqlmodel": (
        """
            from typing import Optional
            from sqlalchemy.pool import StaticPool
            from sqlmodel import Field, Session, SQLModel, create_engine, select

            class Item(SQLModel, table=True):
                id: Optional[int] = Field(default=None, primary_key=True)

            engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})

            def look():
                SQLModel.metadata.create_all(engine)
                with Session(engine) as session:
                    session.add(Item())
                    session.commit()
                    return type(session.exec(select(Item)).first()) is Item
        """,
        "Table 'item' is already defined",
    ),
    "sqlobject": (
        """
            import threading
            from sqlobject import SQLObject, StringCol, connectionForURI, sqlhub

            class Item(SQLObject):
                name = StringCol()

            def look():
                sqlhub.threadConnection = connectionForURI("sqlite:/:memory:")
                Item.createTable(ifNotExists=True)
                Item(name="tea")
                return type(Item.select()[0]) is Item
        """,
        "class Item is already in the registry",
    ),
}


def row(project, library, isolate):
    code, _ = ROWS[library]
    site = project({
        "app.py": f"""
            from ponyreload import *
            import shop
            reloader = use_autoreload(isolate={(library,) if isolate else ()})
        """,
        "shop.py": "from ponyreload import *\n" + "\n".join(line[12:] for line in code.splitlines()),
    })  # fmt: skip
    return site.drive("""
        import app

        def reloaded():
            try:
                app.reloader.reload()
            except ponyreload.LoadError as error:
                return str(error)

        def look():
            with context.entered(app.reloader.serving):
                return sys.modules["shop"].look()

        from ponyreload.generations import context
        looks = [look()]
        errors = [reloaded()]
        looks.append(look())
        errors.append(reloaded())
        old = app.reloader.serving
        text = (project / "shop.py").read_text()
        project.edit("shop.py", text + "\\n1 / 0")
        failed = reloaded()
        # Both what is looked up anew and what is held from before.
        looks.append(look())
        project.edit("shop.py", text)
        app.reloader.reload() if not errors[0] else None
        looks.append(look())
        tell(looks=looks, errors=[error for error in errors if error], failed=failed)
    """)


@pytest.mark.any_python
@pytest.mark.parametrize("library", ROWS)
def test_each_known_library_goes_wrong_without_isolation_and_is_right_with_it(project, tmp_path, library):
    _need(library)
    trouble = ROWS[library][1]
    without = row(project, library, isolate=False)
    if trouble:
        assert trouble in without["errors"][0]
    else:
        assert not all(without["looks"]), without
    assert [line for line in warnings_in(without) if f'use_autoreload(isolate=("{library}",))' in line]
    (tmp_path / "site").rename(tmp_path / "before")
    told = row(project, library, isolate=True)
    assert told["looks"] == [True] * 4
    assert told["errors"] == []
    assert "ZeroDivisionError" in told["failed"]
    assert warnings_in(told) == []


def test_each_row_of_the_table_is_tried():
    from ponyreload.options.libraries import KNOWN

    assert set(KNOWN) == {*ROWS, "django"}


@pytest.mark.any_python
def test_a_declarative_base_in_an_isolated_module_takes_the_models_of_each_generation(project):
    _need("sqlalchemy")
    files = {
        "app.py": """
            from ponyreload import *
            import shop
            reloader = use_autoreload(isolate=("common.base",))

            @AutoreloadMiddleware
            def application(environ, start_response):
                start_response("200 OK", [])
                return [shop.look().encode()]
        """,
        "common/__init__.py": "",
        "common/base.py": """
            from sqlalchemy import create_engine
            from sqlalchemy.orm import DeclarativeBase

            class Base(DeclarativeBase):
                pass
        """,
        "shop.py": """
            from ponyreload import *
            from sqlalchemy import ForeignKey
            from sqlalchemy.orm import Mapped, mapped_column, relationship
            from common.base import Base

            class Order(Base):
                __tablename__ = "orders"
                id: Mapped[int] = mapped_column(primary_key=True)
                lines: Mapped[list["Line"]] = relationship()

            class Line(Base):
                __tablename__ = "lines"
                id: Mapped[int] = mapped_column(primary_key=True)
                order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))

            def look():
                assert Order(lines=[Line()]).lines
                return " ".join(sorted(str(column) for column in Base.metadata.tables["lines"].columns))
        """,
    }
    site = project(files)
    told = site.drive("""
        import app
        answers = [request(app.application)]
        project.replace("shop.py", "order_id:", "count: Mapped[int]\\n    order_id:")
        app.reloader.wait(1, 20)
        answers.append(request(app.application))
        for _ in range(5):
            app.reloader.reload()
        answers.append(request(app.application))
        until(lambda: len(living_generations()) == 1)
        tell(answers=answers, living=living_generations())
    """)
    assert told["answers"] == ["lines.id lines.order_id", *["lines.count lines.id lines.order_id"] * 2]
    assert told["living"] == [7]
    assert warnings_in(told) == []
    site.replace("app.py", 'isolate=("common.base",)', "")
    told = site.drive("""
        import app
        try:
            app.reloader.reload()
        except ponyreload.LoadError as error:
            tell(error=str(error))
    """)
    assert "Table 'orders' is already defined" in told["error"]


@pytest.mark.any_python
def test_a_flask_extension_in_an_isolated_module_serves_each_generation(project):
    _need("flask_sqlalchemy")
    site = project({
        "app.py": """
            from flask import Flask
            from ponyreload import *
            from extensions import db
            from models import Order
            use_autoreload(isolate=("extensions",))
            flask = Flask(__name__)
            flask.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
            db.init_app(flask)
            reloader = use_autoreload()

            @flask.route("/")
            def index():
                db.create_all()
                db.session.add(Order(title="tea"))
                db.session.commit()
                return " ".join(order.title for order in db.session.scalars(db.select(Order)))

            application = AutoreloadMiddleware(flask)
        """,
        "extensions.py": "from flask_sqlalchemy import SQLAlchemy\ndb = SQLAlchemy()\n",
        "models.py": """
            from ponyreload import *
            from extensions import db

            class Order(db.Model):
                id = db.Column(db.Integer, primary_key=True)
                title = db.Column(db.String)
        """,
    })  # fmt: skip
    told = site.drive("""
        import app
        answers = [request(app.application)]
        project.replace("models.py", "title = db", "note = db.Column(db.String)\\n    title = db")
        app.reloader.wait(1, 20)
        for _ in range(5):
            answers.append(request(app.application))
            app.reloader.reload()
        until(lambda: len(living_generations()) == 1)
        tell(answers=answers, living=living_generations())
    """)
    assert told["answers"] == ["tea"] * 6
    assert told["living"] == [7]
    site.replace("app.py", 'use_autoreload(isolate=("extensions",))', "pass")
    told = site.drive("""
        import app
        try:
            app.reloader.reload()
        except ponyreload.LoadError as error:
            tell(error=str(error))
    """)
    assert "Table 'order' is already defined" in told["error"]


# -- Django ------------------------------------------------------------------------------------------------------

DJANGO = {
    "shop/__init__.py": "",
    "shop/settings.py": """
        from pathlib import Path
        from django.utils.translation import gettext_lazy

        SECRET_KEY = "x" * 50
        DEBUG = True
        ALLOWED_HOSTS = ["*"]
        ROOT_URLCONF = "shop.urls"
        NAME = gettext_lazy("Yes")
        PARTS = ("admin", "auth", "contenttypes", "sessions", "messages")
        INSTALLED_APPS = [*(f"django.contrib.{part}" for part in PARTS), "shop"]
        MIDDLEWARE = [
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.locale.LocaleMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ]
        PROCESSORS = ("django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
                      "django.contrib.messages.context_processors.messages")
        TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
                      "OPTIONS": {"context_processors": PROCESSORS}}]
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).parent / "shop.db"}}
        DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
        STATIC_URL = "/static/"
        USE_TZ = True
    """,
    "shop/models.py": """
        from django.db import models
        from django.db.models.signals import post_init

        SEEN = []

        class Order(models.Model):
            title = models.CharField(max_length=20)

            class Meta:
                db_table = "orders"

        def seen(sender, instance, **more):
            SEEN.append(instance)

        post_init.connect(seen, Order)
    """,
    "shop/admin.py": """
        from django.contrib import admin
        from shop.models import Order

        admin.site.register(Order)
    """,
    "shop/views.py": """
        from django.apps import apps
        from django.http import HttpResponse
        from shop import models

        WORD = "word0"

        def orders(request):
            models.SEEN.clear()
            order = models.Order.objects.first()
            assert apps.get_model("shop", "Order") is models.Order is type(order)
            assert models.SEEN == [order], models.SEEN
            names = " ".join(field.name for field in models.Order._meta.get_fields())
            return HttpResponse(f"{WORD} {names} {len(apps.get_models())}")
    """,
    "shop/urls.py": """
        from django.contrib import admin
        from django.urls import path
        from shop import views

        urlpatterns = [path("", views.orders), path("admin/", admin.site.urls)]
    """,
    "make.py": """
        import os, sqlite3
        os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
        import django
        django.setup()
        from django.core.management import call_command
        call_command("migrate", verbosity=0)
        with sqlite3.connect("shop/shop.db") as database:
            database.execute("create table orders (id integer primary key, title, note not null default 'none')")
            database.execute("insert into orders (title) values ('tea')")
    """,
    "shop/wsgi.py": """
        import os
        from django.core.wsgi import get_wsgi_application
        from ponyreload import AutoreloadMiddleware, use_autoreload

        os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
        application = get_wsgi_application()
        import shop.urls  # now, and not at the first request: what is wrong in it fails the load
        application = AutoreloadMiddleware(application, include=("shop",), isolate=("django",))
        reloader = use_autoreload()
    """,
    "app.py": """
        import os
        from cheroot.wsgi import Server
        from django.core.wsgi import get_wsgi_application
        from ponyreload import *

        os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
        use_autoreload(include=("shop",), isolate=("django",))
        application = get_wsgi_application()
        import shop.urls
        server = Server(("127.0.0.1", int(os.environ["PORT"])), application)
        try:
            server.start()
        except KeyboardInterrupt:
            server.stop()
    """,
}
MORE = (
    "title = models.CharField(max_length=20)",
    "title = models.CharField(max_length=20)\n    note = models.TextField()",
)


@pytest.mark.any_python
def test_a_django_application_takes_up_edits_of_models_and_views(project):
    _need("django")
    site = project(DJANGO)
    site.run("make.py")
    with site.serve() as live:
        count = live.get("/").split()[-1]
        # The first edits are of the models, a field that comes and goes; the others of a view.
        for number in range(20):
            if number < 4:
                fields = "id title" if number % 2 else "id title note"
                site.replace("shop/models.py", *(MORE[::-1] if number % 2 else MORE))
            else:
                site.replace("shop/views.py", f"word{number - 4}", f"word{number - 3}")
            live.wait_for("/", f"word{max(0, number - 3)} {fields} {count}", 30)
            assert "Django" in live.get("/admin/login/")
            assert "Anmelden" in live.get("/admin/login/", Accept_Language="de")
        live.wait_for_log("generation 21 serves")
        assert "was already registered" not in live.log
        assert "isolate" not in live.log
        assert "Traceback" not in live.log


@pytest.mark.any_python
def test_old_generations_of_a_django_application_are_freed(project):
    _need("django")
    site = project(DJANGO)
    site.run("make.py")
    told = site.drive("""
        from shop.wsgi import application, reloader

        def ask():
            # A thread for each request: Django leaves the language in the thread's context.
            return in_thread(lambda: request(application))()

        answers = [ask()]
        for number in range(20):
            project.replace("shop/views.py", f"word{number}", f"word{number + 1}")
            reloader.wait(number + 1, 30)
            answers.append(ask())
        project.replace("shop/views.py", "WORD =", "WORD = no +")
        try:
            reloader.reload()
        except ponyreload.LoadError as error:
            failed = str(error)
        answers.append(ask())
        project.replace("shop/views.py", "no + ", "'' + ")
        reloader.wait(21, 30)
        answers.append(ask())
        until(lambda: len(living_generations()) == 1)
        tell(answers=answers, failed=failed, living=living_generations())
    """, timeout=120)  # fmt: skip
    count = told["answers"][0].split()[-1]
    assert told["answers"] == [
        *(f"word{number} id title {count}" for number in range(21)),
        *[f"word20 id title {count}"] * 2,
    ]
    assert "NameError" in told["failed"]
    assert told["living"] == [22]
    assert "was already registered" not in told["stderr"]


@pytest.mark.any_python
def test_django_can_migrate_in_each_generation(project):
    _need("django")
    site = project(DJANGO)
    told = site.drive("""
        from shop.wsgi import application, reloader
        from ponyreload.generations import context

        def migrate():
            with context.entered(reloader.serving):
                from django.core.management import call_command
                call_command("migrate", verbosity=0)
                from django.db import connection
                return "auth_user" in connection.introspection.table_names()

        found = [migrate(), migrate()]
        reloader.reload()
        found += [migrate(), migrate()]
        tell(found=found)
    """)
    assert told["found"] == [True] * 4
