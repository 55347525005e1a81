"""The pages of the shop."""

from decimal import Decimal
from html import escape

import cherrypy
from ponyreload import *
from sqlalchemy import select

from models import Article, Session

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


class Shop:
    @cherrypy.expose
    def index(self):
        with Session() as session:
            found = session.scalars(select(Article).order_by(Article.name))
            return PAGE.format(items="".join(f"<li>{escape(article.label())}</li>" for article in found))

    @cherrypy.expose
    def add(self, name, price):
        with Session.begin() as session:
            session.add(Article(name=name, price=Decimal(price)))
        raise cherrypy.HTTPRedirect("/")
