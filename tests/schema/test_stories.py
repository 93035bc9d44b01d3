"""Stories: created on the author's shelf, published as they were seen, and visible to whom they are meant for."""

import uuid

import pytest

from schema.nodes import key_of, to_id
from tests.api import ApiClient
from tests.schema.footprint import footprint, nothing_written

STORY = """
query ($id: ID!) { story(id: $id) {
  id version title summary status mature publishedAt chapterCount viewCount author { handle }
  chapters { id position title body version story { title } }
} }
"""
SHELF = "{ viewer { storyCount shelf { id version storyCount stories { edges { node { title status } } } } } }"
LISTS = (
    "query ($h: String!) { stories { edges { node { title } } } "
    "person(handle: $h) { storyCount stories { edges { node { title } } } } }"
)
FEED = "{ feed { edges { node { title author { handle } } } } }"


def titles(connection: dict[str, list[dict[str, dict[str, str]]]]) -> list[str]:
    """The titles of a list."""
    return [edge["node"]["title"] for edge in connection["edges"]]


def test_a_story_is_created_with_its_chapters(asha: ApiClient) -> None:
    """In order, as a draft, and the shelf counts it."""
    answer = asha.create_story("0", title="  A  title ", chapters=3, summary="About.", mature=True)
    story = answer["story"]
    assert (answer["applied"], answer["shelf"]) == ("WRITTEN", {"version": "1", "storyCount": 1})
    assert (story["version"], story["status"], story["title"]) == ("1", "DRAFT", "A  title")
    found = asha.ask(STORY, id=story["id"])["story"]
    assert (found["summary"], found["mature"], found["publishedAt"]) == ("About.", True, None)
    assert (found["chapterCount"], found["author"], found["viewCount"]) == (3, {"handle": "asha"}, 0)
    assert [(c["position"], c["title"], c["body"], c["version"]) for c in found["chapters"]] == [
        (n, f"Chapter {n}", f"Text {n}.", "1") for n in (1, 2, 3)
    ]
    assert all(chapter["story"] == {"title": "A  title"} for chapter in found["chapters"])


def test_a_story_may_be_empty(asha: ApiClient) -> None:
    """Its chapters can come later."""
    query = """mutation { createStory(input: {title: "A"}, expect: {version: 0}) {
      ... on StorySuccess { story { chapterCount summary mature } }
    } }"""
    assert asha.ask(query)["createStory"]["story"] == {"chapterCount": 0, "summary": "", "mature": False}


def test_a_story_is_counted_on_its_authors_shelf_alone(asha: ApiClient, bilal: ApiClient) -> None:
    """Another one of the same version has not changed."""
    assert asha.create_story("0")["shelf"] == {"version": "1", "storyCount": 1}
    assert bilal.create_story("0")["shelf"] == {"version": "1", "storyCount": 1}


@pytest.mark.parametrize("version", ["0", "5"])
def test_a_shelf_that_has_changed_is_a_conflict(asha: ApiClient, version: str) -> None:
    """With the shelf as it is now; nothing written."""
    asha.create_story("0")
    with nothing_written():
        answer = asha.create_story(version)
    assert (answer["__typename"], answer["expected"], answer["overlaps"]) == ("ConflictError", version, [])
    assert (answer["current"]["__typename"], answer["current"]["version"], answer["current"]["storyCount"]) == (
        "Shelf",
        "1",
        1,
    )
    assert asha.create_story(answer["current"]["version"])["applied"] == "WRITTEN"


def test_a_shelf_is_its_authors(asha: ApiClient, bilal: ApiClient) -> None:
    """Drafts included, newest first; nobody else finds it."""
    asha.create_story("0", title="first")
    asha.published_story("1", title="second")
    shelf = asha.ask(SHELF)["viewer"]["shelf"]
    assert [(e["node"]["title"], e["node"]["status"]) for e in shelf["stories"]["edges"]] == [
        ("second", "PUBLISHED"),
        ("first", "DRAFT"),
    ]
    node = "query ($id: ID!) { node(id: $id) { ... on Shelf { storyCount } } }"
    assert asha.ask(node, id=shelf["id"])["node"] == {"storyCount": 2}
    assert bilal.ask(node, id=shelf["id"])["node"] is None


