"""Reads what a GraphQL request asks for: from the query string of a GET, or from the JSON in the body of a POST."""

import codecs
import json
from functools import lru_cache
from types import NoneType
from typing import Any, NamedTuple

import orjson
from django.http.request import MediaType

from schema.execution.problems import UNPROCESSABLE, Problem
from schema.server.accept import MAX_HEADERS
from schema.server.requests import MAX_CHOICE_CHARACTERS, Request

JSON = "application/json"
METHODS = "GET, HEAD, POST, OPTIONS"
TEXT, OBJECT = (str, NoneType), (dict, NoneType)
"""The classes of members that may be left out."""


class Asked(NamedTuple):
    """What a request asks for: a document by text, id or hash, the variables, and the operation's name."""

    query: str | None
    document_id: str | None
    sha256: str | None
    variables: dict[str, Any] | None
    operation_name: str | None


def asked_of(request: Request) -> Asked:
    """Read the query string or the body. Raises `Problem`, `TooManyFieldsSent`."""
    if request.method in ("GET", "HEAD"):
        members: Any = dict(request.GET.items())
        for name in ("variables", "extensions"):
            if members.get(name):
                members[name] = _json(members[name].encode("utf-8", "surrogatepass"), f"member `{name}`")
            else:
                members.pop(name, None)
    elif request.method == "POST":
        members = _json(_body(request), "body")
    else:
        raise Problem(405, "METHOD_NOT_ALLOWED", "GraphQL is asked by GET or POST.", headers={"Allow": METHODS})
    if isinstance(members, list):
        raise Problem(UNPROCESSABLE, "BAD_REQUEST", "Several requests in one are not served: send them one by one.")
    if not isinstance(members, dict):
        raise Problem(UNPROCESSABLE, "BAD_REQUEST", "The body must be a JSON object with a member `query`.")
    return checked(members)


def checked(members: dict[str, Any]) -> Asked:
    """What these members ask for. Raises `Problem`."""
    for member in ("operationName", "documentId"):
        if not isinstance(members.get(member), TEXT):
            raise Problem(UNPROCESSABLE, "BAD_REQUEST", f"The member `{member}` must be a string or null.")
    for member in ("variables", "extensions"):
        if not isinstance(members.get(member), OBJECT):
            raise Problem(UNPROCESSABLE, "BAD_REQUEST", f"The member `{member}` must be an object or null.")
    query, document, sha256 = members.get("query"), members.get("documentId"), _sha256(members.get("extensions"))
    named = query is None and (document or sha256)
    if not named and (not isinstance(query, str) or not query.strip()):
        raise Problem(
            UNPROCESSABLE, "BAD_REQUEST", "The member `query` must be a string that holds a GraphQL document."
        )
    return Asked(query, document, sha256, members.get("variables"), members.get("operationName") or None)


def _sha256(extensions: dict[str, Any] | None) -> str | None:
    """The hash of an automatic persisted query."""
    persisted = (extensions or {}).get("persistedQuery")
    if persisted is None:
        return None
    if not isinstance(persisted, dict) or not isinstance(persisted.get("sha256Hash"), str):
        raise Problem(
            UNPROCESSABLE, "BAD_REQUEST", "`extensions.persistedQuery` must be an object with a string `sha256Hash`."
        )
    sha256: str = persisted["sha256Hash"]
    return sha256


def _body(request: Request) -> bytes:
    said = request.META.get("CONTENT_TYPE", "")
    if len(said) > MAX_CHOICE_CHARACTERS or not _is_json(said):
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", f"Send the request as Content-Type: {JSON}, in UTF-8.")
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("", "identity"):
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as it is, without a Content-Encoding.")
    return request.body


@lru_cache(MAX_HEADERS)
def _is_json(content_type: str) -> bool:
    try:
        media = MediaType(content_type)
    except ValueError:
        return False
    charset = media.params.get("charset", "utf-8").lower()
    return f"{media.main_type}/{media.sub_type}".lower() == JSON and charset in ("utf-8", "utf8")


def _json(raw: bytes, what: str) -> Any:
    """Parse JSON, without the byte order mark that some programs put before it (RFC 8259, section 8.1).

    orjson refuses lone surrogates without saying where, so the json module parses again; `engine.text` then reports the path.
    """
    raw = raw.removeprefix(codecs.BOM_UTF8)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_no_constant, parse_int=_whole)
    except (ValueError, RecursionError):
        raise Problem(400, "BAD_REQUEST", f"The {what} is not valid JSON in UTF-8.") from None


def _whole(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # Python limits the number of digits
        raise Problem(400, "BAD_REQUEST", f"A number of {len(digits)} digits is too long.") from None


def _no_constant(name: str) -> None:
    raise ValueError(name)
