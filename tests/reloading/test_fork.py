"""A process that forks: the child has sound locks and watches for itself; the parent does not notice."""

from __future__ import annotations

FILES = {
    "shop.py": "from ponyreload import *\nX = 1\n",
    "app.py": """
        from ponyreload import *
        import shop
        reloader = use_autoreload()

        @AutoreloadMiddleware
        def application(environ, start_response):
            start_response("200 OK", [])
            from shop import X
            return [str(X).encode()]
    """,
}


def test_a_child_that_ends_leaves_the_parents_watching_alone(project):
    told = project(FILES).drive("""
        import app, subprocess
        request(app.application)
        until(lambda: app.reloader.application.lookout.at is None)  # it watches
        if os.fork() == 0:
            sys.exit(0)  # with all exit functions
        os.wait()
        project.replace("shop.py", "X = 1", "X = 2")
        app.reloader.wait(1, 10)
        tell(answer=request(app.application))
    """)
    assert told["answer"] == "2"


def test_a_child_that_serves_follows_the_files_too(project):
    told = project(FILES).drive("""
        import app, ponyreload.watching.polling
        ponyreload.watching.polling.POLL_SECONDS = 0.05
        body = start(app.application)  # so that autoreload runs
        until(lambda: app.reloader.application.lookout.at is None)
        read, write = os.pipe()
        if os.fork() == 0:
            try:
                first = request(app.application)
                os.write(write, first.encode())
                until(lambda: request(app.application) == "2")
                os.write(write, b"2")
            finally:
                os._exit(0)
        first = os.read(read, 1)
        project.replace("shop.py", "X = 1", "X = 2")
        second = os.read(read, 1)
        app.reloader.wait(1, 10)
        os.wait()
        tell(child=[first.decode(), second.decode()], parent=request(app.application))
    """)
    assert told["child"] == ["1", "2"]
    assert told["parent"] == "2"


def test_a_child_does_not_wait_for_a_module_that_another_thread_was_importing(project):
    files = {
        **FILES,
        "gate.py": "import os, threading\nentered, go, parent = threading.Event(), threading.Event(), os.getpid()\n",
        "late.py": """
            from ponyreload import *
            import gate, os
            if os.getpid() == gate.parent:
                gate.entered.set()
                gate.go.wait(20)
            DONE = True
        """,
    }
    told = project(
        {
            **files,
            "app.py": FILES["app.py"].replace("return [str(X)", "from late import DONE\n            return [str(DONE)"),
        }
    ).drive("""
        import app, gate
        waits = in_thread(lambda: request(app.application))
        gate.entered.wait(10)
        read, write = os.pipe()
        if os.fork() == 0:
            try:
                os.write(write, request(app.application).encode())
            finally:
                os._exit(0)
        child = os.read(read, 4).decode()
        gate.go.set()
        os.wait()
        tell(child=child, parent=waits())
    """)
    assert (told["child"], told["parent"]) == ("True", "True")


GATED = {
    **FILES,
    "gate.py": "import os, threading\nbegun, open, parent = threading.Event(), threading.Event(), os.getpid()\n",
    "shop.py": """
        from ponyreload import *
        import gate, os
        X = 1
        if generation() > 1:
            gate.begun.set()
            gate.open.wait(20 if os.getpid() == gate.parent else 0)
    """,
}
FORK_IN_A_LOAD = """
    import app, gate, ponyreload.reloading.forking
    ponyreload.reloading.forking.FORK_SECONDS = {seconds}
    request(app.application)
    project.replace("shop.py", "X = 1", "X = 2")
    gate.begun.wait(10)
    {then}
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, request(app.application).encode())
        os._exit(0)
    child = os.read(read, 4).decode()
    os.wait()
    gate.open.set()
    app.reloader.wait(1, 10)
    tell(child=child, parent=request(app.application), error=repr(app.reloader.error))
"""


def test_a_fork_waits_for_the_load_that_is_busy(project):
    told = project(GATED).drive(FORK_IN_A_LOAD.format(seconds=10, then="os.register_at_fork(before=gate.open.set)"))
    assert (told["child"], told["parent"], told["error"]) == ("2", "2", "None")
    assert told["stderr"].count("generation 2 serves") == 1


def test_a_load_that_does_not_end_is_given_up_for_a_fork_and_done_again(project):
    told = project(GATED).drive(FORK_IN_A_LOAD.format(seconds=0.05, then=""))
    assert (told["child"], told["parent"], told["error"]) == ("2", "2", "None")
    assert "not served" not in told["stderr"]


def test_a_process_of_multiprocessing_has_the_newest_code_and_follows_the_files(project):
    told = project(FILES).drive("""
        import app, multiprocessing, ponyreload.watching.polling
        context = multiprocessing.get_context("fork")
        ponyreload.watching.polling.POLL_SECONDS = 0.05
        request(app.application)
        project.replace("shop.py", "X = 1", "X = 2")
        app.reloader.wait(1, 10)
        def work(pipe):
            pipe.send(request(app.application))
            until(lambda: request(app.application) == "3")
            pipe.send("3")
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs,))
        process.start()
        first = ours.recv()
        project.replace("shop.py", "X = 2", "X = 3")
        second = ours.recv()
        process.join(10)
        tell(answers=[first, second], status=process.exitcode)
    """)
    assert told["answers"] == ["2", "3"]
    assert told["status"] == 0


