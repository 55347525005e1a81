"""Each generation has the logging handlers, filters and levels that its own code has set."""

from __future__ import annotations

import textwrap

import pytest

SYSTEM = """
    import io, logging, threading

    out = io.StringIO()
    fails = False
    format, level = "1:%(message)s", "INFO"
    arrived, go = threading.Event(), threading.Event()

    def lines():
        text = out.getvalue()
        out.seek(0)
        out.truncate()
        return text.split()
"""
APP = """
    from ponyreload import *
    import logging, logging.config, system
    {before}
    reloader = use_autoreload()
    {after}
    log = logging.getLogger("shop.cart")

    @AutoreloadMiddleware
    def application(environ, start_response):
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/slow":
            system.arrived.set()
            system.go.wait(20)
        log.info("hello")
        log.debug("detail")
        return iter([b"answer"])

    if system.fails:
        1 / 0
"""
DRIVE = """
    import app, system, logging
    reloader, application = app.reloader, app.application

    def said(path="/"):
        system.lines()
        request(application, path)
        return system.lines()

    def alone():
        until(lambda: len(reloader.living) == 1)
        until(lambda: living_generations() == [reloader.generation])

    def fails():
        try:
            reloader.reload()
        except ponyreload.LoadError:
            return
        raise AssertionError("it was loaded")
"""
# name: what sets up logging; the format and the level are those of `system`
SET_UPS = {
    "basicConfig": "logging.basicConfig(stream=system.out, level=system.level, format=system.format)",
    "basicConfig, forced": "logging.basicConfig(stream=system.out, level=system.level, format=system.format, force=True)",
    "addHandler": """
        handler = logging.StreamHandler(system.out)
        handler.setFormatter(logging.Formatter(system.format))
        logging.getLogger().addHandler(handler)
        logging.getLogger().setLevel(system.level)
    """,
    "addHandler, asked for": """
        if not logging.getLogger("shop").handlers:
            handler = logging.StreamHandler(system.out)
            handler.setFormatter(logging.Formatter(system.format))
            logging.getLogger("shop").addHandler(handler)
            logging.getLogger("shop").setLevel(system.level)
    """,
    "handlers cleared first": """
        logging.getLogger("shop").handlers.clear()
        handler = logging.StreamHandler(system.out)
        handler.setFormatter(logging.Formatter(system.format))
        logging.getLogger("shop").addHandler(handler)
        logging.getLogger("shop").setLevel(system.level)
    """,
    "handlers assigned": """
        handler = logging.StreamHandler(system.out)
        handler.setFormatter(logging.Formatter(system.format))
        logging.getLogger("shop").handlers = [handler]
        logging.getLogger("shop").setLevel(system.level)
    """,
    "class of its own": """
        class Handler(logging.StreamHandler):
            line = system.format
            def format(self, record):
                return self.line % {'message': record.getMessage()}
        logging.basicConfig(handlers=[Handler(system.out)], level=system.level)
    """,
    "dictConfig": """
        logging.config.dictConfig({
            "version": 1,
            "formatters": {"plain": {"format": system.format}},
            "handlers": {"out": {"class": "logging.StreamHandler", "stream": system.out, "formatter": "plain"}},
            "root": {"handlers": ["out"], "level": system.level},
        })
    """,
    "fileConfig": """
        import configparser
        parser = configparser.RawConfigParser()
        parser.read_dict({
            "loggers": {"keys": "root"}, "handlers": {"keys": "out"}, "formatters": {"keys": "plain"},
            "logger_root": {"handlers": "out", "level": system.level},
            "handler_out": {"class": "StreamHandler", "args": "(__import__('system').out,)", "formatter": "plain"},
            "formatter_plain": {"format": system.format},
        })
        logging.config.fileConfig(parser)
    """,
}  # fmt: skip


@pytest.fixture
def drive(project):
    def run(code: str, before: str = "", after: str | list[str] = "", more: dict[str, str] | None = None) -> dict:
        app = APP
        for place, texts in (("{before}", before), ("{after}", after)):
            lines = [textwrap.dedent(text).strip() for text in ([texts] if isinstance(texts, str) else texts)]
            app = app.replace(place, "\n".join(lines).replace("\n", "\n    "))
        site = project({"system.py": SYSTEM, "app.py": app, **(more or {})})
        return site.drive(textwrap.dedent(DRIVE) + textwrap.dedent(code))

    return run


