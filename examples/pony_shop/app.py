"""A small shop on Pony ORM and SQLite. Run `python app.py`, and see http://localhost:8080/

While it runs, try these, and load the page again after each:

- In views.py, change the heading.
- In models.py, have `label` say something else.
- In models.py, give `Article` another attribute, `note = Optional(str)`. The articles are still there.
- In models.py, give it one that the articles have to have: `stock = Required(int)`. What that should be for those that
  are there cannot be known, so the log says why this version is not served. The one before serves on.

Each version of the code has a database object, entities and connections of its own. models.py closes them.
"""

from ponyreload.main import *

import views

use_autoreload()

http.start("localhost:8080")
