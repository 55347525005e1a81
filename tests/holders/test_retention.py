"""What keeps a retired generation in memory is said once, in words, and given as data."""

from __future__ import annotations

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
