"""Readers: a place on two devices, and one view for each reader, story and day."""

import uuid
from datetime import date, timedelta
from typing import Any

import pytest

from backend.engine.transactions import unit_of_work
from backend.engine.versions import stamped
from backend.reading.models import Reading, View
from backend.stories.models import Chapter, Revision, Story
from schema.nodes import key_of, to_id
from tests.api import ApiClient
from tests.races.rows import assert_verified
from tests.schema.footprint import nothing_written
from tests.writing import write, write_all

READING = "query ($id: ID!) { story(id: $id) { viewCount reading { id version updatedAt offset chapter { id } story { id } } } }"


@pytest.fixture
def story(asha: ApiClient) -> Any:
    """A published story of asha's with three chapters."""
    return asha.published_story(chapters=3)


def place(viewer: ApiClient, story: Any) -> Any:
    """The viewer's place."""
    return viewer.ask(READING, id=story["id"])["story"]["reading"]


def views(story: Any) -> int:
    """The story's total."""
    return int(ApiClient().ask(READING, id=story["id"])["story"]["viewCount"])


def test_who_never_opened_a_story_is_before_its_beginning(bilal: ApiClient, story: Any) -> None:
    """Version 0, with the id that the place keeps, and a date; nothing is stored for looking."""
    with nothing_written():
        found = place(bilal, story)
    assert (found["version"], found["offset"], found["chapter"]) == ("0", 0, None)
    assert found["story"] == {"id": story["id"]}
    assert found["updatedAt"]
    first = bilal.record_view(story["id"])
    assert (first["reading"]["id"], first["reading"]["version"]) == (found["id"], "1")
    assert place(ApiClient(), story) is None


def test_a_view_is_counted_once_a_day(bilal: ApiClient, chitra: ApiClient, story: Any) -> None:
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


def test_the_next_day_counts_again(bilal: ApiClient, story: Any) -> None:
    """Even where the place stays: the view is what is written."""
    bilal.record_view(story["id"])
    View.objects.update(day="2020-01-01")
    again = bilal.record_view(story["id"], "1")
    assert (again["applied"], again["counted"], again["reading"]["version"]) == ("WRITTEN", True, "1")
    assert views(story) == 2


def test_where_the_reader_is_already_nothing_is_written(bilal: ApiClient, story: Any) -> None:
    """NOOP, with or without a place."""
    chapter = story["chapters"][0]["id"]
    bilal.record_view(story["id"], "0", chapter, 5)
    with nothing_written():
        for answer in (bilal.record_view(story["id"], "1", chapter, 5), bilal.record_view(story["id"], "1")):
            assert (answer["applied"], answer["counted"], answer["reading"]["version"]) == ("NOOP", False, "1")
            assert answer["reading"]["offset"] == 5


def test_authors_do_not_count(asha: ApiClient, story: Any) -> None:
    """Their place is kept all the same."""
    answer = asha.record_view(story["id"], "0", story["chapters"][0]["id"])
    assert (answer["applied"], answer["counted"], answer["reading"]["version"]) == ("WRITTEN", False, "1")
    assert views(story) == 0


@pytest.mark.parametrize("policy", ["EXACT", "FURTHEST"])
def test_each_reader_of_each_story_has_a_place(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, policy: str
) -> None:
    """Who moves theirs leaves another reader of the story where they are, and themselves in another story."""
    one, two = asha.published_story(), asha.published_story("1")
    for reader in (bilal, chitra):
        for story in (one, two):
            reader.record_view(story["id"], "0", story["chapters"][0]["id"], 1)
    others = place(chitra, one), place(bilal, two)
    assert bilal.record_view(one["id"], "1", one["chapters"][0]["id"], 3, policy=policy)["applied"] == "WRITTEN"
    assert (place(chitra, one), place(bilal, two)) == others