MANAGED = """
    import multiprocessing, os
    from ponyreload import *
    import shop
    reloader = use_autoreload()

    if __name__ == "__main__":
        manager = keep("manager", lambda: multiprocessing.get_context("fork").Manager())
        if reloader.generation == 1 and generation() == 1:
            shared = manager.dict()
            with open("shop.py") as file:
                text = file.read()
            with open("shop.py", "w") as file:
                file.write(text.replace("X = 1", "X = 2"))
            reloader.wait(1, 10)
            shared["answer"] = shop.X  # the manager's process answers
            manager.shutdown()
"""


def test_a_process_that_serves_other_processes_does_not_reload_and_is_not_reported(project):
    done = project({**FILES, "app.py": MANAGED}).run("app.py")
    assert done.stderr.count("generation 2 serves") == 1
    assert "process" not in done.stderr
    assert "__mp_main__" not in done.stderr


def test_a_fork_waits_for_a_thread_that_adds_options(project):
    told = project(FILES).drive("""
        import app
        lock = app.reloader.application.files.lock
        is_held, is_forked = threading.Event(), threading.Event()

        def hold():
            with lock:
                is_held.set()
                is_forked.wait(0.5)

        holds = in_thread(hold)
        is_held.wait(10)
        read, write = os.pipe()
        if os.fork() == 0:
            try:
                is_free = lock.acquire(timeout=5)
                os.write(write, b"free" if is_free else b"held")
            finally:
                os._exit(0)
        is_forked.set()
        holds()
        tell(lock=os.read(read, 4).decode())
        os.wait()
    """)
    assert told["lock"] == "free"


# -- locks that another thread holds ---------------------------------------------------------------------------------

# A thread comes to a place where it holds a lock, `stop_here()`, and waits there until the fork waits for it, or is done.
# The child does the same as that thread, which it could not if it found the lock locked for ever.
LOCKED = """
    stopped, gate, forked = threading.Event(), threading.Event(), threading.Event()

    def stop_here():
        if not gate.is_set():
            stopped.set()
            gate.wait(20)

    def is_waiting(thread):
        return sys._current_frames()[thread.ident].f_globals["__name__"].startswith("ponyreload.")

    def open_gate():
        main = threading.main_thread()
        until(lambda: forked.is_set() or is_waiting(main))
        gate.set()

    def fork(function):
        # Return whether the child could call *function*.
        read, write = os.pipe()
        opened = in_thread(open_gate)
        if os.fork() == 0:
            try:
                gate.set()
                done = threading.Event()
                threading.Thread(target=lambda: (function(), done.set()), daemon=True).start()
                os.write(write, b"done" if done.wait(10) else b"stuck")
            finally:
                os._exit(0)
        forked.set()
        opened()
        os.wait()
        return os.read(read, 5).decode()
"""
TURNING_ON = (
    LOCKED
    + """
    import logging
    logger = logging.getLogger("ponyreload")
    logger.setLevel("DEBUG")
    logger.addFilter(lambda record: stop_here() or True)
    """
)


def test_a_child_can_turn_autoreload_on_if_another_thread_was_doing_that(project):
    code = """
    parent = in_thread(ponyreload.use_autoreload)
    stopped.wait(10)
    child = fork(ponyreload.use_autoreload)
    tell(child=child, parent=repr(parent()))
    """
    told = project({}).drive(TURNING_ON + code)
    assert (told["child"], told["parent"]) == ("done", "<Reloader: generation 1 serves>")


def test_a_child_can_turn_autoreload_on_if_another_thread_began_with_that_during_the_fork(project):
    code = """
    def begin():
        global parent
        parent = in_thread(ponyreload.use_autoreload)
        stopped.wait(10)
    os.register_at_fork(before=begin)
    child = fork(ponyreload.use_autoreload)
    tell(child=child, parent=repr(parent()))
    """
    told = project({}).drive(TURNING_ON + code)
    assert (told["child"], told["parent"]) == ("done", "<Reloader: generation 1 serves>")
    assert "Exception ignored" not in told["stderr"]


def test_a_child_can_start_a_server_if_another_thread_was_starting_one(project):
    code = """
    import app
    from wsgiref.simple_server import make_server

    class Application:
        @property
        def __self__(self):  # asked for to find out whose code it is
            stop_here()

    def serve():
        with make_server("127.0.0.1", 0, Application()) as server:
            server.timeout = 0
            server.handle_request()

    parent = in_thread(serve)
    stopped.wait(10)
    child = fork(serve)
    parent()
    tell(child=child)
    """
    told = project(FILES).drive(LOCKED + code)
    assert told["child"] == "done"
