"""What the shop has, and where it is stored: shop.sqlite, in this folder."""

from decimal import Decimal

from pony.orm import *
from ponyreload import *

from columns import add_columns

db = Database()


class Article(db.Entity):
    name = Required(str)
    price = Required(Decimal, precision=8, scale=2)

    def label(self):
        return f"{self.name}: {self.price}"


connections = []


@db.on_connect
def remember(_db, connection):
    connections.append(connection)


@on_retire
def close():
    # Pony opens a connection for each thread, and `db.disconnect()` would close that of the calling thread only. The
    # server's threads serve all versions of this module, and none of them is at hand when one of these retires.
    for connection in connections:
        connection.close()


# By itself, SQLite has a connection closed only by the thread that opened it.
db.bind("sqlite", "shop.sqlite", create_db=True, check_same_thread=False)
db.generate_mapping(check_tables=False)
db.create_tables(check_tables=False)
add_columns(db)
db.check_tables()
