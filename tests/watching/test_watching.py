"""However an editor saves, the newest contents are served; and the watcher costs nothing while nothing happens."""

from __future__ import annotations

import textwrap

import pytest

from ponyreload.watching.watcher import events_arrive

APP = """
        from ponyreload import *
        import shop.cart
        reloader = use_autoreload()

        @AutoreloadMiddleware
        def application(environ, start_response):
            start_response("200 OK", [])
            return [str(shop.cart.X).encode()]
"""
FILES = {
    "app.py": APP,
    "shop/__init__.py": "",
    "shop/cart.py": "from ponyreload import *\nX = 1\n",
}
NEW = "from ponyreload import *\nX = 2\n"

SAVES = {
    "write-and-rename": f"project.edit('shop/cart.py', {NEW!r})",
    "truncate-and-write": f"project.write_in_place('shop/cart.py', {NEW!r})",
    "in-two-parts": f"""
        with open('shop/cart.py', 'w') as file:
            file.write({NEW[:30]!r})
            file.flush()
            file.write({NEW[30:]!r})
    """,
    "written-and-left-open": f"""
        left_open = open('shop/cart.py', 'w')
        left_open.write({NEW!r})
        left_open.flush()
    """,
    "delete-and-create": f"os.unlink('shop/cart.py'); project.write_in_place('shop/cart.py', {NEW!r})",
    "backup-by-rename": f"os.rename('shop/cart.py', 'shop/cart.py~'); project.write_in_place('shop/cart.py', {NEW!r})",
    "backup-by-link": f"os.link('shop/cart.py', 'shop/cart.bak'); project.edit('shop/cart.py', {NEW!r})",
    "clock-goes-back": f"""
        project.write_in_place('shop/new', {NEW!r})
        os.utime('shop/new', (1_000_000_000, 1_000_000_000))
        os.replace('shop/new', 'shop/cart.py')
    """,
    "times-kept": f"""
        status = os.stat('shop/cart.py')
        project.write_in_place('shop/cart.py', {NEW!r})
        os.utime('shop/cart.py', ns=(status.st_atime_ns, status.st_mtime_ns))
    """,
    "folder-exchanged": f"""
        os.mkdir('newer')
        project.edit('newer/__init__.py', '')
        project.edit('newer/cart.py', {NEW!r})
        os.rename('shop', 'older')
        os.rename('newer', 'shop')
    """,
}


@pytest.mark.parametrize("poll", ["None", "0.02"])
@pytest.mark.parametrize("save", SAVES)
def test_a_save_of_each_kind_is_served(project, save, poll):
    files = {**FILES, "app.py": APP.replace("use_autoreload()", f"use_autoreload(poll_seconds={poll})")}
    site = project(files)
    told = site.drive(f"""
        import app
        first = request(app.application)
        for number in range(2):
{_indented(SAVES[save], 12)}
            until(lambda: request(app.application) == "2")
            serving = app.reloader.generation
            if number == 0:
                # Once more, to see that what is watched now is what there is now.
                project.edit("shop/cart.py", "from ponyreload import *\\nX = 3\\n")
                until(lambda: request(app.application) == "3")
                for each in ("older", "shop/cart.bak"):
                    if os.path.exists(each):
                        project.delete(each)
        tell(first=first, last=request(app.application))
    """)
    assert (told["first"], told["last"]) == ("1", "2")
    assert "not served" not in told["stderr"]


def test_a_file_that_stays_empty_for_long_while_it_is_written_is_a_user_module_still(project):
    told = project(FILES).drive("""
        import app
        request(app.application)
        open("shop/cart.py", "w").close()
        app.reloader.wait(1, 10)
        project.write_in_place("shop/cart.py", "from ponyreload import *\\nX = 2\\n")
        app.reloader.wait(2, 10)
        tell(answer=request(app.application))
    """)
    assert told["answer"] == "2"


def test_a_file_that_a_load_finds_empty_before_it_is_written_is_not_served_so(project):
    # A save that deletes and creates: the scan finds no file, the load an empty one, and then the editor writes it.
    files = {
        **FILES,
        "app.py": APP
        + """
        import os
        open_files = []

        @on_reload
        def create():
            if not os.path.exists("shop/cart.py"):
                open_files.append(open("shop/cart.py", "w"))

        if os.path.getsize("shop/cart.py") == 0:
            open_files.append(open("shop/cart.py", "w"))
            open_files[0].write("from ponyreload import *\\nX = 2\\n")
            open_files[0].flush()
""",
    }
    told = project(files).drive("""
        import app
        request(app.application)
        os.unlink("shop/cart.py")
        answers = set()
        until(lambda: answers.add(request(app.application)) or "2" in answers)
        tell(answers=sorted(answers))
    """)
    assert told["answers"] == ["1", "2"]


def test_a_file_that_is_moved_here_from_elsewhere_is_seen(project):
    told = project(FILES).drive("""
        import app
        request(app.application)
        project.edit("../elsewhere/cart.py", "from ponyreload import *\\nX = 2\\n")
        os.replace("../elsewhere/cart.py", "shop/cart.py")
        app.reloader.wait(1, 10)
        tell(answer=request(app.application))
    """)
    assert told["answer"] == "2"


