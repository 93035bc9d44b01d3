"""What the tests that walk everything know of the change log."""

STORY = "SELECT id FROM stories_story WHERE published_at IS NULL LIMIT 1"
WRITTEN = "UPDATE stories_story SET version = version + 1, title = 'x', title_changed = version + 1 WHERE id = '{it}'"
OWNED = "INSERT INTO changes_change (kind, id, aggregate, owner, version, gone) "

WAYS = (
    *(
        ("changes_agree", STORY, f"{WRITTEN}; {how}", "kind=s id={it}")
        for how in (
            "UPDATE changes_change SET version = version + 1 WHERE id = '{it}'",
            "UPDATE changes_change SET gone = TRUE WHERE id = '{it}'",
            "ALTER TABLE stories_story DISABLE TRIGGER story_change_log; "
            f"{WRITTEN}; ALTER TABLE stories_story ENABLE TRIGGER story_change_log",
        )
    ),
    (
        "changes_agree",
        "SELECT low_id FROM social_relationship WHERE low_version > 0 LIMIT 1",
        f"{OWNED} SELECT 'l', high_id, id, low_id, low_version + 1, FALSE FROM social_relationship WHERE low_id = '{{it}}'",
        "kind=l",
    ),
    (
        "changes_agree",
        STORY,
        f"{OWNED} SELECT 's', gen_random_uuid(), id, author_id, 1, FALSE FROM stories_story WHERE id = '{{it}}'",
        "kind=s",
    ),
    (
        "changes_are_of_this_cluster",
        STORY,
        "INSERT INTO changes_mark (xid) SELECT '9000000000000'::xid8 WHERE '{it}' <> ''",
        "xid=9000000000000",
    ),
    (
        "changes_are_somebodys",
        STORY,
        f"{WRITTEN}; UPDATE changes_change SET owner = NULL WHERE id = '{{it}}'",
        "kind=s id={it}",
    ),
    (
        "changes_are_somebodys",
        STORY,
        f"{WRITTEN}; UPDATE changes_change SET owner = gen_random_uuid() WHERE id = '{{it}}'",
        "kind=s id={it}",
    ),
)
