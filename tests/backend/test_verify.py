"""`verify` holds on sound data, and sees each thing that it checks when that is broken below every guard."""

import re
from collections.abc import Iterator
from contextlib import nullcontext
from typing import NamedTuple

import pytest
from django.core.management import call_command
from django.db import transaction

from backend.engine.checks import MAX_ROWS
from backend.engine.removal import SETTING
from backend.monitoring import verify
from backend.monitoring.guards import MODELS
from tests.backend import jobs_ways, leaving_ways, moderation_ways
from tests.backend.verifying import execute, told_broken, verified
from tests.nouns import collect
from tests.races.rows import query
from tests.worlds import MadeOnce


class Broken(NamedTuple):
    """A way to break what a check holds. `{it}` in `how` and `shown` is what the query `pick` finds before."""

    check: str
    pick: str
    how: str
    shown: str
    also: frozenset[str] = frozenset()
    """Other checks that see it too."""


def unguarded(table: str, update: str) -> str:
    """An update that the table's own trigger would refuse."""
    return f"ALTER TABLE {table} DISABLE TRIGGER USER; {update}; ALTER TABLE {table} ENABLE TRIGGER USER"


def copied(table: str, where: str) -> str:
    """A second row like one that is there, with another id."""
    return (
        f"INSERT INTO {table} SELECT (jsonb_populate_record(row, jsonb_build_object('id', gen_random_uuid()))).* "
        f"FROM {table} AS row WHERE {where}"
    )


def warned(warnings: str) -> str:
    """A story that is written with these content warnings."""
    return (
        f"UPDATE stories_story SET warnings = {warnings}, version = version + 1, warnings_changed = version + 1 "
        "WHERE id = '{it}'"
    )


def revised(version: str, values: str, since: str) -> str:
    """A revision of a story, with braces that `format` leaves alone."""
    return (
        "INSERT INTO stories_revision (id, story_id, version, by_id, values, since, size) "
        f"SELECT gen_random_uuid(), id, {version}, author_id, '{{{{{values}}}}}', '{{{{{since}}}}}', 1 "
        "FROM stories_story WHERE id = '{it}'"
    )


PERSON = "SELECT id FROM people_person WHERE handle = 'bilal'"
BLOCK = "SELECT id FROM social_relationship WHERE low_blocks_at IS NOT NULL LIMIT 1"
FOLLOW = "SELECT id FROM social_relationship WHERE low_follows_at IS NOT NULL LIMIT 1"
PUBLISHED = "SELECT id FROM stories_story WHERE status = 'PUBLISHED' LIMIT 1"
READING = "SELECT id FROM reading_reading WHERE chapter_id IS NOT NULL LIMIT 1"
VIEW = "SELECT ctid FROM reading_view LIMIT 1"
NAMELESS = "SELECT 1"
CONSTRAINTS = frozenset({"constraints"})

