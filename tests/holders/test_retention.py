"""What keeps a retired generation in memory is said once, in words, and given as data."""

from __future__ import annotations

import textwrap

import pytest

FILES = {
    "cache.py": "held = {}\n",
    "shop.py": """
        from ponyreload import *
        import cache
        X = 1
        class Order:
            def price(self):
                return X
        if X in HELD:
            cache.held[f"order {X}"] = Order()
    """,
    "app.py": """
        from ponyreload import *
        import shop
        reloader = use_autoreload()

        @AutoreloadMiddleware
        def application(environ, start_response):
            start_response("200 OK", [])
            return [str(shop.X).encode()]
    """,
}
HEAD = """
    GRACE = 0.1
    import app, cache, io, logging
    from ponyreload.holders import retention
    from ponyreload.reloading import updating
    said = io.StringIO()
    logging.getLogger("ponyreload").addHandler(logging.StreamHandler(said))
    retention.GRACE_SECONDS = updating.GRACE_SECONDS = GRACE
    request(app.application)
    def edit(number):
        project.replace("shop.py", f"X = {number - 1}", f"X = {number}")
        app.reloader.wait(number - 1, 10)
        until(lambda: len(app.reloader.living) == 1)
    def told_of(text):
        until(lambda: text in said.getvalue())
"""


def files(*held):
    return {**FILES, "shop.py": FILES["shop.py"].replace("HELD", repr(held))}


def test_what_holds_a_generation_is_said_once_and_given_as_data(project):
    told = project(files(2)).drive(f"""{HEAD}
    edit(2)
    edit(3)
    told_of("generation 2 is kept alive")
    edit(4)
    edit(5)
    until(lambda: not any("retires" in thread.name for thread in threading.enumerate()))
    data = app.reloader.retained()
    cache.held.clear()
    until(lambda: living_generations() == [5])
    lines = [line for line in said.getvalue().splitlines() if "kept alive" in line]
    tell(lines=lines, data=data, after=app.reloader.retained())
    """)
    text = "generation 2 is kept alive by cache.held['order 2'] -> shop.Order (system module cache holds a user object)"
    assert told["lines"] == [text]
    assert told["data"] == [[2, ["cache.held['order 2']", "shop.Order"], text]]
    assert told["after"] == []


def test_nothing_is_said_of_generations_that_go(project):
    told = project(files()).drive(f"""{HEAD}
    for number in range(2, 6):
        edit(number)
    until(lambda: living_generations() == [5])
    tell(said=said.getvalue(), retained=app.reloader.retained())
    """)
    assert "kept alive" not in told["said"]
    assert told["retained"] == []


def test_nothing_is_said_of_a_generation_that_goes_a_little_later(project):
    told = project(files(2)).drive(f"""{HEAD}
    looks, plain = [], retention.Retained.report
    def look(self):
        looks.append(plain(self))
        return looks[-1]
    retention.Retained.report = look
    retention.GRACE_SECONDS = 3600
    edit(2)
    edit(3)
    until(lambda: True in looks)
    cache.held.clear()
    until(lambda: living_generations() == [3])
    retention.GRACE_SECONDS = 0
    edit(4)
    until(lambda: False in looks)
    tell(said=said.getvalue())
    """)
    assert "kept alive" not in told["said"]


def test_a_generation_is_reported_once_though_a_second_search_begins_during_the_first(project):
    told = project(files(2)).drive(f"""{HEAD}
    plain, searches = retention.holder_of_each, []
    inside, leave = threading.Event(), threading.Event()
    def search(*generations):
        searches.append(1)
        inside.set()
        leave.wait(20)
        return plain(*generations)
    retention.holder_of_each = search
    def is_searching():
        return [each for each in threading.enumerate() if each.name == "ponyreload looks for holders"]
    edit(2)
    edit(3)
    inside.wait(20)
    retained = app.reloader.application.retained
    asks_again = [retained.report() for _ in range(3)]
    leave.set()
    told_of("generation 2 is kept alive")
    until(lambda: not is_searching())
    asks_again.append(retained.report())
    until(lambda: not is_searching())
    tell(said=said.getvalue(), asks_again=asks_again)
    """)
    assert told["said"].count("generation 2 is kept alive") == 1
    # Who came in between is to come again: nobody has told it what the first search will find.
    assert told["asks_again"] == [True, True, True, False]


