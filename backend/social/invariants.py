"""Invariants of pairs of people and of the totals of follows, for `manage.py verify`."""

from backend.engine.checks import Check, tally_check

INVARIANTS = (
    Check(
        "no_follow_across_a_block",
        "nobody follows somebody across a block",
        "social_relationship",
        """
        SELECT id, low_id, high_id, low_follows_at, high_follows_at, low_blocks_at, high_blocks_at
        FROM social_relationship
        WHERE (low_follows_at IS NOT NULL OR high_follows_at IS NOT NULL)
          AND (low_blocks_at IS NOT NULL OR high_blocks_at IS NOT NULL)
        """,
    ),
    Check(
        "one_row_per_pair",
        "two people have one row, whoever met whom",
        "social_relationship",
        """
        SELECT LEAST(low_id, high_id) AS low_id, GREATEST(low_id, high_id) AS high_id, count(*) AS rows
        FROM social_relationship GROUP BY 1, 2 HAVING count(*) > 1
        """,
    ),
    Check(
        "strangers_have_no_row",
        "a pair has a row once one of the two has written to it, not because somebody locked it",
        "social_relationship",
        "SELECT id, low_id, high_id FROM social_relationship WHERE low_version = 0 AND high_version = 0",
    ),
    Check(
        "low_before_high",
        "a pair is two people, the lower id first",
        "social_relationship",
        "SELECT id, low_id, high_id FROM social_relationship WHERE low_id >= high_id",
    ),
    Check(
        "ties_were_written",
        "each follow is stamped on both sides, each block on its own",
        "social_relationship",
        """
        SELECT id, low_id, high_id FROM social_relationship
        WHERE (low_follows_at IS NOT NULL AND 0 IN (low_following_changed, high_followed_changed))
           OR (high_follows_at IS NOT NULL AND 0 IN (high_following_changed, low_followed_changed))
           OR (low_blocks_at IS NOT NULL AND low_blocking_changed = 0)
           OR (high_blocks_at IS NOT NULL AND high_blocking_changed = 0)
        """,
    ),
    tally_check("followers", "people_persontally", "followers", "SELECT followee_id FROM follow"),
    tally_check("following", "people_persontally", "following", "SELECT follower_id FROM follow"),
)
