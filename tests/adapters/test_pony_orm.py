"""Pony ORM: a query gives the right rows after a reload, whatever functions there were before."""

from __future__ import annotations

APP = """
    import sys
    # With App Engine's SDK installed, Pony believes to be there.
    sys.modules["google.appengine"] = None
    from ponyreload import *
    import shop
    reloader = use_autoreload()
"""
# Each property is a function of its own, and takes part in a query of its own.
NUMBERS = range(1, 20)
PROPERTY = """
    @property
    def add_{0}(self):
        return self.number + {0}
"""
QUERY = "select(each.number for each in Article if each.add_{0} == 20).first()"
SHOP = f"""
from ponyreload import *
from pony.orm import *

db = Database()

class Article(db.Entity):
    number = Required(int)
{"".join(map(PROPERTY.format, NUMBERS))}
db.bind("sqlite", ":memory:")
db.generate_mapping(create_tables=True)

@db_session
def ask():
    for number in range(20):
        Article(number=number)
    return [{", ".join(map(QUERY.format, NUMBERS))}]

# Pony gives each thread a database of its own in memory.
ANSWER = ask()
db.disconnect()
"""


def test_a_function_in_a_query_is_not_taken_for_one_of_an_older_generation(project):
    told = project({"app.py": APP, "shop.py": SHOP}).drive("""
        import app
        answers = []
        for number in range(2, 12):
            app.reloader.reload()
            answers.append(app.shop.ANSWER)
            until(lambda: living_generations() == [number])
        tell(answers=answers)
    """)
    assert told["answers"] == [[20 - number for number in NUMBERS]] * 10
