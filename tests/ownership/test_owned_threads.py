"""Threads, timers and executors of a generation end with it; a thread that does not is named, once."""

from __future__ import annotations

import re
import textwrap

import pytest

SYSTEM = """
    import concurrent.futures, threading

    stop, started = threading.Event(), threading.Event()
    lines = []
    makes, grace = True, 0.3
    pool = given = thread = None
    cache = {}

    def worker():
        while not stop.wait(0.01):
            pass

    class Scheduler:
        def start(self):
            threading.Thread(target=self.run, name="scheduler", daemon=True).start()

        def run(self):
            stop.wait()

    class Monitor:
        thread = None

        def start(self):
            if Monitor.thread is None:
                Monitor.thread = threading.Thread(target=worker, name="monitor", daemon=True)
                Monitor.thread.start()

    def shared_pool():
        global pool
        if pool is None:
            pool = concurrent.futures.ThreadPoolExecutor(3)
        return pool
"""
APP = """
    from ponyreload import *
    import atexit, concurrent.futures, os, threading, time, weakref, system
    from ponyreload.ownership import leftovers, threads
    threads.GRACE_SECONDS, leftovers.LIBRARY_SECONDS = system.grace, 0.5
    {before}
    reloader = use_autoreload()
    {after}

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [])
        yield b"part"
        yield b"part"
"""
DRIVE = """
    import app, system
    reloader = app.reloader

    def names():
        return sorted(t.name for t in threading.enumerate())

    def retired():
        until(lambda: len(reloader.living) == 1)
        # What has been waiting for threads by then has named those that go on when it ends.
        until(lambda: "ponyreload waits for threads" not in names())
"""
# All in one line, without what differs.
WARNING = (
    "generation 1 has retired, but threads that it started still run: {}; if they do not end by themselves, "
    "have them end once superseded() is true, or each reload adds to them"
)


@pytest.fixture
def drive(project):
    def run(code: str, after: str = "", before: str = "", **more: str) -> dict:
        app = APP
        for place, text in (("{before}", before), ("{after}", after)):
            app = app.replace(place, textwrap.dedent(text).strip().replace("\n", "\n    "))
        site = project({"system.py": SYSTEM, "app.py": app, **{f"{name}.py": text for name, text in more.items()}})
        return site.drive(textwrap.dedent(DRIVE) + textwrap.dedent(code))

    return run


def warnings(told: dict) -> list[str]:
    return [line for line in told["stderr"].splitlines() if "has retired, but" in line]


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_thread_that_does_not_end_is_named_once_with_its_function_and_place(drive, place):
    told = drive("""
        reloader.reload()
        retired()
        reloader.reload()
        retired()
        system.stop.set()
        tell()
    """, **{place: """
        def poll():
            while True:
                if system.stop.wait(0.01):
                    return

        if system.makes:
            system.makes = False
            threading.Thread(target=poll, name="poller", daemon=DAEMON).start()
            threading.Thread(target=system.worker, name="system worker", daemon=True).start()
    """.replace("DAEMON", str(place == "after"))})  # fmt: skip
    found = warnings(told)
    assert len(found) == 1
    named = r"'poller' \(in app.poll at app.py:\d+\)"
    if place == "after":
        # Nobody knows who has started a thread that runs a library's code, if that was before autoreload was on.
        named += r", 'system worker' \(runs system.worker\)"
    assert re.fullmatch(re.escape(WARNING).replace(r"\{\}", named), found[0])


def test_a_thread_that_ends_in_time_is_not_named(drive):
    told = drive("""
        reloader.reload()
        retired()
        tell(names=names())
    """, after="""
        def poll():
            while not superseded(1):
                pass

        threading.Thread(target=poll, name="poller").start()
    """)  # fmt: skip
    assert told["names"].count("poller") == 1
    assert warnings(told) == []


