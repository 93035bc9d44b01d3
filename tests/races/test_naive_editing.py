"""The races of editing against naive implementations, which lose them: so these races can be lost, and are noticed."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from tests.races.rivals import PATIENCE_SECONDS, Rival, elsewhere, race
from tests.races.rows import query, scalar

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = """
CREATE TABLE naive_story (id int PRIMARY KEY, title text, summary text, version int, published bool);
INSERT INTO naive_story VALUES (1, 'A story', '', 1, false);
CREATE TABLE naive_chapter (id int PRIMARY KEY, story int, position int, body text, version int);
INSERT INTO naive_chapter VALUES (1, 1, 1, E'One.\n\nTwo.', 1);
CREATE TABLE naive_revision (version int, title text);
"""
DROP = "DROP TABLE naive_story, naive_chapter, naive_revision"


@pytest.fixture(autouse=True)
def naive_tables(transactional_db: None) -> Iterator[None]:
    """Tables without any guard."""
    run(TABLES)
    yield
    run(DROP)


def run(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)


def meeting(size: int) -> Callable[[], Any]:
    """All have read before anybody writes."""
    barrier = threading.Barrier(size)
    return lambda: barrier.wait(PATIENCE_SECONDS)


def test_saving_what_was_read_and_compared_loses_the_other_field() -> None:
    """Both are told that they have written; the second one has put back the title that it had read."""
    everybody_has_read = meeting(2)

    def edit(**patch: str) -> str:
        with transaction.atomic():
            ((title, summary, version),) = query("SELECT title, summary, version FROM naive_story")
            everybody_has_read()
            if version != 1:
                return "CONFLICT"
            row = {"title": title, "summary": summary} | patch
            run("UPDATE naive_story SET title = %s, summary = %s, version = 2", row["title"], row["summary"])
            return "WRITTEN"

    assert race([partial(edit, title="Mine"), partial(edit, summary="Theirs")]) == ["WRITTEN"] * 2
    assert query("SELECT title, summary, version FROM naive_story") in (
        [("Mine", "", 2)],
        [("A story", "Theirs", 2)],
    )


def test_merging_by_a_version_of_the_whole_row_refuses_disjoint_edits() -> None:
    """One integer without groups of fields is safe, and refuses seven of eight who do not touch each other."""

    def edit(column: str) -> str:
        sql = f"UPDATE naive_story SET {column} = {column}, version = version + 1 WHERE version = 1 RETURNING 1"
        return "WRITTEN" if query(sql) else "CONFLICT"

    assert sorted(race([partial(edit, column) for column in ("title", "summary") * 4])) == ["CONFLICT"] * 7 + [
        "WRITTEN"
    ]


def test_merging_paragraphs_in_memory_loses_one() -> None:
    """Both merge with the text that was there when they looked."""
    everybody_has_read = meeting(2)

    def edit(old: str, new: str) -> None:
        body = scalar("SELECT body FROM naive_chapter")
        everybody_has_read()
        run("UPDATE naive_chapter SET body = %s, version = version + 1", body.replace(old, new))

    race([partial(edit, "One.", "One!"), partial(edit, "Two.", "Two!")])
    assert scalar("SELECT body FROM naive_chapter") in ("One!\n\nTwo.", "One.\n\nTwo!")


def test_looking_up_what_a_write_replaces_keeps_something_else() -> None:
    """The look and the write are two statements: what the write really replaced is in no revision."""
    looked = threading.Event()

    def edit() -> None:
        with transaction.atomic():
            before = scalar("SELECT title FROM naive_story")
            looked.set()
            ((version,),) = query("UPDATE naive_story SET title = 'Mine', version = version + 1 RETURNING version")
            run("INSERT INTO naive_revision VALUES (%s, %s)", version, before)

    with transaction.atomic():
        run("UPDATE naive_story SET title = 'Theirs', version = version + 1")
        rival = Rival(edit)
        assert looked.wait(PATIENCE_SECONDS)
        rival.until_it_waits()
    rival.result()
    assert query("SELECT version, title FROM naive_revision") == [(3, "A story")]


def test_appending_after_the_greatest_position_gives_eight_chapters_one_place() -> None:
    """Nobody holds the story, so everybody finds the same last chapter."""
    everybody_has_looked = meeting(8)

    def append(number: int) -> None:
        with transaction.atomic():
            last = scalar("SELECT max(position) FROM naive_chapter WHERE story = 1")
            everybody_has_looked()
            run("INSERT INTO naive_chapter VALUES (%s, 1, %s, 'More.', 1)", number, last + 1)

    race([partial(append, number) for number in range(2, 10)])
    assert query("SELECT position, count(*) FROM naive_chapter GROUP BY position ORDER BY position") == [(1, 1), (2, 8)]


def test_moving_up_those_behind_a_position_that_was_looked_up_leaves_a_gap() -> None:
    """The chapter is at another position by the time that it is deleted."""
    run("INSERT INTO naive_chapter SELECT n, 1, n, 'More.', 1 FROM generate_series(2, 5) AS n")

    def delete(id_: int, meanwhile: Callable[[], Any]) -> None:
        with transaction.atomic():
            position = scalar("SELECT position FROM naive_chapter WHERE id = %s", id_)
            meanwhile()
            run("DELETE FROM naive_chapter WHERE id = %s", id_)
            run("UPDATE naive_chapter SET position = position - 1 WHERE story = 1 AND position > %s", position)

    delete(3, lambda: elsewhere(lambda: delete(1, lambda: None)))
    assert query("SELECT position FROM naive_chapter ORDER BY position") == [(1,), (3,), (3,)]


def test_publishing_by_the_version_of_the_story_alone_publishes_what_nobody_saw() -> None:
    """A chapter has a version of its own, so the story's says nothing of what stands in it."""
    run("UPDATE naive_chapter SET body = 'Not ready.', version = version + 1")
    assert query("UPDATE naive_story SET published = true WHERE version = 1 AND title = 'A story' RETURNING 1") == [
        (1,)
    ]
    assert scalar("SELECT body FROM naive_chapter") == "Not ready."


