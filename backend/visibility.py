"""SQL conditions for who is hidden from whom. Each is one index lookup; signed-out viewers are not affected by blocks.

`blocks` is one-sided and hides a person. `apart` is a block in either direction and hides stories and list entries.
`gone` hides a person who has deleted their account, and all that is theirs, from everybody. Lists and lookups use
`met`: neither gone nor apart.
"""

APART = "(pair.low_blocks_at IS NOT NULL OR pair.high_blocks_at IS NOT NULL)"
"""SQL: whether either side of a pair blocks. It is the condition of the small indexes relationship_low_apart and …_high_apart."""


def blocks(blocker: str, blocked: str) -> str:
    """SQL: whether the first blocks the second. Both are SQL expressions for a person's id."""
    side = f"CASE WHEN {blocker} < {blocked} THEN pair.low_blocks_at ELSE pair.high_blocks_at END"
    return _pair(blocker, blocked, f"{APART} AND {side} IS NOT NULL")


def gone(person: str) -> str:
    """SQL: whether the person (an SQL expression for an id) has left. Uses a small partial index."""
    return f"EXISTS (SELECT 1 FROM people_person AS gone WHERE gone.id = {person} AND gone.left_at IS NOT NULL)"


def met(one: str, viewer: str) -> str:
    """SQL: whether the viewer may see what belongs to the first."""
    return f"(NOT {gone(one)} AND NOT {apart(one, viewer)})"


def apart(one: str, other: str) -> str:
    """SQL: whether either of the two blocks the other."""
    return _pair(one, other, APART)


def _pair(one: str, other: str, condition: str) -> str:
    # LEAST and GREATEST ignore NULLs. For a signed-out viewer both give the person, and no row has low = high.
    return (
        "EXISTS (SELECT 1 FROM social_relationship AS pair "
        f"WHERE pair.low_id = LEAST({one}, {other}) AND pair.high_id = GREATEST({one}, {other}) AND {condition})"
    )
