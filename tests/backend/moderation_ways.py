"""Ways to break what `verify` checks of whispers and reports: check, pick, how, what is shown, and which checks see it too."""

CONSTRAINTS = frozenset({"constraints"})
COUNTED = frozenset({"reports_are_counted"})
FLAG = "SELECT whisper_id FROM whispers_flag WHERE effect = 'REPORT' LIMIT 1"
WHISPER = "SELECT id FROM whispers_whisper LIMIT 1"
OPEN = (
    "SELECT id FROM moderation_report "
    "WHERE status = 'OPEN' AND reporter_id IS NOT NULL AND whisper_id IS NOT NULL LIMIT 1"
)
TOMBSTONE = "INSERT INTO stories_tombstone (id, author_id) SELECT id, author_id FROM whispers_whisper WHERE id = '{it}'"


def changed(report: str) -> str:
    """A write to a report that raises its version."""
    return (
        f"UPDATE moderation_report SET {report}, version = version + 1, state_changed = version + 1 WHERE id = '{{it}}'"
    )


def unruled(constraint: str, report: str) -> str:
    """A write to a report that this constraint would refuse."""
    return f"ALTER TABLE moderation_report DROP CONSTRAINT {constraint}; {changed(report)}"


def unguarded(table: str, change: str, key: str = "id") -> str:
    """A write that the table's guard would refuse."""
    return (
        f"ALTER TABLE {table} DISABLE TRIGGER USER; UPDATE {table} SET {change} WHERE {key} = '{{it}}'; "
        f"ALTER TABLE {table} ENABLE TRIGGER USER"
    )


COPIED = (
    "INSERT INTO moderation_report SELECT (jsonb_populate_record(row, jsonb_build_object('id', gen_random_uuid()))).* "
    "FROM moderation_report AS row WHERE id = '{it}'"
)

WAYS = [
    (
        "flagged_is_nsfw",
        FLAG,
        "UPDATE whispers_whisper SET nsfw = false, version = version + 1, nsfw_changed = version + 1 WHERE id = '{it}'",
        "whisper_id={it}",
    ),
    (
        "flagged_is_nsfw",
        FLAG,
        unguarded(
            "whispers_flag",
            "author_id = (SELECT id FROM people_person WHERE id <> author_id LIMIT 1)",
            key="whisper_id",
        ),
        "whisper_id={it}",
    ),
    (
        "flags_by_known_rules",
        FLAG,
        "ALTER TABLE whispers_flag DROP CONSTRAINT flag_by_a_rule; "
        "UPDATE whispers_flag SET rules = ARRAY[]::varchar[] WHERE whisper_id = '{it}'",
        "whisper_id={it} effect=REPORT rules=[]",
        CONSTRAINTS,
    ),
    ("flags_by_known_rules", FLAG, "UPDATE whispers_flag SET policy = 0 WHERE whisper_id = '{it}'", "whisper_id={it}"),
    (
        "flagged_to_be_reported",
        FLAG,
        "DELETE FROM moderation_report WHERE whisper_id = '{it}'",
        "id={it} effect=REPORT",
    ),
    ("flagged_to_be_reported", FLAG, "DELETE FROM whispers_flag WHERE whisper_id = '{it}'", "id={it} effect=None"),
    ("removed_whispers_are_gone", WHISPER, TOMBSTONE, "id={it}"),
    (
        "policy_is_watched",
        "SELECT 1",
        "DROP TRIGGER policy_version ON whispers_policyword",
        "policy_table=whispers_policyword triggers=0",
    ),
    (
        "reports_have_a_subject",
        OPEN,
        unruled("report_has_one_subject", "whisper_id = NULL"),
        "id={it} status=OPEN",
        CONSTRAINTS,
    ),
    (
        "claimed_reports_have_a_claimer",
        OPEN,
        unruled("report_status_fits", "status = 'CLAIMED'"),
        "id={it} status=CLAIMED claimed_by_id=None",
        CONSTRAINTS,
    ),
    (
        "claimed_reports_have_a_claimer",
        OPEN,
        unruled("report_status_fits", "claimed_by_id = about_id"),
        "id={it} status=OPEN",
        CONSTRAINTS,
    ),
    (
        "resolved_reports_have_an_outcome",
        OPEN,
        unruled("report_status_fits", "status = 'RESOLVED'"),
        "id={it} status=RESOLVED outcome=None",
        CONSTRAINTS,
    ),
    (
        "resolved_reports_have_an_outcome",
        OPEN,
        unruled("report_status_fits", "outcome = 'REMOVED'"),
        "id={it} status=OPEN outcome=REMOVED",
        CONSTRAINTS,
    ),
    ("one_open_report", OPEN, f"DROP INDEX report_one_open_of_a_whisper; {COPIED}", "reports=2", CONSTRAINTS | COUNTED),
    (
        "reports_about_the_author",
        OPEN,
        unguarded(
            "moderation_report",
            "about_id = (SELECT id FROM people_person WHERE id NOT IN (about_id, reporter_id) LIMIT 1)",
        ),
        "id={it}",
    ),
    (
        "what_is_reported_is_kept",
        OPEN,
        "INSERT INTO moderation_evidence (id, subject, version, about_id, texts) "
        "SELECT id, id, 1, about_id, '{{}}' FROM moderation_report WHERE id = '{it}'; "
        + unguarded("moderation_report", "evidence_id = id"),
        "id={it} kept={it}",
    ),
    ("nobody_reports_themselves", OPEN, unguarded("moderation_report", "reporter_id = about_id"), "id={it}", COUNTED),
    (
        "reports_are_counted",
        "SELECT reporter_id FROM moderation_dailyreports LIMIT 1",
        "UPDATE moderation_dailyreports SET count = count - 1 WHERE reporter_id = '{it}'",
        "reporter_id={it}",
    ),
    *(
        (f"versions_of_{table.split('_')[1]}", pick, unguarded(table, wrong), "id={it}")
        for table, pick, wrong in (
            ("whispers_whisper", WHISPER, "nsfw_changed = version + 1"),
            ("whispers_whisper", WHISPER, "version = 0"),
            ("moderation_report", OPEN, "state_changed = 0"),
            ("moderation_report", OPEN, "state_changed = version + 1"),
        )
    ),
]
