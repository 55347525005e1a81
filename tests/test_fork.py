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
        until(lambda: app.reloader._updater._look_at is None)  # it watches
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
        import app, ponyreload.updating
        ponyreload.updating.POLL_SECONDS = 0.05
        body = start(app.application)  # so that autoreload runs
        until(lambda: app.reloader._updater._look_at is None)
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
