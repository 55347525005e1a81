"""What a request gives to an executor or a pool runs in its generation, and holds that until it is done (G1)."""

from __future__ import annotations

import sys
import textwrap

import pytest

POOLS = """
    import concurrent.futures, multiprocessing.pool, pickle, threading

    executor = concurrent.futures.ThreadPoolExecutor(1)
    pool = multiprocessing.pool.ThreadPool(1)
    open_gate, at_gate = threading.Event(), threading.Event()
    kept = []

    def wait():
        at_gate.set()
        assert open_gate.wait(20)

    def block():
        open_gate.clear()
        at_gate.clear()
        executor.submit(wait)
        assert at_gate.wait(20)

    def start(data):
        threading.Thread(target=lambda: kept.append(load(data))).start()
        return []

    def load(data, *rest):
        wait()
        return pickle.loads(data)
"""
APP = """
    from ponyreload import *
    import asyncio, functools, pickle
    import pools
    reloader = use_autoreload({options})

    class Order:
        def total(self):
            return 0

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [])
        data = pickle.dumps(Order())
        orders = WAYS[environ["PATH_INFO"][1:]](data)
        return [str([type(each) is Order for each in orders]).encode()]

    async def in_executor(data):
        return await asyncio.get_running_loop().run_in_executor(pools.executor, pools.load, data)

    WAYS = {
        "submit": lambda data: [pools.executor.submit(pools.load, data).result()],
        "partial": lambda data: [pools.executor.submit(functools.partial(pools.load, data)).result()],
        "nested": lambda data: [pools.pool.apply(pools.executor.submit, (pools.load, data)).result()],
        "map": lambda data: pools.executor.map(pools.load, [data, data]),
        "run_in_executor": lambda data: [asyncio.run(in_executor(data))],
        "apply": lambda data: [pools.pool.apply(pools.load, (data,))],
        "apply_async": lambda data: [pools.pool.apply_async(pools.load, (data,)).get()],
        "pool map": lambda data: pools.pool.map(pools.load, [data, data], 1),
        "map_async": lambda data: pools.pool.map_async(pools.load, [data, data]).get(),
        "starmap": lambda data: pools.pool.starmap(pools.load, [(data, 1)]),
        "starmap_async": lambda data: pools.pool.starmap_async(pools.load, [(data, 1)]).get(),
        "imap": lambda data: pools.pool.imap(pools.load, [data]),
        "imap_unordered": lambda data: pools.pool.imap_unordered(pools.load, [data]),
    }

    def left(make):
        def leave(data):
            pools.kept.append(make(data))
            return []
        return leave

    WAYS |= {
        "thread left": pools.start,
        "left to an executor": left(lambda data: pools.executor.submit(pools.load, data)),
        "left to a pool": left(lambda data: pools.pool.apply_async(pools.load, (data,))),
        "mapped in a pool": left(lambda data: pools.pool.map_async(pools.load, [data, data], 1)),
        "fails in an executor": left(lambda data: pools.executor.submit(pools.load, b"")),
        "fails in a pool": left(lambda data: pools.pool.apply_async(pools.load, (b"",))),
    }
    {after}
"""
DRIVE = """
    import app, pools
    reloader, application = app.reloader, app.application

    def save():
        reloader.reload()

    def leave(way):
        '''Have a request leave work to a pool, and a newer generation published while that runs.'''
        request(application, "/" + way)
        assert pools.at_gate.wait(20)
        save()
        return [len(each.leases) for each in reloader.living]

    def is_retired():
        return len(reloader.living) == 1
"""


@pytest.fixture
def drive(project):
    def run(code: str, options: str = "", after: str = "", **environment: str) -> dict:
        app = APP.replace("{options}", options).replace("{after}", after)
        site = project({"pools.py": POOLS, "app.py": app})
        return site.drive(textwrap.dedent(DRIVE) + textwrap.dedent(code), **environment)

    return run


def test_what_a_request_gives_to_a_pool_runs_in_its_generation(drive):
    told = drive("""
        answers = {}
        for way in list(app.WAYS):
            if "left" in way or "fails" in way or "mapped" in way:
                continue
            pools.open_gate.clear()
            pools.at_gate.clear()
            answer = in_thread(lambda: request(application, f"/{way}"))
            assert pools.at_gate.wait(20)
            save()
            pools.open_gate.set()
            answers[way] = answer()
            until(is_retired)
        save()
        # The pools' threads are nobody's again.
        active = __import__("ponyreload.generations.context").generations.context.active
        tell(answers=answers, after=[pools.executor.submit(active).result().number, pools.pool.apply(active).number],
             number=reloader.generation)
    """)
    assert len(told["answers"]) == 13
    assert set(told["answers"].values()) == {"[True]", "[True, True]"}
    assert told["after"] == [told["number"]] * 2


