"""Pages of the documentation, as steps that a reader would take.

Each Python block in README.md and docs/ is a file of a project, or a script. HTML comments say which, and what is to
come of it. A page is carried out from its top to its end:

    <!-- project -->                    an empty folder from here on; each page begins with one
    <!-- file: shop/cart.py -->         the next block is saved as this file, under a running server too
    <!-- edit: app.py, one to two -->   in this file, the one text is replaced by the other
    <!-- serve: -m shop -->             ``python -m shop`` is started, with another port than 8080
    <!-- serve behind: nginx-scgi, app.py -->   the same behind a front end: docs/how-to/flup/nginx-scgi.conf
    <!-- ask: /cart gives 3 things -->  comes to be answered with this text
    <!-- ask with the same cookie: …    the same, once, with the cookie of the last answer that set one
    <!-- ask: /cart is 404 -->          comes to be answered with this status
    <!-- wait for: generation 2 -->     the server comes to write this
    <!-- log -->                        the server comes to write the lines of the next block
    <!-- run -->                        the next block is run as a script of the project to its good end
    <!-- run: PONYRELOAD=off -->        the same, with this in the environment
    <!-- output -->                     the last script has printed the lines of the next block
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

__all__ = ["ROOT", "Step", "steps_of"]

ROOT = Path(__file__).parents[2]
LANGUAGES = {"python", "console", "text", "json", "toml"}
# What stands before a block and takes it; all else stands for itself.
TAKES_BLOCK = {"file", "run", "log", "output"}
STEP = re.compile(
    r"^<!-- (?P<verb>[a-z ]+?)(?:: (?P<what>.*?))? -->\n"
    r"|^```(?P<language>.*)\n(?P<block>(?:.*\n)*?)```\n",
    re.MULTILINE,
)


class Step(NamedTuple):
    """One comment of a page, with the block that it takes.

    Sample row: ``Step("file", "shop/cart.py", "PRICE = 1")``.
    """

    verb: str
    what: str
    block: str = ""


def steps_of(text: str) -> list[Step]:
    """Return what a page asks for. Fails for a Python block that would not run."""
    steps: list[Step] = []
    waiting: tuple[Step, int] | None = None
    for found in STEP.finditer(text):
        if found["verb"]:
            assert waiting is None, f"{waiting} is followed by no block"
            step = Step(found["verb"], found["what"] or "")
            if step.verb in TAKES_BLOCK:
                waiting = step, found.end()
            else:
                steps.append(step)
            continue
        assert found["language"] in LANGUAGES, f"a block in the unknown language {found['language']!r}"
        if waiting is not None:
            step, end = waiting
            assert end == found.start(), f"{step} does not stand just before its block"
            steps.append(step._replace(block=found["block"]))
            waiting = None
        else:
            assert found["language"] != "python", f"a Python block that nothing runs:\n{found['block']}"
    assert waiting is None, f"{waiting} is followed by no block"
    assert text.count("```python") == text.count("\n```python\n"), "an indented Python block, which nothing runs"
    for number, step in enumerate(steps):
        if step.verb == "file":
            rest = [later.verb for later in steps[number + 1 :]]
            rest = rest[: rest.index("project")] if "project" in rest else rest
            assert {"ask", "run", "serve", "serve behind", "wait for", "log"} & set(rest), f"nothing runs {step.what}"
    return steps
