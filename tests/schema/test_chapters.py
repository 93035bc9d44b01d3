"""Chapters: appended, edited, merged by paragraphs, moved and deleted, each as a write to their story too."""

import uuid
from typing import Any

import pytest

from schema.nodes import to_id
from tests.api import ApiClient
from tests.schema.footprint import nothing_written

STORY = "query ($id: ID!) { story(id: $id) { version chapters { id version position title body } } }"
THREE = "One.\n\nTwo.\n\nThree."


def of(caller: ApiClient, story: str) -> Any:
    """The story as it is now."""
    return caller.ask(STORY, id=story)["story"]


@pytest.fixture
def story(asha: ApiClient) -> Any:
    """A draft of asha's with three chapters, at version 1. It is not her only one."""
    asha.create_story("0", chapters=3)
    return asha.create_story("1", chapters=3)["story"]


@pytest.fixture
def chapter(asha: ApiClient, story: Any) -> str:
    """A fourth chapter of three paragraphs, at version 1; the story is at version 2."""
    return asha.append(story["id"], body=THREE)["chapter"]["id"]


@pytest.mark.parametrize("step", ["append", "update", "delete", "reorder"])
def test_a_step_is_of_one_story(asha: ApiClient, step: str) -> None:
    """Two stories that are alike, and what is done in one leaves the other as it was."""
    one, other = (asha.create_story(version, chapters=3)["story"] for version in ("0", "1"))
    ids, before = [chapter["id"] for chapter in one["chapters"]], of(asha, other["id"])
    answer = {
        "append": lambda: asha.append(one["id"]),
        "update": lambda: asha.update_chapter(ids[0], {"title": "New"}, "1"),
        "delete": lambda: asha.delete_chapter(ids[0], "1"),
        "reorder": lambda: asha.reorder(one["id"], ids[::-1], "1"),
    }[step]()
    assert answer["applied"] == "WRITTEN"
    assert of(asha, one["id"])["version"] == "2"
    assert of(asha, other["id"]) == before


# --- Appending --------------------------------------------------------------------------------------------------


def test_a_chapter_is_appended_at_the_end(asha: ApiClient, story: Any) -> None:
    """It starts at version 1 and is a write to the story."""
    answer = asha.append(story["id"], title="Four", body="Text.")
    shown = {"position": 4, "title": "Four", "body": "Text.", "version": "1"}
    assert answer["applied"] == "WRITTEN"
    assert shown.items() <= answer["chapter"].items()
    assert answer["story"] == {"id": story["id"], "version": "2"}


def test_a_story_is_full_at_so_many_chapters(asha: ApiClient) -> None:
    """The two hundredth is the last."""
    story = asha.create_story("0", chapters=199)["story"]["id"]
    assert asha.append(story)["applied"] == "WRITTEN"
    with nothing_written():
        answer = asha.append(story)
    assert (answer["__typename"], answer["fields"][0]["path"]) == ("InvalidError", "story")


# --- Editing ----------------------------------------------------------------------------------------------------


def test_an_edit_raises_both_versions(asha: ApiClient, story: Any) -> None:
    """That of the chapter and that of its story; the other chapters stay."""
    first = story["chapters"][0]["id"]
    answer = asha.update_chapter(first, {"title": "New"}, "1")
    assert (answer["applied"], answer["chapter"]["version"], answer["story"]["version"]) == ("WRITTEN", "2", "2")
    assert [chapter["version"] for chapter in of(asha, story["id"])["chapters"]] == ["2", "1", "1"]


def test_what_is_so_already_is_not_written(asha: ApiClient, story: Any) -> None:
    """NOOP, with the present version."""
    first = story["chapters"][0]
    with nothing_written():
        answer = asha.update_chapter(first["id"], {"title": first["title"]}, "1")
    assert (answer["applied"], answer["chapter"]["version"], answer["story"]["version"]) == ("NOOP", "1", "1")


