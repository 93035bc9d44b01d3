"""Reads of people. `viewer` is a person's id, or None when signed out. People who left or who block the viewer are not found."""

import uuid
from collections.abc import Iterable

from backend.people.models import Person
from backend.visibility import blocks

BY_HANDLE = f"""
SELECT person.* FROM people_person AS person
WHERE lower(person.handle) = lower(%(handle)s) AND person.left_at IS NULL AND NOT {blocks("person.id", "%(viewer)s::uuid")}
"""

BY_IDS = f"""
SELECT person.* FROM people_person AS person
WHERE person.id = ANY(%(ids)s) AND person.left_at IS NULL AND NOT {blocks("person.id", "%(viewer)s::uuid")}
"""

ALL_OF = "SELECT * FROM people_person WHERE id = ANY(%s)"

BY_TOKEN = """
SELECT person.*, token.last_used_at < now() - interval '1 hour' AS use_is_unnoted FROM people_accesstoken AS token
JOIN people_account AS account ON account.person_id = token.account_id AND account.is_active
JOIN people_person AS person ON person.id = account.person_id
WHERE token.digest = %(digest)s AND token.expires_at > now()
"""


def by_handle(handle: str, *, viewer: uuid.UUID | None) -> Person | None:
    """The person with this handle, case-insensitively."""
    return next(iter(Person.objects.raw(BY_HANDLE, {"handle": handle, "viewer": viewer})), None)


def by_ids(ids: Iterable[uuid.UUID], *, viewer: uuid.UUID | None) -> dict[uuid.UUID, Person]:
    """The people among these ids that the viewer can find, in one query."""
    return {row.id: row for row in Person.objects.raw(BY_IDS, {"ids": list(ids), "viewer": viewer})}


def by_token(digest: bytes) -> Person | None:
    """The person whom the token with this SHA-256 signs in; `use_is_unnoted` tells whether `last_used_at` is due to be
    written.
    """
    return next(iter(Person.objects.raw(BY_TOKEN, {"digest": digest})), None)


def all_of(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Person]:
    """All of these people, without visibility checks, also those who have left."""
    return {row.id: row for row in Person.objects.raw(ALL_OF, [list(ids)])}


def names(handles: Iterable[str]) -> list[tuple[str, str]]:
    """The handle and name of each of these people that exists, in the order given."""
    found = dict(Person.objects.filter(handle__in=handles, left_at__isnull=True).values_list("handle", "name"))
    return [(handle, found[handle]) for handle in handles if handle in found]
