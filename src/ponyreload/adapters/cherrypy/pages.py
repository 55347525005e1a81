"""Pages: functions that answer HTTP requests, as a CherryPy application, one per generation."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, overload

import cherrypy
from cherrypy._cpdispatch import LateParamPageHandler

from ponyreload.adapters.cherrypy.page import Page, checked_headers, name_of, parameters_of, pattern_of, takes_any
from ponyreload.generations.contents import Contents

__all__ = ["Pages", "http"]

F = TypeVar("F", bound=Callable[..., Any])

ADDRESS = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^\s:/\[\]]*)):(\d{1,5})")
TEXT = "text/plain;charset=utf-8"


class Pages:
    """The pages of the application; `http` is the one object of this class.

    ``@http`` makes a page of a function, at the path of its name. ``@http("/blog/$year")`` gives the path, whose
    parameters, like those of the query and of a form, arrive as keyword arguments. Keyword arguments of the
    decorator set headers of the answer: ``content_type="text/html"``. Those that the function itself sets win.

    A page returns `str` (answered as UTF-8 text), `bytes` (answered as they are), None (an empty answer), or an
    iterable of `str` or `bytes`, which is streamed.
    """

    def __init__(self) -> None:
        # The paths of the pages, without the names of their parameters:  ("blog", "$") -> Page
        self._pages: Contents[dict[tuple[str, ...], Page]] = Contents(dict)
        self._applications = Contents(self._make_application)

    @overload
    def __call__(self, page: F) -> F: ...

    @overload
    def __call__(self, page: str | None = None, **headers: str) -> Callable[[F], F]: ...

    def __call__(self, page: Any = None, **headers: str) -> Any:
        """Make a page of a function; see the class.

        Raises:
            TypeError, ValueError: The path, the function or a header is none of what is accepted, or another
                function has the path.
        """
        if callable(page):
            return self._add(None, page, checked_headers(headers))
        if page is not None and not isinstance(page, str):
            raise TypeError(f"@http takes a path such as '/blog/$year', or nothing at all, not {page!r}")
        checked, pattern = checked_headers(headers), None if page is None else pattern_of(page)
        return lambda function: self._add(pattern, function, checked)

    def _add(self, pattern: tuple[str, ...] | None, function: F, headers: dict[str, str]) -> F:
        name = getattr(function, "__name__", "")
        if not callable(function) or (pattern is None and not name.isidentifier()):
            raise TypeError(f"@http makes a page of a function with a name, not of {function!r}")
        pattern = (name,) if pattern is None else pattern
        path = "/" + "/".join(pattern)
        parameters = parameters_of(function)
        for part in pattern:
            if part.startswith("$") and part[1:] not in parameters and not takes_any(parameters):
                raise TypeError(f"page {name_of(function)} takes no parameter {part[1:]!r}, which {path!r} gives it")
        pages = self._pages.get()
        key = tuple("$" if part.startswith("$") else part for part in pattern)
        before = pages.get(key)
        if before is not None and name_of(before.function) != name_of(function):
            raise ValueError(
                f"{path!r} is the path of page {name_of(before.function)}; {name_of(function)} needs another"
            )
        pages[key] = Page(pattern, function, headers)
        return function

    def find(self, path: str) -> tuple[Page, dict[str, str]] | None:
        """Return the active generation's page for a path, and the parameters that the path gives it."""
        parts = tuple(part.replace("%2F", "/") for part in path.split("/") if part)  # a slash that divides no parts
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
        found = self._pages.find(path_info)
        request.config = cherrypy.config.copy()
        for section in _sections(path_info):
            settings = request.app.config.get(section, {})
            request.config.update(settings)
            if "tools.staticdir.dir" in settings:
                request.config["tools.staticdir.section"] = section
        if found is None:
            request.handler = cherrypy.NotFound()
        else:
            page, parameters = found
            request.config.update(getattr(page.function, "_cp_config", {}))  # of CherryPy's tools as decorators
            request.handler = PageHandler(page, parameters)


class PageHandler(LateParamPageHandler):  # type: ignore[misc]
    """Calls a page's function, by CherryPy's rules for missing and unknown parameters; makes bytes of its answer."""

    def __init__(self, page: Page, parameters: dict[str, str]) -> None:
        super().__init__(page.function)
        self.kwargs = parameters
        self._page = page

    def __call__(self) -> Any:
        headers = cherrypy.serving.response.headers
        headers.pop("Content-Type", None)  # CherryPy's default, or else it would pass for the function's own
        before = dict(headers)
        answer = self._call()
        given = {"Content-Type": "application/octet-stream" if isinstance(answer, bytes) else TEXT}
        for name, value in {**given, **self._page.headers}.items():
            if headers.get(name) == before.get(name):
                headers[name] = value
        kind = headers["Content-Type"]
        if not isinstance(answer, bytes) and kind.startswith("text/") and "charset" not in kind:
            headers["Content-Type"] = f"{kind};charset=utf-8"
        if answer is None:
            return b""
        if isinstance(answer, str | bytes):
            return _encode(answer)
        if isinstance(answer, Iterable) and not isinstance(answer, Mapping | bytearray | memoryview):
            cherrypy.serving.response.stream = True
            return _stream(answer)
        name = name_of(self._page.function)
        raise TypeError(f"page {name} returned {answer!r}; a page returns str, bytes, None or an iterable of these")

    def _call(self) -> Any:
        parameters = self.kwargs
        try:
            return self.callable(**parameters)
        except TypeError:
            _checkparameters_of(self.callable, parameters)
            raise


def _checkparameters_of(function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Raise CherryPy's error if the parameters of a request are not those of the page.

    CherryPy's own check takes the first parameter of any function for `self`, and overlooks keyword-only ones.
    """
    parameters = parameters_of(function)
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = {name: each for name, each in parameters.items() if each.kind not in variable}
    missing = [name for name, each in named.items() if each.default is each.empty and name not in given]
    unknown = set() if takes_any(parameters) else given.keys() - named.keys()
    in_body = unknown & (cherrypy.serving.request.body.params or {}).keys()
    for status, what, names in (
        (404, "Missing parameters", missing),
        (404, "Unexpected query string parameters", sorted(unknown - in_body)),
        (400, "Unexpected body parameters", sorted(in_body)),
    ):
        if names:
            is_shown = cherrypy.serving.request.show_mismatched_params
            raise cherrypy.HTTPError(status, f"{what}: {', '.join(names)}" if is_shown else None)


def _stream(parts: Iterable[Any]) -> Iterator[bytes]:
    try:
        for part in parts:
            yield _encode(part)
    finally:
        getattr(parts, "close", lambda: None)()


def _encode(part: Any) -> bytes:
    if isinstance(part, str):
        return part.encode("utf-8")
    if isinstance(part, bytes):
        return part
    raise TypeError(f"a page's iterable gives str or bytes, not {part!r}")


def _sections(path: str) -> Iterator[str]:
    """Give the sections of CherryPy's configuration for a path: "/", "/blog", "/blog/2024"."""
    yield "/"
    section = ""
    for part in path.split("/"):
        if part:
            section += f"/{part}"
            yield section


def _parse_address(address: object) -> tuple[str, int]:
    found = ADDRESS.fullmatch(address) if isinstance(address, str) else None
    if found is None or not 0 < int(found[3]) <= 65535:
        raise ValueError(f"an address looks like 'localhost:8080', ':8080' or '[::1]:8080', not {address!r}")
    return found[1] or found[2] or "0.0.0.0", int(found[3])  # noqa: S104 - what ':8080' asks for


http = Pages()