def test_publishing_after_a_look_at_the_chapters_publishes_what_nobody_saw() -> None:
    """The look at their versions is stale when the write comes."""
    with transaction.atomic():
        seen = scalar("SELECT sum(version) FROM naive_chapter WHERE story = 1")
        elsewhere(lambda: run("UPDATE naive_chapter SET body = 'Not ready.', version = version + 1"))
        published = query("UPDATE naive_story SET published = true WHERE version = 1 AND %s = 1 RETURNING 1", seen)
    assert published == [(1,)]
    assert scalar("SELECT body FROM naive_chapter") == "Not ready."


def test_deleting_the_children_first_leaves_one_behind() -> None:
    """A chapter that was appended in between belongs to no story."""
    with transaction.atomic():
        run("DELETE FROM naive_chapter WHERE story = 1")
        elsewhere(lambda: run("INSERT INTO naive_chapter VALUES (2, 1, 2, 'More.', 1)"))
        run("DELETE FROM naive_story WHERE id = 1")
    assert query(
        "SELECT chapter.id FROM naive_chapter AS chapter LEFT JOIN naive_story AS story ON story.id = story "
        "WHERE story.id IS NULL"
    ) == [(2,)]


def test_deleting_without_a_tombstone_looks_like_a_wrong_id() -> None:
    """Who edits late cannot be told apart from who has mistyped."""
    run("DELETE FROM naive_story WHERE id = 1")
    edit = "UPDATE naive_story SET title = 'Late' WHERE id = %s RETURNING 1"
    assert query(edit, 1) == query(edit, 7) == []


def test_autosaves_that_do_not_say_what_they_follow_end_in_the_order_of_arrival() -> None:
    """The last one arrives first: the one before it stands."""
    save = "UPDATE naive_story SET title = %s, version = version + 1"
    for number in (2, 1):
        elsewhere(partial(run, save, f"Save {number}"))
    assert query("SELECT title, version FROM naive_story") == [("Save 1", 3)]
