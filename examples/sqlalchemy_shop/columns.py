"""Columns of new attributes: SQLAlchemy makes tables that are missing, but no columns."""

from ponyreload import *
from sqlalchemy import inspect, text
from sqlalchemy.schema import CreateColumn


def add_columns(engine, metadata):
    with engine.begin() as connection:
        for table in metadata.tables.values():
            there = {column["name"] for column in inspect(connection).get_columns(table.name)}
            for column in table.columns:
                if column.name not in there:
                    definition = CreateColumn(column).compile(dialect=engine.dialect)
                    connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {definition}"))
