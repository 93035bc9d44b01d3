"""The row of a pair from one person's side: finding it, the conditioned write to it, and explaining a write that failed."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from backend.engine.errors import Conflict, FieldConflict, NotFound, Oneself
from backend.engine.versions import (
    Expected,
    conflict,
    first_row,
    is_unchanged,
    stamped,
    unchanged,
    write,
)
from backend.people.models import Person
from backend.social.models import HIGH, LOW, Relationship
from backend.visibility import gone

UNKNOWN_PERSON = "There is no such person."
"""Also used for a person who has left or who blocks the viewer: the three cases must look alike."""


@dataclass(frozen=True)
class Pair:
    """Me and another person. `mine` and `theirs` are our column prefixes."""

    me: uuid.UUID
    them: uuid.UUID
    mine: str
    theirs: str

    @classmethod
    def of(cls, me: uuid.UUID, them: uuid.UUID) -> "Pair":
        """The pair of two people. Raises `Invalid` if they are the same."""
        if me == them:
            raise Oneself.one("person", "is yourself; this needs another person.")
        return cls(me, them, LOW, HIGH) if me < them else cls(me, them, HIGH, LOW)

    @property
    def key(self) -> dict[str, uuid.UUID]:
        """The row's key."""
        return {"low_id": min(self.me, self.them), "high_id": max(self.me, self.them)}

    @property
    def they_are_there(self) -> RawSQL:
        """Filter: they have not left."""
        return RawSQL(f"NOT {gone('%s')}", [self.them], output_field=BooleanField())

    def row(self) -> Relationship | None:
        """The present row; None if there was no contact, or they have left."""
        return Relationship.objects.filter(self.they_are_there, **self.key).first()

    def hides(self, row: Relationship) -> bool:
        """Whether they block me."""
        return getattr(row, f"{self.theirs}blocks_at") is not None


def find(pair: Pair, *, hidden_too: bool = False) -> Relationship | None:
    """The pair's row. Raises `NotFound` if they do not exist or I may not see them."""
    row = pair.row()
    if row is None and not Person.objects.filter(pk=pair.them, left_at__isnull=True).exists():
        raise NotFound(UNKNOWN_PERSON)
    if row is not None and pair.hides(row) and not hidden_too:
        raise NotFound(UNKNOWN_PERSON)
    return row


def find_or_insert(pair: Pair, *, hidden_too: bool = False) -> None:
    """As `find`; also inserts the pair's row if there is none.

    A new row has version 0 on both sides and says nothing, so it does not matter which of two concurrent inserts succeeds:
    the conditioned write that follows decides.
    """
    if find(pair, hidden_too=hidden_too) is None:
        first_row(Relationship(**pair.key), ["low", "high"])


def write_pair(
    pair: Pair,
    seen: Expected,
    *,
    reads: Iterable[str],
    only_if: dict[str, Any],
    sets: dict[str, Any],
    stamps: Iterable[str],
    their_stamps: Iterable[str] = (),
) -> Relationship | None:
    """The conditioned write, if the groups in `reads` are unchanged since `seen` and `only_if` holds; else None.

    `stamps` are the groups of my side that change, `their_stamps` those of the other side. The other side's version rises
    only with changes that it can see.
    """
    theirs = tuple(their_stamps)
    rows = write(
        Relationship.objects.filter(
            pair.they_are_there, unchanged(Relationship, seen, reads, side=pair.mine), **pair.key, **only_if
        ),
        **sets,
        **stamped(Relationship, stamps, side=pair.mine),
        **(stamped(Relationship, theirs, side=pair.theirs) if theirs else {}),
    )
    return rows[0] if rows else None


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
    return conflict(row, seen=seen, thing=thing, overlaps=overlaps, side=pair.mine, by=by)
