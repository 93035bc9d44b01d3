"""Where people and their fields come from. People who left or who block the viewer are not found.

Where something names a person whom the viewer cannot find, a placeholder is shown: a row of version 0 that says the id, and the
moment in it.
"""

import uuid
from collections.abc import Iterable

from backend.engine.declarations import query, select
from backend.engine.statements import Declared, Result, compiled
from backend.engine.tallies import total
from backend.people.models import Account, Person, PersonTally
from backend.sources import Row, Value
from backend.visibility import blocks

FINDABLE = f"person.left_at IS NULL AND NOT {blocks('person.id', '$viewer')}"
"""SQL: whether the viewer can find `person`."""

BY_ID = Row(f"SELECT person.* FROM people_person AS person WHERE person.id = $key::uuid AND {FINDABLE}", type="Person")

BY_HANDLE = Row(
    f"SELECT person.* FROM people_person AS person WHERE lower(person.handle) = lower($handle) AND {FINDABLE}"
)

VIEWER = Row("SELECT person.* FROM people_person AS person WHERE person.id = $viewer")

IS_VIEWER = "$row.id = $viewer"
"""SQL: whether it is the viewer's own row, some fields of which are private."""


def moment_of(id_: str) -> str:
    """SQL: when an id was made; see `engine.ids.moment_of`."""
    return f"to_timestamp(('x' || left(replace({id_}::text, '-', ''), 12))::bit(48)::bigint / 1000.0)"


def named(id_: str, hidden: str = f"NOT ({FINDABLE})", **others: str | None) -> Row:
    """The person with this id, an SQL expression; a placeholder if hidden from the viewer."""
    of = f"SELECT person.*, {hidden} AS is_hidden FROM people_person AS person WHERE person.id = {id_} OFFSET 0"
    shown = {
        "handle": "''",
        "name": "''",
        "bio": "''",
        "show_mature": "FALSE",
        "joined_at": moment_of("person.id"),
        "updated_at": moment_of("person.id"),
        "version": "0",
    }
    columns = [f"CASE WHEN person.is_hidden THEN {sql} ELSE person.{name} END AS {name}" for name, sql in shown.items()]
    return Row(f"SELECT person.id, {', '.join(columns)} FROM ({of}) AS person", **others)  # type: ignore[arg-type]


def found(id_: str, when: str = "TRUE") -> Row:
    """The person with this id, an SQL expression, if the condition holds and the viewer can find them."""
    return Row(f"SELECT person.* FROM people_person AS person WHERE person.id = {id_} AND {when} AND {FINDABLE}")


def _total(kind: str) -> Value:
    return Value(f"CASE WHEN $row.version = 0 THEN 0 ELSE {total(PersonTally, kind, '$row.id')} END", is_wide=True)


FOLLOWER_COUNT, FOLLOWING_COUNT, STORY_COUNT = map(_total, ("followers", "following", "stories"))

SHOW_MATURE = Value(f"CASE WHEN {IS_VIEWER} THEN $row.show_mature END")


def names(handles: Iterable[str]) -> list[tuple[str, str]]:
    """The handle and name of each of these people that exists, in the order given."""
    found = dict(Person.objects.filter(handle__in=handles, left_at__isnull=True).values_list("handle", "name"))
    return [(handle, found[handle]) for handle in handles if handle in found]


@compiled
def person(*, id: uuid.UUID) -> Declared[Person]:
    """The person with this id, whether or not they have left."""
    return select(Person.objects.filter(pk=id))


@compiled
def account(*, person: uuid.UUID) -> Declared[Account]:
    """The person's account, open or closed."""
    return select(Account.objects.filter(pk=person))


BY_TOKEN = """
SELECT account.person_id AS id, token.last_used_at < now() - interval '1 hour' AS use_is_unnoted
FROM people_accesstoken AS token JOIN people_account AS account ON account.person_id = token.account_id AND account.is_active
WHERE token.digest = %(digest)s AND token.expires_at > now()
"""


def by_token(digest: bytes) -> Result[Person]:
    """The person whom the token with this SHA-256 signs in, of whom only the id is read; `use_is_unnoted` tells whether
    `last_used_at` is due to be written.
    """
    return _by_token(digest=digest)


@compiled
def _by_token(*, digest: bytes) -> Declared[Person]:
    return query(BY_TOKEN, Person, digest=digest)
