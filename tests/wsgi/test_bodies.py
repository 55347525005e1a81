"""Response bodies run on the generation of their request; the lease ends once, when they are closed (G1)."""

from __future__ import annotations

import pytest

FILES = {
    "shop.py": "from ponyreload import *\nX = 1\n",
    "app.py": """
        from ponyreload import *
        import io, shop
        from wsgiref.util import FileWrapper
        reloader = use_autoreload()
        closed = []

        class Body:
            def __init__(self, fail=False):
                self.left = 3
                self.fail = fail
            def __iter__(self):
                return self
            def __next__(self):
                from shop import X
                if not self.left:
                    raise StopIteration
                if self.fail:
                    raise RuntimeError("in the body")
                self.left -= 1
                return f"{X}{generation()} ".encode()
            def close(self):
                from shop import X
                closed.append((X, generation()))

        def stream():
            try:
                for part in range(3):
                    yield f"{shop.X}{generation()} ".encode()
            finally:
                closed.append((__import__("shop").X, generation()))

        def writing(environ, start_response):
            write = start_response("200 OK", [])
            write(b"written ")
            return [b"returned"]

        class FailingIter:
            def __iter__(self):
                raise RuntimeError("in iter")
            def close(self):
                closed.append(generation())

        answers = {
            "/list": lambda: [b"list"],
            "/tuple": lambda: (b"tuple",),
            "/stream": stream,
            "/object": Body,
            "/fails": lambda: Body(fail=True),
            "/iter-fails": FailingIter,
            "/file": lambda: FileWrapper(io.BytesIO(b"file")),
        }

        def application(environ, start_response):
            if environ["PATH_INFO"] == "/raises":
                raise RuntimeError("in the application")
            if environ["PATH_INFO"] == "/write":
                return writing(environ, start_response)
            start_response("200 OK", [("Content-Type", "text/plain")])
            return answers[environ["PATH_INFO"]]()

        application = AutoreloadMiddleware(application)
    """,
}
LEASES = "[len(each.leases) for each in app.reloader.living]"


@pytest.mark.parametrize("path", ["/stream", "/object"])
def test_a_stream_stays_on_its_generation_to_the_last_byte_and_through_close(project, path):
    told = project(FILES).drive(f"""
        import app
        body = start(app.application, {path!r})
        parts = iter(body)
        got = [next(parts)]
        closed = sys.modules["app"].closed
        project.edit("shop.py", "from ponyreload import *\\nX = 2\\n")
        app.reloader.wait(1, 10)
        held = {LEASES}
        got += parts
        body.close()
        until(lambda: len(app.reloader.living) == 1)
        tell(got=[each.decode() for each in got], held=held, closed=closed, new=request(app.application, {path!r}))
    """)
    assert told["got"] == ["11 "] * 3
    assert told["held"] == [1, 0]
    assert told["closed"] == [[1, 1]]
    assert told["new"] == "22 22 22 "


def test_a_body_of_the_applications_own_that_knows_its_length_tells_it(project):
    site = project(FILES)
    site.replace("app.py", '"/object": Body,', '"/object": Body, "/sized": Sized,')
    site.replace(
        "app.py", "def stream():", "class Sized(Body):\n    def __len__(self):\n        return 3\n\ndef stream():"
    )
    told = site.drive("""
        import app
        body = start(app.application, "/sized")
        length = len(body)
        tell(length=length, text=finish(body), other=hasattr(start(app.application, "/object"), "__len__"))
    """)
    assert (told["length"], told["text"], told["other"]) == (3, "11 11 11 ", False)


@pytest.mark.parametrize("path", ["/list", "/tuple", "/file"])
def test_lists_and_files_are_passed_through_untouched(project, path):
    told = project(FILES).drive(f"""
        import app
        from wsgiref.util import FileWrapper
        body = start(app.application, {path!r}, **{{"wsgi.file_wrapper": FileWrapper}})
        tell(kind=type(body).__name__, leases={LEASES}, text=finish(body))
    """)
    assert told == {**told, "kind": {"/file": "FileWrapper"}.get(path, path[1:]), "leases": [0], "text": path[1:]}


@pytest.mark.parametrize("path", ["/raises", "/iter-fails"])
def test_a_failing_application_gives_its_lease_back(project, path):
    told = project(FILES).drive(f"""
        import app
        try:
            request(app.application, {path!r})
        except RuntimeError as error:
            text = str(error)
        tell(text=text, leases={LEASES}, closed=app.closed)
    """)
    assert told["text"].startswith("in ")
    assert told["leases"] == [0]
    assert told["closed"] == ([1] if path == "/iter-fails" else [])


def test_a_failing_body_gives_its_lease_back_when_it_is_closed(project):
    told = project(FILES).drive(f"""
        import app
        body = start(app.application, "/fails")
        try:
            next(body)
        except RuntimeError:
            held = {LEASES}
        body.close()
        body.close()
        tell(held=held, after={LEASES})
    """)
    assert (told["held"], told["after"]) == ([1], [0])


def test_an_abandoned_body_gives_its_lease_back(project):
    told = project(FILES).drive(f"""
        import app
        body = start(app.application, "/stream")
        next(body)
        held = {LEASES}
        del body
        gc.collect()
        tell(held=held, after={LEASES})
    """)
    assert (told["held"], told["after"]) == ([1], [0])


def test_the_write_callable_works(project):
    told = project(FILES).drive("""
        import app
        written = []
        def start_response(status, headers, exc_info=None):
            return written.append
        body = app.application({"PATH_INFO": "/write"}, start_response)
        tell(written=[each.decode() for each in written], returned=finish(body))
    """)
    assert (told["written"], told["returned"]) == (["written "], "returned")


def test_the_validator_of_wsgi_has_no_complaint(project):
    told = project(FILES).drive("""
        import app
        from wsgiref.validate import validator
        texts = [request(validator(app.application), path) for path in ("/list", "/stream", "/object")]
        tell(texts=texts)
    """)
    assert told["texts"] == ["list", "11 11 11 ", "11 11 11 "]


def test_an_endless_stream_does_not_delay_newer_generations(project):
    files = {**FILES, "app.py": FILES["app.py"].replace("range(3)", "iter(int, 1)")}
    told = project(files).drive("""
        import app
        endless = start(app.application, "/stream")
        next(endless)
        for number in (2, 3, 4):
            project.edit("shop.py", f"from ponyreload import *\\nX = {number}\\n")
            app.reloader.wait(number - 1, 10)
        until(lambda: len(app.reloader.living) == 2)
        part = next(endless).decode()
        living = [each.number for each in app.reloader.living]
        endless.close()
        until(lambda: len(app.reloader.living) == 1)
        tell(part=part, living=living)
    """)
    assert told["part"] == "11 "
    assert told["living"] == [1, 4]


def test_two_middlewares_within_each_other_take_one_lease(project):
    nested = "        inner, application = application, AutoreloadMiddleware(lambda e, s: inner(e, s))\n"
    files = {**FILES, "app.py": FILES["app.py"].rstrip() + "\n" + nested}
    told = project(files).drive(f"""
        import app
        body = start(app.application, "/stream")
        next(body)
        held = {LEASES}
        project.edit("shop.py", "from ponyreload import *\\nX = 2\\n")
        app.reloader.wait(1, 10)
        rest = finish(body)
        tell(held=held, rest=rest, new=request(app.application, "/stream"))
    """)
    assert told["held"] == [1]
    assert told["rest"] == "11 11 "
    assert told["new"] == "22 22 22 "