def test_a_generation_whose_requests_were_named_is_reported_with_its_holder_too(project):
    site = project(files(2))
    site.replace("app.py", "use_autoreload()", "use_autoreload(drain_seconds=0.1)")
    told = site.drive(f"""{HEAD}
    edit(2)
    lease = app.reloader.lease({{"REQUEST_METHOD": "GET", "PATH_INFO": "/slow"}})
    project.replace("shop.py", "X = 2", "X = 3")
    app.reloader.wait(2, 10)
    told_of("generation 2 is held by GET /slow")
    app.reloader.release(lease)
    lease = None  # which would hold the generation itself
    told_of("generation 2 is kept alive by cache.held['order 2'] -> shop.Order")
    tell(said=said.getvalue())
    """)
    assert told["said"].count("generation 2 is held by") == 1


def test_more_generations_than_usual_are_reported_with_their_holders_and_reloading_goes_on(project):
    told = project(files(*range(1, 20))).drive(f"""{HEAD}
    for number in range(2, 12):
        edit(number)
    told_of("superseded generations are in memory")
    edit(12)
    tell(said=said.getvalue(), answer=request(app.application))
    """)
    number, _, rest = told["said"].partition(" superseded generations are in memory; reloading continues\n")
    assert int(number.split()[-1]) >= 9
    for held in range(2, 10):
        assert f"generation {held} is kept alive by cache.held['order {held}'] -> shop.Order (system module" in rest
    assert told["answer"] == "12"


# name: (code of a user module, the object that a system module keeps, what the report calls that)
PLAIN_CLASSES = {
    "bare": ("class Kept:\n    rank = 1", "Kept()", "shop.Kept"),
    "a bare class itself": ("class Kept: pass", "Kept", "class shop.Kept"),
    "inside of another": ("class Outer:\n    class Kept: pass", "Outer.Kept()", "shop.Outer.Kept"),
    "a subclass in a function": (
        "class Base: pass\ndef make():\n    class Kept(Base): pass\n    return Kept()",
        "make()",
        "shop.make.<locals>.Kept",
    ),
    "exception": ("class Kept(LookupError): pass", "Kept('none')", "shop.Kept"),
    "NamedTuple": ("class Kept(typing.NamedTuple):\n    rank: int = 1", "Kept()", "shop.Kept"),
    "namedtuple": ("Kept = collections.namedtuple('Kept', 'rank')", "Kept(1)", "shop.Kept"),
    "Enum": ("class Kept(enum.Enum):\n    RED = 1", "Kept.RED", "shop.Kept"),
    "IntFlag": ("class Kept(enum.IntFlag):\n    RED = 1", "Kept.RED", "shop.Kept"),
    "TypedDict": ("class Kept(typing.TypedDict):\n    rank: int", "Kept", "class shop.Kept"),
    "slots": ("class Kept:\n    __slots__ = 'rank'", "Kept()", "shop.Kept"),
    "no slots": ("class Kept:\n    __slots__ = ()", "[Kept()]", "shop.Kept"),
    "an int with a method": (
        "class Kept(int):\n    __slots__ = ()\n    def rank(self): pass",
        "[(0, Kept(1))]",
        "shop.Kept",
    ),
    "dict": ("class Kept(dict): pass", "Kept(rank=1)", "shop.Kept"),
    "str": ("class Kept(str): pass", "Kept('x')", "shop.Kept"),
    "pydantic": ("import pydantic\nclass Kept(pydantic.BaseModel):\n    rank: int = 1", "Kept()", "shop.Kept"),
    "dataclass": ("@dataclasses.dataclass\nclass Kept:\n    rank: int = 1", "Kept()", "shop.Kept"),
}