WAYS = [
    Broken(
        "one_person_per_handle",
        NAMELESS,
        "DROP INDEX person_handle_unique; "
        + unguarded("people_person", "UPDATE people_person SET handle = 'Bilal' WHERE handle = 'chitra'"),
        "handle=bilal people=2",
        frozenset({"constraints", "words_of_people"}) | {"logins_are_handles"},
    ),
    Broken(
        "logins_are_handles",
        PERSON,
        "UPDATE people_account SET login = 'someone' WHERE person_id = '{it}'",
        "person_id={it} login=someone handle=bilal",
    ),
    Broken(
        "everybody_has_a_shelf", PERSON, "DELETE FROM stories_shelf WHERE author_id = '{it}'", "id={it} handle=bilal"
    ),
    Broken(
        "no_follow_across_a_block",
        FOLLOW,
        "ALTER TABLE social_relationship DROP CONSTRAINT relationship_no_follow_across_block; "
        "UPDATE social_relationship SET low_blocks_at = now(), low_version = low_version + 1, "
        "low_blocking_changed = low_version + 1 WHERE id = '{it}'",
        "id={it}",
        CONSTRAINTS,
    ),
    Broken(
        "one_row_per_pair",
        "SELECT low_id FROM social_relationship WHERE low_blocks_at IS NOT NULL LIMIT 1",
        "ALTER TABLE social_relationship DROP CONSTRAINT relationship_one_row_per_pair; "
        + copied("social_relationship", "low_id = '{it}' AND low_blocks_at IS NOT NULL"),
        "low_id={it}",
        CONSTRAINTS,
    ),
    Broken(
        "strangers_have_no_row",
        BLOCK,
        unguarded(
            "social_relationship", "UPDATE social_relationship SET low_version = 0, high_version = 0 WHERE id = '{it}'"
        ),
        "id={it}",
        frozenset({"versions_of_relationship"}),
    ),
    Broken(
        "low_before_high",
        BLOCK,
        "ALTER TABLE social_relationship DROP CONSTRAINT relationship_low_before_high; "
        + unguarded(
            "social_relationship", "UPDATE social_relationship SET low_id = high_id, high_id = low_id WHERE id = '{it}'"
        ),
        "id={it}",
        CONSTRAINTS,
    ),
    *(
        Broken(
            "ties_were_written",
            pick,
            unguarded("social_relationship", f"UPDATE social_relationship SET {stamp} = 0 WHERE id = '{{it}}'"),
            "id={it}",
        )
        for pick, stamp in (
            (FOLLOW, "low_following_changed"),
            (FOLLOW, "high_followed_changed"),
            (FOLLOW.replace("low_", "high_"), "high_following_changed"),
            (FOLLOW.replace("low_", "high_"), "low_followed_changed"),
            (BLOCK, "low_blocking_changed"),
            (BLOCK.replace("low_", "high_"), "high_blocking_changed"),
        )
    ),
    Broken(
        "followers",
        PERSON,
        "UPDATE people_persontally SET count = count + 1 WHERE subject_id = '{it}' AND kind = 'followers' AND slot = 0",
        "subject={it}",
    ),
    Broken(
        "following",
        "SELECT follower_id FROM follow LIMIT 1",
        "DELETE FROM people_persontally WHERE subject_id = '{it}' AND kind = 'following'",
        "subject={it}",
    ),
    Broken(
        "stories",
        "SELECT id FROM people_person WHERE id NOT IN (SELECT author_id FROM stories_story) LIMIT 1",
        "INSERT INTO people_persontally (subject_id, kind, slot, count) VALUES ('{it}', 'stories', 3, 2)",
        "subject={it} counted=0 tallied=2",
    ),
    Broken(
        "views",
        "SELECT story_id FROM reading_view LIMIT 1",
        "UPDATE stories_storytally SET count = 0 WHERE subject_id = '{it}'",
        "subject={it}",
        frozenset({"ranks_within_totals"}),
    ),
    *(
        Broken(
            "known_totals", pick, f"INSERT INTO {table} (subject_id, kind, slot, count) VALUES ('{{it}}', {row})", shown
        )
        for pick, table, row, shown in (
            (PERSON, "people_persontally", "'likes', 0, 1", "kind=likes"),
            (PERSON, "people_persontally", "'followers', 1024, 0", "slot=1024"),
            (PUBLISHED, "stories_storytally", "'likes', 0, 1", "kind=likes"),
            (PUBLISHED, "stories_storytally", "'views', -1, 0", "slot=-1"),
        )
    ),
    Broken(
        "shelf_counts",
        PERSON,
        "UPDATE stories_shelf SET story_count = story_count + 1, version = version + 1, stories_changed = version + 1 "
        "WHERE author_id = '{it}'",
        "author_id={it}",
    ),
    Broken(
        "shelf_counts",
        PERSON,
        unguarded(
            "stories_shelf", "UPDATE stories_shelf SET version = 0, stories_changed = 0 WHERE author_id = '{it}'"
        ),
        "author_id={it}",
    ),
    Broken(
        "chapters_without_gaps",
        "SELECT story_id FROM stories_chapter WHERE position = 2 LIMIT 1",
        "UPDATE stories_chapter SET position = 77, version = version + 1, position_changed = version + 1 "
        "WHERE story_id = '{it}' AND position = 2",
        "story_id={it}",
    ),
    Broken(
        "chapters_without_gaps",
        "SELECT story_id FROM stories_chapter WHERE position = 2 LIMIT 1",
        "ALTER TABLE stories_chapter DROP CONSTRAINT chapter_one_per_position; "
        "UPDATE stories_chapter SET position = 1, version = version + 1, position_changed = version + 1 "
        "WHERE story_id = '{it}' AND position = 2",
        "story_id={it}",
        CONSTRAINTS,
    ),
    Broken(
        "published_has_a_date",
        PUBLISHED,
        "ALTER TABLE stories_story DROP CONSTRAINT story_published_has_a_date; "
        "UPDATE stories_story SET status = 'DRAFT', version = version + 1, status_changed = version + 1 WHERE id = '{it}'",
        "id={it} status=DRAFT",
        CONSTRAINTS,
    ),
    Broken(
        "republished_after_it_was_published",
        PUBLISHED,
        unguarded(
            "stories_story",
            "UPDATE stories_story SET republished_at = published_at - interval '1 day' WHERE id = '{it}'",
        ),
        "id={it}",
    ),
    Broken(
        "publishing_was_written",
        PUBLISHED,
        unguarded("stories_story", "UPDATE stories_story SET status_changed = 1 WHERE id = '{it}'"),
        "id={it}",
    ),
    Broken(
        "warnings_in_order",
        PUBLISHED,
        "ALTER TABLE stories_story DROP CONSTRAINT story_warnings_are_known; " + warned("ARRAY['BOREDOM']"),
        "id={it} warnings=['BOREDOM']",
        CONSTRAINTS,
    ),
    *(
        Broken("warnings_in_order", PUBLISHED, warned(f"ARRAY[{wrong}]"), "id={it}")
        for wrong in ("'GORE', 'GORE'", "'GORE', 'ABUSE'", "'SEXUAL_CONTENT', 'SELF_HARM'")
    ),
    *(
        Broken("words_of_stories", PUBLISHED, how, "id={it}")
        for how in (
            "DELETE FROM stories_storywords WHERE story_id = '{it}'",
            "UPDATE stories_storywords SET words = katha_words('Other') WHERE story_id = '{it}'",
            "UPDATE stories_storywords SET published_at = NULL WHERE story_id = '{it}'",
            "ALTER TABLE stories_chapter DISABLE TRIGGER USER; UPDATE stories_chapter SET title = 'Unheard' "
            "WHERE story_id = '{it}'; ALTER TABLE stories_chapter ENABLE TRIGGER USER",
        )
    ),
    *(
        Broken("words_of_people", PERSON, how, "id={it}")
        for how in (
            "DELETE FROM people_personwords WHERE person_id = '{it}'",
            "UPDATE people_personwords SET words = katha_words('Other') WHERE person_id = '{it}'",
            "UPDATE people_personwords SET joined_at = now() WHERE person_id = '{it}'",
        )
    ),
    Broken(
        "published_has_a_rank",
        PUBLISHED,
        "DELETE FROM stories_storyrank WHERE story_id = '{it}'",
        "id={it} published_at=",
    ),
    Broken(
        "ranks_within_totals",
        PUBLISHED,
        "UPDATE stories_storyrank SET views = 1 + (SELECT sum(count) FROM stories_storytally) WHERE story_id = '{it}'",
        "story_id={it}",
    ),
    Broken(
        "ranks_within_totals",
        "SELECT id FROM stories_story WHERE status = 'DRAFT' LIMIT 1",
        "INSERT INTO stories_storyrank (story_id, views) VALUES ('{it}', 1)",
        "story_id={it} views=1 tallied=0",
    ),
    Broken(
        "ranks_within_totals",
        PUBLISHED,
        "UPDATE stories_storyrank SET views = -1 WHERE story_id = '{it}'",
        "story_id={it} views=-1",
    ),
    *(
        Broken("revisions_were_written", PUBLISHED, revised(version, values, since), "story_id={it}")
        for version, values, since in (
            ("version + 1", '"title": "x"', '"title": 1'),
            ("1", '"title": "x"', '"title": 0'),
            ("version", '"title": "x"', '"title": 2'),
            ("version", '"title": "x"', '"summary": 1'),
            ("version", '"title": "x"', '"title": 1, "summary": 1'),
        )
    ),
    *(
        Broken(
            "the_buried_are_gone",
            pick,
            "INSERT INTO stories_tombstone (id, author_id) SELECT '{it}', id FROM people_person LIMIT 1",
            "id={it}",
        )
        for pick in (PUBLISHED, "SELECT id FROM stories_chapter LIMIT 1")
    ),
    Broken(
        "one_view_a_day",
        "SELECT story_id FROM reading_view LIMIT 1",
        "ALTER TABLE reading_view DROP CONSTRAINT reading_view_pkey; "
        "INSERT INTO reading_view SELECT * FROM reading_view WHERE story_id = '{it}' LIMIT 1",
        "story_id={it}",
        CONSTRAINTS | {"views"},
    ),
    Broken(
        "no_view_by_the_author",
        VIEW,
        unguarded(
            "reading_view",
            "UPDATE reading_view SET reader_id = (SELECT author_id FROM stories_story WHERE id = story_id) "
            "WHERE ctid = '{it}'",
        ),
        "reader_id=",
        frozenset({"views_with_a_place"}),
    ),
    Broken(
        "no_view_of_a_draft",
        "SELECT id FROM stories_story WHERE status = 'DRAFT' LIMIT 1",
        unguarded(
            "reading_view",
            "UPDATE reading_view SET story_id = '{it}' WHERE ctid = (SELECT ctid FROM reading_view WHERE reader_id <> "
            "(SELECT author_id FROM stories_story WHERE id = '{it}') LIMIT 1)",
        ),
        "story_id={it}",
        frozenset({"views", "views_with_a_place"}),
    ),
    Broken(
        "views_with_a_place",
        "SELECT story_id FROM reading_view LIMIT 1",
        "DELETE FROM reading_reading WHERE story_id = '{it}'",
        "story_id={it}",
    ),
    Broken(
        "one_place_per_reader",
        "SELECT story_id FROM reading_reading LIMIT 1",
        "ALTER TABLE reading_reading DROP CONSTRAINT reading_one_per_reader; "
        + copied("reading_reading", "story_id = '{it}'"),
        "story_id={it}",
        CONSTRAINTS,
    ),
    Broken(
        "places_in_their_story",
        READING,
        "UPDATE reading_reading AS place SET version = version + 1, place_changed = version + 1, chapter_id = "
        "(SELECT id FROM stories_chapter WHERE story_id <> place.story_id LIMIT 1) WHERE id = '{it}'",
        "id={it}",
    ),
    *(
        Broken(
            "seen_versions_were_there",
            READING,
            "UPDATE reading_reading SET version = version + 1, place_changed = version + 1, "
            f"story_version = {version} WHERE id = '{{it}}'",
            f"story_version={version} newest=2",
        )
        for version in (0, 3)
    ),
    *(
        Broken(
            "chapters_of_a_version",
            "SELECT chapter.id FROM stories_chapter AS chapter JOIN stories_story AS story ON story.id = story_id "
            "WHERE story.version = 2 LIMIT 1",
            unguarded("stories_chapter", f"UPDATE stories_chapter SET story_version = {version} WHERE id = '{{it}}'"),
            f"story_version={version} newest=2",
        )
        for version in (0, 3)
    ),
    *(
        Broken(
            "keys_have_a_reply",
            PERSON,
            "INSERT INTO engine_idempotencykey (person_id, key, fingerprint, reply, created_at) "
            f"VALUES ('{{it}}', gen_random_uuid(), {fingerprint}, {reply}, now())",
            "person_id={it}",
        )
        for fingerprint, reply in (
            ("sha256('x')", "NULL"),
            ("sha256('x')", "'null'"),
            ("'x'", "'{{}}'"),
        )
    ),
    *(
        Broken(
            f"versions_of_{table.split('_')[1]}",
            f"SELECT {key} FROM {table} WHERE {where} LIMIT 1",
            unguarded(table, f"UPDATE {table} SET {wrong} WHERE {key} = '{{it}}'"),
            f"{key}={{it}}",
        )
        for table, key, where, wrong in (
            ("people_person", "id", "true", "name_changed = version + 1"),
            ("people_person", "id", "true", "bio_changed = 0"),
            ("people_person", "id", "true", "version = 0"),
            ("social_relationship", "id", "true", "low_followed_changed = low_version + 1"),
            ("social_relationship", "id", "true", "high_blocking_changed = -1"),
            ("social_relationship", "id", "true", "high_version = -1"),
            ("stories_shelf", "author_id", "true", "stories_changed = version + 1"),
            ("stories_shelf", "author_id", "story_count = 0", "stories_changed = -1"),
            ("stories_story", "id", "true", "chapters_changed = version + 1"),
            ("stories_story", "id", "true", "mature_changed = 0"),
            ("stories_chapter", "id", "true", "body_changed = version + 1"),
            ("stories_chapter", "id", "true", "version = 0"),
            ("reading_reading", "id", "true", "place_changed = version + 1"),
        )
    ),
    Broken(
        "references",
        "SELECT conname FROM pg_constraint WHERE conrelid = 'people_accesstoken'::regclass AND contype = 'f'",
        "ALTER TABLE people_accesstoken DROP CONSTRAINT {it}; "
        "UPDATE people_accesstoken SET account_id = '00000000-0000-0000-0000-000000000001'",
        "reference=account_id value=00000000-0000-0000-0000-000000000001",
        CONSTRAINTS,
    ),
    Broken(
        "version_guards",
        NAMELESS,
        "ALTER TABLE stories_story DISABLE TRIGGER story_version_guard",
        "table=stories_story trigger=story_version_guard state=D",
        frozenset({"triggers"}),
    ),
    Broken(
        "version_guards",
        NAMELESS,
        "DROP TRIGGER reading_version_guard ON reading_reading",
        "trigger=reading_version_guard state=missing",
    ),
    *(
        Broken(
            "removal_guards",
            NAMELESS,
            f"DROP TRIGGER {trigger} ON market_orderline",
            f"trigger={trigger} state=missing",
        )
        for trigger in (
            "orderline_removal_guard",
            "orderline_removal_guard_truncate",
            "orderline_removal_guard_update",
        )
    ),
    *(
        Broken(
            "change_logs",
            NAMELESS,
            f"DROP TRIGGER {trigger} ON {table}",
            f"table={table} trigger={trigger} state=missing",
        )
        for table, trigger in (
            ("stories_chapter", "chapter_change_log"),
            ("stories_chapter", "chapter_change_log_added"),
            ("stories_story", "story_handed_log"),
            ("people_accesstoken", "accesstoken_access_log"),
            ("social_relationship", "relationship_sight_log"),
            ("coauthors_coauthor", "coauthor_removal_log"),
        )
    ),
    Broken(
        "change_logs",
        NAMELESS,
        "DROP TRIGGER relationship_change_log ON social_relationship; "
        "CREATE TRIGGER relationship_change_log AFTER UPDATE ON social_relationship FOR EACH ROW "
        "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "table=social_relationship trigger=relationship_change_log state=missing",
    ),
    Broken(
        "triggers",
        NAMELESS,
        "CREATE TRIGGER of_no_use BEFORE UPDATE ON people_account FOR EACH ROW "
        "EXECUTE FUNCTION suppress_redundant_updates_trigger(); ALTER TABLE people_account DISABLE TRIGGER of_no_use",
        "table=people_account trigger=of_no_use state=D",
    ),
    Broken(
        "constraints",
        NAMELESS,
        "ALTER TABLE stories_chapter DROP CONSTRAINT chapter_position_from_one",
        "table=stories_chapter constraint=chapter_position_from_one",
    ),
    Broken(
        "constraints",
        "SELECT conname FROM pg_constraint WHERE conrelid = 'people_account'::regclass AND contype = 'u'",
        "ALTER TABLE people_account DROP CONSTRAINT {it}",
        "table=people_account constraint=u login",
    ),
    Broken(
        "validity",
        NAMELESS,
        "ALTER TABLE stories_chapter DROP CONSTRAINT chapter_position_from_one; "
        "ALTER TABLE stories_chapter ADD CONSTRAINT chapter_position_from_one CHECK (position >= 1) NOT VALID",
        "table=stories_chapter name=chapter_position_from_one",
    ),
    Broken(
        "followers", NAMELESS, "DROP VIEW follow", 'error=relation "follow" does not exist', frozenset({"following"})
    ),
    *(Broken(*way) for way in moderation_ways.WAYS),
    *(Broken(*way) for way in jobs_ways.WAYS),
    *(Broken(*way) for way in leaving_ways.WAYS),
]