# --- Drafts and publishing --------------------------------------------------------------------------------------


def test_a_draft_is_seen_by_its_author_alone(asha: ApiClient, bilal: ApiClient, nobody: ApiClient) -> None:
    """Neither it, nor a chapter of it, nor a trace in any list or count."""
    bilal.follow(asha)
    story = asha.create_story("0")["story"]
    node = "query ($id: ID!) { node(id: $id) { id } }"
    for other in (bilal, nobody):
        assert other.ask(STORY, id=story["id"])["story"] is None
        for hidden in (story["id"], story["chapters"][0]["id"]):
            assert other.ask(node, id=hidden)["node"] is None
        lists = other.ask(LISTS, h="asha")
        assert (titles(lists["stories"]), lists["person"]) == ([], {"storyCount": 0, "stories": {"edges": []}})
    assert titles(bilal.ask(FEED)["feed"]) == []
    assert asha.ask(STORY, id=story["id"])["story"]["title"] == "A story"
    mine = asha.ask(LISTS, h="asha")
    assert (titles(mine["stories"]), titles(mine["person"]["stories"])) == ([], [])


def test_publishing_shows_the_story(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """To everybody, in every list; the feed is its followers'. The shelf does not move."""
    bilal.follow(asha)
    story = asha.create_story("0", title="Now")["story"]
    answer = asha.publish(story["id"], "1")
    assert (answer["applied"], answer["story"]["version"], answer["story"]["status"]) == ("WRITTEN", "2", "PUBLISHED")
    assert answer["story"]["publishedAt"]
    assert answer["shelf"] == {"version": "1", "storyCount": 1}
    for viewer in (asha, bilal, chitra, ApiClient()):
        assert viewer.ask(STORY, id=story["id"])["story"]["title"] == "Now"
        lists = viewer.ask(LISTS, h="asha")
        assert (titles(lists["stories"]), titles(lists["person"]["stories"])) == (["Now"], ["Now"])
        assert lists["person"]["storyCount"] == 1
    assert titles(bilal.ask(FEED)["feed"]) == ["Now"]
    assert titles(chitra.ask(FEED)["feed"]) == titles(asha.ask(FEED)["feed"]) == []


def test_publishing_again_does_nothing(asha: ApiClient) -> None:
    """NOOP on the version that is; a conflict on an older one, with what was wanted and what is."""
    story = asha.published_story()
    with nothing_written():
        again = asha.publish(story["id"], "2")
        stale = asha.publish(story["id"], "1")
    assert (again["applied"], again["story"]["version"]) == ("NOOP", "2")
    assert (stale["__typename"], stale["current"]["status"]) == ("ConflictError", "PUBLISHED")
    assert [(o["path"], o["mine"], o["theirs"]) for o in stale["overlaps"]] == [("status", "PUBLISHED", "PUBLISHED")]


def test_a_draft_is_published_as_it_was_seen(asha: ApiClient) -> None:
    """On any other version it is refused."""
    story = asha.create_story("0")["story"]
    with nothing_written():
        for version in ("0", "2", "99"):
            assert asha.publish(story["id"], version)["__typename"] == "ConflictError"


def test_others_do_not_publish(asha: ApiClient, bilal: ApiClient) -> None:
    """A draft of somebody else's is not found, a published story of theirs is forbidden."""
    draft = asha.create_story("0")["story"]
    with nothing_written():
        hidden = bilal.publish(draft["id"], "1")
        assert hidden == bilal.publish(to_id("Story", uuid.UUID(int=7)), "1")
    assert hidden["code"] == "NOT_FOUND"
    asha.publish(draft["id"], "1")
    with nothing_written():
        for version in ("1", "2"):
            assert bilal.publish(draft["id"], version)["code"] == "FORBIDDEN"


def test_a_feed_is_of_the_signed_in(asha: ApiClient, bilal: ApiClient, nobody: ApiClient) -> None:
    """Empty otherwise, so that what is asked for beside it is answered."""
    asha.published_story()
    bilal.follow(asha)
    beside = "{ viewer { handle } feed(first: 1) { edges { node { title } } pageInfo { hasNextPage endCursor } } }"
    assert nobody.ask(beside) == {
        "viewer": None,
        "feed": {"edges": [], "pageInfo": {"hasNextPage": False, "endCursor": None}},
    }
    assert bilal.ask(beside)["feed"]["edges"] == [{"node": {"title": "A story"}}]


def test_what_is_no_story_is_null(asha: ApiClient) -> None:
    """Ids of other things and nonsense."""
    for id_ in ("", "x", asha.id, to_id("Story", uuid.UUID(int=7)), to_id("Story", asha.person.pk, asha.person.pk)):
        assert asha.ask("query ($id: ID!) { story(id: $id) { id } }", id=id_)["story"] is None


# --- Keys -------------------------------------------------------------------------------------------------------


def test_a_key_creates_one_story(asha: ApiClient) -> None:
    """Sent again it is the same story, as it was; with other chapters the key is refused."""
    key = str(uuid.uuid4())
    first = asha.create_story("0", chapters=2, key=key)
    asha.publish(first["story"]["id"], "1")
    with nothing_written():
        again = asha.create_story("0", chapters=2, key=key)
        assert asha.create_story("1", chapters=3, key=key)["__typename"] == "KeyReusedError"
        assert asha.publish(first["story"]["id"], "2", key=key)["__typename"] == "KeyReusedError"
    assert again["applied"] == "REPLAYED"
    assert (again["story"]["id"], again["story"]["version"], again["story"]["status"]) == (
        first["story"]["id"],
        "1",
        "DRAFT",
    )
    assert again["shelf"] == first["shelf"]


def test_a_key_publishes_once(asha: ApiClient) -> None:
    """Its second reply is its first."""
    story = asha.create_story("0")["story"]
    key = str(uuid.uuid4())
    first = asha.publish(story["id"], "1", key=key)
    with nothing_written():
        assert asha.publish(story["id"], "1", key=key) == {**first, "applied": "REPLAYED"}


# --- Editing ----------------------------------------------------------------------------------------------------


def test_fields_of_a_story_are_set_together(asha: ApiClient) -> None:
    """Those left out stay; warnings are a set, shown in order."""
    story = asha.create_story("0")["story"]["id"]
    answer = asha.update_story(story, {"title": " New ", "warnings": ["VIOLENCE", "GORE", "VIOLENCE"]}, "1")
    shown = {"version": "2", "title": "New", "summary": "", "mature": False, "warnings": ["GORE", "VIOLENCE"]}
    assert answer["applied"] == "WRITTEN"
    assert shown.items() <= answer["story"].items()
    answer = asha.update_story(story, {"summary": "S", "mature": True, "warnings": []}, "2")
    shown = {"version": "3", "title": "New", "summary": "S", "mature": True, "warnings": []}
    assert shown.items() <= answer["story"].items()
    assert answer["shelf"] == {"version": "1", "storyCount": 1}


def test_fail_refuses_when_any_editable_field_has_changed(asha: ApiClient) -> None:
    """Base, mine and theirs of those that this write sets; an edit of a chapter is no reason."""
    story = asha.create_story("0", title="First")["story"]
    asha.update_chapter(story["chapters"][0]["id"], {"body": "New."}, "1")
    assert asha.update_story(story["id"], {"title": "Second"}, "1")["applied"] == "WRITTEN"
    with nothing_written():
        late = asha.update_story(story["id"], {"summary": "Mine"}, "2")
        both = asha.update_story(story["id"], {"title": "Mine"}, "2")
    assert (late["__typename"], late["overlaps"]) == ("ConflictError", [])
    assert both["overlaps"] == [{"path": "title", "base": "First", "mine": "Mine", "theirs": "Second"}]
    assert (both["expected"], both["current"]["version"]) == ("2", "3")


def test_merge_keeps_the_fields_of_others(asha: ApiClient) -> None:
    """Only a field that this patch sets can collide; one that has become what it should be does not."""
    story = asha.create_story("0")["story"]["id"]
    asha.update_story(story, {"title": "Theirs"}, "1")
    answer = asha.update_story(story, {"summary": "Mine"}, "1", merge=True)
    assert (answer["applied"], answer["story"]["title"], answer["story"]["summary"]) == ("MERGED", "Theirs", "Mine")
    answer = asha.update_story(story, {"title": "Theirs", "mature": True}, "1", merge=True)
    assert (answer["applied"], answer["story"]["mature"]) == ("MERGED", True)
    with nothing_written():
        answer = asha.update_story(story, {"title": "Theirs"}, "1", merge=True)
        assert (answer["applied"], answer["story"]["version"], answer["story"]["summary"]) == ("MERGED", "4", "Mine")
        assert asha.update_story(story, {"title": "Theirs"}, "4", merge=True)["applied"] == "NOOP"
        assert asha.update_story(story, {"title": "Mine"}, "1", merge=True)["__typename"] == "ConflictError"
    assert asha.update_story(story, {"summary": "Again"}, "4", merge=True)["applied"] == "WRITTEN"


def test_autosaves_follow_each_other_by_their_keys(asha: ApiClient) -> None:
    """Each expects what the one before made; somebody else's write in between is a conflict."""
    story = asha.create_story("0")["story"]["id"]
    keys = [str(uuid.uuid4()) for _ in range(4)]
    expect: dict[str, str] = {"version": "1"}
    for number, key in enumerate(keys):
        answer = asha.post(AUTOSAVE, id=story, s=f"Draft {number}", e=expect, k=key)["data"]["updateStory"]
        assert answer["story"]["version"] == f"{number + 2}"
        expect = {"after": key}
    asha.update_story(story, {"summary": "Another device"}, "5")
    answer = asha.post(AUTOSAVE, id=story, s="Late", e=expect)["data"]["updateStory"]
    assert (answer["__typename"], answer["expected"]) == ("ConflictError", "5")
    again = asha.post(AUTOSAVE, id=story, s="Draft 3", e={"after": keys[2]}, k=keys[3])["data"]["updateStory"]
    assert (again["applied"], again["story"]["version"]) == ("REPLAYED", "5")


AUTOSAVE = """
mutation ($id: ID!, $s: String!, $e: Expect!, $k: UUID) {
  updateStory(id: $id, patch: {summary: $s}, expect: $e, key: $k) {
    __typename ... on StorySuccess { applied story { version summary } } ... on ConflictError { expected }
  }
}
"""


# --- Publishing and taking back ---------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["title", "text", "append", "order", "delete", "warnings"])
def test_publishing_collides_with_everything(asha: ApiClient, change: str) -> None:
    """The conflict says what has changed: fields with base and theirs, chapters by their place."""
    story = asha.create_story("0", chapters=2, title="First")["story"]
    id_, (one, two) = story["id"], [chapter["id"] for chapter in story["chapters"]]
    expected = {
        "title": ("title", "First", "New"),
        "text": ("chapters.2", None, {"id": two, "title": "Chapter 2"}),
        "append": ("chapters", [one, two], None),
        "order": ("chapters", [one, two], [two, one]),
        "delete": ("chapters", [one, two], [two]),
        "warnings": ("warnings", [], ["DEATH"]),
    }
    acts = {
        "title": lambda: asha.update_story(id_, {"title": "New"}, "1"),
        "text": lambda: asha.update_chapter(two, {"body": "New."}, "1"),
        "append": lambda: asha.append(id_),
        "order": lambda: asha.reorder(id_, [two, one], "1"),
        "delete": lambda: asha.delete_chapter(one, "1"),
        "warnings": lambda: asha.update_story(id_, {"warnings": ["DEATH"]}, "1"),
    }
    acts[change]()
    with nothing_written():
        answer = asha.publish(id_, "1")
    assert (answer["__typename"], answer["current"]["version"]) == ("ConflictError", "2")
    path, base, theirs = expected[change]
    (overlap, *_) = answer["overlaps"]
    assert (overlap["path"], overlap["base"], overlap["mine"]) == (path, base, base)
    assert theirs is None or overlap["theirs"] == theirs
    assert asha.publish(id_, "2")["applied"] == "WRITTEN"


def test_a_story_is_taken_back(asha: ApiClient, bilal: ApiClient) -> None:
    """A draft again: counted no more, visible to its author alone; it can be published once more."""
    story = asha.published_story()["id"]
    bilal.record_view(story)
    asha.update_story(story, {"title": "Edited"}, "2")
    answer = asha.unpublish(story, "2")
    assert (answer["applied"], answer["story"]["status"], answer["story"]["version"]) == ("WRITTEN", "DRAFT", "4")
    assert bilal.ask(STORY, id=story)["story"] is None
    assert asha.ask(STORY, id=story)["story"]["viewCount"] == 1
    assert bilal.ask(LISTS, h="asha")["person"] == {"storyCount": 0, "stories": {"edges": []}}
    with nothing_written():
        assert asha.unpublish(story, "4")["applied"] == "NOOP"
        late = asha.unpublish(story, "2")
    assert late["overlaps"] == [{"path": "status", "base": "PUBLISHED", "mine": "DRAFT", "theirs": "DRAFT"}]
    assert asha.publish(story, "4")["applied"] == "WRITTEN"
    assert bilal.ask(STORY, id=story)["story"]["viewCount"] == 1


# --- Deleting ---------------------------------------------------------------------------------------------------


def test_a_story_is_deleted_with_all_that_belongs_to_it(asha: ApiClient, bilal: ApiClient) -> None:
    """Nobody finds it, nothing of it is left but that it was there; the shelf and the totals follow."""
    story = asha.published_story(chapters=2)
    id_, first = story["id"], story["chapters"][0]["id"]
    asha.update_chapter(first, {"body": "New."}, "1")
    bilal.record_view(id_, "0", first, 3)
    answer = asha.delete_story(id_, "3")
    assert (answer["id"], answer["applied"], answer["shelf"]) == (id_, "WRITTEN", {"version": "2", "storyCount": 0})
    left = {
        table
        for table, rows in footprint().items()
        if rows and any(str(key_of(id_, "Story", "")) in row for row in rows)
    }
    assert left == {"stories_tombstone", "procrastinate_jobs", "changes_change"}
    for caller in (asha, bilal):
        ids = [id_, first]
        assert caller.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids)["nodes"] == [None, None]
    assert bilal.ask(LISTS, h="asha")["person"]["storyCount"] == 0
    for late in (
        asha.update_story(id_, {"title": "Late"}, "3"),
        asha.update_chapter(first, {"title": "Late"}, "2"),
        asha.append(id_),
        asha.reorder(id_, [], "3"),
        asha.delete_story(id_, "3"),
    ):
        assert (late["code"], late["retry"]["kind"]) == ("NOT_FOUND", "NEVER")
        assert late["message"] == f"This was deleted at {late['deletedAt']}."
    assert "deleted at 20" in asha.publish(id_, "3")["message"]
    other = bilal.update_story(id_, {"title": "Late"}, "3")
    assert (other["message"], other["deletedAt"]) == ("There is no such story.", None)
    assert bilal.record_view(id_, "1")["code"] == "NOT_FOUND"


def test_a_story_is_deleted_as_it_was_seen(asha: ApiClient) -> None:
    """A chapter written on another device is not thrown away unseen; the shelf stays as it is."""
    story = asha.create_story("0")["story"]
    asha.update_chapter(story["chapters"][0]["id"], {"body": "New."}, "1")
    with nothing_written():
        answer = asha.delete_story(story["id"], "1")
    assert [overlap["path"] for overlap in answer["overlaps"]] == ["chapters.1"]
    assert asha.delete_story(story["id"], "2")["shelf"] == {"version": "2", "storyCount": 0}


def test_a_deletion_is_repeated_like_anything_else(asha: ApiClient) -> None:
    """The first reply again, with the shelf as it was."""
    story, key = asha.create_story("0")["story"]["id"], str(uuid.uuid4())
    first = asha.delete_story(story, "1", key)
    asha.create_story("2")
    assert asha.delete_story(story, "1", key) == {**first, "applied": "REPLAYED"}
