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
    then = """
    plain = ponyreload.reloading.forking.Forking.finish_load
    def finish_load(forking):
        gate.open.set()
        plain(forking)
    ponyreload.reloading.forking.Forking.finish_load = finish_load
    """
    told = project(GATED).drive(FORK_IN_A_LOAD.format(seconds=10, then=then))
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