def test_a_thread_that_would_keep_the_process_ends_before_the_exit_functions_run_and_a_daemon_is_not_waited_for(drive):
    told = drive("""
        system.grace = 20
        reloader.reload()
        until(lambda: len(reloader.living) == 1)
        tell(lines=system.lines)
    """, after="""
        def work():
            superseded(20)
            time.sleep(0.05)
            system.lines.append("thread")

        def daemon():
            wanted.wait()
            system.lines.append("daemon")

        wanted = threading.Event()
        if generation() == 1:
            thread = threading.Thread(target=daemon, daemon=True)
            thread.start()
            threading.Thread(target=work).start()

            @atexit.register
            def stop():
                system.lines.append("exit")
                wanted.set()
                thread.join()
    """)  # fmt: skip
    assert told["lines"] == ["thread", "exit", "daemon"]


def test_a_thread_that_starts_while_its_generation_retires_is_named_as_well(drive):
    told = drive(
        """
        reloader.reload()
        retired()
        system.stop.set()
        tell()
    """,
        after="""
        def early():
            superseded(20)
            threading.Thread(target=late, name="late", daemon=True).start()
            threading.Thread(target=system.stop.wait, name="later", daemon=True).start()
            system.stop.wait()

        def late():
            system.stop.wait()

        def last():
            threading.Thread(target=late, name="last", daemon=True).start()

        if generation() == 1:
            threading.Thread(target=early, name="early", daemon=True).start()
            atexit.register(last)
    """,
    )
    found = warnings(told)
    assert len(found) == 1
    assert [name for name in ("early", "late", "later", "last") if f"'{name}' (" in found[0]] == [
        "early",
        "late",
        "later",
        "last",
    ]


def test_many_threads_are_counted_and_those_of_a_load_that_failed_are_told_as_such(drive):
    told = drive(
        """
        system.fails = True
        try:
            reloader.reload()
        except ponyreload.LoadError:
            retired()
        system.stop.set()
        tell()
    """,
        after="""
        def work():
            system.stop.wait()

        if getattr(system, "fails", False):
            for number in range(8):
                threading.Thread(target=work, name=f"worker {number}", daemon=True).start()
            1 / 0
    """,
    )
    found = [line for line in told["stderr"].splitlines() if "was not served, but" in line]
    assert len(found) == 1
    assert found[0].startswith("generation 2 was not served, but threads that it started still run: 'worker ")
    assert found[0].count("(in app.work at app.py:") == 5
    assert " and 3 more; if they" in found[0]


def test_a_thread_that_a_library_starts_is_named_only_if_each_generation_has_one(drive):
    told = drive("""
        reloader.reload()
        retired()
        once = names()
        system.stop.set()
        tell(once=once)
    """, after="system.Scheduler().start(); system.Monitor().start()")  # fmt: skip
    assert told["once"].count("scheduler") == 2
    found = warnings(told)
    assert len(found) == 1
    assert "still run: 'scheduler' (runs system.Scheduler.run)" in found[0]
    assert "monitor" not in found[0]


def test_the_threads_of_a_library_stay_its_own_though_user_code_patches_the_class_of_threads(drive):
    told = drive("""
        system.Scheduler().start()  # not while user code runs
        reloader.reload()
        retired()
        system.stop.set()
        tell(ran=system.lines)
    """, after="""
        plain = threading.Thread.run

        def run(self):
            system.lines.append(self.name)
            plain(self)

        threading.Thread.run = run
    """)  # fmt: skip
    assert "scheduler" in told["ran"]
    assert warnings(told) == []


def test_threads_are_not_kept_in_memory(drive):
    told = drive("""
        until(app.done.is_set)
        del app.thread
        until(lambda: gc.collect() or app.kept() is None)
        tell()
    """, after="""
        done = threading.Event()
        thread = threading.Thread(target=done.set)
        kept = weakref.ref(thread)
        thread.start()
    """)  # fmt: skip
    assert told["stderr"] == ""