def test_fail_refuses_whatever_else_was_edited(asha: ApiClient, chapter: str) -> None:
    """Title and text together are what updateChapter could set; the answer says which were, from what to what."""
    asha.update_chapter(chapter, {"title": "New", "body": "New."}, "1")
    with nothing_written():
        answer = asha.update_chapter(chapter, {"title": "Mine"}, "1")
    assert (answer["__typename"], answer["retry"]["kind"], answer["expected"]) == ("ConflictError", "REBASE", "1")
    assert answer["overlaps"] == [{"path": "title", "base": "Another", "mine": "Mine", "theirs": "New"}]
    assert answer["current"]["__typename"] == "Chapter"
    assert (answer["current"]["version"], answer["current"]["title"]) == ("2", "New")


def test_merge_keeps_what_others_wrote_elsewhere(asha: ApiClient, chapter: str) -> None:
    """Title and text are different fields."""
    asha.update_chapter(chapter, {"title": "Theirs"}, "1")
    answer = asha.update_chapter(chapter, {"body": "Mine."}, "1", merge=True)
    assert answer["applied"] == "MERGED"
    assert (answer["chapter"]["title"], answer["chapter"]["body"]) == ("Theirs", "Mine.")


def test_merge_of_the_same_value_is_no_conflict(asha: ApiClient, chapter: str) -> None:
    """Nobody's value would be dropped; without MERGE an old version is a conflict all the same."""
    asha.update_chapter(chapter, {"title": "Same"}, "1")
    assert asha.update_chapter(chapter, {"title": "Same"}, "1")["__typename"] == "ConflictError"
    answer = asha.update_chapter(chapter, {"title": "Same"}, "1", merge=True)
    assert (answer["applied"], answer["chapter"]["version"]) == ("NOOP", "2")


# --- Paragraphs -------------------------------------------------------------------------------------------------


def test_different_paragraphs_are_merged(asha: ApiClient, chapter: str) -> None:
    """Against the text that both started from, however often it was written since."""
    asha.update_chapter(chapter, {"body": "One!\n\nTwo.\n\nThree."}, "1")
    asha.update_chapter(chapter, {"body": "One!\n\nTwo.\n\nThree.\n\nFour."}, "2")
    answer = asha.update_chapter(chapter, {"body": "One.\n\nTwo!\n\nThree."}, "1", merge=True)
    assert (answer["applied"], answer["chapter"]["version"]) == ("MERGED", "4")
    assert answer["chapter"]["body"] == "One!\n\nTwo!\n\nThree.\n\nFour."


def test_the_same_paragraph_is_a_conflict_with_a_suggestion(asha: ApiClient, chapter: str) -> None:
    """The clean paragraphs are merged in it, the colliding ones marked; nothing of it is applied."""
    asha.update_chapter(chapter, {"body": "One!\n\nTwo, theirs.\n\nThree."}, "1")
    with nothing_written():
        answer = asha.update_chapter(chapter, {"body": "One.\n\nTwo, mine.\n\nThree!"}, "1", merge=True)
    assert answer["__typename"] == "ConflictError"
    assert answer["suggestion"] == {
        "body": [
            {"kind": "CLEAN", "text": "One!\n\n"},
            {"kind": "COLLISION", "base": "Two.", "mine": "Two, mine.", "theirs": "Two, theirs."},
            {"kind": "CLEAN", "text": "\n\nThree!"},
        ]
    }
    (overlap,) = answer["overlaps"]
    assert (overlap["path"], overlap["base"]) == ("body", THREE)


def test_fail_suggests_what_merge_would_do(asha: ApiClient, chapter: str) -> None:
    """An app may show it; only MERGE applies it."""
    asha.update_chapter(chapter, {"body": "One!\n\nTwo.\n\nThree."}, "1")
    with nothing_written():
        answer = asha.update_chapter(chapter, {"body": "One.\n\nTwo.\n\nThree!"}, "1")
    assert answer["__typename"] == "ConflictError"
    assert answer["suggestion"] == {"body": [{"kind": "CLEAN", "text": "One!\n\nTwo.\n\nThree!"}]}


