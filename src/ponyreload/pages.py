"""Pages: functions that answer HTTP requests, as a CherryPy application, one per generation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import cherrypy
from cherrypy._cpdispatch import LateParamPageHandler

from ponyreload.generations import PerGeneration

__all__ = ["Pages", "http"]

F = TypeVar("F", bound=Callable[..., Any])

PARAMETER = re.compile(r"\$[^\W\d]\w*")
ADDRESS = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]*)):(\d{1,5})")


class Page(NamedTuple):
    """One page: the pattern of its path, and the function that answers.

    Sample row: ``Page(("blog", "$year"), <function>, {"Content-Type": "text/html"})``.
    """

    pattern: tuple[str, ...]
    function: Callable[..., Any]
    headers: dict[str, str]

    def match(self, path: tuple[str, ...]) -> dict[str, str] | None:
        """Return the parameters that *path* gives this page; None if it is not this page's path."""
        if len(path) != len(self.pattern):
            return None
        parameters: dict[str, str] = {}
        for wanted, found in zip(self.pattern, path, strict=True):
            if wanted.startswith("$"):
                parameters[wanted[1:]] = found
            elif wanted != found:
                return None
        return parameters

    @property
    def order(self) -> tuple[bool, ...]:
        """What sorts pages so that a literal word is tried before a parameter in its place."""
        return tuple(part.startswith("$") for part in self.pattern)


class Pages:
    """The pages of the application; `http` is the one object of this class.

    ``@http`` makes a page of a function, at the path of its name. ``@http("/blog/$year")`` gives the path, whose
    parameters, like those of the query and of a form, arrive as keyword arguments. Keyword arguments of the
    decorator set headers of the answer: ``content_type="text/html"``.

    A page returns `str` (answered as UTF-8 text), `bytes` (answered as they are), None (an empty answer), or an
    iterable of `str` or `bytes`, which is streamed.
    """

    def __init__(self) -> None:
        self._pages: PerGeneration[dict[tuple[str, ...], Page]] = PerGeneration({}, dict)
        self._applications = PerGeneration(self._make_application(), self._make_application)

    def __call__(self, page: F | str | None = None, **headers: str) -> Any:
        """Make a page of a function; see the class.

        Raises:
            TypeError, ValueError: The path or a header is none of what is accepted, or the path is taken.
        """
        if callable(page):
            self._add(f"/{page.__name__}", page, {})
            return page
        if page is not None and not isinstance(page, str):
            raise TypeError(f"@http takes a path such as '/blog/$year', or nothing at all, not {page!r}")
        checked = {_header_name(name): _header_value(name, value) for name, value in headers.items()}

        def decorate(function: F) -> F:
            self._add(f"/{function.__name__}" if page is None else page, function, checked)
            return function

        return decorate

    def _add(self, path: str, function: Callable[..., Any], headers: dict[str, str]) -> None:
        if not path.startswith("/"):
            raise ValueError(f"a page's path starts with '/', as in '/blog/$year', not {path!r}")
        pattern = tuple(part for part in path.split("/") if part)
        for part in pattern:
            if "$" in part and not PARAMETER.fullmatch(part):
                raise ValueError(f"a parameter is a whole part of a path, as in '/blog/$year'; not so in {path!r}")
        pages = self._pages.get()
        before = pages.get(pattern)
        if before is not None and before.function.__module__ != function.__module__:
            holder = f"{before.function.__module__}.{before.function.__qualname__}"
            raise ValueError(f"{path} is the page of {holder} already")
        pages[pattern] = Page(pattern, function, headers)

    def find(self, path: str) -> tuple[Page, dict[str, str]] | None:
        """Return the active generation's page for a path, and the parameters that the path gives it."""
        parts = tuple(part for part in path.split("/") if part)
        for page in sorted(self._pages.get().values(), key=lambda page: page.order):
            parameters = page.match(parts)
            if parameters is not None:
                return page, parameters
        return None

    # -- serving ---------------------------------------------------------------------------------------------

    @property
    def application(self) -> Any:
        """The WSGI application: a `cherrypy.Application` with the pages of the active generation."""
        return self._applications.get()

    def _make_application(self) -> Any:
        return cherrypy.Application(None, "", {"/": {"request.dispatch": PageDispatcher(self)}})

    def start(self, address: str = "localhost:8080") -> None:
        """Serve the pages under CherryPy's server, and block until it is stopped.

        Args:
            address: ``"host:port"``, ``":port"`` for all interfaces, ``"[::1]:port"`` for IPv6.

        Raises:
            ValueError: *address* is none of these.
        """
        host, port = _parse_address(address)
        cherrypy.config.update({"server.socket_host": host, "server.socket_port": port})
        cherrypy.tree.mount(self.application, "")
        cherrypy.engine.signals.subscribe()
        cherrypy.engine.start()
        cherrypy.engine.block()

    def stop(self) -> None:
        """End `start`, from any thread."""
        cherrypy.engine.exit()