def test_drafts_do_not_count(asha: ApiClient, bilal: ApiClient) -> None:
    """Nor are they found by anybody else."""
    draft = asha.create_story("0")["story"]
    assert asha.record_view(draft["id"])["counted"] is False
    with nothing_written():
        assert bilal.record_view(draft["id"])["code"] == "NOT_FOUND"
    asha.publish(draft["id"])
    assert views(draft) == 0


def test_a_device_that_is_behind_meets_a_conflict(bilal: ApiClient, story: Any) -> None:
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


def a_new_day() -> None:
    """What was viewed today was viewed long ago."""
    long_ago = date(2000, 1, 1) + timedelta(days=View.objects.count())
    View.objects.filter(day__gte=date(2020, 1, 1)).update(day=long_ago)


def test_a_refused_place_does_not_take_the_view_of_a_new_day_with_it(
    asha: ApiClient, bilal: ApiClient, story: Any
) -> None:
    """The story was opened, whatever becomes of the bookmark: the view counts once, and nothing of the place is written."""
    one, two, three = (chapter["id"] for chapter in story["chapters"])
    bilal.record_view(story["id"], "0", one, 5)
    bilal.record_view(story["id"], "1", two, 7)
    asha.delete_chapter(three, "1")
    for refused in (
        lambda: bilal.record_view(story["id"], "1", one, 1),
        lambda: bilal.record_view(story["id"], "2", three, 1),
        lambda: bilal.record_view(story["id"], "2", one, -1),
        lambda: bilal.record_view(story["id"], "2", one, seen="99"),
    ):
        a_new_day()
        stored, counted = place(bilal, story), views(story)
        assert refused()["code"] in ("CONFLICT", "INVALID")
        assert (place(bilal, story), views(story)) == (stored, counted + 1)
        with nothing_written():
            refused()
    assert_verified()


def test_a_refused_first_place_counts_nothing(bilal: ApiClient, story: Any) -> None:
    """The view belongs to the first place that is stored, and counts with it."""
    with nothing_written():
        assert bilal.record_view(story["id"], "3")["code"] == "CONFLICT"
        assert bilal.record_view(story["id"], "0", story["chapters"][0]["id"], -1)["code"] == "INVALID"
    assert bilal.record_view(story["id"])["counted"] is True


def test_a_refused_place_counts_no_view_that_would_not_count(asha: ApiClient, bilal: ApiClient, story: Any) -> None:
    """Not an author's own, nor one of a story that is a draft again or hidden."""
    for reader in (asha, bilal):
        reader.record_view(story["id"])
    a_new_day()
    with nothing_written():
        assert asha.record_view(story["id"], "7")["code"] == "CONFLICT"
    asha.unpublish(story["id"], "2")
    with nothing_written():
        assert bilal.record_view(story["id"], "7")["code"] == "NOT_FOUND"


@pytest.mark.parametrize("policy", ["EXACT", "FURTHEST"])
@pytest.mark.parametrize("offset", [8, 1_000, 2_000_000_000])
def test_a_place_lies_within_the_text(
    bilal: ApiClient, chitra: ApiClient, story: Any, policy: str, offset: int
) -> None:
    """Beyond the end of a chapter is its end; the view counts, and the answer shows what was stored."""
    one, end = story["chapters"][0]["id"], len("Text 1.")
    version = "0" if policy == "EXACT" else None
    answer = bilal.record_view(story["id"], version, one, offset, policy=policy)
    assert (answer["applied"], answer["counted"], answer["reading"]["offset"]) == ("WRITTEN", True, end)
    assert (place(bilal, story)["offset"], Reading.objects.get().offset) == (end, end)
    with nothing_written():
        again = bilal.record_view(story["id"], version and "1", one, offset + 1, policy=policy)
    assert (again["applied"], again["reading"]["offset"]) == ("NOOP", end)
    assert chitra.record_view(story["id"], "0", one, end)["reading"]["offset"] == end


