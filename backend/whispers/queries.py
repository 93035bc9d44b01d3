"""Queries for whispers. `viewer` is a person's id, or None when signed out; a block hides them in both directions.

Lists leave out NSFW whispers unless the viewer asks for them (`mature`) or wrote them.
"""

import uuid
from collections.abc import Iterable, Sequence

from backend.pages import Page, Window, pages_by_owner
from backend.visibility import gone, met
from backend.whispers.models import Whisper

BY_IDS = f"""
SELECT whisper.* FROM whispers_whisper AS whisper
WHERE whisper.id = ANY(%(ids)s) AND {met("whisper.author_id", "%(viewer)s::uuid")}
"""

LOCKED = f"{BY_IDS} FOR KEY SHARE OF whisper"

ALL_OF = f"SELECT * FROM whispers_whisper AS whisper WHERE id = ANY(%s) AND NOT {gone('whisper.author_id')}"

SHOWN = "(NOT whisper.nsfw OR %s OR whisper.author_id = %s::uuid)"
"""SQL: whether lists show a whisper by its NSFW mark. Parameters: `mature`, `viewer`."""

OF_EVERYBODY = f"""
SELECT whisper.*, whisper.created_at AS place_at FROM whispers_whisper AS whisper
WHERE NOT whisper.nsfw AND NOT {gone("whisper.author_id")}{{between}} {{order}}
"""

OF_FOLLOWED = f"""
SELECT whisper.* FROM (SELECT followee_id AS id FROM follow WHERE follower_id = %s UNION ALL SELECT %s) AS author
CROSS JOIN LATERAL (
    SELECT whisper.*, whisper.created_at AS place_at FROM whispers_whisper AS whisper
    WHERE whisper.author_id = author.id AND {SHOWN}{{between}} {{order}}
) AS whisper WHERE NOT {gone("author.id")} {{order}}
"""

BY_AUTHORS = f"""
SELECT owner.id AS owner_id, whisper.*, whisper.created_at AS place_at
FROM unnest(%s::uuid[]) AS owner (id) CROSS JOIN LATERAL (
    SELECT * FROM whispers_whisper AS whisper WHERE whisper.author_id = owner.id AND {SHOWN}{{between}} {{order}}
) AS whisper
WHERE {{shown}}
ORDER BY owner.id, whisper.created_at {{direction}}, whisper.id {{direction}}
"""

AT, ID = "whisper.created_at", "whisper.id"


def by_ids(ids: Iterable[uuid.UUID], *, viewer: uuid.UUID | None) -> dict[uuid.UUID, Whisper]:
    """The whispers among these ids that the viewer can find, in one query."""
    return {row.id: row for row in Whisper.objects.raw(BY_IDS, {"ids": list(ids), "viewer": viewer})}


def locked(whisper: uuid.UUID, *, viewer: uuid.UUID) -> Whisper | None:
    """Lock and return the whisper, if the viewer can find it; it cannot be deleted until the unit of work ends."""
    return next(iter(Whisper.objects.raw(LOCKED, {"ids": [whisper], "viewer": viewer})), None)


def all_of(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Whisper]:
    """All of these whispers, regardless of blocks, in one query; none of people who have left."""
    return {row.id: row for row in Whisper.objects.raw(ALL_OF, [list(ids)])}


def of_everybody(window: Window) -> Page[Whisper]:
    """All whispers, newest first, for signed-out viewers."""
    between, places = window.condition(AT, ID)
    return Page.of(
        Whisper.objects.raw(OF_EVERYBODY.format(between=between, order=window.order(AT, ID)), places), window
    )


def of_followed(window: Window, *, viewer: uuid.UUID, mature: bool) -> Page[Whisper]:
    """The whispers of those whom the viewer follows, and the viewer's own, newest first.

    Reads at most a page for each author from the index, and keeps the newest of those. Blocks need no check, because they end
    follows.
    """
    between, places = window.condition(AT, ID)
    sql = OF_FOLLOWED.format(between=between, order=window.order(AT, ID))
    return Page.of(Whisper.objects.raw(sql, [viewer, viewer, mature, viewer, *places]), window)


def by_authors(
    authors: Sequence[uuid.UUID], window: Window, *, viewer: uuid.UUID | None, mature: bool
) -> dict[uuid.UUID, Page[Whisper]]:
    """A page of whispers for each author, newest first, in one query."""
    between, places = window.condition(AT, ID)
    sql = BY_AUTHORS.format(
        between=between,
        order=window.order(AT, ID),
        shown=met("owner.id", "%s::uuid"),
        direction="ASC" if window.backward else "DESC",
    )
    parameters = [list(authors), mature, viewer, *places, viewer, viewer]
    return pages_by_owner(Whisper.objects.raw(sql, parameters), authors, window)
