"""`keep`: an object is made once, handed from generation to generation, and dropped when nobody asks any more."""

from __future__ import annotations

import pytest

# A system module: what is made and closed there is written down.
LIB = """
    lines = []

    class Pool:
        made = 0

        def __init__(self):
            Pool.made += 1
            self.name = f"pool {Pool.made}"
            lines.append(f"{self.name} made")

        def close(self):
            lines.append(f"{self.name} closed")
"""
SHOP = """
    from ponyreload import *
    import lib
    X = 1
    pool = keep("pool", lib.Pool, close=True)
"""
APP = """
    from ponyreload import *
    import shop
    reloader = use_autoreload()

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [])
        return [shop.answer().encode()] if hasattr(shop, "answer") else [f"{shop.X} {shop.pool.name}".encode()]
"""
HEAD = """
    import app, lib, shop
    body = start(app.application)
    body.close() if hasattr(body, "close") else None
    def edit(text, number):
        project.edit("shop.py", text)
        app.reloader.wait(number - 1, 10)
        until(lambda: len(app.reloader.living) == 1)
"""


@pytest.fixture
def site(project):
    def make(shop=SHOP, **files):
        return project({"lib.py": LIB, "shop.py": shop, "app.py": APP, **files})

    return make


def drive(site, code, **more):
    """Run the code; what it defines as `told` comes back."""
    return site.drive(
        f"{HEAD}\n    TEXT = (project / 'shop.py').read_text()\n{code}\n    tell(**told, lines=lib.lines)", **more
    )


def test_an_object_is_made_once_and_closed_at_the_end_of_the_process(site):
    folder = site(
        **{"lib.py": LIB.replace("lines = []", "class Lines(list):\n        append = print\n    lines = Lines()")}
    )
    folder.edit("lib.py", LIB.replace("lines = []", "import types\n    lines = types.SimpleNamespace(append=print)"))
    done = folder.run(
        "-c",
        "from driving import *\nimport app\nfor number in (2, 3, 4):\n"
        "    project.replace('shop.py', f'X = {number - 1}', f'X = {number}')\n    app.reloader.wait(number - 1, 10)\n"
        "    print(request(app.application))\n",
    )
    assert done.stdout.splitlines() == ["pool 1 made", "2 pool 1", "3 pool 1", "4 pool 1", "pool 1 closed"]


def test_an_object_that_the_new_generation_does_not_ask_for_is_closed_when_the_old_one_retires(site):
    told = drive(
        site(),
        """
    body = start(app.application)
    lease = app.reloader.lease({})  # a request that lasts
    project.edit("shop.py", TEXT.replace("pool = keep", "pool = lib.Pool() #"))
    app.reloader.wait(1, 10)
    told = {"during": list(lib.lines)}
    app.reloader.release(lease)
    until(lambda: len(app.reloader.living) == 1)
    """,
    )
    assert told["during"] == ["pool 1 made", "pool 2 made"]
    assert told["lines"] == ["pool 1 made", "pool 2 made", "pool 1 closed"]


def test_what_a_load_that_fails_has_made_is_closed_and_what_it_was_handed_stays(site):
    told = drive(
        site(),
        """
    project.edit("shop.py", TEXT + 'other = keep("other", lib.Pool, close=True)\\n1 / 0\\n')
    until(lambda: app.reloader.error)
    until(lambda: len(app.reloader.living) == 1)
    told = {"answer": request(app.application)}
    """,
    )
    assert told["answer"] == "1 pool 1"
    assert told["lines"] == ["pool 1 made", "pool 2 made", "pool 2 closed"]


def test_an_object_is_not_closed_unless_that_was_asked_for(site):
    told = drive(
        site(SHOP.replace(", close=True", "")),
        """
    edit(TEXT.replace("pool = keep", "pool = lib.Pool() #"), 2)
    told = {}
    """,
    )
    assert told["lines"] == ["pool 1 made", "pool 2 made"]