def test_characters_are_code_points_of_what_was_stored(asha: ApiClient, bilal: ApiClient, story: Any) -> None:
    """Two for a family of two emoji, one for a letter and its accent, which is stored as one."""
    one = story["chapters"][0]["id"]
    asha.update_chapter(one, {"body": "e\u0301\U0001f469\U0001f467\r\n"}, "1")
    assert (
        bilal.record_view(story["id"], "0", one, 99)["reading"]["offset"] == len("\u00e9\U0001f469\U0001f467\r\n") == 5
    )


def test_a_shortened_chapter_holds_its_readers_places(asha: ApiClient, bilal: ApiClient, story: Any) -> None:
    """Wherever a place is shown it is within the text; no row of a reader is written, so that no device conflicts."""
    one = story["chapters"][0]["id"]
    asha.update_chapter(one, {"body": "x" * 500}, "1")
    bilal.record_view(story["id"], "0", one, 400)
    asha.update_chapter(one, {"body": "x" * 30}, "2")
    of_lists = "{ viewer { readings { edges { node { offset } } } } }"
    node = "query ($id: ID!) { node(id: $id) { ... on Reading { offset } } }"
    assert (place(bilal, story)["offset"], place(bilal, story)["version"]) == (30, "1")
    assert bilal.ask(of_lists)["viewer"]["readings"]["edges"] == [{"node": {"offset": 30}}]
    assert bilal.ask(node, id=place(bilal, story)["id"])["node"] == {"offset": 30}
    late = bilal.record_view(story["id"], "0", one, 10)
    assert (late["current"]["offset"], late["overlaps"][1]["theirs"]) == (30, 30)
    assert (
        bilal.record_view(story["id"], "1")["reading"]["offset"] == 30
    )  # the version of the story that was seen is new
    shortened = Revision.objects.get(chapter_id=key_of(one, "Chapter", "id"), version=3)
    assert asha.restore(to_id("Revision", shortened.pk), "3")["applied"] == "WRITTEN"
    assert place(bilal, story)["offset"] == 400
    assert_verified()


def test_the_furthest_place_does_not_stick_beyond_a_shortened_chapter(
    asha: ApiClient, bilal: ApiClient, story: Any
) -> None:
    """Its end is as far as one can be in it; the next chapter is further."""
    one = story["chapters"][0]["id"]
    asha.update_chapter(one, {"body": "x" * 500}, "1")
    advance(bilal, story, 0, 400)
    asha.update_chapter(one, {"body": "x" * 30}, "2")
    advance(bilal, story, 0)  # has seen the new text
    for offset in (29, 30, 31, 400, 2_000_000_000):
        answer = advance(bilal, story, 0, offset)
        assert (answer["applied"], answer["reading"]["offset"]) == ("NOOP", 30)
    answer = advance(bilal, story, 1, 3)
    assert (answer["applied"], answer["reading"]["offset"]) == ("WRITTEN", 3)


def test_a_conflict_names_chapters_by_their_ids(bilal: ApiClient, story: Any) -> None:
    """What a client can send back, not a key of the database."""
    one, two, _ = (chapter["id"] for chapter in story["chapters"])
    bilal.record_view(story["id"], "0", one, 5)
    (chapter, offset) = bilal.record_view(story["id"], "0", two, 7)["overlaps"]
    assert chapter == {"path": "chapter", "base": None, "mine": two, "theirs": one}
    assert offset == {"path": "offset", "base": 0, "mine": 7, "theirs": 5}


def test_a_first_view_on_a_version_that_never_was_is_a_conflict(bilal: ApiClient, story: Any) -> None:
    """There is nothing yet that could have been seen; nothing is counted."""
    with nothing_written():
        answer = bilal.record_view(story["id"], "3")
    assert (answer["__typename"], answer["current"]["version"]) == ("ConflictError", "0")


def test_a_key_counts_once_and_replays(bilal: ApiClient, story: Any) -> None:
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


