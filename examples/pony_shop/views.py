"""The pages of the shop."""

from html import escape

import cherrypy
from pony.orm import *
from ponyreload.main import *

from models import Article

PAGE = """<!DOCTYPE html>
<title>Shop</title>
<h1>Our articles</h1>
<ul>{items}</ul>
<form action="/add" method="post">
  <input name="name" placeholder="Name" required>
  <input name="price" placeholder="Price" type="number" step="0.01" required>
  <button>Add</button>
</form>
"""


@http("/", content_type="text/html")
@db_session
def articles():
    found = select(article for article in Article).order_by(Article.name)
    return PAGE.format(items="".join(f"<li>{escape(article.label())}</li>" for article in found))


@http
def add(name, price):
    with db_session:
        Article(name=name, price=price)
    raise cherrypy.HTTPRedirect("/")