LAZY = """
    from ponyreload import *
    import lib
    X = 1
    def answer():
        return f"{X} " + keep("pool", lib.Pool, close=True).name
"""


def test_an_object_that_requests_ask_for_outlives_a_reload_without_requests(site):
    told = drive(
        site(LAZY),
        """
    answers = [request(app.application)]
    edit(TEXT.replace("X = 1", "X = 2"), 2)
    answers.append(request(app.application))
    edit(TEXT.replace("X = 1", "X = 3"), 3)   # no request comes
    edit(TEXT.replace("X = 1", "X = 4"), 4)
    answers.append(request(app.application))
    told = {"answers": answers}
    """,
    )
    assert told["answers"] == ["1 pool 1", "2 pool 1", "4 pool 2"]
    assert told["lines"] == ["pool 1 made", "pool 1 closed", "pool 2 made"]


def test_threads_that_ask_at_once_get_the_same_object(site):
    told = drive(
        site(),
        """
    gate, inside = threading.Event(), threading.Event()
    def slow():
        inside.set()
        gate.wait(10)
        return lib.Pool()
    first = in_thread(lambda: ponyreload.keep("slow", slow))
    inside.wait(10)
    second = in_thread(lambda: ponyreload.keep("slow", slow))
    gate.set()
    told = {"same": first() is second()}
    """,
    )
    assert told["same"] is True
    assert told["lines"] == ["pool 1 made", "pool 2 made"]


def test_a_factory_that_fails_is_asked_again(site):
    told = drive(
        site(),
        """
    def fails():
        raise OSError("no connection")
    try:
        ponyreload.keep("other", fails)
    except OSError as error:
        told = {"error": str(error), "name": ponyreload.keep("other", lib.Pool).name}
    """,
    )
    assert (told["error"], told["name"]) == ("no connection", "pool 2")


# -- user code ---------------------------------------------------------------------------------------------------

ITS_OWN = """
    from ponyreload import *
    import lib; X = 1
    class Cart:
        items = 0
    cart = keep("cart", WHAT)
    def answer():
        return f"{X} {cart.items}"
"""


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("Cart", "an instance of shop.Cart, a class of a user module"),
        ("lambda: Cart", "shop.Cart, which is of a user module"),
        ("lambda: keep", None),
        (
            "lambda: __import__('functools').partial(lambda: 1)",
            "shop.<lambda>.<locals>.<lambda>, which is of a user module",
        ),
        ("lambda: __import__('sys').modules[__name__]", "the user module shop"),
        ("lambda: (lambda: 1)", "shop.<lambda>.<locals>.<lambda>, which is of a user module"),
        ("lambda: Cart().__init__", "an instance of shop.Cart, a class of a user module"),
        (
            "lambda: __import__('functools').lru_cache(lambda: 1)",
            "shop.<lambda>.<locals>.<lambda>, which is of a user module",
        ),
        ("lambda: (each for each in 'ab')", "shop.<lambda>.<locals>.<genexpr>, which is of a user module"),
        ("lambda: globals()", "the user module shop"),
        ("lambda: setattr(lib.Pool, 'debug', lambda self: 1) or lib.Pool()", None),
        ("lambda: lib.Pool().close", None),
    ],
)
def test_user_code_is_refused_with_the_reason(site, what, said):
    folder = site(SHOP, **{"extra.py": ""})
    told = drive(
        folder,
        f"""
    project.edit("shop.py", {ITS_OWN.replace("WHAT", what)!r})
    until(lambda: app.reloader.error or app.reloader.generation == 2)
    told = {{"error": str(app.reloader.error), "generation": app.reloader.generation}}
    """,
    )
    if said is None:
        assert told["generation"] == 2
    else:
        assert told["error"] == (
            f"generation 2 not served: shop.py:6 TypeError: keep('cart') cannot hand on {said}: all generations would run "
            "that old code; keep what it is made of, define it in a system module, or pass migrate= to make a new one "
            "out of the old one"
        )


