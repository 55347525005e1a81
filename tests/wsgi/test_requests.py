"""A request runs on one generation, to the last byte (G1), and new requests run on the newest (G4)."""

from __future__ import annotations

import pytest

APP = """
    from ponyreload import *
    import importlib, pickle, sys, threading
    import shop.cart
    reloader = use_autoreload()
    gate, arrived = threading.Event(), threading.Event()

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        if environ["PATH_INFO"] == "/slow":
            arrived.set()
            gate.wait(20)
        from shop import late
        facts = [
            shop.cart.PRICE,
            late.PRICE,
            importlib.import_module("shop.cart").PRICE,
            sys.modules["shop.cart"].PRICE,
            type(pickle.loads(pickle.dumps(shop.cart.Order(1)))) is shop.cart.Order,
        ]
        return [repr(facts).encode()]

    application = AutoreloadMiddleware(application)
"""
CART = """
    from ponyreload import *
    PRICE = {price}
    class Order:
        def __init__(self, number):
            self.number = number
"""
LATE = """
    from ponyreload import *
    from .cart import PRICE
"""


def files(price=1):
    return {"app.py": APP, "shop/__init__.py": "", "shop/cart.py": CART.format(price=price), "shop/late.py": LATE}


def test_a_request_after_the_save_runs_the_new_code(project):
    told = project(files()).drive("""
        import app
        before = request(app.application)
        project.replace("shop/cart.py", "PRICE = 1", "PRICE = 2")
        app.reloader.wait(1, 10)
        tell(before=before, after=request(app.application))
    """)
    assert told["before"] == "[1, 1, 1, 1, True]"
    assert told["after"] == "[2, 2, 2, 2, True]"
    assert "generation 2 serves: shop/cart.py changed (" in told["stderr"]


def test_a_slow_request_finishes_on_the_generation_it_started_on(project):
    told = project(files()).drive("""
        import app
        slow = in_thread(lambda: request(app.application, "/slow"))
        app.arrived.wait(10)
        gate = app.gate  # of generation 1: the name leads elsewhere from now on
        project.replace("shop/cart.py", "PRICE = 1", "PRICE = 2")
        app.reloader.wait(1, 10)
        quick = request(app.application)
        gate.set()
        tell(slow=slow(), quick=quick)
    """)
    assert told["slow"] == "[1, 1, 1, 1, True]"
    assert told["quick"] == "[2, 2, 2, 2, True]"


@pytest.mark.parametrize("made", ["'shop:sites.app'", "shop.sites.app", "'shop:app'", "shop.app"])
def test_a_middleware_in_a_module_that_is_not_reloaded_serves_each_generation(project, made):
    files = {
        "serving.py": f"""
            USE_AUTORELOAD = False
            from ponyreload import *
            import shop
            reloader = use_autoreload()
            application = AutoreloadMiddleware({made})
        """,
        "shop.py": """
            from ponyreload import *
            X = 1

            def app(environ, start_response):
                start_response("200 OK", [])
                return [str(X).encode()]

            class sites:
                app = app
        """,
    }
    told = project(files).drive("""
        import serving
        answers = [request(serving.application)]
        for number in (2, 3):
            project.replace("shop.py", f"X = {number - 1}", f"X = {number}")
            serving.reloader.wait(number - 1, 10)
            answers.append(request(serving.application))
        tell(answers=answers)
    """)
    assert told["answers"] == ["1", "2", "3"]
