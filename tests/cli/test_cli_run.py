"""`ponyreload run`: what it serves, what it reloads, and how it begins and ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import textwrap
from contextlib import closing

import pytest

from commandline import APP, SITE, complaint, run, serve, serve_behind
from live import free_port
from ponyreload.cli.isolating import libraries_to_isolate

pytestmark = pytest.mark.any_python

FACTORY = """
    import shop

    MADE = []

    def create_app(greeting="from"):
        MADE.append(1)
        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [f"{greeting} {shop.NAME} {len(MADE)}".encode()]
        return application
"""


def package(text: str) -> str:
    return textwrap.dedent(text).replace("import shop", "from . import names as shop")


# -- what is served ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [("app:app",), ("app",), ("app.py",), ("app.py:app",), ("./app.py",), ("-m", "app"), ("-m", "app:app")],
    ids=" ".join,
)
def test_each_way_to_name_an_application_serves_and_reloads_it(project, target):
    site = project(SITE)
    with serve(site, *target) as server:
        assert server.get() == "tea"
        site.replace("shop.py", "tea", "milk")
        server.wait_for("/", "milk")
        site.edit("app.py", APP.replace("shop.NAME", "('more ' + shop.NAME)"))
        server.wait_for("/", "more milk")


@pytest.mark.parametrize("target", ["app:create_app()", "app:create_app", "app", "app.py"])
def test_a_factory_is_called_anew_in_each_generation(project, target):
    site = project({"app.py": FACTORY, "shop.py": "NAME = 'tea'"})
    with serve(site, target) as server:
        assert server.get() == "from tea 1"
        site.replace("shop.py", "tea", "milk")
        server.wait_for("/", "from milk 1")


@pytest.mark.parametrize(
    "target",
    [("-m", "store"), ("store",), ("store/",), ("store.wsgi",), ("store/wsgi.py",), ("store.wsgi:app",)],
    ids=" ".join,
)
def test_a_package_is_served_by_the_module_in_it_that_has_the_application(project, target):
    files = {"store/__init__.py": "", "store/wsgi.py": package(APP), "store/names.py": "NAME = 'tea'"}
    site = project(files)
    with serve(site, *target) as server:
        assert server.get() == "tea"
        site.replace("store/names.py", "tea", "milk")
        server.wait_for("/", "milk")


def test_a_file_elsewhere_is_imported_from_its_own_folder_and_reloaded(project):
    site = project({"below/app.py": APP, "below/shop.py": "NAME = 'tea'", "apart/readme": ""})
    site.folder = site / "apart"
    with serve(site, "../below/app.py") as server:
        assert server.get() == "tea"
        site.replace("../below/shop.py", "tea", "milk")
        server.wait_for("/", "milk")


@pytest.mark.parametrize("name", ["app", "application", "wsgi_app", "create_app", "make_app"])
def test_the_usual_names_are_found(project, name):
    factory = name.endswith("e_app")
    text = f"""
        def {name}({"" if factory else "environ, start_response"}):
            {"return run" if factory else "return run(environ, start_response)"}

        def run(environ, start_response):
            start_response("200 OK", [])
            return [b"found"]
    """
    with serve(project({"main.py": text}), "main.py") as server:
        assert server.get() == "found"


def test_cherrypys_tree_is_served_with_the_mounts_of_each_generation(project):
    text = """
        import cherrypy

        class Root:
            @cherrypy.expose
            def index(self):
                return "tea"

        cherrypy.tree.mount(Root(), "/", {"global": {"log.screen": False}})
    """
    site = project({"app.py": text})
    with serve(site, "app:cherrypy.tree") as server:
        assert server.get() == "tea"
        site.replace("app.py", "tea", "milk")
        server.wait_for("/", "milk")


# -- what is reloaded --------------------------------------------------------------------------------------------


def test_a_module_that_says_no_is_not_reloaded(project):
    site = project(
        {**SITE, "shop.py": "import conf\nNAME = str(conf.COUNT)", "conf.py": "USE_AUTORELOAD = False\nCOUNT = 1"}
    )
    with serve(site, "app") as server:
        site.replace("conf.py", "COUNT = 1", "COUNT = 2")
        server.wait_for_log("conf.py changed but is not reloaded (conf is a system module)")
        site.edit("shop.py", "import conf\nNAME = f'still {conf.COUNT}'")
        server.wait_for("/", "still 1")


def test_what_is_installed_in_the_projects_folder_is_not_reloaded(project):
    library = "venv/lib/python3/site-packages"
    site = project({**SITE, f"{library}/lib.py": "COUNT = 1", "shop.py": "import lib, sys\nNAME = str(lib.COUNT)"})
    path = os.pathsep.join((str(site / library), site.environment()["PYTHONPATH"]))
    with serve(site, "app", PYTHONPATH=path) as server:
        assert server.get() == "1"
        site.edit(f"{library}/lib.py", "COUNT = 2")
        site.edit("shop.py", "import lib\nNAME = f'still {lib.COUNT}'")
        server.wait_for("/", "still 1")


def test_options_reach_the_reloader(project):
    library = "venv/lib/python3/site-packages"
    files = {f"{library}/lib.py": "COUNT = 1", "shop.py": "import lib\nNAME = str(lib.COUNT) + open('name.txt').read()"}
    site = project({**SITE, **files, "name.txt": "a"})
    path = os.pathsep.join((str(site / library), site.environment()["PYTHONPATH"]))
    options = (
        "--include",
        "lib",
        "--extra-file",
        "*.txt",
        "--poll",
        "0.05",
        "--isolate",
        "email_validator",
        "--no-browser-refresh",
    )
    with serve(site, "app", *options, PYTHONPATH=path) as server:
        assert server.get() == "1a"
        site.edit(f"{library}/lib.py", "COUNT = 2")
        server.wait_for("/", "2a")
        site.edit("name.txt", "b")
        server.wait_for("/", "2b")


def test_a_reload_may_load_only_what_an_edit_affects(project):
    files = {"shop.py": "import apart, cart\nNAME = f'{cart.PRICE} {id(apart.KEPT)}'", "cart.py": "PRICE = 0"}
    site = project({**SITE, **files, "apart.py": "KEPT = object()"})
    with serve(site, "app", "--scope", "affected") as server:
        site.edit("cart.py", "PRICE = 1")  # what Python itself has imported is loaded anew as a whole
        server.wait_until(lambda: server.get().startswith("1 "), "new price")
        kept = server.get().removeprefix("1 ")
        site.edit("cart.py", "PRICE = 2")
        server.wait_for("/", f"2 {kept}")


@pytest.mark.parametrize("arguments", [("--poll", "app"), ("app", "--poll"), ("--poll=0.05", "app")], ids=" ".join)
def test_poll_may_do_without_its_number(project, arguments):
    site = project(SITE)
    with serve(site, *arguments) as server:
        site.replace("shop.py", "tea", "milk")
        server.wait_for("/", "milk")


def test_where_autoreload_does_nothing_the_application_is_served_all_the_same(project):
    with serve(project(SITE), "app", PONYRELOAD="off") as server:
        assert server.get() == "tea"
        server.wait_for_log("autoreload does nothing here, so an edit needs a restart")


# -- a broken start ----------------------------------------------------------------------------------------------

BROKEN = {
    "syntax": "NAME = (",
    "name": "NAME = TAX",
    "missing module": "import nowhere\nNAME = 1",
    "exit": "import sys\nsys.exit('no database')",
    "exception with markup": "raise ValueError('<script>alert(1)</script>')",
}


@pytest.mark.parametrize("defect", BROKEN)
def test_an_application_that_is_broken_at_first_is_served_as_soon_as_it_is_mended(project, defect):
    site = project({**SITE, "shop.py": BROKEN[defect]})
    with serve(site, "app") as server:
        pid = server.pid
        answer = server.ask("/cart")
        assert answer.status == 503
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "\ngeneration 1 not served: " in answer.text
        assert answer.text.endswith("\nnothing is served yet; save the file to try again\n")
        assert "shop.py" in answer.text
        site.edit("shop.py", "NAME = 'tea'")
        server.wait_for("/", "tea")
        assert "still serving" not in server.log
        site.edit("shop.py", "NAME = (")
        server.wait_for_log("still serving generation 2; save the file to try again")
        assert server.get() == "tea"
        assert server.pid == pid


def test_a_module_that_is_missing_at_first_is_found_when_it_comes(project):
    site = project({"app.py": APP})
    with serve(site, "app") as server:
        assert "No module named 'shop'" in server.ask("/").text
        site.edit("shop.py", "NAME = 'tea'")
        server.wait_for("/", "tea")


def test_a_factory_that_fails_at_first_is_tried_again_with_the_next_save(project):
    site = project({"app.py": FACTORY, "shop.py": ""})
    site.edit("app.py", FACTORY.replace("MADE.append(1)", "MADE.append(shop.NAME)"))
    with serve(site, "app") as server:
        assert "AttributeError: module 'shop' has no attribute 'NAME'" in server.ask("/").text
        site.edit("shop.py", "NAME = 'tea'")
        server.wait_for("/", "from tea 1")


def test_what_was_broken_otherwise_in_between_is_not_taken_for_served(project):
    site = project({**SITE, "shop.py": "NAME = TAX"})
    with serve(site, "app") as server:
        site.edit("shop.py", "NAME = (")
        server.wait_until(lambda: "never closed" in server.ask("/").text, "newer error")
        site.edit("shop.py", "NAME = TAX")
        server.wait_until(lambda: "'TAX' is not defined" in server.ask("/").text, "older error")
        assert "serves" not in server.log
        assert "still serving" not in server.log
        assert "nothing is served yet" in server.ask("/").text


def test_browsers_get_the_error_as_a_page_with_all_of_it_escaped(project):
    site = project({**SITE, "shop.py": BROKEN["exception with markup"]})
    with serve(site, "app") as server:
        answer = server.ask("/", Accept="text/html,*/*")
        assert answer.status == 503
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
        assert "<script>" not in answer.text
        assert answer.text.startswith("<!doctype html>\n")
        assert answer.text.endswith("</body>\n</html>\n")
        assert server.ask("/", "HEAD", Accept="text/html").body == b""


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example"]
)
def test_a_page_of_another_site_that_is_made_to_lead_here_gets_no_source(project, host):
    with serve(project({**SITE, "shop.py": "NAME = SECRET"}), "app") as server:
        answer = server.ask("/", Host=host)
        assert (answer.status, "SECRET" in answer.text) == (503, False)
        assert "See the terminal of ponyreload for the reason" in answer.text
        assert "SECRET" in server.ask("/", Host="localhost:1").text


HTML = """
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"<!doctype html><html><head><title>tea</title></head><body><p>tea</p></body></html>"]
"""


@pytest.mark.parametrize(("options", "expected"), [((), True), (("--no-browser-refresh",), False)])
def test_pages_refresh_themselves_unless_the_option_says_no_and_so_does_the_error(project, options, expected):
    site = project({"app.py": "import nowhere\n"})
    with serve(site, "app", *options) as server:
        assert ("__ponyreload__/client.js" in server.ask("/", Accept="text/html").text) is expected
        site.edit("app.py", HTML)
        server.wait_until(lambda: server.ask("/").status == 200, "mended application")
        assert ("__ponyreload__/client.js" in server.ask("/", Accept="text/html").text) is expected


def test_a_later_generation_without_an_application_is_not_served(project):
    site = project(SITE)
    with serve(site, "app") as server:
        site.edit("app.py", APP.replace("def app", "def other"))
        server.wait_for_log("generation 2 not served: TargetError: app has no application under a usual name")
        assert "did you mean app:other?" in server.log
        assert server.get() == "tea"


# -- servers and addresses ---------------------------------------------------------------------------------------


def test_cherrypys_server_and_bus_serve_it_and_its_plugins_run(project):
    site = project({
        **SITE,
        "shop.py": """
            import cherrypy
            NAME = str(cherrypy.engine.state)
        """,
    })  # fmt: skip
    with serve(site, "app", "--server", "cherrypy") as server:
        server.wait_for_log("ENGINE Bus STARTED")
        site.edit("shop.py", "NAME = 'milk'")
        server.wait_for("/", "milk")
        assert server.stop(signal.SIGINT) == 130
        assert "ENGINE Bus EXITED" in server.log


@pytest.mark.parametrize(
    ("kind", "front"), [("flup-fcgi", "nginx-fastcgi"), ("flup-scgi", "nginx-scgi"), ("flup-ajp", "apache-ajp")]
)
def test_flups_servers_serve_it_behind_a_front_end(project, kind, front):
    site = project(SITE)
    with serve_behind(site, front, "app", "--server", kind) as server:
        assert server.get() == "tea"
        site.replace("shop.py", "tea", "milk")
        server.wait_for("/", "milk")
        assert re.search(rf"^serving app on {kind} at 127\.0\.0\.1:\d+$", server.log, re.MULTILINE)
        os.kill(server.pid, signal.SIGINT)
        assert server.process.wait(15) == 130


def test_flup_serves_on_a_unix_socket(project):
    site = project(SITE)
    with serve_behind(site, "lighttpd", "app", "--server", "flup-fcgi", unix=True) as server:
        assert server.get() == "tea"
        site.replace("shop.py", "tea", "milk")
        server.wait_for("/", "milk")


def test_port_0_is_a_free_port_which_is_printed(project):
    site = project(SITE)
    # Its readiness is seen at the port that it prints, so not by `serve`.
    site.edit("free.py", FREE_PORT)
    assert site.run("free.py").stdout == "tea\n"


FREE_PORT = """
    import re, subprocess, sys, urllib.request
    command = [sys.executable, "-m", "ponyreload", "run", "app", "--bind", ":0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            found = re.fullmatch(r"serving app on cheroot at (http://127\\.0\\.0\\.1:(\\d+)/)\\n", line)
            if found:
                assert int(found[2]) > 0
                print(urllib.request.urlopen(found[1], timeout=20).read().decode())
                break
    finally:
        process.terminate()
        process.wait(20)
        process.stderr.close()
"""


def test_a_unix_socket_serves_and_one_that_was_left_behind_is_no_matter(project, tmp_path):
    site = project(SITE)
    path = "here.sock"
    with closing(socket.socket(socket.AF_UNIX)) as left:
        left.bind(str(site / path))  # the file stays
    command = [sys.executable, "-m", "ponyreload", "run", "app", "--bind", f"unix:{path}"]
    site.edit("ask.py", UNIX)
    done = site.run("ask.py", *command, path)
    assert done.stdout == "tea\n"


UNIX = """
    import http.client, socket, subprocess, sys
    *command, path = sys.argv[1:]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        line = next(line for line in process.stderr if line.startswith("serving "))
        assert line == f"serving app on cheroot at unix:{path}\\n", line
        connection = http.client.HTTPConnection("localhost", timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(path)
        connection.request("GET", "/", headers={"Connection": "close"})
        print(connection.getresponse().read().decode())
        connection.close()
    finally:
        process.terminate()
        process.wait(20)
        process.stderr.close()
"""


def test_an_address_that_is_taken_is_said_before_the_application_is_loaded(project):
    site = project({**SITE, "shop.py": "print('loaded', flush=True)\nNAME = 'tea'"})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = complaint(site, "run", "app", "--bind", f":{port}", status=1)
    assert line == f"Cannot listen on 127.0.0.1:{port}: Address already in use (--bind :0 picks a free port)"
    assert (
        complaint(site, "run", "app", "--bind", "unix:shop.py", status=1)
        == "Cannot listen on unix:shop.py: the file exists and is not a socket"
    )
    assert "folder nowhere does not exist" in complaint(site, "run", "app", "--bind", "unix:nowhere/a.sock", status=1)


def test_open_opens_the_address_in_the_browser(project):
    site = project({**SITE, "browser.py": "import sys\nopen('opened', 'w').write(sys.argv[1])"})
    browser = f"{sys.executable} {site / 'browser.py'} %s"
    with serve(site, "app", "--open", BROWSER=browser) as server:
        server.wait_until((site / "opened").exists, "open browser")
        server.wait_until(
            lambda: (site / "opened").read_text() == f"http://127.0.0.1:{server.port}/", "address in the browser"
        )


# -- the end -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_the_clean_up_of_the_application_runs(project, how):
    text = "from ponyreload import on_retire\n@on_retire\ndef bye(): print('bye', NAME, flush=True)\nNAME = 'tea'"
    site = project({**SITE, "shop.py": text})
    with serve(site, "app") as server:
        assert server.stop(how) == 128 + how
        assert "bye tea\n" in server.log
        assert "Traceback" not in server.log


def test_a_request_that_never_ends_does_not_keep_ctrl_c_from_ending_it(project):
    text = """
        import threading

        def app(environ, start_response):
            start_response("200 OK", [])
            if environ["PATH_INFO"] == "/endless":
                print("begun", flush=True)
                threading.Event().wait()
            return [b"tea"]
    """
    with (
        serve(project({"app.py": text}), "app") as server,
        socket.create_connection(("127.0.0.1", server.port)) as client,
    ):
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        server.wait_for_log("begun")
        assert server.stop(signal.SIGINT) == 130


def test_a_second_signal_ends_it_at_once(project):
    text = "import time\nfrom ponyreload import on_retire\n@on_retire\ndef bye():\n    print('ending', flush=True)\n    time.sleep(60)\nNAME = 'tea'"
    with serve(project({**SITE, "shop.py": text}), "app") as server:
        server.process.send_signal(signal.SIGINT)
        server.wait_for_log("ending")
        server.process.send_signal(signal.SIGTERM)  # its status tells it from an end by the first one
        assert server.process.wait(15) == 143


def test_ctrl_c_while_the_application_is_loaded_first_ends_it(project):
    site = project({**SITE, "shop.py": "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nNAME = 'tea'"})
    done = run(site, "run", "app", "--bind", f":{free_port()}")
    assert (done.returncode, done.stderr.strip()) == (130, "")


def test_ctrl_c_ends_an_application_that_starts_a_server_of_its_own_when_it_is_imported(project):
    text = """
        import os
        from cheroot.wsgi import Server

        def app(environ, start_response):
            start_response("200 OK", [])
            return [b"one"]

        Server(("127.0.0.1", int(os.environ["PORT"])), app).start()
    """
    site = project({"app.py": text})
    with serve(site, "app", bind="127.0.0.1:0") as server:
        assert server.get() == "one"
        site.replace("app.py", "one", "two")
        assert server.stop(signal.SIGINT) == 130


def test_a_signal_handler_of_the_applications_stays(project):
    text = "import os, signal\nsignal.signal(signal.SIGTERM, lambda *_: os.write(1, b'handled'))\nNAME = 'tea'"
    with serve(project({**SITE, "shop.py": text}), "app") as server:
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_log("handled")
        assert server.get() == "tea"
        assert server.stop(signal.SIGINT) == 130


# -- files of the project that are named like modules of ours ---------------------------------------------------


def test_a_project_may_have_a_module_named_like_one_that_the_terminal_is_written_with(project):
    site = project({**SITE, "rich.py": "NAME = 'tea'", "app.py": APP.replace("shop", "rich")})
    with serve(site, "app") as server:
        assert server.get() == "tea"
        site.edit("rich.py", "NAME = 'milk'")
        server.wait_for("/", "milk")
        assert "/rich.py hides the library rich, which ponyreload needs: rename it; the output is plain\n" in server.log


@pytest.mark.parametrize(("name", "whose"), [("click", "the library"), ("difflib", "Python's"), ("queue", "Python's")])
def test_one_that_the_command_line_or_its_server_cannot_do_without_is_said_in_a_line(project, name, whose):
    site = project({**SITE, f"{name}.py": "raise SystemExit('run')"})
    said = complaint(site, "run", "app", "--bind", ":0")
    assert said.endswith(f"/{name}.py hides {whose} {name}, which ponyreload needs: rename it")


def test_one_that_comes_too_late_is_said(project):
    site = project({"site/app.py": APP, "site/shop.py": "NAME = 'tea'", "site/difflib.py": "NAME = 'tea'"})
    with serve(site, "site/app.py") as server:
        assert server.get() == "tea"
        assert re.search(r"site has a module difflib, but \S+/difflib.py is loaded already: rename yours\n", server.log)


# -- libraries that have to be loaded with each generation -------------------------------------------------------

# What `django-admin startproject` writes, in short. It imports its URLs and views with the first request.
DJANGO = {
    "mysite/__init__.py": "",
    "mysite/settings.py": """
        SECRET_KEY, DEBUG, ALLOWED_HOSTS, ROOT_URLCONF = "a", True, ["*"], "mysite.urls"
        INSTALLED_APPS = ["polls"]
    """,
    "mysite/wsgi.py": """
        import os
        from django.core.wsgi import get_wsgi_application
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
        application = get_wsgi_application()
    """,
    "mysite/urls.py": "from django.urls import include, path\nurlpatterns = [path('', include('polls.urls'))]\n",
    "polls/__init__.py": "",
    "polls/models.py": """
        from django.db import models

        class Poll(models.Model):
            question = models.CharField(max_length=200)
    """,
    "polls/urls.py": "from django.urls import path\nfrom . import views\nurlpatterns = [path('', views.index)]\n",
    "polls/views.py": """
        from django.http import HttpResponse
        VERSION = 1

        def index(request):
            return HttpResponse(f"version {VERSION}")
    """,
}


def test_a_django_project_is_reloaded_without_options(project):
    site = project(DJANGO)
    with serve(site, "mysite.wsgi:application") as server:
        assert server.get() == "version 1"
        assert (
            server.log.count("loads with each generation, as they keep what the application gives them: django\n") == 1
        )
        site.replace("polls/views.py", "VERSION = 1", "VERSION = 2")
        server.wait_for("/", "version 2")
        site.replace("polls/views.py", "VERSION = 2", "VERSION = 3 / 0")
        server.wait_for_log("generation 3 not served: polls/views.py:3 ZeroDivisionError: division by zero")
        assert server.get() == "version 2"
        site.replace("polls/views.py", "VERSION = 3 / 0", "VERSION = 4")
        server.wait_for("/", "version 4")
        site.replace("polls/models.py", "max_length=200", "max_length=100")
        server.wait_for_log("polls/models.py changed")
        assert server.get() == "version 4"
        assert "isolate=" not in server.log


def installed(folder, name, *requirements):
    """Install a distribution with a package of its own name."""
    package = folder / "site-packages" / name
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    information = folder / "site-packages" / f"{name}-1.0.dist-info"
    information.mkdir()
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        "Version: 1.0",
        *(f"Requires-Dist: {each}" for each in requirements),
    ]
    (information / "METADATA").write_text("\n".join(lines) + "\n")
    (information / "RECORD").write_text(f"{name}/__init__.py,,\n")


def test_what_is_built_on_a_library_that_is_loaded_with_each_generation_is_too(tmp_path, monkeypatch):
    installed(tmp_path, "forms", "Django>=4.2")
    installed(tmp_path, "more_forms", "forms ; python_version >= '3'")
    installed(tmp_path, "monitoring", "django ; extra == 'django'")
    installed(tmp_path, "numbers_only", "numpy")
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    found = libraries_to_isolate()
    assert {"django", "forms", "more_forms"} <= set(found)
    assert set(found).isdisjoint({"monitoring", "numbers_only"})