def test_a_title_that_collides_keeps_the_text_from_being_merged(asha: ApiClient, chapter: str) -> None:
    """A patch is written as a whole or not at all."""
    asha.update_chapter(chapter, {"title": "Theirs", "body": "One!\n\nTwo.\n\nThree."}, "1")
    with nothing_written():
        patch = {"title": "Mine", "body": "One.\n\nTwo.\n\nThree!"}
        answer = asha.update_chapter(chapter, patch, "1", merge=True)
    assert [overlap["path"] for overlap in answer["overlaps"]] == ["title", "body"]
    assert answer["suggestion"]["body"][0]["kind"] == "CLEAN"
    merged = asha.update_chapter(chapter, {"title": "Theirs", "body": patch["body"]}, "1", merge=True)
    assert merged["chapter"]["body"] == "One!\n\nTwo.\n\nThree!"


def test_changes_that_are_there_already_are_not_written_again(asha: ApiClient, chapter: str) -> None:
    """Somebody has written mine and more: the merge is what is there."""
    asha.update_chapter(chapter, {"body": "One!\n\nTwo!\n\nThree."}, "1")
    with nothing_written():
        answer = asha.update_chapter(chapter, {"body": "One!\n\nTwo.\n\nThree."}, "1", merge=True)
    assert (answer["applied"], answer["chapter"]["body"]) == ("MERGED", "One!\n\nTwo!\n\nThree.")


@pytest.mark.parametrize("mine", ["One.\n\nTwo.\n\nThree.", "One!\n\nTwo.\n\nThree.", "One!\n\nTwo.\n\nThree.\n"])
def test_a_text_that_is_not_what_was_sent_is_merged(asha: ApiClient, chapter: str, mine: str) -> None:
    """Also where nothing is written, since nothing of it is new: with their version come their words, so none are undone."""
    theirs = "One!\n\nTwo!\n\nThree.\n"
    asha.update_chapter(chapter, {"body": theirs}, "1")
    before = asha.update_chapter(chapter, {"body": theirs}, "2")
    assert before["applied"] == "NOOP"
    with nothing_written():
        answer = asha.update_chapter(chapter, {"body": mine}, "1", merge=True)
    assert (answer["applied"], answer["chapter"]["version"], answer["chapter"]["body"]) == ("MERGED", "2", theirs)
    answer = asha.update_chapter(chapter, {"body": f"{theirs}\nFour."}, answer["chapter"]["version"], merge=True)
    assert (answer["applied"], answer["chapter"]["body"]) == ("WRITTEN", f"{theirs}\nFour.")


def test_a_title_that_is_so_already_shows_the_text_that_changed(asha: ApiClient, chapter: str) -> None:
    """MERGED: the version of a NOOP would stand for a text that this device has never seen."""
    asha.update_chapter(chapter, {"body": "Theirs."}, "1")
    with nothing_written():
        answer = asha.update_chapter(chapter, {"title": "Another"}, "1", merge=True)
    assert (answer["applied"], answer["chapter"]["version"], answer["chapter"]["body"]) == ("MERGED", "2", "Theirs.")
    with nothing_written():
        assert asha.update_chapter(chapter, {"title": "Another"}, "2", merge=True)["applied"] == "NOOP"


def test_a_new_title_goes_with_a_text_that_is_there_already(asha: ApiClient, chapter: str) -> None:
    """The title is written, the text stays as somebody else made it, and the answer shows both."""
    asha.update_chapter(chapter, {"body": "One!\n\nTwo!\n\nThree."}, "1")
    answer = asha.update_chapter(chapter, {"title": "Mine", "body": THREE}, "1", merge=True)
    assert (answer["applied"], answer["chapter"]["version"]) == ("MERGED", "3")
    assert (answer["chapter"]["title"], answer["chapter"]["body"]) == ("Mine", "One!\n\nTwo!\n\nThree.")


def test_a_paragraph_that_both_moved_is_a_conflict(asha: ApiClient, chapter: str) -> None:
    """Nothing is written; either text can be put together from the suggestion."""
    theirs, mine = "Three.\n\nOne.\n\nTwo.", "One.\n\nThree.\n\nTwo."
    asha.update_chapter(chapter, {"body": theirs}, "1")
    with nothing_written():
        answer = asha.update_chapter(chapter, {"body": mine}, "1", merge=True)
    (part,) = answer["suggestion"]["body"]
    assert part == {"kind": "COLLISION", "base": THREE, "mine": mine, "theirs": theirs}