def test_a_class_of_threads_may_be_as_it_likes(drive):
    told = drive("""
        reloader.reload()
        retired()
        tell(names=names())
    """, after="""
        class Worker(threading.Thread):
            def __init__(self, **more):
                super().__init__(name="worker", **more)
            def __eq__(self, other):
                raise TypeError
            __hash__ = None
            def is_alive(self):
                raise TypeError
            def join(self, timeout=None):
                raise TypeError
            def run(self):
                superseded(20)
                time.sleep(0.1)

        def start():
            try:
                Worker().start()
            except TypeError:  # Python itself wants to hash it
                Worker.__hash__ = object.__hash__
                Worker.__eq__ = object.__eq__
                Worker().start()
        start()
    """)  # fmt: skip
    assert told["names"].count("worker") == 1
    assert warnings(told) == []
    assert "please report" not in told["stderr"]


# -- timers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_timer_is_cancelled(drive, place):
    told = drive("""
        timer = app.timer
        reloader.reload()
        retired()
        timer.join(10)
        tell(lines=system.lines, alive=timer.is_alive())
    """, **{place: """
        timer = threading.Timer(30, system.lines.append, ["fired"])
        timer = threading.Timer(30, lambda: system.lines.append("fired"))
        timer.start()
        atexit.register(lambda: timer.cancel())
    """})  # fmt: skip
    assert told["lines"] == []
    assert not told["alive"]


def test_a_timer_that_is_started_while_its_generation_retires_never_fires(drive):
    told = drive("""
        reloader.reload()
        retired()
        until(lambda: "timer" not in names())
        tell(lines=system.lines)
    """, after="""
        def fire():
            system.lines.append("fired")

        def again():
            for _ in range(3):
                timer = threading.Timer(0.02, fire)
                timer.name = "timer"
                timer.start()
                timer.join()
            system.lines.append("tried")

        if generation() == 1:
            atexit.register(again)
    """)  # fmt: skip
    assert told["lines"] == ["tried"]


def test_the_end_of_the_process_does_not_wait_for_the_timer_of_an_older_generation(drive):
    told = drive("""
        body = iter(start(app.application))
        next(body)  # generation 1 lives to the end
        reloader.reload()
        tell(living=len(reloader.living))
    """, after="""
        if generation() == 1:
            threading.Timer(600, print).start()
            pool = concurrent.futures.ThreadPoolExecutor(1)
            for _ in range(300):
                pool.submit(time.sleep, 0.5)
    """)  # fmt: skip
    assert told["living"] == 2


# -- executors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ThreadPoolExecutor", "ProcessPoolExecutor"])
def test_an_executor_takes_no_more_work_and_its_workers_end(drive, kind):
    told = drive("""
        # Not as globals: what a system module has, this script too, is everybody's.
        def run(pool, first, last):
            until(first.running)
            reloader.reload()
            retired()
            until(lambda: last.done())
            cancelled = last.cancelled()
            try:
                pool.submit(print)
            except RuntimeError as error:
                refused = str(error)
            first.result(10)
            until(lambda: not [each for each in names() if each.startswith("Executor") or each.startswith("pool")])
            until(lambda: not getattr(pool, "_processes", None))
            tell(cancelled=cancelled, refused=refused)
        run(app.pool, app.first, app.last)
    """, after="""
        if system.makes:
            system.makes = False
            class Pool(concurrent.futures.KIND):
                pass
            pool = Pool(1, thread_name_prefix="pool") if "KIND"[0] == "T" else Pool(1)
            first, *others, last = [pool.submit(time.sleep, 0.3) for _ in range(10)]
    """.replace("KIND", kind))  # fmt: skip
    assert told["cancelled"]
    assert told["refused"] == "cannot schedule new futures after shutdown"
    assert warnings(told) == []


def test_an_executor_of_a_library_or_for_the_process_works_on(drive):
    told = drive("""
        results = []
        for _ in range(3):
            reloader.reload()
            retired()
            pools = [app.shared, app.kept, app.given, app.cached, system.early]
            results += [pool.submit(int).result(10) for pool in pools]
        tell(results=results)
    """, before="""
        if system.makes:
            system.makes = False
            system.early = concurrent.futures.ThreadPoolExecutor(2)
    """, after="""
        shared = system.shared_pool()
        kept = keep("pool", lambda: concurrent.futures.ThreadPoolExecutor(2))
        given = system.given = system.given or concurrent.futures.ThreadPoolExecutor(2)
        cached = system.cache.setdefault("pool", None) or concurrent.futures.ThreadPoolExecutor(2)
        system.cache["pool"] = cached
        for pool in (shared, kept, given, cached, system.early):
            pool.submit(int)
        if system.thread is None:
            system.thread = threading.Thread(target=system.worker, daemon=True)
            system.thread.start()
    """)  # fmt: skip
    assert told["results"] == [0] * 15
    assert warnings(told) == []