def test_a_place_is_its_readers(asha: ApiClient, bilal: ApiClient, chitra: ApiClient, story: Any) -> None:
    """Nobody else finds it by its id."""
    mine = bilal.record_view(story["id"])["reading"]["id"]
    node = "query ($id: ID!) { node(id: $id) { ... on Reading { version story { title } } } }"
    assert bilal.ask(node, id=mine)["node"] == {"version": "1", "story": {"title": "A story"}}
    for other in (asha, chitra, ApiClient()):
        assert other.ask(node, id=mine)["node"] is None


# --- The furthest place ------------------------------------------------------------------------------------------


def advance(viewer: ApiClient, story: Any, chapter: int, offset: int = 0, **more: Any) -> Any:
    """Move to a chapter by its index, if that is further, whatever the place is now."""
    of_story = story["chapters"][chapter]["id"]
    return viewer.record_view(story["id"], None, of_story, offset, policy="FURTHEST", **more)


def test_the_furthest_place_moves_forward_only(bilal: ApiClient, story: Any) -> None:
    """By chapter, then by offset; what is not further is no write, and the answer shows the present place."""
    chapters = [chapter["id"] for chapter in story["chapters"]]
    moves = [(0, 0, True), (0, 5, True), (0, 4, False), (1, 2, True), (0, 9, False), (1, 2, False), (2, 0, True)]
    version, here = 0, (0, 0)
    for chapter, offset, further in moves:
        answer = advance(bilal, story, chapter, offset)
        version, here = (version + 1, (chapter, offset)) if further else (version, here)
        assert answer["applied"] == ("WRITTEN" if further else "NOOP"), (chapter, offset)
        shown = answer["reading"]
        assert (shown["version"], shown["chapter"], shown["offset"]) == (
            str(version),
            {"id": chapters[here[0]]},
            here[1],
        )
    assert views(story) == 1


def test_no_place_is_before_all(bilal: ApiClient, story: Any) -> None:
    """Whoever has only opened the story has not begun to read it; without a place it stays so."""
    assert bilal.record_view(story["id"])["reading"]["chapter"] is None
    with nothing_written():
        assert bilal.record_view(story["id"], None, policy="FURTHEST")["applied"] == "NOOP"
    answer = advance(bilal, story, 0)
    assert (answer["applied"], answer["reading"]["version"]) == ("WRITTEN", "2")
    assert answer["reading"]["chapter"] == {"id": story["chapters"][0]["id"]}


@pytest.mark.parametrize("version", ["0", "1", "99", None])
def test_the_furthest_place_asks_for_no_version(bilal: ApiClient, story: Any, version: str | None) -> None:
    """It never conflicts."""
    one, two, _ = (chapter["id"] for chapter in story["chapters"])
    for chapter in (one, two):
        bilal.record_view(story["id"], None, chapter, policy="FURTHEST")
    assert bilal.record_view(story["id"], version, two, 1, policy="FURTHEST")["applied"] == "WRITTEN"
    assert bilal.record_view(story["id"], version, one, policy="FURTHEST")["applied"] == "NOOP"


def test_expect_may_be_left_out_where_it_is_not_looked_at(bilal: ApiClient, story: Any) -> None:
    """With FURTHEST; with EXACT it says what is missing, and nothing is written."""
    query = (
        "mutation ($s: ID!, $p: PlacePolicy!) { recordView(story: $s, policy: $p) { ... on ReadingSuccess { applied counted } "
        "... on InvalidError { code fields { path } } } }"
    )
    exact = bilal.ask(query, s=story["id"], p="EXACT")["recordView"]
    assert exact == {"code": "INVALID", "fields": [{"path": "expect.current"}]}
    assert not Reading.objects.exists()
    furthest = bilal.ask(query, s=story["id"], p="FURTHEST")["recordView"]
    assert furthest == {"applied": "WRITTEN", "counted": True}


