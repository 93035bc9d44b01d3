"""Collects the invariants that each noun declares for its own rows."""

from backend.engine.checks import Check
from backend.engine.tallies import SLOTS
from backend.erasure.invariants import INVARIANTS as OF_ERASURE
from backend.nouns import collect

KNOWN_TOTALS = Check(
    "known_totals",
    "there are no totals of a kind or in a slot that nobody reads",
    "(SELECT FROM people_persontally UNION ALL SELECT FROM stories_storytally)",
    f"""
        SELECT * FROM people_persontally
        WHERE kind NOT IN ('followers', 'following', 'stories') OR slot NOT BETWEEN 0 AND {SLOTS - 1}
        UNION ALL
        SELECT * FROM stories_storytally WHERE kind <> 'views' OR slot NOT BETWEEN 0 AND {SLOTS - 1}
        """,
)

INVARIANTS: tuple[Check, ...] = (
    *(check for of_noun in collect("invariants", "INVARIANTS") for check in of_noun),
    KNOWN_TOTALS,
    *OF_ERASURE,
)
