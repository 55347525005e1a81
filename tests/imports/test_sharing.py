"""What a reload loads anew with ``scope="affected"``, and what both generations share."""

from types import ModuleType

import pytest

from affected import RAN, STAR, drive, shop_files
from ponyreload.generations.generation import Generation
from ponyreload.imports.sharing import share


@pytest.fixture
def shop(project):
    """An application whose modules import each other in all ways."""
    return lambda **files: project(shop_files(**files))


def test_only_what_has_changed_and_what_imports_it_is_executed_again(shop):
    told = drive(
        shop(),
        """
    base, views, other = (reloader.serving.modules[name] for name in ("base", "views", "other"))
    tell(
        ran=edit("leaf.py", "X = 1", "X = 2"),
        answer=finish(start(app.application)),
        base=reloader.serving.modules["base"] is base,
        other=reloader.serving.modules["other"] is other,
        views=reloader.serving.modules["views"] is views,
        again=edit("base.py", "Y = 1", "Y = 2"),
        later=edit("leaf.py", "X = 2", "X = 3"),
    )
    """,
    )
    assert (told["ran"], told["answer"]) == (["app", "leaf", "views"], "22")
    assert (told["base"], told["other"], told["views"]) == (True, True, False)
    assert told["again"] == ["app", "base", "other"]
    assert told["later"] == ["app", "leaf", "views"]


@pytest.mark.parametrize(
    "way",
    [
        "from leaf import *",
        "import importlib; Z = importlib.import_module('leaf').X",
        "import sys; Z = sys.modules['leaf'].X",
        "import helper; Z = helper.get('leaf').X",
        "from importlib import import_module as find; Z = find('leaf').X",
        "Z = __import__('leaf').X",
        "def late():\n    import leaf\n    return leaf.X\nZ = late()",
        "try:\n    import leaf, nothing_there\nexcept ImportError:\n    pass",
    ],
)
def test_an_importer_is_known_however_it_imports(shop, way):
    site = shop(third=RAN + way + "\n", helper="import importlib\nget = importlib.import_module\n")
    site.replace("app.py", "import views", "import views, third")
    told = drive(site, "tell(ran=edit('leaf.py', 'X = 1', 'X = 2'))".rjust(0))
    assert told["ran"] == ["app", "leaf", "third", "views"]


def test_who_imports_late_in_a_request_is_an_importer_from_then_on(shop):
    late = RAN + "def ask():\n    import leaf\n    return leaf.X\n"
    site = shop(late=late)
    site.replace("app.py", "import views", "import late, views")
    told = drive(
        site,
        """
    before = edit("leaf.py", "X = 1", "X = 2")
    asked = reloader.serving.modules["late"].ask()
    tell(before=before, asked=asked, after=edit("leaf.py", "X = 2", "X = 3"))
    """,
    )
    assert told["before"] == ["app", "leaf", "views"]
    assert told["asked"] == 2
    assert told["after"] == ["app", "late", "leaf", "views"]


def test_a_request_of_the_older_generation_gets_its_own_modules_in_shared_code(shop):
    # `late` is shared: it imports nothing when it is loaded.
    site = shop(
        pack__init=STAR,
        pack__leaf=RAN + "X = 1\n",
        late=RAN + "import pack\ndef ask():\n    import leaf\n    return [leaf.X, pack.leaf.X]\n",
        views=RAN + "import late\ndef answer():\n    return late.ask()\n",
    )
    site.replace("app.py", "import views", "import views, pack.leaf")
    told = drive(
        site,
        """
    old = start(app.application)
    parts = iter(old)
    first = next(parts).decode()
    late = reloader.serving.modules["late"]
    reloader.serving.imports["late"].clear()  # as if the late import had not come yet
    reloader.serving.importers and reloader.serving.importers.clear()
    number = reloader.generation
    project.replace("leaf.py", "X = 1", "X = 2")
    reloader.wait(number, 20)
    number = reloader.generation
    project.replace("pack/leaf.py", "X = 1", "X = 2")
    reloader.wait(number, 20)
    new = start(app.application)
    tell(
        shared=reloader.serving.modules["late"] is late,
        old=[first, next(parts).decode()],
        new=finish(new),
    )
    old.close()
    """,
    )
    assert told["shared"] is True
    assert told["old"] == ["[1, 1]", "[1, 1]"]
    assert told["new"] == "[2, 2][2, 2]"


