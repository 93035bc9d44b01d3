"""Stories: created on the author's shelf, published as they were seen, and visible to whom they are meant for."""

import uuid

import pytest

from schema.nodes import to_id
from tests.api import Caller
from tests.schema.footprint import nothing_written

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


def test_a_story_is_created_with_its_chapters(asha: Caller) -> None:
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


def test_a_story_may_be_empty(asha: Caller) -> None:
    """Its chapters can come later."""
    query = """mutation { createStory(input: {title: "A"}, expect: {version: 0}) {
      ... on StorySuccess { story { chapterCount summary mature } }
    } }"""
    assert asha.ask(query)["createStory"]["story"] == {"chapterCount": 0, "summary": "", "mature": False}


@pytest.mark.parametrize("version", ["0", "5"])
def test_a_shelf_that_has_changed_is_a_conflict(asha: Caller, version: str) -> None:
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


def test_a_shelf_is_its_authors(asha: Caller, bilal: Caller) -> None:
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


def test_a_draft_is_seen_by_its_author_alone(asha: Caller, bilal: Caller, nobody: Caller) -> None:
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


def test_publishing_shows_the_story(asha: Caller, bilal: Caller, chitra: Caller) -> None:
    """To everybody, in every list; the feed is its followers'. The shelf does not move."""
    bilal.follow(asha)
    story = asha.create_story("0", title="Now")["story"]
    answer = asha.publish(story["id"], "1")
    assert (answer["applied"], answer["story"]["version"], answer["story"]["status"]) == ("WRITTEN", "2", "PUBLISHED")
    assert answer["story"]["publishedAt"]
    assert answer["shelf"] == {"version": "1", "storyCount": 1}
    for viewer in (asha, bilal, chitra, Caller()):
        assert viewer.ask(STORY, id=story["id"])["story"]["title"] == "Now"
        lists = viewer.ask(LISTS, h="asha")
        assert (titles(lists["stories"]), titles(lists["person"]["stories"])) == (["Now"], ["Now"])
        assert lists["person"]["storyCount"] == 1
    assert titles(bilal.ask(FEED)["feed"]) == ["Now"]
    assert titles(chitra.ask(FEED)["feed"]) == titles(asha.ask(FEED)["feed"]) == []


def test_publishing_again_does_nothing(asha: Caller) -> None:
    """NOOP on the version that is; a conflict on an older one, with what was wanted and what is."""
    story = asha.published_story()
    with nothing_written():
        again = asha.publish(story["id"], "2")
        stale = asha.publish(story["id"], "1")
    assert (again["applied"], again["story"]["version"]) == ("NOOP", "2")
    assert (stale["__typename"], stale["current"]["status"]) == ("ConflictError", "PUBLISHED")
    assert [(o["path"], o["mine"], o["theirs"]) for o in stale["overlaps"]] == [("status", "PUBLISHED", "PUBLISHED")]


def test_a_draft_is_published_as_it_was_seen(asha: Caller) -> None:
    """On any other version it is refused."""
    story = asha.create_story("0")["story"]
    with nothing_written():
        for version in ("0", "2", "99"):
            assert asha.publish(story["id"], version)["__typename"] == "ConflictError"


def test_others_do_not_publish(asha: Caller, bilal: Caller) -> None:
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


def test_a_feed_is_of_the_signed_in(nobody: Caller) -> None:
    """UNAUTHENTICATED otherwise."""
    answer = nobody.post(FEED)
    assert (answer["data"], answer["errors"][0]["extensions"]["code"]) == (None, "UNAUTHENTICATED")


def test_what_is_no_story_is_null(asha: Caller) -> None:
    """Ids of other things and nonsense."""
    for id_ in ("", "x", asha.id, to_id("Story", uuid.UUID(int=7)), to_id("Story", asha.person.pk, asha.person.pk)):
        assert asha.ask("query ($id: ID!) { story(id: $id) { id } }", id=id_)["story"] is None


# --- Keys -------------------------------------------------------------------------------------------------------


def test_a_key_creates_one_story(asha: Caller) -> None:
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


def test_a_key_publishes_once(asha: Caller) -> None:
    """Its second reply is its first."""
    story = asha.create_story("0")["story"]
    key = str(uuid.uuid4())
    first = asha.publish(story["id"], "1", key=key)
    with nothing_written():
        assert asha.publish(story["id"], "1", key=key) == {**first, "applied": "REPLAYED"}
