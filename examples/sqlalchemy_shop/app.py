"""A small shop on SQLAlchemy and SQLite. Run `python app.py`, and see http://localhost:8080/

While it runs, try these, and load the page again after each:

- In views.py, change the heading.
- In models.py, have `label` say something else.
- In models.py, give `Article` another attribute, `stock: Mapped[int] = mapped_column(default=0, server_default="0")`.
  The articles are still there, with a stock of 0.
- Give it one more, `weight: Mapped[int]`. What that is for the articles that are there cannot be known, so the log says
  why this version is not served. The one before serves on until you mend it.

The engine, with its pool of connections, is made once. Each version of the code has models of its own; see models.py.
"""

import cherrypy
from ponyreload import *

from views import Shop

use_autoreload()

if __name__ == "__main__":
    cherrypy.config.update({"server.socket_port": 8080})
    cherrypy.quickstart(Shop())
