"""Columns of new attributes: Pony makes tables that are missing, but no columns."""

from pony.orm import *
from ponyreload import *


@db_session(ddl=True)
def add_columns(db):
    for table in db.schema.tables.values():
        there = {row[1] for row in db.execute(f'PRAGMA table_info("{table.name}")')}
        for column in table.column_list:
            if column.name not in there:
                db.execute(f'ALTER TABLE "{table.name}" ADD COLUMN {column.get_sql()}')
