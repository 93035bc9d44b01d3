"""Screens all whispers again after a change of the policy, in batches; each is a unit of work that also stores the progress.

New findings of a rule are stored as for a new whisper. Earlier findings are ignored, so moderators' decisions stay, and
screening a whisper twice has the effect of screening it once.
"""

import time
import uuid
from datetime import timedelta
from typing import Any

from backend.engine.ids import uuid7_of
from backend.engine.transactions import unit_of_work
from backend.moderation.screening import keep_findings
from backend.whispers import actions, policy
from backend.whispers.models import Flag, Screening, Whisper
from backend.whispers.policy import Finding, Screen

BATCH = 500
"""Whispers per batch: few enough for a short transaction."""
SETTLED = timedelta(minutes=1)
"""Longer than any unit of work, so that whispers created under the old policy are committed by then."""

MARK = """
INSERT INTO whispers_screening AS mark (id, policy, done) VALUES (1, %s, false)
ON CONFLICT (id) DO UPDATE SET
    policy = GREATEST(mark.policy, EXCLUDED.policy),
    began_at = CASE WHEN mark.policy < EXCLUDED.policy THEN now() ELSE mark.began_at END,
    reached = CASE WHEN mark.policy < EXCLUDED.policy THEN NULL ELSE mark.reached END,
    done = mark.done AND mark.policy >= EXCLUDED.policy
RETURNING *, began_at < now() - %s AS settled
"""
"""Lock the progress row, inserting it if needed. A newer policy starts from the first whisper."""


def rescreen() -> None:
    """Screen all whispers that the present policy has not screened."""
    while unit_of_work(screen_some):
        pass


def screen_some() -> bool:
    """Screen the next batch of whispers; returns whether there may be more.

    Ids are in the order of time. The progress never enters the last minute, and a screening does not end within a minute of
    its start. So a whisper that was being created under the old policy is still found, by the next job.
    """
    screen = policy.current()
    mark: Any
    (mark,) = Screening.objects.raw(MARK, [screen.number, SETTLED])
    if mark.done or mark.policy > screen.number:
        return mark.policy > screen.number
    batch = _after(mark.reached)
    _keep_new_findings(screen, batch)
    reached = _newest_settled(batch, mark.reached)
    full = len(batch) == BATCH
    Screening.objects.filter(pk=mark.pk).update(reached=reached, done=not full and mark.settled)
    return full and reached == batch[-1].pk


def _after(reached: uuid.UUID | None) -> list[Whisper]:
    whispers = Whisper.objects.order_by("pk")
    return list((whispers if reached is None else whispers.filter(pk__gt=reached))[:BATCH])


def _newest_settled(batch: list[Whisper], reached: uuid.UUID | None) -> uuid.UUID | None:
    now = uuid7_of(int((time.time() - SETTLED.total_seconds()) * 1000), 0)
    settled = [whisper.pk for whisper in batch if whisper.pk < now]
    return settled[-1] if settled else reached


def _keep_new_findings(screen: Screen, batch: list[Whisper]) -> None:
    """Mark, flag and report the whispers with new findings, unless they were deleted meanwhile."""
    suspects = [whisper for whisper in batch if screen.of(whisper.text) is not None]
    flags = Flag.objects.in_bulk([whisper.pk for whisper in suspects]) if suspects else {}
    new: dict[uuid.UUID, Finding] = {}
    for whisper in suspects:
        flag = flags.get(whisper.pk)
        found = screen.of(whisper.text, known=flag.rules if flag else ())
        if found is not None:
            new[whisper.pk] = found
    if not new:
        return
    there = Whisper.objects.filter(pk__in=new, author__left_at__isnull=True)  # the others are being swept
    held = list(there.order_by("pk").select_for_update(no_key=True, of=("self",)))
    actions.mark_nsfw(whispers=[one.pk for one in held])
    keep_findings([(whisper, flags.get(whisper.pk), new[whisper.pk]) for whisper in held])