def test_nothing_is_merged_that_leaves_no_text(asha: ApiClient, story: Any) -> None:
    """Each deletes what the other kept: a chapter has a text, so this is theirs to settle."""
    chapter = asha.append(story["id"], body="One.\n\nTwo.")["chapter"]["id"]
    asha.update_chapter(chapter, {"body": "One."}, "1")
    answer = asha.update_chapter(chapter, {"body": "Two."}, "1", merge=True)
    assert (answer["__typename"], answer["suggestion"]) == ("ConflictError", None)
    assert asha.ask(STORY, id=story["id"])["story"]["chapters"][3]["body"] == "One."


@pytest.mark.parametrize("merge", [False, True])
def test_a_version_of_the_future_is_a_conflict(asha: ApiClient, chapter: str, merge: bool) -> None:
    """A client that made it up is told, not obeyed; no base is known of it."""
    answer = asha.update_chapter(chapter, {"body": "Mine."}, "9", merge=merge)
    assert (answer["__typename"], answer["overlaps"], answer["suggestion"]) == ("ConflictError", [], None)


# --- The list ---------------------------------------------------------------------------------------------------


def test_chapters_are_put_in_order(asha: ApiClient, story: Any) -> None:
    """Those that moved have a new version; what stands in them may be edited meanwhile."""
    one, two, three = (chapter["id"] for chapter in story["chapters"])
    asha.update_chapter(one, {"body": "Edited."}, "1")
    answer = asha.reorder(story["id"], [three, two, one], "1")
    assert (answer["applied"], answer["story"]["version"]) == ("WRITTEN", "3")
    found = of(asha, story["id"])["chapters"]
    assert [(chapter["id"], chapter["position"]) for chapter in found] == [(three, 1), (two, 2), (one, 3)]
    assert [chapter["version"] for chapter in found] == ["2", "1", "3"]


def test_an_order_that_is_so_already_is_not_written(asha: ApiClient, story: Any) -> None:
    """NOOP."""
    with nothing_written():
        answer = asha.reorder(story["id"], [chapter["id"] for chapter in story["chapters"]], "1")
    assert answer["applied"] == "NOOP"


def test_an_order_collides_with_changes_to_the_list(asha: ApiClient, story: Any) -> None:
    """The conflict shows the list from then, the one that was wanted and the present one."""
    one, two, three = order = [chapter["id"] for chapter in story["chapters"]]
    four = asha.append(story["id"])["chapter"]["id"]
    with nothing_written():
        answer = asha.reorder(story["id"], [three, two, one], "1")
    assert answer["overlaps"] == [
        {"path": "chapters", "base": order, "mine": [three, two, one], "theirs": [one, two, three, four]}
    ]
    assert asha.reorder(story["id"], [four, three, two, one], answer["current"]["version"])["applied"] == "WRITTEN"


def test_a_deleted_chapter_leaves_no_gap(asha: ApiClient, story: Any) -> None:
    """The later ones move up; it is found no more, and who edits it late is told when it went."""
    one, two, three = (chapter["id"] for chapter in story["chapters"])
    answer = asha.delete_chapter(one, "1")
    assert (answer["id"], answer["applied"]) == (one, "WRITTEN")
    assert answer["story"] == {"id": story["id"], "version": "2", "chapterCount": 2}
    found = of(asha, story["id"])["chapters"]
    assert [(chapter["id"], chapter["position"]) for chapter in found] == [(two, 1), (three, 2)]
    assert asha.ask("query ($id: ID!) { node(id: $id) { id } }", id=one)["node"] is None
    for late in (asha.update_chapter(one, {"title": "Late"}, "1"), asha.delete_chapter(one, "1")):
        assert late["code"] == "NOT_FOUND"
        assert "deleted at 20" in late["message"]


def test_a_chapter_that_was_edited_is_not_deleted_unseen(asha: ApiClient, story: Any) -> None:
    """What was written meanwhile is shown; that the chapter was moved does not matter."""
    one, two, three = (chapter["id"] for chapter in story["chapters"])
    asha.reorder(story["id"], [two, one, three], "1")
    asha.update_chapter(one, {"title": "New"}, "2")
    with nothing_written():
        answer = asha.delete_chapter(one, "2")
    assert answer["overlaps"] == [{"path": "title", "base": "Chapter 1", "mine": None, "theirs": "New"}]
    assert asha.delete_chapter(two, "1")["applied"] == "WRITTEN"


