"""Revisions: what each write replaced, for the author to read and bring back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command

from backend.stories import revisions
from backend.stories.models import Revision, Tombstone
from tests.api import ApiClient
from tests.schema.counting import counting
from tests.schema.footprint import nothing_written

OF_STORY = """
query ($id: ID!, $n: Int, $after: String) { story(id: $id) {
  title version
  revisions(first: $n, after: $after) {
    edges { cursor node { id version at by { handle } changed values } } pageInfo { hasNextPage endCursor }
  }
  chapters { id version position title body revisions { edges { node { id version changed values } } } }
} }
"""


@pytest.fixture
def story(asha: ApiClient) -> Any:
    """A draft with three chapters, at version 1."""
    return asha.create_story("0", chapters=3, title="First")["story"]


def found(caller: ApiClient, story: Any, **variables: Any) -> Any:
    """The story with its history."""
    return caller.ask(OF_STORY, id=story["id"], **variables)["story"]


def history(of: Any) -> list[tuple[str, dict[str, Any]]]:
    """Version and values of each revision."""
    return [(edge["node"]["version"], edge["node"]["values"]) for edge in of["revisions"]["edges"]]


# --- Kept -------------------------------------------------------------------------------------------------------


def test_every_write_to_a_story_keeps_what_it_replaced(asha: ApiClient, story: Any) -> None:
    """Newest first: who, when, which fields, and what they held."""
    one, two, three = order = [chapter["id"] for chapter in story["chapters"]]
    asha.update_story(story["id"], {"title": "Second", "mature": True}, "1")
    asha.reorder(story["id"], [two, one, three], "2")
    asha.publish(story["id"], "3")
    asha.unpublish(story["id"], "4")
    asha.append(story["id"])
    now = found(asha, story)
    assert [values for _, values in history(now)] == [
        {"chapters": [two, one, three]},
        {"status": "PUBLISHED"},
        {"status": "DRAFT"},
        {"chapters": order},
        {"title": "First", "mature": False},
    ]
    assert [version for version, _ in history(now)] == ["6", "5", "4", "3", "2"]
    node = now["revisions"]["edges"][-1]["node"]
    assert (node["by"], node["changed"]) == ({"handle": "asha"}, ["mature", "title"])
    assert datetime.now(UTC) - datetime.fromisoformat(node["at"]) < timedelta(hours=1)


def test_every_write_to_a_chapter_keeps_what_it_replaced(asha: ApiClient, story: Any) -> None:
    """With the chapter's versions, apart from the story's own history."""
    one = story["chapters"][0]
    asha.update_chapter(one["id"], {"body": "B"}, "1")
    asha.update_chapter(one["id"], {"title": "T", "body": "C"}, "2")
    now = found(asha, story)
    assert history(now) == []
    assert history(now["chapters"][0]) == [("3", {"title": one["title"], "body": "B"}), ("2", {"body": one["body"]})]


def test_what_was_not_written_leaves_no_revision(asha: ApiClient, story: Any) -> None:
    """Neither a conflict nor what was so already."""
    asha.update_story(story["id"], {"title": "First"}, "1")
    asha.update_story(story["id"], {"title": "x"}, "9")
    asha.update_chapter(story["chapters"][0]["id"], {"title": "x"}, "9")
    assert not Revision.objects.exists()


def test_only_the_author_sees_them(asha: ApiClient, bilal: ApiClient, nobody: ApiClient) -> None:
    """Null for everybody else, by id too."""
    story = asha.published_story(chapters=1)
    asha.update_chapter(story["chapters"][0]["id"], {"title": "x"}, "1")
    id_ = asha.revisions(story["id"])[0]["id"]
    node = "query ($id: ID!) { node(id: $id) { id ... on Revision { values } } }"
    assert asha.ask(node, id=id_)["node"] == {"id": id_, "values": {"status": "DRAFT"}}
    for other in (bilal, nobody):
        seen = other.ask("query ($id: ID!) { story(id: $id) { revisions { edges { cursor } } } }", id=story["id"])
        assert seen["story"]["revisions"] is None
        assert other.ask(node, id=id_)["node"] is None
        of_chapters = "query ($id: ID!) { story(id: $id) { chapters { revisions { edges { cursor } } } } }"
        assert other.ask(of_chapters, id=story["id"])["story"]["chapters"] == [{"revisions": None}]
    with nothing_written():
        assert bilal.restore(id_, "2")["message"] == "There is no such revision."


def test_they_come_in_pages(asha: ApiClient, story: Any) -> None:
    """By version, which no two of a story share."""
    for number in range(1, 6):
        asha.update_story(story["id"], {"title": f"T{number}"}, str(number))
    first = found(asha, story, n=2)["revisions"]
    assert (len(first["edges"]), first["pageInfo"]["hasNextPage"]) == (2, True)
    rest = found(asha, story, n=9, after=first["pageInfo"]["endCursor"])["revisions"]
    versions = [edge["node"]["version"] for edge in first["edges"] + rest["edges"]]
    assert versions == ["6", "5", "4", "3", "2"]
    stories = asha.ask("{ viewer { shelf { stories { edges { cursor } } } } }")["viewer"]["shelf"]["stories"]
    other = asha.post(OF_STORY, id=story["id"], after=stories["edges"][0]["cursor"])
    assert other["errors"][0]["extensions"]["code"] == "INVALID"


def test_a_shelf_of_histories_is_read_in_one_go(asha: ApiClient) -> None:
    """Whatever the number of stories and chapters, as many statements."""
    counts = set()
    for number in range(3):
        story = asha.create_story(str(number), chapters=number + 1)["story"]
        asha.update_story(story["id"], {"title": "B"}, "1")
        asha.update_chapter(story["chapters"][0]["id"], {"title": "B"}, "1")
        with counting() as sent:
            asha.ask(SHELF)
        counts.add(len(sent))
    assert counts == {1}


SHELF = """
{ viewer { shelf { stories(first: 3) { edges { node {
  revisions { edges { node { version by { handle } } } }
  chapters { title revisions { edges { node { version changed by { handle } } } } }
} } } } } }
"""


# --- The base of a conflict -------------------------------------------------------------------------------------


def test_the_base_is_what_the_field_held_then(asha: ApiClient, story: Any) -> None:
    """However many writes ago, and whichever fields those set."""
    for version, patch in enumerate(
        ({"title": "B"}, {"summary": "s"}, {"title": "C"}, {"mature": True}, {"title": "D"}), 1
    ):
        assert asha.update_story(story["id"], patch, str(version))["applied"] == "WRITTEN"
    for seen, base in ((1, "First"), (2, "B"), (3, "B"), (4, "C"), (5, "C")):
        answer = asha.update_story(story["id"], {"title": "Mine"}, str(seen), merge=True)
        assert answer["overlaps"] == [{"path": "title", "base": base, "mine": "Mine", "theirs": "D"}]


def test_a_base_that_is_forgotten_is_null_and_never_wrong(asha: ApiClient, story: Any) -> None:
    """Older revisions were pruned: a later one does not stand in for them."""
    for version, title in enumerate("BCD", 1):
        asha.update_story(story["id"], {"title": title}, str(version))
    assert revisions.prune(kept=1, characters=1_000) == 2
    bases = [
        asha.update_story(story["id"], {"title": "Mine"}, str(seen), merge=True)["overlaps"][0]["base"]
        for seen in (1, 2, 3)
    ]
    assert bases == [None, None, "C"]


def test_without_its_base_a_text_is_not_merged(asha: ApiClient, story: Any) -> None:
    """There is nothing to compare with; no suggestion either."""
    one = story["chapters"][0]["id"]
    for version, body in enumerate(("A\n\nB", "A\n\nB!", "A\n\nB!!"), 1):
        asha.update_chapter(one, {"body": body}, str(version))
    revisions.prune(kept=1, characters=1_000)
    answer = asha.update_chapter(one, {"body": "A!\n\nB"}, "2", merge=True)
    assert (answer["__typename"], answer["suggestion"], answer["overlaps"][0]["base"]) == ("ConflictError", None, None)


# --- Pruned -----------------------------------------------------------------------------------------------------


def test_the_oldest_are_pruned(asha: ApiClient, story: Any, settings: Any) -> None:
    """By number and by size, each story and chapter for itself; the newest is always kept."""
    one, two, _ = (chapter["id"] for chapter in story["chapters"])
    for version in range(1, 5):
        asha.update_story(story["id"], {"title": f"{version}"}, str(2 * version - 1))
        asha.update_chapter(one, {"body": f"{version}" * 100}, str(version))
    asha.update_chapter(two, {"body": "x"}, "1")
    settings.REVISIONS_KEPT, settings.REVISION_CHARACTERS = 3, 250
    call_command("prune_revisions")
    now = found(asha, story)
    assert [version for version, _ in history(now)] == ["8", "6", "4"]
    assert [version for version, _ in history(now["chapters"][0])] == ["5", "4"]
    assert [version for version, _ in history(now["chapters"][1])] == ["2"]
    assert revisions.prune(kept=3, characters=1, batch=1) == 3
    assert [version for version, _ in history(found(asha, story)["chapters"][0])] == ["5"]


# --- Brought back -----------------------------------------------------------------------------------------------


def test_an_earlier_text_comes_back(asha: ApiClient, story: Any) -> None:
    """A write like any other: new versions, and what it replaces can come back in its turn."""
    one = story["chapters"][0]
    asha.update_chapter(one["id"], {"body": "Worse."}, "1")
    id_ = found(asha, story)["chapters"][0]["revisions"]["edges"][0]["node"]["id"]
    answer = asha.restore(id_, "2")
    assert (answer["applied"], answer["chapter"]["version"], answer["story"]["version"]) == ("WRITTEN", "3", "3")
    assert answer["chapter"]["body"] == one["body"]
    assert history(found(asha, story)["chapters"][0])[0] == ("3", {"body": "Worse."})
    assert asha.restore(id_, "3")["applied"] == "NOOP"


def test_earlier_fields_of_a_story_come_back(asha: ApiClient, story: Any) -> None:
    """Those of the revision; what was written in other fields since stays."""
    asha.update_story(story["id"], {"title": "B", "warnings": ["GORE", "ABUSE"]}, "1")
    asha.update_story(story["id"], {"summary": "Kept."}, "2")
    answer = asha.restore(asha.revisions(story["id"])[-1]["id"], "3")
    shown = {"title": "First", "summary": "Kept.", "warnings": [], "version": "4"}
    assert shown.items() <= answer["story"].items()
    assert answer["chapter"] is None


def test_bringing_back_is_conditioned(asha: ApiClient, story: Any) -> None:
    """On the fields that it sets: a title that somebody has written since is not thrown away unseen."""
    asha.update_story(story["id"], {"title": "B"}, "1")
    asha.update_story(story["id"], {"title": "C"}, "2")
    id_ = asha.revisions(story["id"])[-1]["id"]
    with nothing_written():
        answer = asha.restore(id_, "2")
    assert answer["overlaps"] == [{"path": "title", "base": "B", "mine": "First", "theirs": "C"}]
    assert asha.update_story(story["id"], {"summary": "x"}, "3")["applied"] == "WRITTEN"
    answer = asha.restore(id_, "3")
    assert (answer["applied"], answer["story"]["title"], answer["story"]["summary"]) == ("MERGED", "First", "x")
    with nothing_written():
        assert asha.restore(id_, "3")["__typename"] == "ConflictError"
    assert asha.restore(id_, "5")["applied"] == "NOOP"


def test_bringing_back_a_title_shows_what_others_wrote(asha: ApiClient, story: Any) -> None:
    """MERGED, not WRITTEN or NOOP, if the text beside it has changed since: its author has not seen that text."""
    one = story["chapters"][0]
    asha.update_chapter(one["id"], {"title": "New"}, "1")
    id_ = found(asha, story)["chapters"][0]["revisions"]["edges"][0]["node"]["id"]
    asha.update_chapter(one["id"], {"body": "Theirs."}, "2")
    answer = asha.restore(id_, "2")
    assert (answer["applied"], answer["chapter"]["version"], answer["chapter"]["body"]) == ("MERGED", "4", "Theirs.")
    assert asha.restore(id_, "4")["applied"] == "NOOP"


def test_an_earlier_order_comes_back(asha: ApiClient, story: Any) -> None:
    """Chapters that came later stay, after the others."""
    one, two, three = (chapter["id"] for chapter in story["chapters"])
    asha.reorder(story["id"], [three, two, one], "1")
    four = asha.append(story["id"])["chapter"]["id"]
    answer = asha.restore(asha.revisions(story["id"])[-1]["id"], "3")
    assert [chapter["id"] for chapter in answer["story"]["chapters"]] == [one, two, three, four]


def test_a_deleted_chapter_comes_back(asha: ApiClient, story: Any) -> None:
    """In its place, under its own id, with its text and history, at a version that it never had."""
    one, two, three = (chapter["id"] for chapter in story["chapters"])
    asha.update_chapter(two, {"body": "Second."}, "1")
    asha.delete_chapter(two, "2")
    four = asha.append(story["id"])["chapter"]["id"]
    revision = asha.revisions(story["id"])[1]
    removed = {"id": two, "position": 2, "title": "Chapter 2", "body": "Second.", "version": "2"}
    assert revision["values"] == {"chapters": [one, two, three], "removed": removed}
    answer = asha.restore(revision["id"], "4")
    assert (answer["applied"], answer["chapter"]["body"], answer["chapter"]["version"]) == ("WRITTEN", "Second.", "5")
    now = found(asha, story)["chapters"]
    assert [(chapter["id"], chapter["position"]) for chapter in now] == [(one, 1), (two, 2), (three, 3), (four, 4)]
    assert history(now[1]) == [("2", {"body": "Text 2."})]
    assert not Tombstone.objects.exists()
    assert asha.update_chapter(two, {"body": "Late."}, "2")["__typename"] == "ConflictError"
    assert asha.restore(revision["id"], answer["story"]["version"])["applied"] == "NOOP"


def test_publishing_is_not_brought_back(asha: ApiClient, story: Any) -> None:
    """It has mutations of its own, which see to it that what is published was seen."""
    asha.publish(story["id"], "1")
    with nothing_written():
        answer = asha.restore(asha.revisions(story["id"])[0]["id"], "2")
    assert (answer["__typename"], answer["fields"][0]["path"]) == ("InvalidError", "id")


def test_the_text_of_a_chapter_that_is_gone_waits_for_the_chapter(asha: ApiClient, story: Any) -> None:
    """NOT_FOUND says when it was deleted; once the chapter is back, its texts can come back too."""
    one = story["chapters"][0]["id"]
    asha.update_chapter(one, {"body": "B"}, "1")
    text = found(asha, story)["chapters"][0]["revisions"]["edges"][0]["node"]["id"]
    asha.delete_chapter(one, "2")
    assert "deleted at" in asha.restore(text, "2")["message"]
    back = asha.restore(asha.revisions(story["id"])[0]["id"], "3")
    assert asha.restore(text, back["chapter"]["version"])["chapter"]["body"] == "Text 1."
