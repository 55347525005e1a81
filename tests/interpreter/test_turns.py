"""How long a thread may keep the interpreter: less in a load."""

import pytest

from ponyreload.interpreter import turns

APP = """
import sys
from ponyreload import *
{code}
seen = sys.getswitchinterval()
reloader = use_autoreload()
"""


@pytest.mark.parametrize("code", ["", "if generation() > 1: 1 / 0"])
def test_turns_are_short_in_a_load_and_as_long_as_before_after_it(project, code):
    told = project({"app.py": APP.replace("{code}", code), "plain.py": "seen = []"}).drive("""
        import app, plain
        before = sys.getswitchinterval()
        sys.addaudithook(lambda event, _: plain.seen.append(sys.getswitchinterval()) if event == "exec" else None)
        try:
            app.reloader.reload()
        except Exception:
            pass
        until(lambda: sys.getswitchinterval() == before)
        tell(before=before, least=min(plain.seen))
    """)
    assert told["least"] == pytest.approx(turns.TURN_SECONDS)
    assert told["before"] > told["least"]


@pytest.mark.parametrize("seconds", [0.02, 0.0001])
def test_a_number_that_the_application_sets_stays(project, seconds):
    told = project({"app.py": APP.replace("{code}", f"sys.setswitchinterval({seconds} * (1 + generation()))")}).drive("""
        import app
        for _ in range(2):
            app.reloader.reload()
        tell(number=sys.getswitchinterval())
    """)
    assert told["number"] == pytest.approx(4 * seconds)


GIVES = """
    from types import SimpleNamespace
    import app
    import ponyreload.interpreter.turns
    slept = []
    ponyreload.interpreter.turns.time = SimpleNamespace(monotonic=time.monotonic, sleep=slept.append)
    ponyreload.interpreter.turns.MOST_SECONDS = {most}
    app.reloader.reload()
    in_load = len(slept)
    request(app.application)
    tell(in_load=in_load, in_request=len(slept) - in_load, seconds=sorted({*slept}))
"""


@pytest.mark.parametrize(("most", "in_load"), [(-1, 3), (1000, 0)])
def test_a_load_leaves_the_interpreter_to_others_between_modules(project, most, in_load):
    files = {f"{name}.py": "from ponyreload import *\n" for name in ("one", "two", "late")}
    files["app.py"] = """
        from ponyreload import *
        import one, two
        reloader = use_autoreload()

        @AutoreloadMiddleware
        def application(environ, start_response):
            import late
            start_response("200 OK", [])
            return [b"ok"]
    """
    told = project(files).drive(GIVES.replace("{most}", str(most)))
    # A request that imports something late has the interpreter for itself.
    assert (told["in_load"], told["in_request"]) == (in_load, 0)
    assert told["seconds"] == ([turns.WAKE_SECONDS] if in_load else [])
