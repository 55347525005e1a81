"""A small shop on SQLAlchemy and SQLite. Run `python app.py`, and see http://localhost:8080/

While it runs, try these, and load the page again after each:

- In views.py, change the heading.
- In models.py, have `label` say something else.
- In models.py, give `Article` another attribute, `note: Mapped[str | None]`. The articles are still there.
- In models.py, give it one that the articles have to have: `stock: Mapped[int]`. What that should be for those that are
  there cannot be known, so the log says why this version is not served. The one before serves on.

The engine, with its pool of connections, is made once. Each version of the code has models of its own; see models.py.
"""

import cherrypy
from ponyreload import *

from views import Shop

use_autoreload()

if __name__ == "__main__":
    cherrypy.config.update({"server.socket_port": 8080})
    cherrypy.quickstart(Shop())