def test_what_a_project_module_starts_that_is_no_user_module_goes_on(drive):
    told = drive("""
        reloader.reload()
        retired()
        import made
        tell(result=made.pool.submit(int).result(10), names=names())
    """, after="import made", made="""
        import concurrent.futures, system, threading

        def work():
            system.stop.wait()

        thread = threading.Thread(target=work, name="thread", daemon=True)
        thread.start()
        timer = threading.Timer(600, work)
        timer.name, timer.daemon = "timer", True
        timer.start()
        pool = concurrent.futures.ThreadPoolExecutor(1)
    """)  # fmt: skip
    assert told["result"] == 0
    assert {"thread", "timer"} <= set(told["names"])
    assert warnings(told) == []


# -- turning off, and forks --------------------------------------------------------------------------------------


def test_what_was_wrapped_is_as_it_was_once_the_reloader_has_stopped(drive):
    told = drive("""
        import atexit, codecs, copyreg, functools, logging.config, signal, warnings
        places = "atexit.register atexit.unregister codecs.register copyreg.add_extension functools.singledispatch "
        places += "logging.Logger.addHandler logging.Logger.removeHandler logging.Filterer.addFilter logging.basicConfig "
        places += "logging.Filterer.removeFilter logging.config._clearExistingHandlers signal.signal signal.getsignal "
        places += "warnings.filterwarnings warnings.simplefilter threading.Thread.start concurrent.futures.thread.ThreadPoolExecutor.__init__ "
        places += "logging.Logger.__setattr__"
        import concurrent.futures.thread
        during = [place for place in places.split() if "ponyreload" in getattr(eval(place), "__module__", "") or "ponyreload" in eval(place).__code__.co_filename]
        reloader.stop()
        def ours(thing):
            return "ponyreload" in str(getattr(getattr(thing, "__code__", None), "co_filename", getattr(thing, "__func__", "")))
        after = [place for place in places.split() if ours(eval(place))]
        tell(during=len(during), of=len(places.split()), after=after, own="__setattr__" in vars(logging.Logger),
             kind=type(logging.getLogger().handlers).__name__, handlers=len(logging.getLogger().handlers))
    """, after="__import__('logging').getLogger().addHandler(__import__('logging').NullHandler())")  # fmt: skip
    assert told["during"] == told["of"]
    assert told["after"] == []
    assert not told["own"]
    assert told["kind"] == "list"
    assert told["handlers"] == 1


def test_a_forked_process_has_sound_locks_and_none_of_the_threads(drive):
    told = drive("""
        from ponyreload.ownership.makers import Belongings
        threads = reloader.application.owned.threads
        request(app.application)
        reloader.reload()
        retired()
        ends = threading.Event()

        def hold():
            while not ends.is_set():
                with Belongings.lock:
                    time.sleep(0.001)

        holds = in_thread(hold)
        statuses = []
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                counts = [len(threads.own.of(each)) for each in reloader.living]
                is_free = Belongings.lock.acquire(timeout=5)
                os._exit(0 if counts == [0] and is_free else 1)
            statuses.append(os.waitpid(pid, 0)[1])
        ends.set()
        holds()
        tell(statuses=statuses, threads=len(threads.own.of(reloader.serving)))
    """, after="""
        def poll():
            superseded(20)
        threading.Thread(target=poll, daemon=True).start()
    """)  # fmt: skip
    assert told["statuses"] == [0] * 20
    assert told["threads"] == 1


# -- what libraries run for user code ----------------------------------------------------------------------------