def _indented(code, width):
    import textwrap

    return textwrap.indent(textwrap.dedent(code).strip(), " " * width)


@pytest.mark.parametrize("link", ["folder", "file", "switched"])
def test_edits_behind_symbolic_links_are_seen(project, link, tmp_path):
    site = project(FILES)
    (tmp_path / "real").mkdir()
    if link == "file":
        (site / "shop/cart.py").rename(tmp_path / "real/cart.py")
        (site / "shop/cart.py").symlink_to(tmp_path / "real/cart.py")
    else:
        (site / "shop").rename(tmp_path / "real/shop")
        (site / "shop").symlink_to(tmp_path / "real/shop")
    path = {"file": "../real/cart.py", "folder": "../real/shop/cart.py", "switched": "../other/cart.py"}[link]
    told = site.drive(f"""
        import app
        first = request(app.application)
        project.edit({path!r}, "from ponyreload import *\\nX = 2\\n")
        if {link == "switched"}:
            project.edit("../other/__init__.py", "")
            os.symlink("../other", "newer")
            os.replace("newer", "shop")
        app.reloader.wait(1, 10)
        tell(first=first, second=request(app.application))
    """)
    assert (told["first"], told["second"]) == ("1", "2")


def test_a_module_that_was_looked_for_in_vain_is_loaded_when_it_comes(project):
    optional = """
        try:
            from shop.local import X
            shop.cart.X = X
        except ImportError:
            pass
    """
    files = {**FILES, "app.py": APP + optional}
    told = project(files).drive("""
        import app
        first = request(app.application)
        project.edit("shop/local.py", "X = 2\\n")
        app.reloader.wait(1, 10)
        tell(first=first, second=request(app.application))
    """)
    assert (told["first"], told["second"]) == ("1", "2")


def test_what_changed_before_the_watching_began_is_loaded(project):
    told = project(FILES).drive("""
        import app
        project.edit("shop/cart.py", "from ponyreload import *\\nX = 2\\n")
        request(app.application)  # the first request starts the watcher
        app.reloader.wait(1, 10)
        tell(second=request(app.application))
    """)
    assert told["second"] == "2"


def test_the_reloader_stops_at_once_and_what_serves_goes_on(project):
    told = project(FILES).drive("""
        import builtins, importlib.util, linecache
        from importlib import _bootstrap
        def hooks():
            import signal
            finding = [_bootstrap._find_spec, importlib.util._find_spec, *sys.meta_path]
            return [builtins.__import__, _bootstrap._gcd_import, linecache.getlines, signal.signal, *finding]
        before = hooks()
        import app
        with app.reloader as reloader:
            request(app.application)
            project.edit("shop/cart.py", "from ponyreload import *\\nX = 2\\n")
            reloader.wait(1, 10)
            began = time.monotonic()
        took = time.monotonic() - began
        reloader.stop()
        try:
            reloader.reload()
        except RuntimeError as error:
            text = str(error)
        assert ponyreload.use_autoreload() is reloader  # in vain: it has been stopped
        threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        tell(took=took, threads=threads, restored=hooks() == before, kind=type(sys.modules["shop.cart"]).__name__,
             X=sys.modules["shop.cart"].X, answer=request(app.application), text=text)
    """)
    assert told["took"] < 2
    assert told["threads"] == []
    assert told["restored"]
    assert (told["kind"], told["X"], told["answer"]) == ("module", 2, "2")
    assert told["text"] == "the reloader has been stopped"


def test_nothing_wakes_up_while_nothing_happens(project):
    told = project(FILES).drive("""
        import app
        request(app.application)
        project.edit("shop/cart.py", "from ponyreload import *\\nX = 2\\n")
        app.reloader.wait(1, 10)
        until(lambda: app.reloader.application.collector.at is None and app.reloader.application.lookout.at is None)
        tell(waits=app.reloader.application.lookout.at)
    """)
    assert told["waits"] is None


def test_an_event_that_comes_during_a_scan_is_not_lost(project):
    told = project(FILES).drive("""
        import app
        updater, lookout = app.reloader.updater, app.reloader.application.lookout
        updater.is_started = True  # it is stepped by hand
        differ = app.reloader.application.files.differ

        def changed_meanwhile(*generations):
            found = differ(*generations)
            lookout.schedule_scan(0)  # the files were read a moment ago
            return found

        app.reloader.application.files.differ = changed_meanwhile
        lookout.schedule_scan(0)
        tell(found=updater.pace.has_changes(), is_due=lookout.at is not None)
    """)
    assert (told["found"], told["is_due"]) == (False, True)


