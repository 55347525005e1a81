"""Injection: the rules by which a script gets into an answer, and the answer on its way to the server.

Only a complete HTML document gets it, and only if all of it is at hand: a list, an answer that states its length, or
one whose first part has ``</body>``. Everything else passes as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ponyreload.devtools.policy import Policies, policies_in

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed.wsgi import StartResponse

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

__all__ = ["Page", "inserted"]

Headers = list[tuple[str, str]]

# An answer that states to be longer is not collected, in bytes.
MOST = 4 * 1024 * 1024

# Answers without a document of their own, or with a part of one.
BARE = {"204", "205", "206"}

# A header that, if it is there, says that the body is not to be changed.
ENCODED = {"content-encoding", "content-range", "transfer-encoding", "signature"}
# What is said of a body that is no longer the application's. With a validator, the browser would also ask whether the
# page has changed, be told that it has not, and show the one that it has; the script there would find it old, for ever.
OF_BODY = {
    "accept-ranges", "cache-control", "content-digest", "content-length", "content-md5", "digest", "etag", "expires",
    "last-modified", "pragma", "repr-digest",
}  # fmt: skip

END = re.compile(rb"</body\s*>", re.IGNORECASE)
END_OF_ALL = re.compile(rb"</html\s*>", re.IGNORECASE)
START = re.compile(rb"<(?:!doctype\s+html|html)\b", re.IGNORECASE)


class Page:
    """One answer, from the application's `start_response` to the server's.

    What the application says of it is kept back until it is known whether the script comes in; if what it says rules
    that out, it is passed on at once.

    Args:
        start_response: The server's.
        script: Makes the script element, or None if the page's policies forbid it.
    """

    def __init__(self, start_response: StartResponse, script: Callable[[Policies], bytes | None]) -> None:
        self._start = start_response
        self._script = script
        self._kept: tuple[str, Headers] | None = None
        self._is_started = False
        self._write: Callable[[bytes], object] | None = None

    def start_response(
        self, status: str, headers: Headers, exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        """Take the application's status and headers; this is what it calls."""
        if self._kept is not None and exc_info is None:
            self._pass_on()  # it is called twice; the server knows what to say
        if not self._is_started and is_document(status, headers):
            self._kept = status, headers
            return self.write
        self._kept, self._is_started = None, True
        more = () if exc_info is None else (exc_info,)
        self._write = self._start(status, headers, *more)
        return self._write

    def write(self, data: bytes) -> object:
        """Write to the server, as older applications do: nobody knows what comes, so all of it passes as it is."""
        if not self._is_started:
            self._pass_on()
        assert self._write is not None
        return self._write(data)

    def around(self, body: Iterable[bytes], is_file: bool) -> Iterable[bytes]:
        """Return the body that the server gets for the application's.

        Args:
            body: What the application has returned.
            is_file: Whether the server treats it in a way of its own.
        """
        if type(body) in (list, tuple):
            return self._listed(body)
        has_length = hasattr(type(body), "__len__")
        if is_file or (has_length and len(body) != 1):  # type: ignore[arg-type]
            try:
                self._pass_on()
            except BaseException:
                close_body(body)
                raise
            return body
        if self._is_started:
            return body
        return SinglePart(self, body) if has_length else Parts(self, body)

    def _listed(self, body: Any) -> Iterable[bytes]:
        if self._kept is not None and all(type(part) is bytes for part in body):
            whole = b"".join(body)
            changed = self._changed(whole)
            if changed is not whole:
                return [changed]
        self._pass_on()
        return body  # type: ignore[no-any-return]

    def parts(self, body: Iterable[bytes]) -> Iterator[bytes]:
        """Give what the server is to send, a part whenever the application gives one, if not all of it is at hand."""
        parts = iter(body)
        taken: list[bytes] = []
        size = 0
        try:
            for part in parts:
                taken.append(part)
                size += len(part)
                if self._is_decided(part, size):
                    break
        except BaseException:
            # What the server had sent by then.
            self._pass_on()
            yield from taken
            raise
        if self._kept is not None:
            whole = b"".join(taken)
            taken = [self._changed(whole)]
            self._pass_on()
        yield from taken
        yield from parts

    def _is_decided(self, part: bytes, size: int) -> bool:
        """Tell whether no more has to be seen of a body, after *part*, to know what to do with it."""
        if self._kept is None:
            return self._is_started or bool(part)
        if type(part) is not bytes:
            self._pass_on()
            return True
        length = _length(self._kept[1])
        return bool(part) if length is None or length > MOST else size >= length

    def _changed(self, whole: bytes) -> bytes:
        """Return the document with the script, and pass on what is said of it; or return the very same."""
        assert self._kept is not None
        status, headers = self._kept
        length = _length(headers)
        if length is None or length == len(whole):
            values = [value for name, value in headers if name.lower() == "content-security-policy"]
            script = self._script(Policies(values + policies_in(whole)))
            changed = whole if script is None else inserted(whole, script)
            if changed is not whole:
                kept = [(name, value) for name, value in headers if name.lower() not in OF_BODY]
                kept.append(("Cache-Control", "no-store"))
                if length is not None:
                    kept.append(("Content-Length", str(len(changed))))
                self._kept = status, kept
                self._pass_on()
                return changed
        return whole

    def _pass_on(self) -> None:
        """Tell the server what was kept back, if something was."""
        if self._kept is not None:
            (status, headers), self._kept = self._kept, None
            self._is_started = True
            self._write = self._start(status, headers)


