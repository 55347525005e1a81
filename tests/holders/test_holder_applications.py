"""What ordinary applications hold of old generations: nothing, and so no report, or what is told."""

from __future__ import annotations

import textwrap

import pytest

from shops import FINDING

FRAMEWORKS = {
    "flask": """
        import flask
        app = flask.Flask(__name__)
        app.secret_key = "key"
        blueprint = flask.Blueprint("shop", __name__)

        class Basket:
            def total(self):
                return 3

        @app.route("/")
        def index():
            flask.g.basket = Basket()
            flask.session["basket"] = 1
            return flask.render_template_string("{{ basket.total() }}", basket=Basket())

        @blueprint.route("/parts")
        def parts():
            basket = Basket()
            return (str(basket.total()) for _ in range(3))

        @app.route("/error")
        def error():
            raise ValueError(Basket())

        @app.errorhandler(ValueError)
        def failed(error):
            return "failed", 500

        @app.before_request
        def before():
            pass

        app.register_blueprint(blueprint)
        application = AutoreloadMiddleware(app)
    """,
    "sqlalchemy": """
        import sqlalchemy as sa
        from sqlalchemy import orm

        class Base(orm.DeclarativeBase):
            pass

        class User(Base):
            __tablename__ = "user"
            id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
            name: orm.Mapped[str]
            orders: orm.Mapped[list["Order"]] = orm.relationship(back_populates="user")

            def total(self):
                return len(self.orders)

        class Order(Base):
            __tablename__ = "order"
            id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
            user_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("user.id"))
            user: orm.Mapped[User] = orm.relationship(back_populates="orders")

        engine = sa.create_engine("sqlite:///shop.db")
        Base.metadata.create_all(engine)
        scoped = orm.scoped_session(orm.sessionmaker(engine))

        @sa.event.listens_for(User, "before_insert")
        def before_insert(mapper, connection, user):
            pass

        @sa.event.listens_for(engine, "connect")
        def connected(connection, record):
            pass

        @AutoreloadMiddleware
        def application(environ, start_response):
            start_response("200 OK", [])
            with orm.Session(engine) as session:
                session.add(User(name="a", orders=[Order()]))
                session.commit()
                users = [user.total() for user in session.scalars(sa.select(User).where(User.name == "a"))]
            scoped().scalars(sa.select(User).join(Order)).all()
            scoped.remove()
            engine.dispose()
            return [repr(users[0]).encode()]
    """,
    "pony": """
        from pony import orm
        db = orm.Database()

        class User(db.Entity):
            name = orm.Required(str)
            orders = orm.Set("Order")

            def total(self):
                return len(self.orders)

        class Order(db.Entity):
            user = orm.Required(User)

        db.bind(provider="sqlite", filename="shop.db", create_db=True)
        db.generate_mapping(create_tables=True)

        @AutoreloadMiddleware
        def application(environ, start_response):
            start_response("200 OK", [])
            with orm.db_session:
                Order(user=User(name="a"))
                orm.flush()
                users = orm.select(user for user in User if user.name == "a" and orm.count(user.orders) > 0)
                return [repr([user.total() for user in users][0]).encode()]
    """,
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_ordinary_application_gives_no_report(project, framework):
    head = "from ponyreload import *\nreloader = use_autoreload()\n"
    files = {"finding.py": FINDING, "app.py": head + textwrap.dedent(FRAMEWORKS[framework])}
    told = project(files).drive(f"""
    import app, finding
    reloader, application = app.reloader, app.application
    def ask():
        return [request(application, path) for path in ("/", "/parts", "/error")]
    answers = ask()
    for _ in range(5):
        reloader.reload()
        # Pony uses an SQLite connection in the thread that made it only, or fails.
        {framework != "pony"} and in_thread(ask)()
        ask()
    until(lambda: len(reloader.living) == 1)
    tell(answers=answers, said=finding.reports(reloader), alive=living_generations())
    """)
    assert told["answers"] == {"flask": ["3", "333", "failed"]}.get(framework, ["1"] * 3)
    assert told["said"] == []
    assert told["alive"] == [6]


def test_a_shared_engine_of_sqlalchemy_that_keeps_old_models_is_told(project):
    files = {
        "finding.py": FINDING,
        "db.py": "import sqlalchemy as sa\nengine = sa.create_engine('sqlite:///shop.db')\n",
        "app.py": """
            from ponyreload import *
            import db
            import sqlalchemy as sa
            from sqlalchemy import orm
            reloader = use_autoreload()

            class Base(orm.DeclarativeBase):
                pass

            class User(Base):
                __tablename__ = "user"
                id: orm.Mapped[int] = orm.mapped_column(primary_key=True)

                def total(self):
                    return 0

            @AutoreloadMiddleware
            def application(environ, start_response):
                start_response("200 OK", [])
                Base.metadata.create_all(db.engine)
                with orm.Session(db.engine) as session:
                    session.scalars(sa.select(User)).all()
                return [b"asked"]
        """,
    }
    told = project(files).drive("""
    import app, db, finding
    reloader = app.reloader
    request(app.application)
    reloader.reload()
    until(lambda: len(reloader.living) == 1)
    said = finding.reports(reloader)
    db.engine.clear_compiled_cache()
    tell(said=said, after=finding.reports(reloader))
    """)
    (said,) = told["said"]
    assert said.startswith("generation 1 is kept alive by db.engine._compiled_cache._data")
    assert said.endswith(" -> class app.User (system module db holds a user class)")
    assert told["after"] == []


SERVED = """
    from ponyreload import *
    import os, threading
    import cherrypy, cheroot.wsgi
    import finding, shop
    reloader = use_autoreload()

    def refresh(event):
        event.wait()

    class Root:
        @cherrypy.expose
        def index(self):
            return str(shop.PRICE)

        @cherrypy.expose
        def said(self):
            return " ".join(finding.reports(reloader))

    cherrypy.config.update({"server.socket_port": int(os.environ["PORT"])})
    if os.environ.pop("REFRESH", None):
        threading.Thread(target=refresh, args=[threading.Event()], name="refresher", daemon=True).start()
    cherrypy.tree.mount(Root())
"""
SERVE = "\ncherrypy.engine.start()\ncherrypy.engine.block()\n"


@pytest.mark.parametrize("starts_in", ["app.py", "serve.py", "system.py"])
def test_the_script_that_runs_is_known_and_not_told(project, starts_in):
    files = {
        "finding.py": FINDING,
        "shop.py": "from ponyreload import *\nPRICE = 1\n",
        "app.py": textwrap.dedent(SERVED) + ("" if starts_in == "system.py" else SERVE),
        "serve.py": "import app",
        "system.py": f"import app, cherrypy\n{SERVE}",
    }
    shop = project(files)
    with shop.serve(starts_in, REFRESH="1") as live:
        for price in (2, 3):
            shop.replace("shop.py", f"{price - 1}", f"{price}")
            live.wait_for("/", f"{price}")
        if starts_in != "system.py":
            live.wait_for("/said", "")
            return
        # Its main thread runs no script of generation 1, so what else holds that is told.
        live.wait_for(
            "/said", "generation 1 is kept alive by the thread 'refresher' (daemon, running app.py:9 in refresh)"
        )