def test_a_place_can_follow_the_one_before(bilal: ApiClient, story: Any) -> None:
    """A device that sent one move and has no answer yet names its key instead of a version."""
    one, two, three = (chapter["id"] for chapter in story["chapters"])
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    bilal.record_view(story["id"], "0", one, key=first)
    query = (
        "mutation ($s: ID!, $p: PlaceInput, $a: UUID!, $k: UUID) { recordView(story: $s, place: $p, expect: {after: $a}, "
        "key: $k) { ... on ReadingSuccess { applied reading { version } } ... on ConflictError { expected } } }"
    )
    asked = {"s": story["id"], "p": {"chapter": three}, "a": first, "k": second}
    assert bilal.ask(query, **asked)["recordView"] == {"applied": "WRITTEN", "reading": {"version": "2"}}
    bilal.record_view(story["id"], "2", two)
    assert bilal.ask(query, **{**asked, "a": second, "k": None})["recordView"] == {"expected": "2"}


def test_an_exact_place_goes_back_too(bilal: ApiClient, story: Any) -> None:
    """And names the version; whatever it is now will not do."""
    advance(bilal, story, 2)
    one = story["chapters"][0]["id"]
    with nothing_written():
        answer = bilal.record_view(story["id"], None, one)
    assert [field["path"] for field in answer["fields"]] == ["expect.current"]
    assert bilal.record_view(story["id"], "1", one)["reading"]["chapter"] == {"id": one}


def test_a_key_stands_for_policy_and_seen_version_too(bilal: ApiClient, story: Any) -> None:
    """Another policy, or another version of the story, is another request."""
    key = str(uuid.uuid4())
    first = advance(bilal, story, 0, key=key)
    with nothing_written():
        assert advance(bilal, story, 0, key=key) == {**first, "applied": "REPLAYED"}
        one = story["chapters"][0]["id"]
        assert bilal.record_view(story["id"], "1", one, key=key)["__typename"] == "KeyReusedError"
        assert advance(bilal, story, 0, seen="1", key=key)["__typename"] == "KeyReusedError"


# --- What was written since --------------------------------------------------------------------------------------

CHANGED = "query ($id: ID!) { story(id: $id) { reading { version changedChapters { id position story { id } } } } }"


def changed(viewer: ApiClient, story: Any) -> list[int]:
    """The positions of the chapters that were written since the viewer was last in the story."""
    found = viewer.ask(CHANGED, id=story["id"])["story"]["reading"]["changedChapters"]
    assert all(chapter["story"] == {"id": story["id"]} for chapter in found)
    return [chapter["position"] for chapter in found]


def rewrite(*positions: int) -> int:
    """A write to the story that writes these chapters; the story's new version."""

    def work() -> int:
        (row,) = write(Story.objects.all(), **stamped(Story, ["texts"]))
        write_all(
            Chapter.objects.filter(position__in=positions),
            body="Other words.",
            story_version=row.version,
            **stamped(Chapter, ["body"]),
        )
        return int(row.version)

    return unit_of_work(work)


def test_chapters_that_were_written_since_are_shown(bilal: ApiClient, chitra: ApiClient, story: Any) -> None:
    """In order; none for who was here since, and none for who has never been."""
    bilal.record_view(story["id"])
    assert changed(bilal, story) == []
    rewrite(3)
    rewrite(1)
    assert changed(bilal, story) == [1, 3]
    assert changed(chitra, story) == []
    bilal.record_view(story["id"], "1")
    assert changed(bilal, story) == []