# Code that asks first finds the handler from before autoreload was on, of which nobody knows whose it is.
ASK = ("addHandler, asked for", "basicConfig")


@pytest.mark.parametrize(
    ("name", "place"),
    [(name, place) for name in SET_UPS for place in ("before", "after") if name not in ASK or place == "after"],
)
def test_a_load_sets_up_logging_as_a_new_process_does_and_one_that_fails_does_not(drive, name, place):
    told = drive("""
        first = said()
        slow = in_thread(lambda: request(application, "/slow"))
        system.arrived.wait(10)

        system.format, system.level, system.fails = "2:%(message)s", "DEBUG", True
        fails()
        fails()
        after_failure = said()
        system.fails = False
        reloader.reload()
        second = said()
        system.go.set()
        slow()
        older = system.lines()
        alone()

        system.format, system.level = "3:%(message)s", "INFO"
        reloader.reload()
        alone()
        third = said()
        reloader.stop()
        tell(first=first, after_failure=after_failure, older=older, second=second, third=third, stopped=said())
    """, **{place: SET_UPS[name]})  # fmt: skip
    assert told["first"] == ["1:hello"]
    assert told["after_failure"] == ["1:hello"]
    # A request of the older generation has that one's handlers, to its end. There is one level for all.
    assert told["older"] == ["1:hello", "1:detail"]
    assert told["second"] == ["2:hello", "2:detail"]
    assert told["third"] == ["3:hello"]
    assert told["stopped"] == ["3:hello"]
    assert "please report" not in told["stderr"]


@pytest.mark.parametrize("name", ASK)
def test_code_that_asks_first_is_content_with_a_handler_from_before_autoreload_was_on(drive, name):
    told = drive("""
        system.format = "2:%(message)s"
        for _ in range(3):
            reloader.reload()
        alone()
        tell(said=said())
    """, before=SET_UPS[name])  # fmt: skip
    assert told["said"] == ["1:hello"]


def test_the_basicConfig_of_a_script_counts_again_in_each_load(project):
    site = project({
        "system.py": SYSTEM + "\n    def say():\n        logging.getLogger('shop').error('hello')\n",
        "app.py": """
            from ponyreload import *
            import logging, system, threading
            logging.basicConfig(stream=system.out, format=system.format)
            reloader = use_autoreload()
            if generation() == 1:
                system.say()
                system.format = "2:%(message)s"
                reloader.reload()
                # Of no generation, so that which serves counts.
                thread = threading.Thread(target=system.say)
                thread.start()
                thread.join()
                print([line for line in system.lines() if line.endswith("hello")])
        """,
    })  # fmt: skip
    assert site.run("app.py").stdout == "['1:hello', '2:hello']\n"


@pytest.mark.parametrize(
    "set_up",
    [
        "logging.getLogger().addHandler(logging.StreamHandler(system.out))",
        "logging.basicConfig(stream=system.out)",
        "system.says and logging.getLogger().addHandler(logging.StreamHandler(system.out))",
    ],
)
def test_a_handler_of_whoever_started_the_process_stays_though_a_load_puts_in_its_like(project, set_up):
    files = {
        "system.py": SYSTEM + "\n    says = False\n",
        "app.py": f"""
            from ponyreload import *
            import logging, system
            reloader = use_autoreload()
            {set_up}
        """,
    }
    told = project(files).drive("""
        import logging, system
        handler = logging.StreamHandler(system.out)
        handler.setFormatter(logging.Formatter("launcher:%(message)s"))
        logging.getLogger().addHandler(handler)
        import app
        for system.says in (False, True, False):
            app.reloader.reload()
            until(lambda: len(app.reloader.living) == 1)
        system.lines()
        logging.getLogger("shop").error("hello")
        tell(lines=[line for line in system.lines() if line.startswith("launcher")])
    """)
    assert told["lines"] == ["launcher:hello"]


