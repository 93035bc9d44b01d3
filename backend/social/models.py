"""Models: one row for each pair of people, which holds both sides of their relationship.

Two tables, one of follows and one of blocks, would lose the race between following and blocking: neither write sees the
other. In one row they are two conditioned writes to the same row, and a CHECK forbids invalid states. Lists and counts read
the SQL views `follow` and `block`, which show the row as plain edges.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from backend.changes.kinds import SIGHT
from backend.changes.triggers import ChangeLog, RemovalLog, SightLog
from backend.engine.guard import VersionGuard
from backend.engine.ids import uuid7
from backend.engine.presence import PresenceGuard
from backend.engine.removal import RemovalGuard
from backend.people.models import Person

LOW, HIGH = "low_", "high_"
"""The two sides of a pair: the person with the lower id, and the other. Also their column prefixes."""


def _side_groups(mine: str, theirs: str) -> dict[str, list[str]]:
    """The field groups of one side: whether I follow, am followed, and block. Being blocked is not among them, so it stays
    hidden.
    """
    return {
        "following": [f"{mine}follows_at"],
        "followed": [f"{theirs}follows_at"],
        "blocking": [f"{mine}blocks_at"],
    }


HIDDEN_FROM_NOW = f"""SELECT '{SIGHT}', them, OLD.id, me, 4 * hidden + 3, TRUE FROM (VALUES
    (OLD.low_id, OLD.high_id, OLD.low_version,
     CASE WHEN OLD.high_blocks_at IS NOT NULL THEN 3 WHEN OLD.low_blocks_at IS NOT NULL THEN 1 ELSE 0 END),
    (OLD.high_id, OLD.low_id, OLD.high_version,
     CASE WHEN OLD.low_blocks_at IS NOT NULL THEN 3 WHEN OLD.high_blocks_at IS NOT NULL THEN 1 ELSE 0 END)
) AS side (me, them, version, hidden) WHERE version > 0 OR hidden > 0"""
"""SQL: what the log says when a pair is swept: what each saw of the other until then, if there was anything between them."""


class Relationship(models.Model):
    """A pair of people, lower id first. Each side has its own version, which rises only when something visible to that side
    changes.
    """

    LOCK_RANK = 350
    SHOWN_AS = {"followed": ["followedBy"]}

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    low = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    high = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)

    low_follows_at = models.DateTimeField(null=True)
    low_blocks_at = models.DateTimeField(null=True)
    low_version = models.BigIntegerField(default=0)
    low_updated_at = models.DateTimeField(db_default=Now())
    low_following_changed = models.BigIntegerField(default=0)
    low_followed_changed = models.BigIntegerField(default=0)
    low_blocking_changed = models.BigIntegerField(default=0)

    high_follows_at = models.DateTimeField(null=True)
    high_blocks_at = models.DateTimeField(null=True)
    high_version = models.BigIntegerField(default=0)
    high_updated_at = models.DateTimeField(db_default=Now())
    high_following_changed = models.BigIntegerField(default=0)
    high_followed_changed = models.BigIntegerField(default=0)
    high_blocking_changed = models.BigIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["low", "high"], name="relationship_one_row_per_pair"),
            models.CheckConstraint(condition=Q(low__lt=F("high")), name="relationship_low_before_high"),
            models.CheckConstraint(
                condition=Q(low_follows_at=None, high_follows_at=None) | Q(low_blocks_at=None, high_blocks_at=None),
                name="relationship_no_follow_across_block",
            ),
            VersionGuard(
                name="relationship_version_guard",
                sides={LOW: _side_groups(LOW, HIGH), HIGH: _side_groups(HIGH, LOW)},
                fixed=["id", "low", "high"],
            ),
            PresenceGuard(name="relationship_of_somebody", people=["low", "high"]),
            RemovalGuard(name="relationship_removal_guard"),
            ChangeLog(
                name="relationship_change_log",
                kind="l",
                aggregate="id",
                sides=[
                    {"owner": "low", "id": "high", "version": "low_version"},
                    {"owner": "high", "id": "low", "version": "high_version"},
                ],
            ),
            SightLog(name="relationship_sight_log"),
            RemovalLog(name="relationship_removal_log", entries=HIDDEN_FROM_NOW),
        )
        indexes = tuple(
            models.Index(
                F(owner),
                F(f"{side}follows_at").desc(),
                F(other).desc(),
                name=name,
                condition=Q(**{f"{side}follows_at__isnull": False}),
            )
            for side, owner, other, name in (
                (LOW, "low", "high", "relationship_low_following"),
                (LOW, "high", "low", "relationship_high_followers"),
                (HIGH, "high", "low", "relationship_high_following"),
                (HIGH, "low", "high", "relationship_low_followers"),
            )
        ) + tuple(
            models.Index(
                fields=[one, other],
                name=name,
                condition=Q(low_blocks_at__isnull=False) | Q(high_blocks_at__isnull=False),
            )
            for one, other, name in (
                ("low", "high", "relationship_low_apart"),
                ("high", "low", "relationship_high_apart"),
            )
        )
        indexes += (
            models.Index(
                fields=["high", "low"],
                name="relationship_past",
                condition=Q(
                    low_follows_at__isnull=True,
                    high_follows_at__isnull=True,
                    low_blocks_at__isnull=True,
                    high_blocks_at__isnull=True,
                ),
            ),
        )

    def __str__(self) -> str:
        return f"{self.low_id} – {self.high_id}"

    @classmethod
    def of_strangers(cls, low_id: uuid.UUID, high_id: uuid.UUID) -> "Relationship":
        """The row of a pair without any contact; it is not stored."""
        return cls(low_id=low_id, high_id=high_id, low_updated_at=None, high_updated_at=None)  # type: ignore[misc]

    def seen_by(self, viewer_id: uuid.UUID) -> "PairSide":
        """The pair as one of the two sees it."""
        mine, theirs = (LOW, HIGH) if viewer_id == self.low_id else (HIGH, LOW)
        version = getattr(self, f"{mine}version")
        return PairSide(
            viewer_id=viewer_id,
            person_id=self.high_id if mine == LOW else self.low_id,
            version=version,
            # At version 0 the row's date would reveal when the other side blocked this one.
            updated_at=getattr(self, f"{mine}updated_at") if version else None,
            following=getattr(self, f"{mine}follows_at") is not None,
            followed_by=getattr(self, f"{theirs}follows_at") is not None,
            blocking=getattr(self, f"{mine}blocks_at") is not None,
        )


@dataclass(eq=False)
class PairSide:
    """The viewer's side of a relationship; version 0 if there never was one."""

    viewer_id: uuid.UUID
    person_id: uuid.UUID
    version: int = 0
    updated_at: datetime | None = None
    following: bool = False
    followed_by: bool = False
    blocking: bool = False

    COLUMNS = (
        "viewer_id uuid, person_id uuid, version bigint, updated_at timestamptz, "
        "following bool, followed_by bool, blocking bool"
    )
    """Its columns in SQL."""