@pytest.mark.parametrize("kind", PLAIN_CLASSES)
def test_an_object_of_a_class_that_leads_to_no_module_is_found(project, kind):
    code, kept, name = PLAIN_CLASSES[kind]
    site = files()
    imports = "import cache, collections, dataclasses, enum, typing"
    hold = f"X = 1\nif X == 2: cache.held['kept'] = {kept}"
    site["shop.py"] = f"from ponyreload import *\n{imports}\n{code}\n{hold}\n"
    told = project(site).drive(f"""{HEAD}
    project.replace("shop.py", "X = 1", "X = 2")
    app.reloader.wait(1, 10)
    edit(3)
    told_of("generation 2 is kept alive")
    data = app.reloader.retained()
    known = [(each.remains.number, each.holder.text) for each in app.reloader.application.retained.known()]
    cache.held.clear()
    edit(4)
    until(lambda: living_generations() == [4])
    gc.collect()
    lines = [line for line in said.getvalue().splitlines() if "kept alive" in line]
    retained = app.reloader.application.retained
    tell(lines=lines, data=data, known=known, after=app.reloader.retained(), left=len(retained._in_memory()))
    """)
    what = "class" if name.startswith("class ") else "object"
    holder = "cache.held['kept']" + {"[Kept()]": "[0]", "[(0, Kept(1))]": "[0][1]"}.get(kept, "")
    text = f"generation 2 is kept alive by {holder} -> {name} (system module cache holds a user {what})"
    assert told["lines"] == [text]
    assert told["data"] == [[2, [holder, name], text]]
    assert told["known"] == [[2, text]]
    assert told["after"] == []
    assert told["left"] == 0


TZ = """
    class Tz(datetime.tzinfo):
        def utcoffset(self, at): return datetime.timedelta(hours=1)
        def dst(self, at): return None
        def tzname(self, at): return "X"
"""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AT = datetime.datetime(2030, 1, 1, tzinfo=Tz())", "shop.AT.tzinfo -> shop.Tz"),
        ("class When(datetime.datetime): pass\nAT = When(2030, 1, 1, tzinfo=Tz())", "shop.AT.tzinfo -> shop.Tz"),
        ("def ask(at=datetime.time(8, tzinfo=Tz())): pass", "shop.ask.__defaults__[0].tzinfo -> shop.Tz"),
    ],
)
def test_a_datetime_into_which_the_collector_does_not_look_is_found_in_its_own_generation(project, code, words):
    site = files()
    site["shop.py"] = f"from ponyreload import *\nimport datetime\n{textwrap.dedent(TZ)}\n{code}\nX = 1\n"
    told = project(site).drive(f"""{HEAD}
    edit(2)
    told_of("generation 1 is kept alive")
    tell(lines=[line for line in said.getvalue().splitlines() if "kept alive" in line])
    """)
    reason = "a user object is the tzinfo of a datetime, into which Python's collector does not look"
    assert told["lines"] == [f"generation 1 is kept alive by {words} ({reason}; make it in a system module)"]


def test_a_process_that_ends_while_something_is_kept_and_changes_says_nothing_of_ours(project):
    # When exit functions run, Python 3.12 starts no more threads.
    told = project(files(2)).drive(f"""{HEAD}
    import atexit

    @atexit.register
    def last():
        app.reloader.reload()
        app.reloader.application.retained.report()
        print(said.getvalue(), file=sys.stderr)

    edit(2)
    edit(3)
    retention.GRACE_SECONDS = -1  # it is due
    tell()
    """)
    assert "Traceback" not in told["stderr"]


def test_a_function_of_a_sqlite_connection_is_told_with_the_connection(project):
    site = files()
    site["shop.py"] = """
        from ponyreload import *
        import sqlite3
        X = 1
        def double(number): return 2 * number
        class Database:
            connection = sqlite3.connect(":memory:", check_same_thread=False)
            connection.create_function("double", 1, double)
        if X == 1:
            on_retire(lambda: None)
    """
    told = project(site).drive(f"""{HEAD}
    edit(2)
    told_of("generation 1 is kept alive")
    lines = [line for line in said.getvalue().splitlines() if "kept alive" in line]
    text = Path("shop.py").read_text().replace("on_retire(lambda: None)", "pass")
    project.edit("shop.py", text.replace("if X == 1:", "if on_retire(Database.connection.close):"))
    app.reloader.wait(2, 10)
    number = app.reloader.generation
    app.reloader.reload()
    until(lambda: len(app.reloader.living) == 1)
    until(lambda: number not in living_generations())
    tell(lines=lines)
    """)
    (line,) = told["lines"]
    assert line.endswith(
        "-> function shop.double (it may be a function of the sqlite3 connection shop.Database.connection; "
        "close that in an @on_retire function)"
    )
