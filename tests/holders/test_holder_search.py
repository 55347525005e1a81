"""The search for a holder disturbs nothing, and bears what goes on meanwhile."""

from __future__ import annotations

import textwrap

import pytest

from shops import DRIVE, KEPT, UNSEEN, by, shop


@pytest.mark.parametrize("held", ["registry.CACHE['order'] = Order()", "import atexit\natexit.register(total)", "pass"])
def test_the_search_leaves_nothing_behind(project, held):
    # Looking at the variables of a function that runs must not keep what they are now, nor the search itself.
    told = project(shop(held)).drive(f"""{DRIVE}
    class Thing: pass
    first, second, over = threading.Event(), threading.Event(), threading.Event()
    def work():
        thing = Thing()
        kept.append(weakref.ref(thing))
        first.set()
        second.wait()
        thing = None
        first.set()
        over.wait()
    kept = []
    threading.Thread(target=work).start()
    first.wait()
    first.clear()
    reports(reloader)
    second.set()
    first.wait()
    gone = kept[0]() is None
    over.set()
    own = Generation(9)  # only this and a cycle have it
    own.self = own
    alone = weakref.ref(own)
    del own
    gc.disable()
    said = holder_of_each([*finding.superseded(reloader.living), alone()], [])
    # Without a collection, what is in a cycle stays.
    left = [
        repr(each) for each in gc.get_objects()
        if type(each).__name__ in ("Walk", "Levels", "Way", "Root", "Edge") and "holders" in type(each).__module__
        or isinstance(each, types.FrameType) and each.f_globals.get("__name__", "").startswith("ponyreload.holders")
    ]
    tell(gone=gone, left=left, said=[each.generation for each in said if each])
    """)
    assert told["gone"]
    assert told["left"] == []
    assert told["said"] == ([] if held == "pass" else [2])


@pytest.mark.parametrize(
    ("held_by", "words"),
    [
        ("mapping", "shop_registry.STRANGE[1][0].order -> shop.models.Order"),
        ("Local(thing=thing)", "shop_registry.STRANGE -> a dict['thing'].order -> shop.models.Order"),
    ],
)
def test_no_code_of_the_application_is_called_by_the_search(project, held_by, words):
    files = shop("registry.hold_all(Order)") | {
        "strange.py": """
            import shop_registry as registry
            called = []

            def note(*args):
                called.append(1)
                raise AssertionError

            class Meta(type):
                __hash__ = __eq__ = __getattribute__ = __instancecheck__ = __subclasscheck__ = __dir__ = note
                __repr__ = __bool__ = __len__ = __iter__ = note
                __name__ = __module__ = property(note)

            def strange(*bases):
                names = "eq repr str bool len iter getattribute contains getitem dir format reduce getattr".split()
                space = {f"__{name}__": note for name in names}
                space |= {"__call__": note, "__class__": property(note), "keys": note, "items": note}
                return Meta("Strange", bases, space | {"values": note, "get": note, "copy": note})
        """,
    }
    files["shop_registry.py"] += textwrap.indent(
        textwrap.dedent("""
            def hold_all(make):
                import _signal, sys, strange
                plain = object.__new__
                def new(*bases):
                    kind = strange.strange(*bases)
                    return (bases[0] if bases else object).__new__(kind)
                mapping, items, thing = new(dict), new(list), new()
                dict.__setitem__(mapping, 1, items)
                list.append(items, thing)
                object.__setattr__(thing, "order", make())
                sys.modules["shop_registry"].STRANGE = HELD_BY
                sys.modules["shop_registry"].BY_CLASS = {Key(): strange.strange(), 2: new()}
                sys.modules["strange_one"] = new()
                _signal.signal(_signal.SIGUSR1, new())
                strange.called.clear()

            class Key:
                def __eq__(self, other):
                    import strange
                    strange.note()
                def __hash__(self):
                    return 0

            class Local(threading.local):
                def __init__(self, thing):
                    pass
        """).replace("HELD_BY", held_by),
        "    ",
    )
    told = project(files).drive(f"""{DRIVE}
    import strange
    strange.called.clear()
    said = reports(reloader)
    tell(said=said, called=len(strange.called))
    """)
    assert told["called"] == 0
    assert told["said"] == [KEPT + words + by("object")]


