"""Invariants of whispers and of the screening policy, for `manage.py verify`."""

from backend.engine.checks import Check

INVARIANTS = (
    Check(
        "flagged_is_nsfw",
        "a whisper in which the screening found something is marked NSFW, and the flag knows its author",
        "whispers_flag",
        """
        SELECT flag.whisper_id, flag.rules, whisper.nsfw FROM whispers_flag AS flag
        JOIN whispers_whisper AS whisper ON whisper.id = flag.whisper_id
        WHERE NOT whisper.nsfw OR flag.author_id <> whisper.author_id
        """,
    ),
    Check(
        "flags_by_known_rules",
        "each flag says which rules found it, what they do, and at which version of the policy",
        "whispers_flag",
        """
        SELECT whisper_id, effect, rules, policy FROM whispers_flag
        WHERE cardinality(rules) < 1 OR effect NOT IN ('FLAG', 'REPORT')
           OR policy NOT BETWEEN 1 AND (SELECT number FROM whispers_policyversion)
        """,
    ),
    Check(
        "removed_whispers_are_gone",
        "no whisper is there that has a tombstone",
        "stories_tombstone",
        "SELECT id, deleted_at FROM stories_tombstone JOIN whispers_whisper USING (id)",
    ),
    Check(
        "policy_is_watched",
        "every change of the policy raises its version, of which there is one",
        "whispers_policyversion",
        """
        SELECT expected.policy_table, count(tgname) AS triggers, (SELECT count(*) FROM whispers_policyversion) AS versions
        FROM (VALUES ('whispers_policy'), ('whispers_policyword')) AS expected (policy_table)
        LEFT JOIN pg_trigger ON tgrelid = to_regclass(expected.policy_table) AND tgname = 'policy_version'
            AND tgfoid = to_regproc('whispers_raise_policy_version')
        GROUP BY expected.policy_table
        HAVING count(tgname) <> 1 OR (SELECT count(*) FROM whispers_policyversion) <> 1
        """,
    ),
    Check(
        "one_screening",
        "whispers are screened again in one pass, by a policy that there has been",
        "whispers_screening",
        """
        SELECT id, policy, (SELECT number FROM whispers_policyversion) AS newest FROM whispers_screening
        WHERE id <> 1 OR policy NOT BETWEEN 1 AND (SELECT number FROM whispers_policyversion)
        """,
    ),
)