def test_what_a_system_module_sets_up_stays(drive):
    system = """
        import logging, sys
        handler = logging.StreamHandler(__import__("system").out)
        handler.setFormatter(logging.Formatter("library:%(message)s"))
        handler.addFilter(lambda record: True)
        logging.getLogger().addHandler(handler)
        logging.getLogger("shop").setLevel("INFO")
        logging.getLogger("shop").addFilter(lambda record: record.getMessage() != "hidden")
    """
    told = drive("""
        # Not marked, and imported for the first time by generation 2, then by a load that fails, then by generation 4.
        first = said()
        system.imports = "late"
        reloader.reload()
        alone()
        second = said()
        system.fails = True
        system.imports = "later"
        fails()
        fails()
        alone()
        failed = said()
        system.fails = False
        reloader.reload()
        alone()
        third = said()
        reloader.reload()
        alone()
        tell(first=first, second=second, failed=failed, third=third, fourth=said())
    """, before="if hasattr(system, 'imports'): __import__(system.imports)",
    more={"late.py": system, "later.py": system.replace("library", "another")})  # fmt: skip
    assert told["first"] == []
    assert told["second"] == ["library:hello"]
    assert told["failed"] == ["library:hello"]
    assert told["third"] == ["library:hello", "another:hello"]
    assert told["fourth"] == ["library:hello", "another:hello"]


def test_what_a_library_puts_in_while_user_code_calls_it_is_everybodys(drive):
    told = drive("""
        reloader.reload()
        alone()
        once = said()
        reloader.reload()
        alone()
        tell(once=once, twice=said(), many=len(logging.getLogger().handlers))
    """, after="import library; library.set_up()", more={"library.py": """
        import logging, system
        USE_AUTORELOAD = False

        def set_up():
            if not logging.getLogger().handlers:
                logging.basicConfig(stream=system.out, level="INFO", format="library:%(message)s")
    """})  # fmt: skip
    assert told["once"] == told["twice"] == ["library:hello"]
    assert told["many"] == 1


def test_a_handler_is_flushed_and_closed_when_its_generation_retires_and_one_that_fails_is_reported(drive):
    told = drive("""
        reloader.reload()
        alone()
        tell(lines=system.lines())
    """, after="""
        class Handler(logging.Handler):
            def flush(self):
                system.out.write(f"flush{generation()} ")
            def close(self):
                system.out.write(f"close{generation()} ")
                super().close()
                1 / 0
        if system.format.startswith("1"):
            system.format = "2"
            logging.getLogger().addHandler(Handler())
            logging.getLogger("shop").addHandler(Handler())
    """)  # fmt: skip
    assert told["lines"] == ["flush1", "close1", "flush1", "close1"]
    message = "a logging handler of generation 1 failed to close: ZeroDivisionError: division by zero\n"
    assert told["stderr"].count(message) == 2


def test_a_handler_that_the_newer_generation_has_too_is_not_closed(drive):
    told = drive("""
        reloader.reload()
        alone()
        # The log has the lines of ponyreload itself, too.
        during = ["closed" in system.lines(), said()]
        system.level = None
        reloader.reload()
        alone()
        tell(during=during, after=["closed" in system.lines(), said()])
    """, after="""
        import library
        if system.level:
            logging.getLogger().addHandler(library.handler)
            logging.getLogger().setLevel(system.level)
    """, more={"library.py": """
        import logging, system

        class Handler(logging.StreamHandler):
            def close(self):
                system.out.write("closed ")
                super().close()

        handler = Handler(system.out)
    """})  # fmt: skip
    assert told["during"] == [False, ["hello"]]
    assert told["after"] == [True, []]


def test_the_handlers_that_serve_are_not_closed_by_the_dictConfig_of_a_load(drive):
    told = drive("""
        request(application)
        system.fails = True
        fails()
        request(application)
        tell(text=Path("shop.log").read_text())
    """, after="""
        logging.config.dictConfig({
            "version": 1,
            "handlers": {"out": {"class": "logging.FileHandler", "filename": "shop.log" if not system.fails else "new.log", "mode": "w"}},
            "root": {"handlers": ["out"], "level": "INFO"},
        })
    """)  # fmt: skip
    # Between the two, the same handlers tell of the load.
    assert told["text"].startswith("hello\nTraceback")
    assert told["text"].endswith("; save the file to try again\nhello\n")


def test_the_dictConfig_of_a_load_does_not_turn_off_the_loggers_that_come_after_it_in_a_new_process(drive):
    told = drive("""
        first = said()
        reloader.reload()
        alone()
        tell(first=first, second=said(), early=logging.getLogger("early").disabled)
    """, after=["logging.getLogger('early')", SET_UPS["dictConfig"]])  # fmt: skip
    assert told["first"] == ["1:hello"]
    assert told["second"] == ["1:hello"]
    # This one is made before, and so is off in a new process too.
    assert told["early"]