def test_having_seen_a_newer_version_is_a_write(bilal: ApiClient, story: Any) -> None:
    """Also where the place stays, under either policy; the same version again is none."""
    one = story["chapters"][0]["id"]
    bilal.record_view(story["id"], "0", one)
    rewrite(1)
    answer = bilal.record_view(story["id"], "1", one)
    assert (answer["applied"], answer["reading"]["version"]) == ("WRITTEN", "2")
    rewrite(1)
    answer = bilal.record_view(story["id"], "2")
    assert (answer["applied"], answer["reading"]["version"]) == ("WRITTEN", "3")
    rewrite(1)
    advance(bilal, story, 1, seen="2")
    assert changed(bilal, story) == [1]
    answer = advance(bilal, story, 0)  # not further, and newer
    assert (answer["applied"], answer["reading"]["version"]) == ("WRITTEN", "5")
    assert answer["reading"]["chapter"] == {"id": story["chapters"][1]["id"]}
    with nothing_written():
        assert bilal.record_view(story["id"], "5", story["chapters"][1]["id"])["applied"] == "NOOP"
        assert advance(bilal, story, 0)["applied"] == "NOOP"


def test_the_version_that_was_seen_only_rises(bilal: ApiClient, story: Any) -> None:
    """A device that still shows the old text has not seen the new one, and takes nothing back from one that has."""
    one, two, _ = (chapter["id"] for chapter in story["chapters"])
    rewrite(2)
    bilal.record_view(story["id"], "0", one, seen="2")
    assert changed(bilal, story) == [2]
    bilal.record_view(story["id"], "1", one, seen="3")
    assert changed(bilal, story) == []
    assert bilal.record_view(story["id"], "2", two, seen="1")["applied"] == "WRITTEN"
    assert advance(bilal, story, 2, seen="1")["applied"] == "WRITTEN"
    assert changed(bilal, story) == []
    with nothing_written():
        assert bilal.record_view(story["id"], "4", seen="2")["applied"] == "NOOP"


def test_a_device_that_missed_a_newer_version_is_behind(bilal: ApiClient, story: Any) -> None:
    """The version is part of the place: whoever names the reading from before has to look."""
    bilal.record_view(story["id"], "0")
    rewrite(1)
    bilal.record_view(story["id"], "1")
    answer = bilal.record_view(story["id"], "1", story["chapters"][0]["id"])
    assert (answer["__typename"], answer["current"]["version"]) == ("ConflictError", "2")


def test_changed_chapters_of_a_hidden_story_are_not_told(asha: ApiClient, bilal: ApiClient, story: Any) -> None:
    """A replayed reply may be older than the block."""
    key = str(uuid.uuid4())
    query = (
        "mutation ($s: ID!, $k: UUID) { recordView(story: $s, expect: {current: true}, policy: FURTHEST, key: $k) "
        "{ ... on ReadingSuccess { applied reading { changedChapters { body } } } } }"
    )
    asked = {"s": story["id"], "k": key}
    assert bilal.ask(query, **asked)["recordView"] == {"applied": "WRITTEN", "reading": {"changedChapters": []}}
    rewrite(1)
    shown = bilal.ask(query, **asked)["recordView"]
    assert shown == {"applied": "REPLAYED", "reading": {"changedChapters": [{"body": "Other words."}]}}
    asha.block(bilal)
    assert bilal.ask(query, **asked)["recordView"] == {}  # a NotFoundError


# --- Two devices -------------------------------------------------------------------------------------------------


def test_a_conflict_shows_the_whole_place_of_the_other_device(bilal: ApiClient, story: Any) -> None:
    """What a client needs to ask "go on there?": chapter, offset, when, what is new, and both places side by side."""
    one, two, _ = (chapter["id"] for chapter in story["chapters"])
    bilal.record_view(story["id"], "0", one, 5, seen="2")
    bilal.record_view(story["id"], "1", two, 7)
    rewrite(1)
    query = """mutation ($s: ID!, $p: PlaceInput) {
      recordView(story: $s, place: $p, expect: {version: "1"}, seen: "2") { ... on ConflictError {
        code expected retry { kind } overlaps { path base mine theirs }
        current { __typename id version updatedAt ... on Reading {
          offset chapter { id title position } changedChapters { position } story { id title viewCount }
        } }
      } }
    }"""
    with nothing_written():
        answer = bilal.ask(query, s=story["id"], p={"chapter": one, "offset": 9})["recordView"]
    present = place(bilal, story)
    assert answer == {
        "code": "CONFLICT",
        "expected": "1",
        "retry": {"kind": "REBASE"},
        "overlaps": [
            {"path": "chapter", "base": None, "mine": one, "theirs": two},
            {"path": "offset", "base": None, "mine": 9, "theirs": 7},
        ],
        "current": {
            "__typename": "Reading",
            "id": present["id"],
            "version": "2",
            "updatedAt": present["updatedAt"],
            "offset": 7,
            "chapter": {"id": two, "title": "Chapter 2", "position": 2},
            "changedChapters": [{"position": 1}],
            "story": {"id": story["id"], "title": "A story", "viewCount": 1},
        },
    }


