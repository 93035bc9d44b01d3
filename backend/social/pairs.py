"""The row of a pair from one person's side: finding it, and explaining a write that failed."""

import uuid
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, NamedTuple

from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from backend.engine.declarations import IsAny, delete_all, insert, select
from backend.engine.errors import Conflict, FieldConflict, NotFound, Oneself, Wrong
from backend.engine.ids import uuid7
from backend.engine.statements import Declared, Parameter, compiled
from backend.engine.versions import Expected, conflict, is_unchanged
from backend.people.models import Person
from backend.social.models import HIGH, LOW, Relationship
from backend.visibility import gone

UNKNOWN_PERSON = "There is no such person."
"""Also used for a person who has left or who blocks the viewer: the three cases must look alike."""


class Pair(NamedTuple):
    """Me and another person. `mine` and `theirs` are our column prefixes.

    Bound to a declaration, its ids are parameters, and which side is mine is the statement's shape.
    """

    me: uuid.UUID
    them: uuid.UUID
    mine: str
    theirs: str

    @classmethod
    def of(cls, me: uuid.UUID, them: uuid.UUID) -> "Pair":
        """The pair of two people. Raises `Invalid` if they are the same."""
        if me == them:
            raise Oneself.one("person", "is yourself; this needs another person.", Wrong.ONESELF)
        return cls(me, them, LOW, HIGH) if me < them else cls(me, them, HIGH, LOW)

    @property
    def key(self) -> dict[str, uuid.UUID]:
        """The row's key."""
        low, high = (self.me, self.them) if self.mine == LOW else (self.them, self.me)
        return {"low_id": low, "high_id": high}

    @property
    def sides(self) -> tuple[str, str]:
        """Our column prefixes."""
        return self.mine, self.theirs

    @property
    def shape(self) -> tuple[str, str]:
        """What a statement of this pair looks like: which side is mine."""
        return self.sides

    def placeholder(self, name: str) -> Any:
        """What a declaration gets in its place."""
        low, high, them = (Parameter.of(f"{name}.{one}", uuid.UUID) for one in ("low", "high", "them"))
        return SimpleNamespace(mine=self.mine, theirs=self.theirs, key={"low_id": low, "high_id": high}, them=them)

    def bound(self, name: str) -> dict[str, uuid.UUID]:
        """The values of those parameters."""
        key = self.key
        return {f"{name}.low": key["low_id"], f"{name}.high": key["high_id"], f"{name}.them": self.them}

    def row(self) -> Relationship | None:
        """The present row; None if there was no contact, or they have left."""
        return _row(pair=self).row

    def hides(self, row: Relationship) -> bool:
        """Whether they block me."""
        return getattr(row, f"{self.theirs}blocks_at") is not None


def find(pair: Pair, *, hidden_too: bool = False) -> Relationship | None:
    """The pair's row. Raises `NotFound` if they do not exist or I may not see them."""
    row = pair.row()
    if row is None and not _is_there(them=pair.them).row:
        raise NotFound(UNKNOWN_PERSON)
    if row is not None and pair.hides(row) and not hidden_too:
        raise NotFound(UNKNOWN_PERSON)
    return row


@compiled
def _row(*, pair: Pair) -> Declared[Relationship]:
    return select(Relationship.objects.filter(is_there(pair.them), **pair.key))


@compiled
def _is_there(*, them: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return select(Person.objects.filter(pk=them, left_at__isnull=True).values_list("pk"))


def is_there(person: uuid.UUID) -> RawSQL:
    """Filter: this person has not left."""
    return RawSQL(f"NOT {gone('%s')}", [person], output_field=BooleanField())


def meet(pair: Pair) -> uuid.UUID:
    """Insert the pair's row if there is none, and they are there; returns the id that it has then.

    A new row has version 0 on both sides and says nothing, so it does not matter which of two concurrent inserts succeeds:
    the conditioned write that follows decides. Without one, `unmeet` deletes the row.
    """
    new = uuid7()
    _meet(id=new, pair=pair)
    return new


@compiled
def _meet(*, id: uuid.UUID, pair: Pair) -> Declared[Relationship]:
    there = RawSQL("EXISTS (SELECT FROM people_person WHERE id = %s AND left_at IS NULL)", [pair.them])
    return insert(Relationship, ["low", "high"], when=there, id=id, **pair.key)  # type: ignore[arg-type]


def unmeet(made: list[uuid.UUID]) -> None:
    """Delete those of these rows that `meet` has inserted in this unit of work.

    Whoever meets one of these pairs waits for this unit of work all the same: a unique index waits for whoever has inserted
    a row to end, also if they have deleted it.
    """
    _unmeet(made=made)


@compiled
def _unmeet(*, made: list[uuid.UUID]) -> Declared[Relationship]:
    return delete_all(Relationship.objects.filter(IsAny("pk", made)))


def hold(pair: Pair) -> None:
    """Lock the pair's row, if there is one, until the unit of work ends."""
    _hold(pair=pair)


@compiled
def _hold(*, pair: Pair) -> Declared[Relationship]:
    return select(Relationship.objects.select_for_update(no_key=True).filter(**pair.key))


def explain(
    pair: Pair, seen: Expected, *, reads: Iterable[str], path: str, mine: bool, row: Relationship | None = None
) -> Relationship:
    """Explain why the write found no row: raises `NotFound` or `Conflict`; else returns the row, which already has the
    values.

    `path` is the field that the write sets, `mine` the wanted value; `row` may be given if it was read after the write.
    """
    row = row or find(pair, hidden_too=True) or Relationship.of_strangers(**pair.key)
    if pair.hides(row) and path != "blocking":
        raise NotFound(UNKNOWN_PERSON)
    if not is_unchanged(row, seen, reads, side=pair.mine):
        raise _conflict(pair, row, seen, path=path, mine=mine)
    return row


def _conflict(pair: Pair, row: Relationship, seen: Expected, *, path: str, mine: bool) -> Conflict:
    pair_side = row.seen_by(pair.me)
    theirs = {
        "following": pair_side.following,
        "followedBy": pair_side.followed_by,
        "blocking": pair_side.blocking,
    }[path]
    base = False if seen.version == 0 else None
    overlaps = [FieldConflict(path, base=base, mine=mine, theirs=theirs)]
    # Either of the two may have ended a follow; whether I block is up to me alone.
    mine_alone = getattr(row, f"{pair.mine}blocking_changed") == getattr(row, f"{pair.mine}version")
    by = pair.me if mine_alone else None
    thing = ("relationship", pair.me, pair.them)
    found = conflict(row, seen=seen, thing=thing, overlaps=overlaps, side=pair.mine, by=by)
    found.current = pair_side
    return found
