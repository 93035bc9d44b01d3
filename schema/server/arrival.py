"""Whether a request has arrived as it should: plain to whom it is and where it ends, whole, and not too large.

Whoever stands before the server may read a request that can be read in two ways in the other one; so it is refused.
"""

import re
from typing import Any

from django.conf import settings

from schema.execution.problems import Problem, busy

SMALL = 16 * 1024
"""Bytes of a body that take no room: so much each connection may have anyway."""

HOST = re.compile(r"([\w.~%!$&'()*+,;=-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]{0,5})?", re.ASCII)
"""What may stand in the header Host (RFC 3986): a name or an address, and a port."""


class Memory:
    """Bytes that the bodies of all requests of this process may take together."""

    def __init__(self, most: int) -> None:
        self.free = most


class Room:
    """What the body of one request takes of the memory for all, until the request has been answered."""

    def __init__(self, memory: Memory) -> None:
        self._memory, self._taken = memory, 0

    def hold(self, size: int) -> None:
        """Take room for a body that has grown to this size. Raises `Problem` where there is none."""
        more = max(size - SMALL, 0) - self._taken
        if more > self._memory.free:
            raise busy("Too many large requests are arriving. Wait, then send the same again.")
        self._memory.free -= more
        self._taken += more

    def leave(self) -> None:
        """Give all of it back."""
        self._memory.free += self._taken
        self._taken = 0


def require_plain(scope: Any) -> None:
    """Raise `Problem` if it is not plain whom the request asks for what (RFC 9112, section 3.2)."""
    hosts = scope.headers.get_all("host")
    if scope.http_version == "1.1" and not hosts:
        raise Problem(400, "BAD_REQUEST", "The request names no host.")
    if len(hosts) > 1 or not all(HOST.fullmatch(host) for host in hosts):
        raise Problem(400, "BAD_REQUEST", "The header Host must name one host.")
    if not scope.path.startswith("/") and (scope.method, scope.path) != ("OPTIONS", "*"):
        raise Problem(400, "BAD_REQUEST", "The request names no path.")


async def body_of(headers: Any, protocol: Any, room: Room) -> bytes:
    """What was sent with the request. Raises `Problem` where it is too much, was cut short, or may end elsewhere."""
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    length, codings = headers.get("content-length"), headers.get_all("transfer-encoding")
    if codings:  # with a Content-Length beside it, the server before us has taken that away, and closes the connection
        if [coding.lower() for coding in codings] != ["chunked"]:
            raise Problem(400, "BAD_REQUEST", "The only Transfer-Encoding that is read is chunked.")
        return await _pieces(protocol, most, room)
    if length is None or length == "0":
        return b""
    size = int(length)
    if size > most:
        raise _too_large(most)
    body = await _pieces(protocol, most, room) if size > SMALL else await _at_once(protocol)
    if len(body) != size:
        raise _cut_short()
    return body


async def _at_once(protocol: Any) -> bytes:
    try:
        body: bytes = await protocol()
    except Exception:  # whatever granian calls it
        return b""
    return body


async def _pieces(protocol: Any, most: int, room: Room) -> bytes:
    """A body that is large, or of which nobody said how long it is."""
    body, ended = bytearray(), False
    async for piece in protocol:
        if ended:  # granian gives nothing once for the end, and once more for a chunk that was broken
            raise _cut_short()
        ended = not piece
        body += piece
        if len(body) > most:
            raise _too_large(most)
        room.hold(len(body))
    return bytes(body)


def _too_large(most: int) -> Problem:
    return Problem(413, "CONTENT_TOO_LARGE", f"The body is too large: at most {most} bytes.")


def _cut_short() -> Problem:
    return Problem(400, "BAD_REQUEST", "The body did not arrive whole.")
