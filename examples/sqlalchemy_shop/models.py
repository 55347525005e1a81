"""What the shop has, and where it is stored: shop.sqlite, in this folder."""

from decimal import Decimal
from pathlib import Path

from ponyreload import *
from sqlalchemy import Numeric, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from columns import add_columns

FILE = Path(__file__).with_name("shop.sqlite")

engine = keep("engine", lambda: create_engine(f"sqlite:///{FILE}"))
# The same connections, but with an own cache of compiled statements: these hold the models that they are about.
engine = engine.execution_options(compiled_cache={})

Session = sessionmaker(engine)


class Base(DeclarativeBase):
    pass


class Article(Base):
    __tablename__ = "article"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))

    def label(self):
        return f"{self.name}: {self.price}"


Base.metadata.create_all(engine)
add_columns(engine, Base.metadata)