def test_readers_of_a_deleted_chapter_stand_in_the_next(asha: ApiClient, bilal: ApiClient) -> None:
    """At its beginning; at the end of the last one if there is no next, and nowhere if none is left. Their version tells."""
    story = asha.published_story(chapters=2)
    one, two = (chapter["id"] for chapter in story["chapters"])
    bilal.record_view(story["id"], "0", one, 3)
    place = "query ($id: ID!) { story(id: $id) { reading { version offset chapter { id } } } }"
    asha.delete_chapter(one, "1")
    moved = bilal.ask(place, id=story["id"])["story"]["reading"]
    assert moved == {"version": "2", "offset": 0, "chapter": {"id": two}}
    three = asha.append(story["id"])["chapter"]["id"]
    bilal.record_view(story["id"], "2", three, 3)
    asha.delete_chapter(three, "1")
    moved = bilal.ask(place, id=story["id"])["story"]["reading"]
    assert (moved["chapter"], moved["offset"]) == ({"id": two}, len("Text 2."))
    version = asha.ask("query ($id: ID!) { story(id: $id) { version } }", id=story["id"])["story"]["version"]
    draft = asha.unpublish(story["id"], version)["story"]["version"]
    emptied = asha.delete_chapter(two, "2")["story"]
    assert int(emptied["version"]) == int(draft) + 1
    asha.publish(story["id"], emptied["version"])
    assert bilal.ask(place, id=story["id"])["story"]["reading"]["chapter"] is None


def test_the_last_chapter_of_a_published_story_stays(asha: ApiClient) -> None:
    """Until there is another one in it, or the story is a draft again; whoever saw an older text hears that first."""
    asha.create_story("0", chapters=3)
    story = asha.published_story("1")
    (only,) = (chapter["id"] for chapter in story["chapters"])
    asha.update_chapter(only, {"title": "New"}, "1")
    with nothing_written():
        assert asha.delete_chapter(only, "1")["code"] == "CONFLICT"
        refused = asha.delete_chapter(only, "2")
    assert (refused["code"], refused["retry"]["kind"]) == ("INVALID", "NEVER")
    assert refused["fields"][0]["path"] == "id"
    assert "unpublishStory" in refused["fields"][0]["message"]
    other = asha.append(story["id"])["chapter"]["id"]
    assert asha.delete_chapter(only, "2")["applied"] == "WRITTEN"
    assert asha.delete_chapter(other, "2")["code"] == "INVALID"
    version = asha.ask("query ($id: ID!) { story(id: $id) { version } }", id=story["id"])["story"]["version"]
    asha.unpublish(story["id"], version)
    assert asha.delete_chapter(other, "2")["applied"] == "WRITTEN"


# --- Whose ------------------------------------------------------------------------------------------------------


def test_only_its_author_changes_a_story(asha: ApiClient, bilal: ApiClient) -> None:
    """FORBIDDEN where it can be seen, NOT_FOUND where it cannot: a draft, or across a block."""
    story = asha.published_story(chapters=2)
    draft = asha.create_story("1", chapters=2)["story"]
    chapters = [chapter["id"] for chapter in story["chapters"]]
    for hidden, of_ in ((False, story), (True, draft), (True, story)):
        if of_ is story and hidden:
            asha.block(bilal)
        ids = [chapter["id"] for chapter in of_["chapters"]]
        with nothing_written():
            answers = [
                bilal.append(of_["id"]),
                bilal.update_chapter(ids[0], {"title": "x"}, "1"),
                bilal.delete_chapter(ids[0], "1"),
                bilal.reorder(of_["id"], ids[::-1], "1"),
                bilal.update_story(of_["id"], {"title": "x"}, "1"),
                bilal.unpublish(of_["id"], "2"),
                bilal.publish(of_["id"], "1"),
                bilal.delete_story(of_["id"], "2"),
            ]
        expected = "NOT_FOUND" if hidden else "FORBIDDEN"
        assert {answer["code"] for answer in answers} == {expected}
        assert not any("deleted" in answer["message"] for answer in answers)
    assert chapters
    assert asha.update_chapter(to_id("Chapter", asha.person.pk), {"title": "x"}, "1")["code"] == "NOT_FOUND"