def test_the_threads_of_a_library_that_user_code_started_are_stopped_and_named_once(drive):
    told = drive("""
        def inotify_instances():
            return sum("inotify" in os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                       if os.path.islink(f"/proc/self/fd/{fd}"))

        def next_generation():
            reloader.reload()
            retired()

        next_generation()  # from here on, ponyreload has one itself
        before = inotify_instances()
        for _ in range(4):
            next_generation()
        tell(instances=inotify_instances() - before, names=names(), said=app.said)
    """, after="""
        import logging.handlers, queue, sched_like
        from watchdog.events import FileSystemEventHandler
        from watchdog.observers import Observer

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event):
                pass

        said = keep("said", list)
        observer = Observer()
        observer.schedule(Handler(), ".")
        observer.name = "observer"
        observer.start()
        listener = logging.handlers.QueueListener(queue.Queue())
        listener.start()
        scheduler = sched_like.Scheduler(said)
        scheduler.start()
        threading.Thread(target=sched_like.Scheduler(said).run, name="scheduler", daemon=True).start()
    """, sched_like="""
        USE_AUTORELOAD = False
        import threading

        class Scheduler:
            def __init__(self, said):
                self.ends, self.said = threading.Event(), said

            def start(self):
                self._launch(threading.Thread(target=self.run, name="scheduler", daemon=True))

            def _launch(self, thread):
                thread.start()

            def run(self):
                self.ends.wait()

            def shutdown(self, wait=True):
                self.said.append(wait)
                self.ends.set()
    """)  # fmt: skip
    assert told["said"] == [True] * 10
    assert [told["names"].count(name) for name in ("observer", "scheduler")] == [1, 2]
    assert told["instances"] == 0
    assert sum("_monitor" in name for name in told["names"]) == 1
    assert warnings(told) == []
    stopped = [
        line.partition(" the ")[2] for line in told["stderr"].splitlines() if " has retired: stopped the" in line
    ]
    assert sorted(stopped) == [
        "logging.handlers.QueueListener that it started",
        "sched_like.Scheduler that it started",
        "watchdog.observers.inotify.InotifyObserver that it started",
    ]


def test_what_a_library_runs_for_all_generations_is_not_stopped(drive):
    told = drive("""
        for _ in range(3):
            reloader.reload()
            retired()
        alive = names()
        system.stop.set()
        tell(names=alive, said=system.lines)
    """, after="""
        import services
        services.use()
        services.shared.start()
        kept = keep("service", services.Service)
        kept.start("kept")
        class Own(services.Service):
            def stop(self):
                system.lines.append("own")
        Own().start("own")
        services.Needy().start("needy")
    """, services="""
        import system, threading

        class Service:
            thread = None

            def start(self, name="shared"):
                if self.thread is None:
                    self.thread = threading.Thread(target=self.run, name=name, daemon=True)
                    self.thread.start()

            def run(self):
                system.stop.wait()

            def stop(self):
                system.lines.append("stop")

        class Needy(Service):
            def stop(self, how):
                pass

        shared = Service()
        lazily = []

        class Registry:
            def __init__(self):
                self.service = Service()

        registry = [[Registry()]]

        def use():
            registry[0][0].service.start("lazily")
    """)  # fmt: skip
    assert [told["names"].count(name) for name in ("shared", "kept", "lazily", "own", "needy")] == [1, 1, 1, 4, 4]
    assert told["said"] == []


def test_a_library_that_does_not_stop_holds_up_no_retirement_for_long(drive):
    told = drive("""
        reloader.reload()
        retired()
        system.stop.set()
        tell()
    """, after="""
        import stubborn
        stubborn.Failing().start()
        stubborn.Waiting().start()
    """, stubborn="""
        import system, threading

        class Waiting(threading.Thread):
            def __init__(self):
                super().__init__(name="stubborn", daemon=True)

            def run(self):
                system.stop.wait()

            def stop(self):
                self.join()

        class Failing(Waiting):
            def stop(self):
                raise ValueError("not now")
    """)  # fmt: skip
    assert "stubborn.Failing failed to stop: ValueError: not now" in told["stderr"]
    (named,) = warnings(told)
    assert named.count("'stubborn' (runs stubborn.Waiting.run)") == 2