class PageDispatcher(cherrypy.dispatch.Dispatcher):  # type: ignore[misc]
    """Finds the page for a path, where CherryPy's own dispatcher would walk a tree of objects."""

    def __init__(self, pages: Pages) -> None:
        super().__init__()
        self._pages = pages

    def __call__(self, path_info: str) -> None:
        request = cherrypy.serving.request
        request.config = cherrypy.config.copy()
        request.config.update(request.app.config.get("/", {}))
        # The pages answer below the paths that they name; "/a/" is the same page as "/a".
        request.config["tools.trailing_slash.on"] = False
        found = self._pages.find(path_info)
        if found is None:
            request.handler = cherrypy.NotFound()
            return
        page, parameters = found
        decoded = {name: value.replace("%2F", "/") for name, value in parameters.items()}
        request.handler = PageHandler(page, decoded)


class PageHandler(LateParamPageHandler):  # type: ignore[misc]
    """Calls a page's function, by CherryPy's rules for missing and unknown parameters; makes bytes of its answer."""

    def __init__(self, page: Page, parameters: dict[str, str]) -> None:
        super().__init__(page.function, **parameters)
        self._page = page

    def __call__(self) -> Any:
        answer = super().__call__()
        headers = cherrypy.serving.response.headers
        kind = "application/octet-stream" if isinstance(answer, bytes) else "text/plain;charset=utf-8"
        headers["Content-Type"] = kind
        for name, value in self._page.headers.items():
            is_bare_text = name == "Content-Type" and value.startswith("text/") and "charset" not in value
            headers[name] = f"{value};charset=utf-8" if is_bare_text and not isinstance(answer, bytes) else value
        if answer is None:
            return b""
        if isinstance(answer, str | bytes):
            return _encode(answer)
        if isinstance(answer, Iterable):
            cherrypy.serving.response.stream = True
            return _stream(answer)
        name = self._page.function.__qualname__
        raise TypeError(f"page {name} returned {answer!r}; a page returns str, bytes, None or an iterable of these")


def _stream(parts: Iterable[Any]) -> Iterator[bytes]:
    for part in parts:
        yield _encode(part)


def _encode(part: Any) -> bytes:
    if isinstance(part, str):
        return part.encode("utf-8")
    if isinstance(part, bytes):
        return part
    raise TypeError(f"a page's iterable gives str or bytes, not {part!r}")


def _header_name(name: str) -> str:
    return name.replace("_", "-").title()


def _header_value(name: str, value: object) -> str:
    if not isinstance(value, str) or "\n" in value or "\r" in value:
        raise TypeError(f"header {_header_name(name)} takes one line of text, not {value!r}")
    return value


def _parse_address(address: object) -> tuple[str, int]:
    found = ADDRESS.fullmatch(address) if isinstance(address, str) else None
    if found is None or int(found[3]) > 65535:
        raise ValueError(f"an address looks like 'localhost:8080', ':8080' or '[::1]:8080', not {address!r}")
    return found[1] or found[2] or "0.0.0.0", int(found[3])  # noqa: S104 - what ':8080' asks for


http = Pages()