EDITION = "SELECT edition_id FROM market_orderline JOIN market_order ON id = order_id WHERE status = 'PLACED' LIMIT 1"
ORDER = "SELECT id FROM market_order WHERE status = '{}' LIMIT 1"

WAYS += [
    Broken(
        "stock_adds_up",
        EDITION,
        "UPDATE market_edition SET stock = stock + 1, version = version + 1, stock_changed = version + 1 WHERE id = '{it}'",
        "id={it}",
    ),
    Broken(
        "stock_adds_up",
        EDITION,
        "UPDATE market_edition SET adjusted = adjusted + 1, version = version + 1, stock_changed = version + 1 "
        "WHERE id = '{it}'",
        "id={it}",
    ),
    Broken(
        "stock_adds_up",
        ORDER.format("PLACED"),
        "UPDATE market_order SET status = 'CANCELLED', version = 2, status_changed = 2 WHERE id = '{it}'",
        "sold=",
    ),
    Broken(
        "stock_not_negative",
        EDITION,
        "ALTER TABLE market_edition DROP CONSTRAINT edition_stock_not_negative; "
        "UPDATE market_edition SET adjusted = adjusted - stock - 1, stock = -1, version = version + 1, "
        "stock_changed = version + 1 WHERE id = '{it}'",
        "id={it} stock=-1",
        CONSTRAINTS,
    ),
    Broken(
        "editions_of_authors",
        EDITION,
        unguarded(
            "market_edition",
            "UPDATE market_edition SET author_id = (SELECT id FROM people_person WHERE id <> author_id LIMIT 1) "
            "WHERE id = '{it}'",
        ),
        "id={it}",
        frozenset({"lines_in_their_order"}),
    ),
    Broken(
        "orders_cost_their_lines",
        ORDER.format("SHIPPED"),
        unguarded("market_order", "UPDATE market_order SET total_cents = total_cents + 1 WHERE id = '{it}'"),
        "id={it}",
    ),
    Broken(
        "orders_cost_their_lines",
        ORDER.format("CANCELLED"),
        "DELETE FROM market_orderline WHERE order_id = '{it}'",
        "id={it}",
    ),
    Broken(
        "lines_in_their_order",
        EDITION,
        unguarded(
            "market_orderline",
            "UPDATE market_orderline SET author_id = (SELECT id FROM people_person WHERE id <> author_id LIMIT 1) "
            "WHERE edition_id = '{it}'",
        ),
        "edition_id={it}",
    ),
    Broken(
        "lines_in_their_order",
        "SELECT order_id FROM market_orderline WHERE number = 2 LIMIT 1",
        unguarded("market_orderline", "UPDATE market_orderline SET number = 1 WHERE order_id = '{it}'"),
        "order_id={it}",
    ),
    Broken(
        "lines_in_their_order",
        "SELECT conname FROM pg_constraint WHERE conrelid = 'market_orderline'::regclass AND contype = 'f' "
        "AND confrelid = 'market_order'::regclass",
        "ALTER TABLE market_orderline DROP CONSTRAINT {it}; DELETE FROM market_order WHERE status = 'CANCELLED'",
        "order_id=",
        CONSTRAINTS | {"references"},
    ),
    Broken(
        "orders_came_where_they_may",
        ORDER.format("SHIPPED"),
        "ALTER TABLE market_order DROP CONSTRAINT order_status_is_known; "
        "UPDATE market_order SET status = 'LOST', version = version + 1, status_changed = version + 1 WHERE id = '{it}'",
        "id={it} status=LOST",
        CONSTRAINTS,
    ),
    Broken(
        "orders_came_where_they_may",
        ORDER.format("PLACED"),
        "UPDATE market_order SET status = 'SHIPPED', version = version + 1, status_changed = version + 1 WHERE id = '{it}'",
        "id={it} status=SHIPPED version=2",
    ),
    *(
        Broken(
            f"versions_of_{table.split('_')[1]}",
            f"SELECT id FROM {table} WHERE {where} LIMIT 1",
            unguarded(table, f"UPDATE {table} SET {wrong} WHERE id = '{{it}}'"),
            "id={it}",
            frozenset(also),
        )
        for table, where, wrong, also in (
            ("market_edition", "true", "stock_changed = version + 1", ()),
            ("market_edition", "true", "price_changed = 0", ()),
            ("market_order", "status = 'PLACED'", "status_changed = 2", ()),
            ("market_order", "status = 'PLACED'", "version = 0", {"orders_came_where_they_may"}),
        )
    ),
]


