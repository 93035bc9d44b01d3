"""Checks an incoming request's head and reads its body, within limits of size, time and memory.

Ambiguous requests are refused, because a proxy might interpret them differently (request smuggling). What httptools refuses
by itself (both lengths, two lengths, a blank before the colon, a bare LF) never comes here: see `protocol`.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Any

from django.conf import settings

from backend.limits.admission import Share
from schema.execution.problems import Problem
from schema.server.policy import Policy

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

HOST = re.compile(rb"([\w.~%!$&'()*+,;=-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]{0,5})?", re.ASCII)
"""The syntax of the header Host (RFC 3986): a name or an address, and a port."""


class Left(Exception):
    """The client has closed the connection before its request was whole: nobody is there to be told."""


class Incoming:
    """What arrives of a request, and whether that is all."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.has_ended = False

    async def __call__(self) -> Mapping[str, Any]:
        """The next message."""
        message = await self._receive()
        self.has_ended = message["type"] != "http.request" or not message["more_body"]
        return message


def require_plain(scope: Mapping[str, Any]) -> None:
    """Raise `Problem` if the request's host or length is ambiguous (RFC 9112, sections 3.2 and 6.3)."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    codings = [value for name, value in scope["headers"] if name == b"transfer-encoding"]
    if scope["http_version"] not in ("1.0", "1.1"):
        raise Problem(505, "HTTP_VERSION_NOT_SUPPORTED", "This server speaks HTTP/1.1.")
    if scope["http_version"] == "1.1" and not hosts:
        raise Problem(400, "BAD_REQUEST", "The request names no host.")
    if len(hosts) > 1 or (hosts and not HOST.fullmatch(hosts[0])):
        raise Problem(400, "BAD_REQUEST", "The header Host must name one host.")
    if codings and ([coding.lower() for coding in codings] != [b"chunked"] or scope["http_version"] == "1.0"):
        raise Problem(400, "BAD_REQUEST", "The only Transfer-Encoding that is read is chunked, in HTTP/1.1.")


def length_of(scope: Mapping[str, Any]) -> int | None:
    """The size of the body in bytes; None if only its end will tell."""
    length = 0
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding":
            return None
    return length


async def body_of(length: int | None, receive: Receive, share: Share, policy: Policy) -> bytes:
    """Read the body. Raises `Problem` if it is too large or too slow, `Busy` if there is no memory for it, and `Left`.

    Who waits for more of it is woken about every second (`Protocol.look`), also if nothing has come.
    """
    if length == 0:
        return b""
    if length is not None and length > policy.body_bytes:
        raise too_large(policy.body_bytes)
    body, until = bytearray(), monotonic() + policy.body_seconds
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Left
        piece: bytes = message["body"]
        size = len(body) + len(piece)
        if size > policy.body_bytes:
            raise too_large(policy.body_bytes)
        share.hold(size)
        if not message["more_body"] and not body:
            return piece
        body += piece
        if not message["more_body"]:
            return bytes(body)
        if monotonic() >= until:
            raise Problem(408, "REQUEST_TIMEOUT", "The request did not arrive in time.")


async def drain(scope: Mapping[str, Any], receive: Incoming) -> None:
    """Read and drop the rest of a body that is refused, within bounds: most clients look for an answer only when they have
    sent all, and would take a connection that is closed before for a lost reply.

    A client that expects 100 Continue has sent nothing yet.
    """
    length = length_of(scope)
    waits = any(name == b"expect" for name, _ in scope["headers"])
    if waits or length == 0 or (length is not None and length > settings.DRAINED_BYTES):
        return
    dropped, until = 0, monotonic() + settings.BODY_SECONDS
    while not receive.has_ended and dropped <= settings.DRAINED_BYTES and monotonic() < until:
        dropped += len((await receive()).get("body", b""))


def too_large(limit: int) -> Problem:
    """The problem of a body of more bytes than `limit`."""
    return Problem(413, "CONTENT_TOO_LARGE", f"The body is too large: at most {limit} bytes.")