def test_an_edit_whose_event_the_system_has_dropped_is_served(project):
    # A process that does not come to read its events: more than the system keeps of files that do not matter, and then
    # the edit.
    flood = """
        import os, signal, sys, time
        from pathlib import Path

        def state():
            return Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[0]

        os.kill(os.getppid(), signal.SIGSTOP)
        while state() != "T":
            time.sleep(0.001)
        for number in range(int(Path("/proc/sys/fs/inotify/max_queued_events").read_text()) // 2 + 100):
            os.close(os.open(f"shop/data/{number}", os.O_CREAT | os.O_WRONLY))  # two events
        Path("shop/cart.py").write_text("from ponyreload import *\\nX = 2\\n")
        os.kill(os.getppid(), signal.SIGCONT)
    """
    site = project({**FILES, "shop/data/readme.txt": "", "flood.py": flood})
    told = site.drive("""
        import app, subprocess
        first = request(app.application)
        app.reloader.reload()
        request(app.application)
        subprocess.run([sys.executable, "flood.py"], check=True)
        app.reloader.wait(2, 10)
        tell(first=first, second=request(app.application))
    """)
    assert (told["first"], told["second"]) == ("1", "2")


DEBUG = "import logging\nlogging.basicConfig(filename='shop/log.txt', level=logging.DEBUG)\n"
# Where the user wants watchdog's words, they had better go elsewhere: they would not end.
WANTED = """
        import logging
        logger = logging.getLogger("watchdog")
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.addHandler(logging.FileHandler("watchdog.log"))
"""


@pytest.mark.parametrize("wanted", ["", WANTED], ids=["unset", "wanted"])
def test_a_debug_log_in_a_watched_folder_does_not_tell_of_itself_for_ever(project, wanted):
    site = project({**FILES, "app.py": textwrap.dedent(APP).replace("import shop", DEBUG + "import shop")})
    told = site.drive(
        wanted
        + """
        import app
        request(app.application)
        app.reloader.reload()
        for x in (2, 3):
            project.edit("shop/cart.py", f"from ponyreload import *\\nX = {x}\\n")
            until(lambda: request(app.application) == str(x))
        app.reloader.stop()
        tell()
    """
    )
    written = (site / "shop/log.txt").read_text()
    assert "generation 4 serves" in written
    assert "watchdog" not in written
    assert told["stderr"] == ""
    assert (site / "watchdog.log").exists() == bool(wanted)
    assert not wanted or "cart.py" in (site / "watchdog.log").read_text()


def test_what_watches_a_folder_no_more_does_not_say_so_in_the_log(project):
    # It is stopped just when it is about to wait for the next event.
    told = project(FILES).drive("""
        import app, logging
        logging.basicConfig(level=logging.DEBUG)
        request(app.application)
        app.reloader.reload()
        from watchdog.observers.api import EventEmitter
        emitters = [thread for thread in threading.enumerate() if isinstance(thread, EventEmitter)]
        app.reloader.stop()
        for emitter in emitters:
            emitter.queue_events(0)
        tell(emitters=len(emitters))
    """)
    assert told["emitters"] > 0
    assert "ERROR" not in told["stderr"]


@pytest.mark.parametrize("when", ["at its start", "later"])
def test_a_mistake_of_our_own_is_said_and_the_next_save_is_served(project, when):
    told = project(FILES).drive(f"""
        import app, ponyreload.watching.watcher
        watch = ponyreload.watching.watcher.Watcher.watch
        def fail_once(self, folders):
            ponyreload.watching.watcher.Watcher.watch = watch
            raise ValueError("wrong")
        if {when == "later"}:
            request(app.application)
            until(lambda: app.reloader.application.lookout.watched)
        ponyreload.watching.watcher.Watcher.watch = fail_once
        request(app.application)
        for x in (2, 3):
            project.edit("shop/cart.py", f"from ponyreload import *\\nX = {{x}}\\n")
            app.reloader.wait(x - 1, 10)
        tell(answer=request(app.application))
    """)
    assert told["answer"] == "3"
    assert told["stderr"].count("ponyreload itself failed; please report this:\nTraceback") == 1
    assert "ValueError: wrong" in told["stderr"]


def test_polling_takes_over_where_the_system_has_no_watches_left(project):
    told = project(FILES).drive("""
        import app, ponyreload.watching.watcher, ponyreload.watching.polling
        def refuse(self, folders):
            raise OSError(28, "inotify watch limit reached")
        ponyreload.watching.watcher.Watcher.watch = refuse
        ponyreload.watching.polling.POLL_SECONDS = 0.05
        first = request(app.application)
        project.edit("shop/cart.py", "from ponyreload import *\\nX = 2\\n")
        app.reloader.wait(1, 10)
        tell(second=request(app.application))
    """)
    assert told["second"] == "2"
    assert "no file events ([Errno 28] inotify watch limit reached); polling every" in told["stderr"]


@pytest.mark.parametrize(
    ("kind", "arrive"), [("ext4", True), ("overlay", True), ("nfs4", False), ("9p", False), ("fuse.sshfs", False)]
)
def test_events_do_not_arrive_on_network_and_shared_folders(tmp_path, kind, arrive):
    table = tmp_path / "mounts"
    table.write_text(f"disk / ext4 rw 0 0\nhost:/x {tmp_path} {kind} rw 0 0\nother {tmp_path}x nfs rw 0 0\n")
    assert events_arrive(str(tmp_path / "shop"), str(table)) is arrive
    assert events_arrive("/", str(table))
