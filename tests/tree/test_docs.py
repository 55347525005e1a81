"""The documentation is true: its Python blocks run, its commands and names exist. See `pages` for the steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import live
import ponyreload.main
from frontends import front_end
from live import Live
from pages import ROOT, Step, steps_of
from projects import Project

pytestmark = pytest.mark.any_python

DOCS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", *DOCS]


class Reader:
    """Carries out the steps of a page, as a reader would who believes every word of it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch
        self._count = 0
        self._stack = ExitStack()
        self._begin()

    def _begin(self) -> None:
        self._stack.close()
        self._count += 1
        folder = self._folder / f"project{self._count}"
        folder.mkdir()
        self._project = Project(folder, {})
        self._live: Live | None = None
        self._port, self._application_port = live.free_port(), live.free_port()
        self._cookie = ""
        self._done: CompletedProcess[str] | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @property
    def server(self) -> Live:
        assert self._live is not None, "the page asks a server that it has not started"
        return self._live

    def do(self, step: Step) -> None:
        """Carry out one step."""
        actions: Mapping[str, Callable[[str, str], None]] = {
            "project": lambda what, block: self._begin(),
            "file": lambda what, block: self._project.edit(what, self._with_port(block)),
            "edit": lambda what, block: self._edit(what),
            "serve": lambda what, block: self._serve(what),
            "serve behind": lambda what, block: self._serve_behind(what),
            "ask": lambda what, block: self._ask(what),
            "ask with the same cookie": lambda what, block: self._ask(what, cookie=self._cookie),
            "wait for": lambda what, block: self.server.wait_for_log(what),
            "log": lambda what, block: self._log(block),
            "run": self._run,
            "output": lambda what, block: self._output(block),
        }
        actions[step.verb](step.what, step.block)

    def _with_port(self, text: str) -> str:
        text = text.replace("localhost:8080", f"127.0.0.1:{self._port}").replace("8080", str(self._port))
        return text.replace("9000", str(self._application_port))

    def _edit(self, what: str) -> None:
        path, change = what.split(", ", 1)
        old, new = f"{change} ".split(" to ", 1)
        self._project.replace(path, old, new.removesuffix(" "))

    def _serve(self, what: str) -> None:
        self._monkeypatch.setattr(live, "free_port", lambda: self._port)
        self._live = self._stack.enter_context(self._project.serve(*self._with_port(what).split()))
        self._monkeypatch.undo()
        # CherryPy's server answers a moment before its bus has started.
        if "ENGINE" in self._live.log:
            self._live.wait_for_log("ENGINE Bus STARTED")

    def _serve_behind(self, what: str) -> None:
        name, script = what.split(", ")
        if self._live is not None:
            self._live.stop()  # it has the port
        behind = front_end(name, self._project, script, port=self._application_port)
        self._live = self._stack.enter_context(behind)

    def _ask(self, what: str, cookie: str = "") -> None:
        path, word, expected = re.split(r" (gives|is) ", what, maxsplit=1)
        headers = {"Cookie": cookie} if cookie else {}
        if cookie:
            assert self.server.get(path, **headers) == expected
        elif word == "is":
            self.server.wait_until(lambda: self.server.ask(path).status == int(expected), f"{expected} at {path}")
        else:
            self.server.wait_until(lambda: self._answers(path, expected), f"{expected!r} at {path}")

    def _answers(self, path: str, expected: str) -> bool:
        answer = self.server.ask(path)
        self._cookie = answer.headers.get("Set-Cookie", self._cookie).partition(";")[0]
        return answer.text == expected

    def _log(self, block: str) -> None:
        self.server.wait_until(lambda: _are_in_order(block.splitlines(), self.server.log), f"{block!r} in the log")

    def _run(self, what: str, block: str) -> None:
        self._project.edit("script.py", self._with_port(block))
        environment = dict([what.split("=")]) if what else {}
        self._done = self._project.run("script.py", **environment)

    def _output(self, block: str) -> None:
        assert self._done is not None
        assert self._done.stdout == block


