"""A retired generation is freed (G8)."""

from __future__ import annotations

import pytest

APP = """
    from __future__ import annotations
    from ponyreload import *
    import abc, collections, dataclasses, enum, functools, inspect, threading, typing
    import shop
    reloader = use_autoreload()

    class Order:
        pass

    {code}

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [])
        return [str(shop.X).encode()]
"""
ORDINARY = {
    "nothing": "",
    "optional": "Maybe = typing.Optional[Order]; Both = typing.Union[Order, int]; Many = typing.Dict[str, Order]",
    "generic": "T = typing.TypeVar('T')\n    class G(typing.Generic[T]): pass\n    Mine = G[Order]",
    "protocol": "@typing.runtime_checkable\n    class P(typing.Protocol):\n        def f(self): ...\n    isinstance(Order(), P)",
    "hints": "@dataclasses.dataclass\n    class Item:\n        order: Order\n    typing.get_type_hints(Item)",
    "enum": "class Colour(enum.Enum):\n        RED = 1",
    "abstract": "class A(abc.ABC):\n        @abc.abstractmethod\n        def f(self): ...\n    A.register(Order)\n    isinstance(Order(), A)",
    "dispatch": "@functools.singledispatch\n    def f(x): ...\n    f.register(Order, print)\n    f(Order())",
    "cached": "@functools.lru_cache\n    def f(x): return x\n    f(Order())",
    "signature": "inspect.signature(Order)",
    "thread": "threading.Thread(target=Order).start()",
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_code_leaves_no_old_generation_in_memory(project, name):
    files = {"app.py": APP.replace("{code}", ORDINARY[name]), "shop.py": "from ponyreload import *\nX = 1\n"}
    told = project(files).drive("""
        import app
        reloader, application = app.reloader, app.application
        request(application)
        for number in range(2, 8):
            project.edit("shop.py", f"from ponyreload import *\\nX = {number}\\n")
            reloader.wait(number - 1, 10)
        until(lambda: len(reloader.living) == 1)
        until(lambda: living_generations() == [7])
        tell(answer=request(application))
    """)
    assert told["answer"] == "7"