# What a generation sets, what it is then, and what it is when the next one does not set it.
ATTRIBUTES = {
    "setLevel": ("logger.setLevel(13)", "level", 13, 0),
    "level": ("logger.level = 13", "level", 13, 0),
    "propagate": ("logger.propagate = False", "propagate", False, True),
    "disabled": ("logger.disabled = True", "disabled", True, False),
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_what_a_logger_was_set_to_counts_for_as_long_as_generations_set_it(drive, name):
    code, attribute, during, after = ATTRIBUTES[name]
    told = drive(f"""
        def now():
            alone()
            return logging.getLogger("other").{attribute}

        def at_once():
            return logging.getLogger("other").{attribute}

        wanted = [now()]
        for system.format in ("set", "set", "not", "set", "not"):
            # The older generation has a request; what it had set does not count any more.
            body = start(app.application, "/stream")
            reloader.reload()
            wanted.append(at_once())
            body.close()
        system.format, system.fails = "set", True
        fails()
        wanted.append(now())
        system.fails = False
        reloader.reload()
        system.format, system.fails = "not", True
        fails()
        wanted.append(now())
        # What somebody else has set meanwhile stays.
        logging.getLogger("other").{attribute} = {25 if during == 13 else during}
        system.fails = False
        reloader.reload()
        tell(wanted=wanted, now=now())
    """, after=f"""
        logger = logging.getLogger("other")
        if system.format == "set":
            {code}
    """)  # fmt: skip
    assert told["wanted"] == [after, during, during, after, during, after, after, during]
    assert told["now"] == (25 if during == 13 else after)


def test_a_logger_lets_through_at_once_what_its_level_says(drive):
    told = drive("""
        logging.getLogger("shop.cart").isEnabledFor(10)  # which is remembered
        system.format = "set"
        reloader.reload()
        during = logging.getLogger("shop.cart").isEnabledFor(10)
        system.format = "not"
        reloader.reload()
        alone()
        tell(during=during, after=logging.getLogger("shop.cart").isEnabledFor(10))
    """, after="if system.format == 'set': logging.getLogger('shop').setLevel(10)")  # fmt: skip
    assert told["during"]
    assert not told["after"]


def test_a_thread_that_outlives_its_generation_logs_where_the_newest_does(drive):
    told = drive("""
        said()
        thread = app.thread
        system.format = "2:%(message)s"
        reloader.reload()
        until(lambda: len(reloader.living) == 1)
        system.lines()
        system.go.set()
        thread.join()
        tell(lines=system.lines())
    """, after=[SET_UPS["basicConfig"], """
        import threading
        def work():
            system.go.wait(20)
            logging.getLogger("shop").info("late")
        if system.format.startswith("1"):
            # With a generation in its context, as what asyncio runs in a thread has.
            from ponyreload.generations.context import active, enter
            thread = threading.Thread(target=lambda here=active(): (enter(here), work()), daemon=True)
            thread.start()
    """])  # fmt: skip
    assert told["lines"] == ["2:late"]


def test_a_generation_may_hide_handlers_of_the_process_from_itself(drive):
    told = drive("""
        handler = logging.StreamHandler(system.out)
        handler.setFormatter(logging.Formatter("process:%(message)s"))
        logging.getLogger().addHandler(handler)
        logging.getLogger().setLevel("INFO")
        system.hides = False
        reloader.reload()
        alone()
        first = said()
        system.hides = True
        reloader.reload()
        alone()
        second = said()
        late = logging.StreamHandler(system.out)
        late.setFormatter(logging.Formatter("late:%(message)s"))
        logging.getLogger().addHandler(late)
        third = said()
        system.hides = False
        reloader.reload()
        alone()
        fourth = said()
        system.hides = True
        reloader.reload()
        alone()
        logging.getLogger().handlers = [late]
        logging.getLogger().removeHandler(late)
        fifth = said()
        system.hides = False
        reloader.reload()
        alone()
        tell(first=first, second=second, third=third, fourth=fourth, fifth=fifth, sixth=said())
    """, after="if getattr(system, 'hides', False): logging.getLogger().handlers[:] = []")  # fmt: skip
    assert told["first"] == ["process:hello"]
    assert told["second"] == []
    # What the process does from then on reaches all.
    assert told["third"] == ["late:hello"]
    assert told["fourth"] == ["process:hello", "late:hello"]
    assert told["fifth"] == told["sixth"] == []
