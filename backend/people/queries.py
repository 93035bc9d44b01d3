"""Reads of people. `viewer` is the id of who asks, or None when signed out; who has left or blocks the viewer is not found."""

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
    """The person with this handle, however it is capitalised."""
    return next(iter(Person.objects.raw(BY_HANDLE, {"handle": handle, "viewer": viewer})), None)


def by_ids(ids: Iterable[uuid.UUID], *, viewer: uuid.UUID | None) -> dict[uuid.UUID, Person]:
    """Those of these people that the viewer can find, in one query."""
    return {row.id: row for row in Person.objects.raw(BY_IDS, {"ids": list(ids), "viewer": viewer})}


def by_token(digest: bytes) -> Person | None:
    """Whom the token with this SHA-256 signs in; `use_is_unnoted` says whether that should be remembered."""
    return next(iter(Person.objects.raw(BY_TOKEN, {"digest": digest})), None)


def all_of(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Person]:
    """All of these people: those who are known to be visible, and those who have left."""
    return {row.id: row for row in Person.objects.raw(ALL_OF, [list(ids)])}


def names(handles: Iterable[str]) -> list[tuple[str, str]]:
    """Handle and name of those of these people who exist, in the order given."""
    found = dict(Person.objects.filter(handle__in=handles, left_at__isnull=True).values_list("handle", "name"))
    return [(handle, found[handle]) for handle in handles if handle in found]
