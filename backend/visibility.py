"""SQL: who is hidden from whom. One index probe each; no block hides anybody when nobody is signed in.

`blocks` is one-sided and hides a person. `apart` is either way and hides stories and lists. `gone` hides all that is left of
somebody who has deleted their account, from everybody. `met` is what lists and look-ups ask: neither gone nor apart.
"""


def blocks(blocker: str, blocked: str) -> str:
    """Whether the first blocks the second; both are SQL expressions of a person's id."""
    side = f"CASE WHEN {blocker} < {blocked} THEN pair.low_blocks_at ELSE pair.high_blocks_at END"
    return _pair(blocker, blocked, f"{side} IS NOT NULL")


def gone(person: str) -> str:
    """Whether the person has left; an SQL expression of a person's id. Few rows are in the index that answers it."""
    return f"EXISTS (SELECT 1 FROM people_person AS gone WHERE gone.id = {person} AND gone.left_at IS NOT NULL)"


def met(one: str, viewer: str) -> str:
    """Whether what is the first's can be shown to the viewer."""
    return f"(NOT {gone(one)} AND NOT {apart(one, viewer)})"


def apart(one: str, other: str) -> str:
    """Whether a block stands between the two, whoever made it."""
    return _pair(one, other, "(pair.low_blocks_at IS NOT NULL OR pair.high_blocks_at IS NOT NULL)")


def _pair(one: str, other: str, condition: str) -> str:
    # LEAST and GREATEST skip NULLs, which would make a pair of a person and nobody; nobody has low = high.
    return (
        "EXISTS (SELECT 1 FROM social_relationship AS pair "
        f"WHERE pair.low_id = LEAST({one}, {other}) AND pair.high_id = GREATEST({one}, {other}) AND {condition})"
    )