def test_user_code_that_generation_1_kept_before_autoreload_was_on_is_refused_at_the_first_reload(site):
    told = drive(
        site(ITS_OWN.replace("WHAT", "Cart")),
        """
    project.replace("shop.py", "X = 1", "X = 2")
    until(lambda: app.reloader.error)
    told = {"error": str(app.reloader.error), "answer": request(app.application)}
    """,
    )
    assert "keep('cart') cannot hand on an instance of shop.Cart, a class of a user module" in told["error"]
    assert told["answer"] == "1 0"


MIGRATED = """
    from ponyreload import *
    X = 1
    class Cart:
        def __init__(self, items):
            self.items = items
    cart = keep("cart", lambda: Cart(1), migrate=lambda old: Cart(old.items + 1))
    def answer():
        return f"{X} {cart.items} {type(cart) is Cart}"
"""


def test_an_instance_of_a_user_class_is_migrated_and_each_generation_has_its_own(site):
    told = drive(
        site(MIGRATED),
        """
    old = shop.cart
    edit(TEXT.replace("X = 1", "X = 2"), 2)
    answers = [request(app.application)]
    project.edit("shop.py", TEXT.replace("X = 1", "X = 3") + "1 / 0\\n")
    until(lambda: app.reloader.error)
    edit(TEXT.replace("X = 1", "X = 4"), 3)
    answers.append(request(app.application))
    told = {"answers": answers, "old": old.items}
    """,
    )
    assert told["answers"] == ["2 2 True", "4 3 True"]
    assert told["old"] == 1


def test_kept_objects_keep_no_old_generation(site):
    told = drive(
        site(
            MIGRATED.replace("cart = keep", "import lib\n    pool = keep('pool', lambda: lib.Pool())\n    cart = keep")
        ),
        """
    for number in range(2, 8):
        edit(TEXT.replace("X = 1", f"X = {number}"), number)
    del shop  # which is of generation 1
    until(lambda: living_generations() == [7])
    told = {}
    """.replace("del shop", "globals().pop('shop')"),
    )
    assert told["lines"] == ["pool 1 made"]


# -- at the door -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("keep(3, list)", "keep() takes a name (str) and a factory, not 3"),
        ("keep('x', 3)", "keep('x'): the factory has to be callable, not 3"),
        ("keep('x', None)", "keep('x'): the factory has to be callable, not None"),
        ("keep('x', list, migrate=3)", "keep('x'): migrate= has to be callable, not 3"),
    ],
)
def test_arguments_are_checked(project, call, said):
    done = project({"app.py": f"from ponyreload import keep\n{call}\n"}).run("app.py", check=False)
    assert done.stderr.endswith(f"TypeError: {said}\n")


def test_without_autoreload_it_makes_an_object_once(project):
    code = "from ponyreload import *\nuse_autoreload()\nprint(keep('x', list) is keep('x', list))\n"
    assert project({"app.py": code}).run("app.py", PONYRELOAD="off").stdout == "True\n"


def test_a_child_can_ask_while_another_thread_of_its_parent_made_the_object(project):
    told = project({"app.py": APP.replace("import shop", ""), "lib.py": LIB}).drive("""
        import app, lib
        gate, inside = threading.Event(), threading.Event()
        def slow():
            inside.set()
            gate.wait(20)
            return lib.Pool()
        waits = in_thread(lambda: ponyreload.keep("slow", slow))
        inside.wait(10)
        read, write = os.pipe()
        if os.fork() == 0:
            os.write(write, ponyreload.keep("slow", lib.Pool).name.encode())
            os._exit(0)
        name = os.read(read, 20).decode()
        gate.set()
        os.wait()
        tell(child=name, parent=waits().name)
    """)
    assert told == {"child": "pool 1", "parent": "pool 1", "stderr": told["stderr"]}
