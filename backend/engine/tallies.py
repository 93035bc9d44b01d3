"""Slotted counters: totals that many transactions raise at once without waiting for each other.

A subject has rows for each kind of total, its slots, and the total is their sum. A write raises one that nobody else holds, and
makes another one if all are held. So it waits for nobody, and a subject gets as many slots as transactions have ever raised
it at once: mostly one. It is raised in the same transaction as the counted row is inserted, so sum and rows agree in every
snapshot.
"""

import random
import uuid
from collections.abc import Iterable
from typing import Any

from django.db import models

from backend.engine.declarations import query
from backend.engine.removal import RemovalGuard
from backend.engine.statements import Declared, Result, compiled

SLOTS = 1024
"""The numbers that a slot can have. A new one's is by chance; they are far more than connections, so hardly two take the same."""

Raise = tuple[uuid.UUID, str, int]
"""Subject, kind of total, and by how much (negative to lower it)."""


class Tally(models.Model):
    """One slot of one total of one subject. A concrete tally adds the foreign key `subject`."""

    kind = models.CharField(max_length=16)
    slot = models.SmallIntegerField()
    count = models.BigIntegerField()

    class Meta:
        abstract = True
        constraints = (RemovalGuard(name="%(class)s_removal_guard", fixed=["subject", "kind", "slot"]),)


def add(model: type[Tally], raises: Iterable[Raise]) -> Result[Any] | None:
    """Raise totals in one statement, in the order of subject and kind, so that two writers cannot deadlock.

    The new value of each slot is a row of the result, in that order. None if there is nothing to raise.
    """
    rows = sorted((subject, kind, some_slot(), by) for subject, kind, by in raises if by)
    if not rows:
        return None
    subjects, kinds, slots, counts = map(list, zip(*rows, strict=True))
    return _raise(model, subjects=subjects, kinds=kinds, slots=slots, counts=counts)


@compiled
def _raise(
    model: type[Tally], *, subjects: list[uuid.UUID], kinds: list[str], slots: list[int], counts: list[int]
) -> Declared[tuple[int]]:
    rows = "SELECT * FROM unnest(%(subjects)s, %(kinds)s, %(slots)s, %(counts)s)"
    return query(raising(model, rows), subjects=subjects, kinds=kinds, slots=slots, counts=counts)


def raising(model: type[Tally], rows: str) -> str:
    """SQL: raise totals by what these rows say: subject, kind, some slot and by how much. Each slot's new value is returned.

    The slot is where the search for a free one begins, and the new one's number if there is none.
    """
    table = model._meta.db_table
    free, before = (
        f"(SELECT free.slot FROM {table} AS free WHERE free.subject_id = wanted.subject_id AND free.kind = wanted.kind "
        f"AND free.slot {which} wanted.slot LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)"
        for which in (">=", "<")
    )
    return (
        f"INSERT INTO {table} AS raised (subject_id, kind, slot, count) "
        f"SELECT wanted.subject_id, wanted.kind, coalesce({free}, {before}, wanted.slot), wanted.by "
        f"FROM ({rows}) AS wanted (subject_id, kind, slot, by) "
        "ON CONFLICT (subject_id, kind, slot) DO UPDATE SET count = raised.count + EXCLUDED.count RETURNING raised.count"
    )


def some_slot() -> int:
    """Where one write looks first for a free slot, by chance: so writers at the same time do not meet at one after the other."""
    return int(random.random() * SLOTS)


def total(model: type[Tally], kind: str, subject: str) -> str:
    """SQL: the total of `kind` for one subject, an SQL expression for an id."""
    table = model._meta.db_table
    of = f"tally.subject_id = {subject} AND tally.kind = '{kind}'"
    return f"(SELECT coalesce(sum(tally.count), 0) FROM {table} AS tally WHERE {of})"