@pytest.mark.parametrize(
    "registers",
    [
        "@on_retire\ndef close():\n    pass",
        "@on_reload\ndef note():\n    pass",
        "pool = keep('pool', dict)",
        "import registry; registry.routes['other'] = 1",
        "import atexit; atexit.register(print)",
        "import logging; logging.getLogger('shop').addHandler(logging.NullHandler())",
        "import threading; threading.Thread(target=superseded, args=(30,)).start()",
        "import threading; timer = threading.Timer(100, print); timer.daemon = True; timer.start()",
        "import signal; signal.signal(signal.SIGUSR1, lambda *args: None)",
        "import sys; sys.excepthook = lambda *args: None",
        "import threading; threading.excepthook = lambda *args: None",
        "import logging; logging.setLogRecordFactory(lambda *args, **more: logging.LogRecord(*args, **more))",
        "import sys; sys.path.insert(0, '/nonexistent')",
        "import gc; gc.callbacks.append(lambda *args: None)",
    ],
)
def test_a_module_that_registers_something_is_always_executed_again(shop, registers):
    registry = "import ponyreload\nroutes = ponyreload.PerGeneration(dict)\n"
    site = shop(other=RAN + registers + "\n", registry=registry)
    told = drive(site, "tell(ran=edit('leaf.py', 'X = 1', 'X = 2'))")
    assert told["ran"] == ["app", "leaf", "other", "views"]


def test_a_module_that_a_request_had_set_a_hook_is_executed_again(shop):
    site = shop(other=RAN + "import sys\ndef hook(*args):\n    pass\ndef install():\n    sys.excepthook = hook\n")
    told = drive(site, "reloader.serving.modules['other'].install(); tell(ran=edit('leaf.py', 'X = 1', 'X = 2'))")
    assert told["ran"] == ["app", "leaf", "other", "views"]


@pytest.mark.parametrize(
    "ordinary",
    [
        "import logging; log = logging.getLogger(__name__)",
        "import functools\n@functools.lru_cache\ndef f():\n    pass",
        "import dataclasses\n@dataclasses.dataclass\nclass C:\n    x: int = 1",
        "import enum\nclass C(enum.Enum):\n    A = 1",
        "import re; pattern = re.compile('a')",
        "import threading; lock = threading.RLock(); local = threading.local()",
        "import abc, typing\nclass C(abc.ABC, typing.Generic[typing.TypeVar('T')]):\n    pass",
        "import sqlite3; connection = sqlite3.connect(':memory:')",
    ],
)
def test_ordinary_code_registers_nothing(shop, ordinary):
    told = drive(shop(other=RAN + ordinary + "\n"), "tell(ran=edit('leaf.py', 'X = 1', 'X = 2'))")
    assert told["ran"] == ["app", "leaf", "views"]


def test_what_fails_because_of_something_shared_is_loaded_whole(shop):
    # A registry that refuses a second one of a name, as frameworks have it.
    site = shop(
        base=RAN + "Y = 1\nnames = set()\ndef add(name):\n    assert name not in names, 'twice'\n    names.add(name)\n",
        leaf=RAN + "import base\nbase.add('leaf')\nX = 1\ndef value():\n    return X\n",
    )
    told = drive(
        site,
        "tell(ran=edit('leaf.py', 'X = 1', 'X = 2'), answer=finish(start(app.application)), number=reloader.generation)",
    )
    # First what is affected, then all.
    assert told["ran"] == sorted(["app", "views", "leaf", "app", "base", "leaf", "other", "views"])
    assert told["answer"] == "22"


def test_an_edit_that_is_broken_is_reported_once_and_what_served_goes_on(shop):
    told = drive(
        shop(),
        """
    project.replace("leaf.py", "X = 1", "X = 1 / 0")
    until(lambda: reloader.error is not None)
    error, answer = str(reloader.error), finish(start(app.application))
    tell(error=error, answer=answer, ran=edit("leaf.py", "X = 1 / 0", "X = 5"), mended=finish(start(app.application)))
    """,
    )
    assert "leaf.py:3 ZeroDivisionError" in told["error"]
    assert told["stderr"].count("ZeroDivisionError: division by zero") == 2  # the traceback's, and the summary's
    assert (told["answer"], told["mended"]) == ("11", "55")
    assert told["ran"] == ["app", "leaf", "views"]


def test_a_change_that_any_module_may_have_read_loads_all(shop):
    site = shop()
    (site / "prices.txt").write_text("1")
    site.replace("app.py", "scope='affected'", "scope='affected', extra_files=['prices.txt']")
    told = drive(site, "tell(ran=edit('prices.txt', '1', '2'))")
    assert told["ran"] == ["app", "base", "leaf", "other", "views"]


def test_a_module_that_was_looked_for_in_vain_loads_all_when_it_comes(shop):
    site = shop(other=RAN + "try:\n    import settings\nexcept ImportError:\n    settings = None\n")
    told = drive(
        site,
        """
    del runs.ran[:]
    number = reloader.generation
    project.edit("settings.py", "from ponyreload import *\\n")
    reloader.wait(number, 20)
    tell(ran=sorted(runs.ran), there=reloader.serving.modules["other"].settings is not None)
    """,
    )
    assert told["ran"] == ["app", "base", "leaf", "other", "views"]
    assert told["there"] is True


