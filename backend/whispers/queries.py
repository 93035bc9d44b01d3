"""Queries for whispers. `viewer` is a person's id, or None when signed out; a block hides them in both directions.

Lists leave out NSFW whispers unless the viewer asks for them (`mature`) or wrote them.
"""

from backend.people.queries import named
from backend.sources import Page as Sourced
from backend.sources import Row
from backend.visibility import gone, met

AT, ID = "whisper.created_at", "whisper.id"


# --- Sources ----------------------------------------------------------------------------------------------------

BY_ID = Row(
    f"SELECT whisper.* FROM whispers_whisper AS whisper WHERE whisper.id = $key::uuid AND {met('whisper.author_id', '$viewer')}",
    type="Whisper",
)

AUTHOR = named("$row.author_id")

LISTED = "(NOT whisper.nsfw OR $mature OR whisper.author_id = $viewer)"
"""SQL: whether lists show a whisper by its NSFW mark."""

WHISPERS = Sourced(
    f"""
SELECT whisper.* FROM (SELECT followee_id AS id FROM follow WHERE follower_id = $viewer UNION ALL SELECT $viewer) AS author
CROSS JOIN LATERAL (
    SELECT whisper.*, whisper.created_at AS place_at FROM whispers_whisper AS whisper
    WHERE whisper.author_id = author.id AND {LISTED}$between $order
) AS whisper WHERE NOT {gone("author.id")} $order""",
    AT,
    ID,
    signed_out=f"""
SELECT whisper.*, whisper.created_at AS place_at FROM whispers_whisper AS whisper
WHERE NOT whisper.nsfw AND NOT {gone("whisper.author_id")}$between $order""",
)
"""The whispers of those whom the viewer follows, and the viewer's own, newest first; everybody's when signed out.

Reads at most a page for each author from the index, and keeps the newest of those. Blocks need no check, because they end
follows.
"""

BY_AUTHOR = Sourced(
    f"""
SELECT whisper.*, whisper.created_at AS place_at FROM whispers_whisper AS whisper
WHERE whisper.author_id = $row.id AND {met("$row.id", "$viewer")} AND {LISTED}$between $order""",
    AT,
    ID,
)