# --- Expecting what one's own mutation made ---------------------------------------------------------------------

BY_KEY = """
mutation ($id: ID!, $p: ChapterPatch!, $e: Expect!, $k: UUID, $c: OnConflict!) {
  updateChapter(id: $id, patch: $p, expect: $e, key: $k, onConflict: $c) {
    __typename ... on ChapterSuccess { applied chapter { version title body } }
    ... on ConflictError { expected suggestion overlaps { path base mine theirs } }
  }
}
"""


def save(caller: ApiClient, chapter: str, patch: dict[str, str], expect: dict[str, str], key: str | None = None) -> Any:
    """An autosave with MERGE."""
    return caller.post(BY_KEY, id=chapter, p=patch, e=expect, k=key, c="MERGE")["data"]["updateChapter"]


def test_saves_after_a_merged_text_go_on_from_what_was_sent(asha: ApiClient, chapter: str) -> None:
    """What was merged in has not been on that screen: the next text from it is merged again, and undoes nothing."""
    asha.update_chapter(chapter, {"body": "One.\n\nTwo.\n\nTheirs."}, "1")
    keys = [str(uuid.uuid4()) for _ in range(3)]
    expect = {"version": "1"}
    for number, key in enumerate(keys):
        answer = save(asha, chapter, {"body": f"Mine {number}.\n\nTwo.\n\nThree."}, expect, key)
        assert (answer["applied"], answer["chapter"]["body"]) == ("MERGED", f"Mine {number}.\n\nTwo.\n\nTheirs.")
        expect = {"after": key}
    assert save(asha, chapter, {"title": "A title"}, expect)["applied"] == "MERGED"
    with nothing_written():
        late = save(asha, chapter, {"body": "Mine 3.\n\nTwo.\n\nThree, mine."}, expect)
    assert late["overlaps"][0]["base"] == "Mine 2.\n\nTwo.\n\nThree."


def test_saves_go_on_from_what_was_sent_where_nothing_was_written(asha: ApiClient, chapter: str) -> None:
    """The text was not new and the other's stayed unseen: another paragraph is merged again, the same one is a conflict."""
    asha.update_chapter(chapter, {"body": "One.\n\nTwo.\n\nTheirs."}, "1")
    keys = [str(uuid.uuid4()) for _ in range(3)]
    assert save(asha, chapter, {"body": THREE}, {"version": "1"}, keys[0])["applied"] == "MERGED"
    assert save(asha, chapter, {"title": "Another"}, {"after": keys[0]}, keys[1])["applied"] == "MERGED"
    with nothing_written():
        late = save(asha, chapter, {"body": "One.\n\nTwo.\n\nMine."}, {"after": keys[1]})
    assert late["overlaps"] == [
        {"path": "body", "base": THREE, "mine": "One.\n\nTwo.\n\nMine.", "theirs": "One.\n\nTwo.\n\nTheirs."}
    ]
    answer = save(asha, chapter, {"body": "Mine.\n\nTwo.\n\nThree."}, {"after": keys[1]}, keys[2])
    assert (answer["applied"], answer["chapter"]["body"]) == ("MERGED", "Mine.\n\nTwo.\n\nTheirs.")


def test_a_save_that_forbids_merging_does_not_undo_a_merge(asha: ApiClient, chapter: str) -> None:
    """With FAIL the text that was merged in is a conflict; what MERGE would make of it is the suggestion."""
    asha.update_chapter(chapter, {"body": "One.\n\nTwo.\n\nTheirs."}, "1")
    key = str(uuid.uuid4())
    save(asha, chapter, {"body": "Mine.\n\nTwo.\n\nThree."}, {"version": "1"}, key)
    with nothing_written():
        late = asha.post(BY_KEY, id=chapter, p={"body": "Mine, longer.\n\nTwo.\n\nThree."}, e={"after": key}, c="FAIL")
    answer = late["data"]["updateChapter"]
    assert (answer["__typename"], answer["expected"]) == ("ConflictError", "1")
    assert answer["suggestion"] == {"body": [{"kind": "CLEAN", "text": "Mine, longer.\n\nTwo.\n\nTheirs."}]}