def test_reload_by_hand_loads_all(shop):
    told = drive(shop(), "reloader.reload(); tell(ran=sorted(runs.ran))")
    assert told["ran"] == ["app", "base", "leaf", "other", "views"]


def test_what_a_shared_module_registers_during_the_load_is_not_lost(shop):
    site = shop(
        other=RAN
        + "import threading\ndef begin():\n    threading.Thread(target=superseded, args=(30,), name='own').start()\n",
        leaf=RAN + "import runs\nX = 1\nfor gate in runs.kept:\n    gate()\ndef value():\n    return X\n",
    )
    told = drive(
        site,
        """
    other = reloader.serving.modules["other"]
    old = start(app.application)

    def gate():
        runs.kept.clear()
        thread = threading.Thread(target=other.begin)  # as another thread would, at this moment
        thread.start()
        thread.join()

    runs.kept.append(gate)
    ran = edit("leaf.py", "X = 1", "X = 2")
    tell(ran=ran, shared=reloader.serving.modules["other"] is other)
    finish(old)
    """,
    )
    # The first try was in vain.
    assert "other" in told["ran"]
    assert told["shared"] is False


def test_generations_that_share_modules_go_all_the_same(shop):
    told = drive(
        shop(),
        """
    for number in range(1, 6):
        edit("leaf.py", f"X = {number}", f"X = {number + 1}")
    until(lambda: len(reloader.living) == 1)
    until(lambda: living_generations() == [reloader.generation])
    tell(retained=[holder.text for holder in reloader.retained()])
    """,
    )
    assert told["retained"] == []


def test_a_shared_module_that_holds_something_of_an_affected_one_is_named(shop):
    site = shop(
        base=RAN + "Y = 1\nthings = []\n",
        leaf=RAN
        + "import base\nX = 1\nclass Thing:\n    def f(self):\n        pass\nbase.things.append(Thing())\ndef value():\n    return X\n",
    )
    told = drive(
        site,
        """
    edit("leaf.py", "X = 1", "X = 2")
    until(lambda: len(reloader.living) == 1)
    tell(retained=[holder.text for holder in reloader.retained()])
    """,
    )
    (text,) = told["retained"]
    assert "base.things[0] -> leaf.Thing" in text


def test_a_module_that_could_not_be_run_in_a_request_is_read_anew(shop):
    site = shop(late=RAN + "Z = 1\n", views=RAN + "def answer():\n    import late\n    return late.Z\n")
    told = drive(
        site,
        """
    exec("use_autoreload(on_demand=['late'])", vars(app))
    edit("late.py", "Z = 1", "Z = 1 / 0") if finish(start(app.application)) == "11" else None
    try:
        finish(start(app.application))
    except ZeroDivisionError:
        edit("late.py", "Z = 1 / 0", "Z = 2")
    tell(answer=finish(start(app.application)))
    """,
    )
    assert told["answer"] == "22"


# -- requests that import while modules are taken over ---------------------------------------------------------------


class Interrupted(dict):
    """A table of a generation; a request comes once it has been copied, or before a key of it is set."""

    def __init__(self, entries, request):
        super().__init__(entries)
        self.requests = [request]

    def copy(self):
        found = super().copy()
        self.comes()
        return found

    def __setitem__(self, key, value):
        self.comes()
        super().__setitem__(key, value)

    def setdefault(self, key, value):
        self.comes()
        return super().setdefault(key, value)

    def comes(self):
        if self.requests:
            self.requests.pop()()


@pytest.fixture
def serving():
    serving = Generation(2)
    serving.modules = {"leaf": ModuleType("leaf")}
    serving.files = {"leaf": "/site/leaf.py", "late": "/site/late.py"}
    serving.imports = {}
    return serving


def test_a_module_whose_import_ends_meanwhile_is_loaded_anew(serving):
    serving.modules = Interrupted(serving.modules, lambda: serving.modules.update(late=ModuleType("late")))
    new = Generation(3)
    share(serving, new, {"late"})
    assert "late" in serving.modules
    assert (list(new.modules), list(new.files)) == (["leaf"], ["leaf"])


def test_what_a_shared_module_imports_meanwhile_is_known(serving):
    serving.imports = Interrupted({}, lambda: serving.imports.setdefault("leaf", set()).add("os"))
    new = Generation(3)
    share(serving, new, set())
    assert new.imports == {"leaf": {"os"}}
    assert new.imports["leaf"] is serving.imports["leaf"]
