"""Delta sync in GraphQL: what changed in the viewer's world since a cursor, for apps that were offline."""

from collections.abc import Callable
from dataclasses import replace
from string import Template
from typing import Annotated

import strawberry
from django.apps import apps

from backend import delta_sync
from backend.changes import log
from backend.changes.log import Malformed
from backend.changes.triggers import kind_of, logs_of
from backend.engine.errors import Invalid, Unauthenticated, Wrong
from backend.pages import MAX_PAGE_SIZE
from backend.sources import Bound, OneOf, Row, Rows, Value
from schema.answers import Failure, ForbiddenError
from schema.chapters import Chapter
from schema.coauthors import Invitation
from schema.decisions import Decision
from schema.market import Edition, Order
from schema.moderation import Report
from schema.nodes import Versioned, query, sourced
from schema.notifications import Notification
from schema.people import Person
from schema.reading import Reading
from schema.scalars import Version
from schema.social import Relationship
from schema.stories import Shelf, Story
from schema.whispers import Whisper

MAX_CHANGES = MAX_PAGE_SIZE
LOGGED = {model.__name__: kind_of(model) for model in apps.get_models() if logs_of(model)}
"""The kinds of what is logged, by the type that shows it."""
TYPES: tuple[type[Versioned], ...] = (
    *(Person, Relationship, Shelf, Story, Chapter, Invitation),
    *(Reading, Whisper, Notification, Edition, Order, Report, Decision),
)
"""The types that show what is logged."""


def _found(one: type[Versioned]) -> Row:
    """The thing of a change, if it is of this type and the viewer may see it."""
    look_up = Template(one.look_up.sql).safe_substitute(key="$row.id", owner="$viewer")
    kind = LOGGED[one.__name__]
    is_it = f"$row.kind = '{kind}' AND NOT $row.is_veiled"
    return replace(one.look_up, sql=f"SELECT thing.* FROM ({look_up}) AS thing WHERE {is_it}")


def _by_kind(sql: Callable[[type[Versioned]], str]) -> str:
    """SQL: a case for each type."""
    cases = (f"WHEN '{LOGGED[one.__name__]}' THEN {sql(one)}" for one in TYPES)
    return f"CASE $row.kind {' '.join(cases)} END"


THING = OneOf(tuple(map(_found, TYPES)))
VERSION = Value(_by_kind(lambda one: f"(SELECT thing.version FROM ({_found(one).sql}) AS thing)"), is_local=False)
ID = Value(
    _by_kind(lambda one: "$viewer::text || ':' || $row.id::text" if one.belongs_to_viewer else "$row.id::text"),
    of=_by_kind(lambda one: f"'{one.__name__}'"),
)
CHANGES = Rows(
    "SELECT one.kind, one.id, one.is_veiled FROM jsonb_to_recordset($row.changes) "
    "AS one (kind text, id uuid, number int, is_veiled bool) ORDER BY one.number"
)


@strawberry.type(
    description="A thing is at a version that the client has not seen. `thing` is null where it is gone or hidden: the two look "
    "alike."
)
class Change:
    """One thing that changed. What `changed` tells of it is printed by `schema/execution/many.py`."""

    id: strawberry.ID = sourced(ID, "The id of the thing.")
    version: Version | None = sourced(VERSION, "The version that `thing` has; null where that is.")
    thing: Versioned | None = sourced(THING, "The thing as it is now, as the viewer may see it.")


@strawberry.type(description="Some of what changed, each thing once.")
class ChangePage:
    """A page of a walk."""

    changes: list[Change] = sourced(
        CHANGES, "What changed; things that were written later come later.", most=MAX_CHANGES
    )
    cursor: str = strawberry.field(
        description="Send it as `since`: for the next page, and after the last one at any later time."
    )
    has_more: bool = strawberry.field(
        description="Whether there is more up to the moment at which the first page was asked for: ask on until there is none."
    )


@strawberry.type(
    description="The cursor is older than what is kept, or of another database, or more has changed since than a walk tells: "
    "load what you show, and begin anew with `since: null`."
)
class CursorExpiredError(Failure):
    """A cursor that the log cannot answer."""


ChangesResult = Annotated[
    ChangePage | CursorExpiredError | ForbiddenError,
    strawberry.union("ChangesResult", description="What changes can answer."),
]


def _refused(code: str, message: str, when: str, type_: str) -> Row:
    return Row(
        f"SELECT '{code}' AS code, '{message}' AS message WHERE {when}",
        type=type_,
        instead={
            "retry": Row("SELECT 'NEVER' AS kind, 0 AS after_ms", is_local=True),
            "decision": Row("SELECT (NULL::moderation_decision).* WHERE FALSE", is_local=True),
            "until": Value("NULL::timestamptz"),
        },
    )


SIGNED_OUT = _refused(Unauthenticated.code, Unauthenticated().message, "$viewer IS NULL", "ForbiddenError")
FROM_NOW = OneOf((SIGNED_OUT, delta_sync.BEGINNING))
SINCE = OneOf(
    (
        SIGNED_OUT,
        delta_sync.PAGE,
        _refused("CURSOR_EXPIRED", "Not everything since this cursor is known any more.", "TRUE", "CursorExpiredError"),
    )
)
"""A page is found if the log holds everything since the cursor, and that is not too much."""


@strawberry.type
class ChangesQuery:
    """Delta sync."""

    @query(
        description="Everything of the viewer's world that changed since the cursor; null begins now. For apps that were "
        "offline. What that world is, and how to go through it, says docs/live.md."
    )
    def changes(
        self,
        since: Annotated[
            str | None,
            strawberry.argument(description="The cursor of the last page that was applied; null begins now."),
        ] = None,
        first: Annotated[
            int, strawberry.argument(description=f"At most so many things, from 1 to {MAX_CHANGES}.")
        ] = MAX_CHANGES,
    ) -> ChangesResult:
        """A page of what changed."""
        if not 1 <= first <= MAX_CHANGES:
            raise Invalid.one("first", f"must be from 1 to {MAX_CHANGES}.")
        if since is None:
            return Bound(FROM_NOW)  # type: ignore[return-value]
        try:
            place = delta_sync.Place.of(since)
        except Malformed:
            raise Invalid.one("since", "is not a cursor that this server handed out.", Wrong.NOT_HANDED_OUT) from None
        return Bound(SINCE, {**place.values, "first": first, "most": log.MAX_BEHIND})  # type: ignore[return-value]