def test_saves_go_on_after_one_that_was_so_already(asha: ApiClient, chapter: str) -> None:
    """Both had written the same text; the next one replaces what its author knows, and nobody else's."""
    asha.update_chapter(chapter, {"body": "Same."}, "1")
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    assert save(asha, chapter, {"body": "Same."}, {"version": "1"}, first)["applied"] == "NOOP"
    assert save(asha, chapter, {"body": "Next."}, {"after": first}, second)["applied"] == "MERGED"
    asha.update_chapter(chapter, {"body": "Theirs."}, "3")
    with nothing_written():
        late = save(asha, chapter, {"body": "Mine."}, {"after": second})
    assert late["overlaps"] == [{"path": "body", "base": "Next.", "mine": "Mine.", "theirs": "Theirs."}]


def test_saves_after_a_merged_field_go_on(asha: ApiClient, chapter: str) -> None:
    """Others' title was kept; one's own text can be saved again and again, the title only by who has seen it."""
    asha.update_chapter(chapter, {"title": "Theirs"}, "1")
    keys = [str(uuid.uuid4()) for _ in range(3)]
    expect = {"version": "1"}
    for number, key in enumerate(keys):
        answer = save(asha, chapter, {"body": f"Mine {number}"}, expect, key)
        assert (answer["applied"], answer["chapter"]["title"]) == ("MERGED", "Theirs")
        expect = {"after": key}
    with nothing_written():
        answer = save(asha, chapter, {"title": "Mine"}, expect)
    assert answer["overlaps"] == [{"path": "title", "base": "Another", "mine": "Mine", "theirs": "Theirs"}]
    asha.update_chapter(chapter, {"body": "Theirs"}, "5")
    answer = save(asha, chapter, {"body": "Mine 3"}, expect)
    assert answer["overlaps"] == [{"path": "body", "base": "Mine 2", "mine": "Mine 3", "theirs": "Theirs"}]


def test_publishing_after_an_edit_has_not_seen_what_others_wrote_before_it(asha: ApiClient, story: Any) -> None:
    """An edit of the title passes over a chapter that somebody wrote; publishing by its key does not."""
    id_, chapter = story["id"], story["chapters"][0]["id"]
    publish = "mutation ($id: ID!, $e: Expect!) { publishStory(id: $id, expect: $e) { __typename } }"
    key, other = str(uuid.uuid4()), str(uuid.uuid4())
    asha.update_chapter(chapter, {"body": "Theirs."}, "1", key=other)
    assert asha.update_story(id_, {"title": "Mine"}, "1", key=key)["story"]["version"] == "3"
    refused = asha.ask(publish, id=id_, e={"after": key})["publishStory"]
    assert refused["__typename"] == "ConflictError"
    assert asha.ask(publish, id=id_, e={"after": other})["publishStory"]["__typename"] == "InvalidError"
    last = str(uuid.uuid4())
    asha.update_story(id_, {"summary": "Mine"}, "3", key=last)
    assert asha.ask(publish, id=id_, e={"after": last})["publishStory"]["__typename"] == "StorySuccess"


def test_what_one_has_made_one_has_seen(asha: ApiClient) -> None:
    """A story by the key of its creation, a chapter by that of its appending, a shelf by the story before."""
    made, appended, edited = (str(uuid.uuid4()) for _ in range(3))
    story = asha.create_story("0", key=made)["story"]["id"]
    patch = """mutation ($id: ID!, $e: Expect!, $k: UUID) {
      updateStory(id: $id, patch: {title: "T"}, expect: $e, key: $k) { __typename }
    }"""
    assert asha.ask(patch, id=story, e={"after": made}, k=edited)["updateStory"]["__typename"] == "StorySuccess"
    chapter = asha.append(story, key=appended)["chapter"]["id"]
    assert save(asha, chapter, {"title": "T"}, {"after": appended})["applied"] == "WRITTEN"
    create = 'mutation ($e: Expect!) { createStory(input: {title: "B"}, expect: $e) { __typename } }'
    assert asha.ask(create, e={"after": made})["createStory"]["__typename"] == "StorySuccess"
    assert asha.ask(create, e={"after": edited})["createStory"]["__typename"] == "InvalidError"