def test_the_search_bears_that_other_threads_change_everything_meanwhile(project):
    told = project(shop("registry.CACHE['order'] = Order()")).drive(f"""{DRIVE}
    import collections, types
    over = threading.Event()
    registry.MANY = {{}}
    registry.QUEUE = collections.deque()
    def change(seed):
        mine = random.Random(seed)
        while not over.is_set():
            number = mine.randrange(300)
            registry.MANY[number] = [{{number: [number]}}]
            registry.MANY.pop(mine.randrange(300), None)
            registry.QUEUE.append([number])
            if len(registry.QUEUE) > 100:
                registry.QUEUE.popleft()
            sys.modules[f"made_{{number}}"] = types.ModuleType("made")
            sys.modules.pop(f"made_{{mine.randrange(300)}}", None)
            setattr(registry, f"name_{{number}}", registry.wrap(number))
            def deep(n):
                thing = [n]
                return deep(n - 1) if n else threading.Thread(target=thing.pop).start()
            if not number % 30:
                deep(20)
    threads = [threading.Thread(target=change, args=(seed,)) for seed in range(3)]
    sys.setswitchinterval(0.00001)
    for thread in threads:
        thread.start()
    said = [reports(reloader) for _ in range(30)]
    over.set()
    for thread in threads:
        thread.join()
    tell(said=said)
    """)
    words = KEPT + "shop_registry.CACHE['order'] -> shop.models.Order" + by("object")
    assert told["said"] == [[words]] * 30


def test_several_threads_may_search_at_once(project):
    told = project(shop("import atexit\natexit.register(total)")).drive(f"""{DRIVE}
    gc.collect()
    generation, = map(weakref.ref, finding.superseded(reloader.living))
    waits = [in_thread(lambda: [holder_of_each([generation()])[0].text for _ in range(10)]) for _ in range(4)]
    tell(said=[wait() for wait in waits])
    """)
    assert told["said"] == [[f"{KEPT}{UNSEEN} -> function shop.models.total"] * 10] * 4


def test_a_forked_process_searches_though_a_search_was_going_on(project):
    told = project(shop("registry.CACHE['order'] = Order()")).drive(f"""{DRIVE}
    from ponyreload.holders import search
    read, write = os.pipe()
    inside, leave = threading.Event(), threading.Event()
    def look(*args):
        inside.set()
        leave.wait()
        return plain(*args)
    plain, search._look = search._look, look
    wait = in_thread(lambda: reports(reloader))
    inside.wait()
    search._look = plain
    if not os.fork():
        os.write(write, reports(reloader)[0].encode())
        os._exit(0)
    os.close(write)
    with open(read) as pipe:
        child = pipe.read()
    os.wait()
    leave.set()
    tell(child=child, parent=wait())
    """)
    assert (
        told["parent"] == [told["child"]] == [KEPT + "shop_registry.CACHE['order'] -> shop.models.Order" + by("object")]
    )


def test_a_way_that_changes_while_it_is_told_is_told_another_time(project):
    told = project(shop("registry.CACHE['order'] = Order()")).drive(f"""{DRIVE}
    from ponyreload.holders import walk
    plain, lost = walk.Levels.way_to, []
    def way_to(levels, depth, index):
        if not lost:
            lost.append(1)
            registry.later = registry.CACHE.pop("order")
        return plain(levels, depth, index)
    walk.Levels.way_to = way_to
    said = reports(reloader)
    tell(said=said)
    """)
    assert told["said"] == [KEPT + "shop_registry.later -> shop.models.Order" + by("object")]


def test_what_changes_while_it_is_put_into_words_is_told_without_names(project):
    told = project(shop("registry.CACHE['order'] = [Order()]")).drive(f"""{DRIVE}
    from ponyreload.holders import words
    plain = words._in_dict
    def in_dict(holder, *more):
        if holder is registry.CACHE:
            raise RuntimeError("dictionary changed size during iteration")
        return plain(holder, *more)
    words._in_dict = in_dict
    tell(said=reports(reloader))
    """)
    assert told["said"] == [KEPT + "shop_registry.CACHE -> a list[0] -> shop.models.Order" + by("object")]


@pytest.mark.parametrize("call", ["locals()", "vars()", "eval('1')", "None"])
def test_a_debugger_and_locals_see_the_same_as_without_the_search(project, call):
    told = project(shop("registry.CACHE['order'] = Order()")).drive(f"""{DRIVE}
    def traced(started, go_on):
        thing = 1
        mine = {call}
        if type(mine) is dict:
            mine["thing"] = 2
        started.set()
        go_on.wait()
        return thing, mine and type(mine) is dict and mine["thing"]

    def run(with_trace):
        results, started, go_on = [], threading.Event(), threading.Event()
        inside, leave = threading.Event(), threading.Event()
        def trace(frame, event, arg):
            if frame.f_code is traced.__code__ and event == "call" and with_trace:
                inside.set()
                leave.wait()
            return None
        def work():
            if with_trace:
                sys.settrace(trace)
            results.append(traced(started, go_on))
        thread = threading.Thread(target=work)
        thread.start()
        if with_trace:
            inside.wait()
            reports(reloader)
            leave.set()
        started.wait()
        reports(reloader)
        go_on.set()
        thread.join()
        return results
    tell(plain=run(False), traced=run(True))
    """)
    seen = 2 if call in ("locals()", "vars()") else None if call == "None" else False
    assert told["plain"] == told["traced"] == [[1, seen]]
