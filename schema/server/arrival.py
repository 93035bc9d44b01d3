"""Checks an incoming request's head and reads its body, within limits of size and memory.

Ambiguous requests are refused, because a proxy might interpret them differently (request smuggling).
"""

import re
from typing import Any

from django.conf import settings

from schema.execution.problems import Problem, busy

SMALL = 16 * 1024
"""Bodies up to so many bytes do not count against the memory limit."""

HOST = re.compile(r"([\w.~%!$&'()*+,;=-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]{0,5})?", re.ASCII)
"""The syntax of the header Host (RFC 3986): a name or an address, and a port."""


class Memory:
    """The memory budget in bytes for the bodies of all requests of this process."""

    def __init__(self, limit: int) -> None:
        self.free = limit


class Room:
    """One request's share of the memory budget, held until the request is answered."""

    def __init__(self, memory: Memory) -> None:
        self._memory, self._taken = memory, 0

    def hold(self, size: int) -> None:
        """Reserve memory for a body that has grown to this size. Raises `Problem` if the budget is used up."""
        more = max(size - SMALL, 0) - self._taken
        if more > self._memory.free:
            raise busy("Too many large requests are arriving. Wait, then send the same again.")
        self._memory.free -= more
        self._taken += more

    def leave(self) -> None:
        """Release it."""
        self._memory.free += self._taken
        self._taken = 0


def require_plain(scope: Any) -> None:
    """Raise `Problem` if the request's target or host is ambiguous (RFC 9112, section 3.2)."""
    hosts = scope.headers.get_all("host")
    if scope.http_version == "1.1" and not hosts:
        raise Problem(400, "BAD_REQUEST", "The request names no host.")
    if len(hosts) > 1 or not all(HOST.fullmatch(host) for host in hosts):
        raise Problem(400, "BAD_REQUEST", "The header Host must name one host.")
    if not scope.path.startswith("/") and (scope.method, scope.path) != ("OPTIONS", "*"):
        raise Problem(400, "BAD_REQUEST", "The request names no path.")


async def body_of(headers: Any, protocol: Any, room: Room) -> bytes:
    """Read the body. Raises `Problem` if it is too large, incomplete, or of ambiguous length."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    length, codings = headers.get("content-length"), headers.get_all("transfer-encoding")
    if codings:  # granian drops a Content-Length beside it and closes the connection
        if [coding.lower() for coding in codings] != ["chunked"]:
            raise Problem(400, "BAD_REQUEST", "The only Transfer-Encoding that is read is chunked.")
        return await _pieces(protocol, limit, room)
    if length is None or length == "0":
        return b""
    size = int(length)
    if size > limit:
        raise too_large(limit)
    body = await _pieces(protocol, limit, room) if size > SMALL else await _at_once(protocol)
    if len(body) != size:
        raise cut_short()
    return body


async def _at_once(protocol: Any) -> bytes:
    try:
        body: bytes = await protocol()
    except Exception:  # granian does not document its exceptions
        return b""
    return body


async def _pieces(protocol: Any, limit: int, room: Room) -> bytes:
    """Read a body that is large or of unknown length, in chunks."""
    body, ended = bytearray(), False
    async for piece in protocol:
        if ended:  # granian yields an empty chunk at the end, and a second one if the last was broken
            raise cut_short()
        ended = not piece
        body += piece
        if len(body) > limit:
            raise too_large(limit)
        room.hold(len(body))
    return bytes(body)


def too_large(limit: int) -> Problem:
    """The problem of a body of more bytes than `limit`."""
    return Problem(413, "CONTENT_TOO_LARGE", f"The body is too large: at most {limit} bytes.")


def cut_short() -> Problem:
    """The problem of a body of which a part is missing."""
    return Problem(400, "BAD_REQUEST", "The body did not arrive whole.")