@pytest.mark.parametrize("way", ["left to an executor", "left to a pool", "mapped in a pool"])
def test_what_a_request_leaves_to_a_pool_holds_its_generation_until_it_is_done(drive, way):
    told = drive(f"""
        holds = leave({way!r})
        pools.open_gate.set()
        until(is_retired)
        tell(holds=holds)
    """)
    assert told["holds"] == [1, 0]


@pytest.mark.parametrize("way", ["fails in an executor", "fails in a pool"])
def test_a_kept_failure_holds_no_generation_and_shows_no_line_of_ours(drive, way):
    told = drive(f"""
        import traceback
        holds = leave({way!r})
        pools.open_gate.set()
        until(is_retired)
        until(lambda: living_generations() == [2])
        (kept,) = pools.kept
        try:
            kept.result(10) if hasattr(kept, "result") else kept.get(10)
        except EOFError:
            text = traceback.format_exc()
        tell(holds=holds, text=text)
    """)
    assert told["holds"] == [1, 0]
    assert ", in load" in told["text"]
    if sys.version_info >= (3, 11):
        assert "works.py" not in told["text"]


def test_work_that_was_cancelled_or_dropped_holds_no_generation(drive):
    told = drive("""
        pools.block()
        request(application, "/left to an executor")
        request(application, "/left to an executor")
        save()
        both = [len(each.leases) for each in reloader.living]
        pools.kept.pop().cancel()
        one = [len(each.leases) for each in reloader.living]
        pools.executor.shutdown(wait=False, cancel_futures=True)
        until(is_retired)

        pools.open_gate.set()
        pools.open_gate.clear()
        pools.kept.clear()
        number = reloader.generation
        pools.at_gate.clear()
        pools.pool.apply_async(pools.wait)
        assert pools.at_gate.wait(20)
        request(application, "/left to a pool")
        pools.kept.clear()
        save()
        held = len(reloader.living)
        pools.open_gate.set()
        pools.pool.terminate()
        until(is_retired)
        tell(both=both, one=one, held=held)
    """)
    assert told["both"] == [2, 0]
    assert told["one"] == [1, 0]
    assert told["held"] == 2


def test_work_that_holds_a_generation_for_long_is_named_with_its_request(drive):
    told = drive(
        """
        leave("left to an executor")
        until(lambda: reloader.application.living.held() == [])
        line, = [each.line for generation in reloader.living for each in generation.leases]
        pools.open_gate.set()
        until(is_retired)
        tell(line=line)
        """,
        options="drain_seconds=0.1",
    )
    assert told["line"] == "GET /left to an executor (pools.load in a pool)"
    (named,) = [line for line in told["stderr"].splitlines() if "is held by" in line]
    assert "generation 1 is held by GET /left to an executor (pools.load in a pool), open for " in named


def test_a_thread_that_a_library_starts_in_a_request_serves_all_generations(drive):
    # Python 3.14 and later can be told, or built, to hand a thread the context of the one that starts it.
    told = drive(
        """
        leave("thread left")
        until(is_retired)
        pools.open_gate.set()
        until(lambda: pools.kept)
        tell(is_new=type(pools.kept[0]) is app.Order)
        """,
        PYTHON_THREAD_INHERIT_CONTEXT="1",
    )
    assert told["is_new"]


def test_a_process_pool_gets_the_function_itself_and_holds_the_generation(drive):
    told = drive("""
        import concurrent.futures, multiprocessing
        os.mkfifo("gate")
        with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pools.executor:
            pools.load, app.pickle.dumps = Path.read_text, lambda order: Path("gate")
            request(application, "/left to an executor")
            save()
            holds = [len(each.leases) for each in reloader.living]
            Path("gate").write_text("open")
            until(is_retired)
            tell(holds=holds, result=pools.kept[0].result(20))
    """)
    assert told["holds"] == [1, 0]
    assert told["result"] == "open"


def test_what_a_load_leaves_to_a_pool_runs_in_its_generation_and_does_not_hold_it(drive):
    told = drive(
        """
        for _ in range(3):
            save()
        until(is_retired)
        pools.open_gate.set()
        tell(own=[type(future.result(20)) is kind for future, kind in pools.kept])
        """,
        after="pools.kept.append((pools.executor.submit(pools.load, pickle.dumps(Order())), Order))",
    )
    assert told["own"] == [True] * 4
