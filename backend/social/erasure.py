"""Social's part of deleting an account: deletes the person's pairs, and lowers the totals of others."""

import uuid
from collections import Counter

from django.db import connection

from backend.engine import tallies
from backend.engine.declarations import IsAny, delete_all
from backend.people.models import PersonTally
from backend.social.models import Relationship

NO_TIE = """
pair.low_follows_at IS NULL AND pair.high_follows_at IS NULL AND pair.low_blocks_at IS NULL AND pair.high_blocks_at IS NULL
"""

PAIRS = f"""
SELECT id FROM (
    (SELECT id FROM social_relationship AS pair WHERE pair.low_id = %(person)s ORDER BY pair.high_id LIMIT %(limit)s)
    UNION
    (SELECT id FROM social_relationship AS pair WHERE pair.high_id = %(person)s AND pair.low_follows_at IS NOT NULL
     ORDER BY pair.low_follows_at DESC, pair.low_id DESC LIMIT %(limit)s)
    UNION
    (SELECT id FROM social_relationship AS pair WHERE pair.high_id = %(person)s AND pair.high_follows_at IS NOT NULL
     ORDER BY pair.high_follows_at DESC, pair.low_id DESC LIMIT %(limit)s)
    UNION
    (SELECT id FROM social_relationship AS pair WHERE pair.high_id = %(person)s
     AND (pair.low_blocks_at IS NOT NULL OR pair.high_blocks_at IS NOT NULL) ORDER BY pair.low_id LIMIT %(limit)s)
    UNION
    (SELECT id FROM social_relationship AS pair WHERE pair.high_id = %(person)s AND {NO_TIE}
     ORDER BY pair.low_id LIMIT %(limit)s)
) AS pair LIMIT %(limit)s
"""
"""SQL: some pairs of a person. Each half of the UNION is in the order of its own index."""


SWEEP_STAGE = 40
SWEPT_COLUMNS = {"social_relationship": ("low_id", "high_id")}


def sweep_person(person: uuid.UUID, limit: int) -> bool:
    """Delete up to `limit` pairs of the person; returns whether there may be more."""
    with connection.cursor() as cursor:
        cursor.execute(PAIRS, {"person": person, "limit": limit})
        found = [id_ for (id_,) in cursor.fetchall()]
    if not found:
        return False
    pairs = list(Relationship.objects.filter(pk__in=found).order_by("pk").select_for_update())
    delete_all(Relationship.objects.filter(IsAny("pk", found))).run()
    ended: Counter[tuple[uuid.UUID, str]] = Counter()
    for pair in pairs:
        if pair.low_follows_at is not None:
            ended.update([(pair.low_id, "following"), (pair.high_id, "followers")])
        if pair.high_follows_at is not None:
            ended.update([(pair.high_id, "following"), (pair.low_id, "followers")])
    tallies.add(PersonTally, [(subject, kind, -by) for (subject, kind), by in ended.items()])
    return True
