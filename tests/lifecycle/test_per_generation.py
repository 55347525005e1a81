"""`PerGeneration`: a registry in a system module, of which each generation has its own."""

from __future__ import annotations

import pytest

REGISTRY = """
    from ponyreload import PerGeneration
    made = []
    def make():
        made.append(1)
        return {}
    routes = PerGeneration(make)
    order = PerGeneration(list)
"""
SHOP = """
    from ponyreload import *
    import registry
    X = 1
    def page():
        return f"page {X}"
    registry.routes[f"/{X}"] = page
    registry.order.append(X)
"""
APP = """
    from ponyreload import *
    import registry, shop
    reloader = use_autoreload()

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [])
        return stream()

    def stream():
        for _ in range(2):
            yield " ".join(f"{path} {page()}" for path, page in sorted(registry.routes.items())).encode() + b"|"
"""


@pytest.fixture
def site(project):
    return project({"registry.py": REGISTRY, "shop.py": SHOP, "app.py": APP})


def test_each_generation_fills_its_own_and_a_request_sees_that_of_its_generation(site):
    told = site.drive("""
        import app, registry
        body = start(app.application)
        parts = iter(body)
        first = next(parts)
        project.replace("shop.py", "X = 1", "X = 2")
        app.reloader.wait(1, 10)
        new = request(app.application)
        second = next(parts)
        body.close()
        tell(old=(first + second).decode(), new=new, outside=list(registry.routes), made=len(registry.made))
    """)
    assert told["old"] == "/1 page 1|/1 page 1|"
    assert told["new"] == "/2 page 2|/2 page 2|"
    assert told["outside"] == ["/2"]
    assert told["made"] == 2


def test_a_load_that_fails_leaves_no_trace(site):
    told = site.drive("""
        import app, registry
        request(app.application)
        text = (project / "shop.py").read_text()
        project.edit("shop.py", text.replace("X = 1", "X = 2") + "\\n1 / 0\\n")
        until(lambda: app.reloader.error)
        tell(answer=request(app.application), order=list(registry.order))
    """)
    assert told["answer"] == "/1 page 1|/1 page 1|"
    assert told["order"] == [1]


def test_what_it_holds_goes_with_its_generation(site):
    site.drive("""
        import app
        request(app.application)
        for number in range(2, 6):
            project.replace("shop.py", f"X = {number - 1}", f"X = {number}")
            app.reloader.wait(number - 1, 10)
        until(lambda: living_generations() == [5])
        tell()
    """)


OPERATIONS = {
    "table['a']": "1",
    "table.get('b', 2)": "2",
    "sorted(table)": "['a']",
    "len(table), bool(table), 'a' in table, 'b' in table": "(1, True, True, False)",
    "list(iter(table)), list(reversed(table))": "(['a'], ['a'])",
    "str(table), repr(table), f'{table}', '%s' % table": "(\"{'a': 1}\", \"{'a': 1}\", \"{'a': 1}\", \"{'a': 1}\")",
    "table == {'a': 1}, {'a': 1} == table, table != {}, table == table": "(True, True, True, True)",
    "table | {'b': 2}, {'b': 2} | table": "({'a': 1, 'b': 2}, {'b': 2, 'a': 1})",
    "isinstance(table, dict), table.__class__": "(True, <class 'dict'>)",
    "'update' in dir(table), hasattr(table, 'nothing')": "(True, False)",
    "numbers + [2], [0] + numbers, numbers * 2, numbers < [2]": "([1, 2], [0, 1], [1, 1], True)",
    "numbers[0], numbers[-1:]": "(1, [1])",
    "numbers.append(2), list(numbers)": "(None, [1, 2])",
    "thing.x, thing(3), hash(thing) == 7": "(1, 'called with 3', True)",
    "setattr(thing, 'x', 2), thing.x, delattr(thing, 'x'), thing.x": "(None, 2, None, 1)",
    "[entered for entered in [thing.__enter__()]]": "['entered']",
    "table.update(b=2), table.pop('b'), table": "(None, 2, {'a': 1})",
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("environment", ["on", "off"])
def test_it_does_what_its_object_does(project, operation, environment):
    code = f"""
        from ponyreload import *
        use_autoreload()
        class Thing:
            x = 1
            __hash__ = lambda self: 7
            def __call__(self, *args): return f"called with {{args[0]}}"
            def __enter__(self): return "entered"
            def __exit__(self, *exception): return True
        table, numbers, thing = PerGeneration(dict), PerGeneration(list), PerGeneration(Thing)
        table["a"] = 1
        numbers += [1]
        with thing as entered:
            assert entered == "entered"
            raise ValueError("taken by the object")
        del entered
        table["c"] = 3
        del table["c"]
        result = {operation}
        print(result)
    """
    assert project({"app.py": code}).run("app.py", PONYRELOAD=environment).stdout == f"{OPERATIONS[operation]}\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "PerGeneration({})",
            "TypeError: PerGeneration takes a factory, which makes the object of a generation, not {}",
        ),
        ("x = PerGeneration(int)\nx += 1", "TypeError: in-place add makes a new object here"),
        ("next(PerGeneration(list))", "TypeError: 'PerGeneration' object is not an iterator"),
        ("PerGeneration(list)()", "TypeError: 'list' object is not callable"),
        ("PerGeneration(list).nothing", "AttributeError: 'list' object has no attribute 'nothing'"),
    ],
)
def test_what_cannot_be_done_is_told(project, line, said):
    done = project({"app.py": f"from ponyreload import *\n{line}\n"}).run("app.py", check=False)
    assert said in done.stderr