def _are_in_order(lines: list[str], log: str) -> bool:
    position = 0
    for line in lines:
        # Times differ from one machine to another.
        pattern = r"\(\d+ ms\)".join(map(re.escape, re.split(r"\(\d+ ms\)", line)))
        found = re.compile(pattern).search(log, position)
        if found is None:
            return False
        position = found.end()
    return True


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_is_what_comes_of_it(page, tmp_path, monkeypatch):
    steps = steps_of((ROOT / page).read_text(encoding="utf-8"))
    with Reader(tmp_path, monkeypatch) as reader:
        for step in steps:
            reader.do(step)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```python\nPRICE = 1\n```\n", "a Python block that nothing runs"),
        ("<!-- project -->\n```python\nPRICE = 1\n```\n", "a Python block that nothing runs"),
        ("<!-- file: shop.py -->\n```python\nPRICE = 1\n```\n", "nothing runs shop.py"),
        (
            "<!-- file: shop.py -->\n```python\n```\n<!-- project -->\n<!-- run -->\n```python\n```\n",
            "nothing runs shop.py",
        ),
        ("<!-- run -->\n\nand then\n\n```python\nPRICE = 1\n```\n", "does not stand just before"),
        ("- as in\n  ```python\n  PRICE = 1\n  ```\n", "an indented Python block"),
        ("```py\nPRICE = 1\n```\n", "unknown language 'py'"),
        ("<!-- run -->\n", "followed by no block"),
    ],
)
def test_a_python_block_that_would_not_be_run_is_found(text, complaint):
    with pytest.raises(AssertionError, match=complaint):
        steps_of(text)


def test_the_readme_shows_the_example_as_it_is():
    steps = steps_of((ROOT / "README.md").read_text(encoding="utf-8"))
    shown = [step.block for step in steps if step.verb == "file"]
    assert shown == [(ROOT / "examples/hello.py").read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", PAGES)
def test_the_make_targets_that_a_page_names_exist(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"^\$ make (\S+)|`make ([a-z]+)", text, re.MULTILINE))
    assert {target for pair in named for target in pair if target} - targets == set()
    assert page != "README.md" or ("$ make demo\n" in text and "$ make test\n" in text)


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page):
    def anchors(path: Path) -> set[str]:
        titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}

    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        if not link.startswith("http"):
            file, _, anchor = link.partition("#")
            target = (ROOT / page).parent / file if file else ROOT / page
            if not target.is_file() or (anchor and anchor not in anchors(target)):
                broken.append(link)
    assert broken == []


def test_the_reference_has_a_heading_for_every_public_name():
    headings = re.findall(r"^#+ `@?([\w.]+)", (ROOT / "docs/reference.md").read_text(encoding="utf-8"), re.MULTILINE)
    of_reloader = {f"Reloader.{name}" for name in ("generation", "error", "wait", "reload", "retained", "stop")}
    of_http = {f"http.{name}" for name in ("application", "start", "stop")}
    assert set(headings) == {*ponyreload.main.__all__, "Reloader"} | of_reloader | of_http


def test_the_contributors_table_has_a_line_for_every_package():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    source = ROOT / "src/ponyreload"
    packages = {f"{path.parent.relative_to(source).as_posix()}/" for path in source.rglob("*/__init__.py")}
    files = {path.name for path in source.glob("*.py")}
    assert sorted(re.findall(r"^\| `([\w/]+(?:\.py)?)` \|", text, re.MULTILINE)) == sorted(packages | files)


def test_the_pictures_are_small_and_shown():
    shown = " ".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    pictures = [path for path in (ROOT / "docs/pictures").iterdir() if path.suffix in (".png", ".svg")]
    assert len(pictures) == 3
    for picture in pictures:
        assert f"pictures/{picture.name})" in shown, f"nobody shows {picture.name}"
        assert picture.stat().st_size < 100_000, f"{picture.name} is large"