class Parts:
    """A body whose parts come from the application's, with the script in them; closing it closes that."""

    def __init__(self, page: Page, body: Iterable[bytes]) -> None:
        self._page = page
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return self._page.parts(self._body)

    def close(self) -> None:
        """Close the application's body, if that can be closed."""
        close_body(self._body)


class SinglePart(Parts):
    """A body that has one part, and knows it: servers send the length of that."""

    def __len__(self) -> int:
        return 1


def close_body(body: object) -> None:
    """Close an application's body, if that can be closed."""
    close = getattr(body, "close", None)
    if close is not None:
        close()


def is_document(status: str, headers: Headers) -> bool:
    """Tell whether an answer may be a complete HTML document in plain bytes, by what is said of it."""
    code = status[:3] if isinstance(status, str) else ""
    if code in BARE or not code.startswith(("2", "4", "5")):
        return False
    said: dict[str, list[str]] = {}
    try:
        for name, value in headers:
            said.setdefault(name.lower(), []).append(value.strip().lower())
    except (TypeError, ValueError, AttributeError):
        return False  # the server will say what is wrong with them
    kinds = said.get("content-type", [])
    return (
        len(kinds) == 1
        and kinds[0].partition(";")[0].strip() == "text/html"
        and not ENCODED.intersection(said)
        and not any(each.startswith("attachment") for each in said.get("content-disposition", ()))
        and not any("no-transform" in each for each in said.get("cache-control", ()))
        and len(said.get("content-length", ())) <= 1
        and all(each.isdecimal() for each in said.get("content-length", ()))
    )


def inserted(document: bytes, script: bytes) -> bytes:
    """Return a complete HTML document with *script* at the end of its body; anything else as it is."""
    if START.match(document, _skipped(document, 0)) is None:
        return document
    at = document.lower().rfind(b"</body")
    end = END.match(document, at) if at >= 0 else None
    if end is None:
        return document
    # What follows may only be what ends a document: else this is one within a script, or a part of something.
    last = _skipped(document, end.end())
    if (of_all := END_OF_ALL.match(document, last)) is not None:
        last = _skipped(document, of_all.end())
    return document if last < len(document) else document[:at] + script + document[at:]


def _skipped(document: bytes, at: int) -> int:
    """Return where in a document the white space and the comments end that begin at *at*."""
    if at == 0 and document.startswith(b"\xef\xbb\xbf"):
        at = 3
    while True:
        while document[at : at + 1].isspace():
            at += 1
        if not document.startswith(b"<!--", at):
            return at
        end = document.find(b"-->", at + 4)
        if end < 0:
            return at
        at = end + 3


def _length(headers: Headers) -> int | None:
    return next((int(value) for name, value in headers if name.lower() == "content-length"), None)
