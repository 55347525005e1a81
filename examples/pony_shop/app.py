"""A small shop on Pony ORM and SQLite. Run `python app.py`, and see http://localhost:8080/

While it runs, try these, and load the page again after each:

- In views.py, change the heading.
- In models.py, have `label` say something else.
- In models.py, give `Article` another attribute: `stock = Required(int, default=0, sql_default="0")`. The articles are
  still there, with a stock of 0.
- Give it one more, `weight = Required(int)`. What that is for the articles that are there cannot be known, so the log
  says why this version is not served. The one before serves on until you mend it.

Each version of the code has a database object, entities and connections of its own. models.py closes them.
"""

from ponyreload.main import *

import views  # noqa: F401 - it has the pages

use_autoreload()

http.start("localhost:8080")
