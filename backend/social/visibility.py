"""SQL: who is hidden from whom. One index probe each; false when nobody is signed in.

`blocks` is one-sided and hides a person. `apart` is either way and hides stories and lists.
"""


def blocks(blocker: str, blocked: str) -> str:
    """Whether the first blocks the second; both are SQL expressions of a person's id."""
    side = f"CASE WHEN {blocker} < {blocked} THEN pair.low_blocks_at ELSE pair.high_blocks_at END"
    return _pair(blocker, blocked, f"{side} IS NOT NULL")


def apart(one: str, other: str) -> str:
    """Whether a block stands between the two, whoever made it."""
    return _pair(one, other, "(pair.low_blocks_at IS NOT NULL OR pair.high_blocks_at IS NOT NULL)")


def _pair(one: str, other: str, condition: str) -> str:
    # LEAST and GREATEST skip NULLs, which would make a pair of a person and nobody; nobody has low = high.
    return (
        "EXISTS (SELECT 1 FROM social_relationship AS pair "
        f"WHERE pair.low_id = LEAST({one}, {other}) AND pair.high_id = GREATEST({one}, {other}) AND {condition})"
    )
