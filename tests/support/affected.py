"""An application with ``scope="affected"``, and what a driver does with it."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

STAR = "from ponyreload import *\n"
# Each module notes that its code runs; `runs` is a system module.
RAN = STAR + "import runs; runs.ran.append(__name__)\n"
DRIVE = """
    import app, runs
    reloader = app.reloader
    reloader.reload()  # what Python itself imported, nobody has seen import what it did
    del runs.ran[:]

    def edit(name, old, new):
        "Edit a file, wait for the generation, and return what ran for it."
        del runs.ran[:]
        number = reloader.generation
        project.replace(name, old, new)
        reloader.wait(number, 20)
        return sorted(runs.ran)

    def pause():
        "Wait until older generations have retired."
        until(lambda: len(reloader.living) == 1)

    def ask():
        return request(app.application)
"""


def drive(site: Any, text: str) -> Any:
    """Run a driver script that begins with the application's second generation; return what it tells."""
    return site.drive(dedent(DRIVE) + dedent(text))


def shop_files(**files: str) -> dict[str, str]:
    """The files of an application whose modules import each other in all ways; ``pk__init`` is ``pk/__init__.py``."""
    base = {
        "runs.py": "ran = []\nkept = []\n",
        "leaf.py": RAN + "X = 1\ndef value():\n    return X\nclass Thing:\n    pass\n",
        "base.py": RAN + "Y = 1\n",
        "views.py": RAN + "import leaf\ndef answer():\n    return leaf.value()\n",
        "other.py": RAN + "from base import Y\ncalls = []\n",
        "app.py": RAN
        + "import views, other, base\nreloader = use_autoreload(scope='affected')\n"
        + "@AutoreloadMiddleware\ndef application(environ, start_response):\n"
        + "    start_response('200 OK', [])\n    yield repr(views.answer()).encode()\n"
        + "    yield repr(views.answer()).encode()\n",
    }
    paths = {name.replace("__", "/").replace("/init", "/__init__"): text for name, text in files.items()}
    return base | {path + ".py": text for path, text in paths.items()}