WAYS += [Broken(*way) for ways in collect("WAYS") for way in ways]


@pytest.fixture(scope="module")
def demo(made_once: MadeOnce) -> None:
    """Demo data; the same for all."""
    made_once(lambda: call_command("demo", people=30, stories=30, blocks=20, editions=40, orders=90, verbosity=0))


@pytest.fixture
def breakable(demo: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Demo data that can be broken, guards and all, in a transaction that is rolled back.

    Constraints are looked at with each statement, as they are where each is a transaction. `verify` looks on from within,
    without a snapshot of its own; that it takes one is another test.
    """
    monkeypatch.setattr(verify, "snapshot", nullcontext)
    with transaction.atomic():
        execute("SET CONSTRAINTS ALL IMMEDIATE")
        execute(f"SET LOCAL {SETTING} = '{' '.join(model._meta.db_table for model in MODELS)}'")
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("way", WAYS, ids=[f"{way.check}-{number}" for number, way in enumerate(WAYS)])
def test_a_check_names_the_row_that_breaks_it(way: Broken, breakable: None) -> None:
    ((it, *_),) = query(way.pick)
    execute(way.how.format(it=it))
    said, error = verified()
    assert told_broken(said) == {way.check, *way.also}
    assert error is not None
    assert error.returncode == 1
    assert way.check in str(error)
    shown = re.search(rf"^{way.check} +BROKEN.*\n((?: .*\n)+)", said, re.MULTILINE)
    assert shown is not None
    assert way.shown.format(it=it) in shown[1]


def test_every_check_is_seen_to_fail() -> None:
    assert {check.name for check in verify.every_check()} == {way.check for way in WAYS}


def test_it_shows_some_of_many_rows_and_counts_the_others(breakable: None) -> None:
    execute("DELETE FROM stories_shelf")
    said, _error = verified()
    assert re.search(r"^everybody_has_a_shelf +BROKEN in 30 +of 30 ", said, re.MULTILINE)
    assert said.count("handle=") == MAX_ROWS
    assert f"    and {30 - MAX_ROWS} more" in said