# --- Where to go on ----------------------------------------------------------------------------------------------

READINGS = """query ($n: Int, $after: String) { viewer { readings(first: $n, after: $after) {
  edges { cursor node { id version offset chapter { title } story { id title } } } pageInfo { hasNextPage endCursor }
} } }"""


def titles(viewer: ApiClient) -> list[str]:
    """Of the stories in which the viewer can go on."""
    found = viewer.ask(READINGS)["viewer"]["readings"]
    return [edge["node"]["story"]["title"] for edge in found["edges"]]


def shelf_of_three(author: ApiClient) -> list[Any]:
    """Three published stories, the last one for adults only."""
    made = [author.published_story(str(n), title=f"Story {n}") for n in range(2)]
    mature = author.create_story("2", title="Story 2", mature=True)["story"]
    author.publish(mature["id"])
    return [*made, mature]


def test_one_goes_on_where_one_was_last(asha: ApiClient, bilal: ApiClient) -> None:
    """Most recently moved first, mature ones included; a place that moves is the first again."""
    stories = shelf_of_three(asha)
    for story in stories:
        bilal.record_view(story["id"])
    assert titles(bilal) == ["Story 2", "Story 1", "Story 0"]
    bilal.record_view(stories[1]["id"], "1", stories[1]["chapters"][0]["id"], 4)
    assert titles(bilal) == ["Story 1", "Story 2", "Story 0"]
    page = bilal.ask(READINGS, n=2)["viewer"]["readings"]
    node = page["edges"][0]["node"]
    assert (node["version"], node["offset"], node["chapter"]) == ("2", 4, {"title": "Chapter 1"})
    assert page["pageInfo"]["hasNextPage"] is True
    rest = bilal.ask(READINGS, n=2, after=page["pageInfo"]["endCursor"])["viewer"]["readings"]
    assert [edge["node"]["story"]["title"] for edge in rest["edges"]] == ["Story 0"]
    assert titles(asha) == []


def test_one_goes_on_only_where_one_can_find_the_story(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """One's own drafts yes, others' no, and nothing across a block."""
    theirs, mine = asha.published_story(title="Theirs"), bilal.create_story("0", title="Mine")["story"]
    others = chitra.published_story(title="Others'")
    for story in (theirs, mine, others):
        bilal.record_view(story["id"])
    assert titles(bilal) == ["Others'", "Mine", "Theirs"]
    chitra.block(bilal)
    assert titles(bilal) == ["Mine", "Theirs"]
    chitra.unblock(bilal, "1")
    bilal.block(asha)
    assert titles(bilal) == ["Others'", "Mine"]


def test_where_somebody_reads_is_theirs_alone(asha: ApiClient, bilal: ApiClient, story: Any) -> None:
    """Null for everybody else."""
    bilal.record_view(story["id"])
    query = '{ person(handle: "bilal") { readings { edges { node { id } } } } }'
    assert len(bilal.ask(query)["person"]["readings"]["edges"]) == 1
    for other in (asha, ApiClient()):
        assert other.ask(query)["person"]["readings"] is None
