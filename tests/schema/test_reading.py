"""Readers: a place on two devices, and one view for each reader, story and day."""

import uuid
from typing import Any

import pytest

from backend.reading.models import View
from tests.api import Caller
from tests.schema.footprint import nothing_written

READING = "query ($id: ID!) { story(id: $id) { viewCount reading { id version updatedAt offset chapter { id } story { id } } } }"


@pytest.fixture
def story(asha: Caller) -> Any:
    """A published story of asha's with three chapters."""
    return asha.published_story(chapters=3)


def place(viewer: Caller, story: Any) -> Any:
    """The viewer's place."""
    return viewer.ask(READING, id=story["id"])["story"]["reading"]


def views(story: Any) -> int:
    """The story's total."""
    return int(Caller().ask(READING, id=story["id"])["story"]["viewCount"])


def test_who_never_opened_a_story_is_before_its_beginning(bilal: Caller, story: Any) -> None:
    """Version 0, with the id that the place keeps, and a date; nothing is stored for looking."""
    with nothing_written():
        found = place(bilal, story)
    assert (found["version"], found["offset"], found["chapter"]) == ("0", 0, None)
    assert found["story"] == {"id": story["id"]}
    assert found["updatedAt"]
    first = bilal.record_view(story["id"])
    assert (first["reading"]["id"], first["reading"]["version"]) == (found["id"], "1")
    assert place(Caller(), story) is None


def test_a_view_is_counted_once_a_day(bilal: Caller, chitra: Caller, story: Any) -> None:
    """For each reader; the place moves as often as it likes."""
    chapters = story["chapters"]
    first = bilal.record_view(story["id"], "0", chapters[0]["id"], 5)
    assert (first["applied"], first["counted"], first["reading"]["version"]) == ("WRITTEN", True, "1")
    second = bilal.record_view(story["id"], "1", chapters[1]["id"])
    assert (second["applied"], second["counted"], second["reading"]["version"]) == ("WRITTEN", False, "2")
    assert second["reading"]["chapter"] == {"id": chapters[1]["id"]}
    assert views(story) == 1
    assert chitra.record_view(story["id"])["counted"] is True
    assert views(story) == 2


def test_the_next_day_counts_again(bilal: Caller, story: Any) -> None:
    """Even where the place stays: the view is what is written."""
    bilal.record_view(story["id"])
    View.objects.update(day="2020-01-01")
    again = bilal.record_view(story["id"], "1")
    assert (again["applied"], again["counted"], again["reading"]["version"]) == ("WRITTEN", True, "1")
    assert views(story) == 2


def test_where_the_reader_is_already_nothing_is_written(bilal: Caller, story: Any) -> None:
    """NOOP, with or without a place."""
    chapter = story["chapters"][0]["id"]
    bilal.record_view(story["id"], "0", chapter, 5)
    with nothing_written():
        for answer in (bilal.record_view(story["id"], "1", chapter, 5), bilal.record_view(story["id"], "1")):
            assert (answer["applied"], answer["counted"], answer["reading"]["version"]) == ("NOOP", False, "1")
            assert answer["reading"]["offset"] == 5


def test_authors_do_not_count(asha: Caller, story: Any) -> None:
    """Their place is kept all the same."""
    answer = asha.record_view(story["id"], "0", story["chapters"][0]["id"])
    assert (answer["applied"], answer["counted"], answer["reading"]["version"]) == ("WRITTEN", False, "1")
    assert views(story) == 0


def test_drafts_do_not_count(asha: Caller, bilal: Caller) -> None:
    """Nor are they found by anybody else."""
    draft = asha.create_story("0")["story"]
    assert asha.record_view(draft["id"])["counted"] is False
    with nothing_written():
        assert bilal.record_view(draft["id"])["code"] == "NOT_FOUND"
    asha.publish(draft["id"])
    assert views(draft) == 0


def test_a_device_that_is_behind_meets_a_conflict(bilal: Caller, story: Any) -> None:
    """With the place that the other device recorded, and no second view."""
    one, two, three = (chapter["id"] for chapter in story["chapters"])
    bilal.record_view(story["id"], "0", one, 5)
    bilal.record_view(story["id"], "1", two, 7)
    with nothing_written():
        answer = bilal.record_view(story["id"], "1", three, 7)
    assert (answer["__typename"], answer["expected"]) == ("ConflictError", "1")
    assert (answer["current"]["version"], answer["current"]["chapter"], answer["current"]["offset"]) == (
        "2",
        {"id": two},
        7,
    )
    assert [overlap["path"] for overlap in answer["overlaps"]] == ["chapter", "offset"]
    assert answer["retry"]["kind"] == "REBASE"
    assert bilal.record_view(story["id"], "2", three, 7)["applied"] == "WRITTEN"


def test_a_conflict_names_chapters_by_their_ids(bilal: Caller, story: Any) -> None:
    """What a client can send back, not a key of the database."""
    one, two, _ = (chapter["id"] for chapter in story["chapters"])
    bilal.record_view(story["id"], "0", one, 5)
    (chapter, offset) = bilal.record_view(story["id"], "0", two, 7)["overlaps"]
    assert chapter == {"path": "chapter", "base": None, "mine": two, "theirs": one}
    assert offset == {"path": "offset", "base": 0, "mine": 7, "theirs": 5}


def test_a_first_view_on_a_version_that_never_was_is_a_conflict(bilal: Caller, story: Any) -> None:
    """There is nothing yet that could have been seen; nothing is counted."""
    with nothing_written():
        answer = bilal.record_view(story["id"], "3")
    assert (answer["__typename"], answer["current"]["version"]) == ("ConflictError", "0")


def test_a_key_counts_once_and_replays(bilal: Caller, story: Any) -> None:
    """The first reply says that it was counted, and so does the second."""
    key = str(uuid.uuid4())
    first = bilal.record_view(story["id"], "0", story["chapters"][0]["id"], key=key)
    bilal.record_view(story["id"], "1", story["chapters"][1]["id"])
    with nothing_written():
        again = bilal.record_view(story["id"], "0", story["chapters"][0]["id"], key=key)
        other = bilal.record_view(story["id"], "2", story["chapters"][2]["id"], key=key)
    assert again == {**first, "applied": "REPLAYED"}
    assert other["__typename"] == "KeyReusedError"
    assert views(story) == 1


def test_a_place_is_its_readers(asha: Caller, bilal: Caller, chitra: Caller, story: Any) -> None:
    """Nobody else finds it by its id."""
    mine = bilal.record_view(story["id"])["reading"]["id"]
    node = "query ($id: ID!) { node(id: $id) { ... on Reading { version story { title } } } }"
    assert bilal.ask(node, id=mine)["node"] == {"version": "1", "story": {"title": "A story"}}
    for other in (asha, chitra, Caller()):
        assert other.ask(node, id=mine)["node"] is None
