"""Lists of stories: what a filter lets through, what comes first, and for whom stories for adults are in them."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.engine import searches
from backend.stories import lists
from backend.stories.models import ContentWarning, Story, StoryRank
from schema.nodes import from_id, to_id
from tests.api import ApiClient

FOUND = "edges { cursor node { title } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
STORIES = (
    "query ($f: StoryFilter, $o: StoryOrder! = NEWEST, $first: Int, $after: String, $last: Int, $before: String) "
    f"{{ stories(filter: $f, orderBy: $o, first: $first, after: $after, last: $last, before: $before) {{ {FOUND} }} }}"
)


def page(caller: ApiClient, order: str = "NEWEST", window: dict[str, Any] | None = None, **wanted: Any) -> Any:
    """A page of the stories that a filter lets through."""
    return caller.ask(STORIES, f=wanted or None, o=order, **(window or {}))["stories"]


def titles(caller: ApiClient, order: str = "NEWEST", **wanted: Any) -> list[str]:
    """The titles of the stories that a filter lets through."""
    return [edge["node"]["title"] for edge in page(caller, order, **wanted)["edges"]]


def refused(caller: ApiClient, window: dict[str, Any] | None = None, order: str = "NEWEST", **wanted: Any) -> str:
    """Why a list is refused: as an argument that makes no sense."""
    answer = caller.post(STORIES, f=wanted or None, o=order, **(window or {}))
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID"]
    return answer["errors"][0]["message"]


class Author:
    """Somebody who writes one story after another."""

    def __init__(self, caller: ApiClient) -> None:
        self.caller = caller
        self.written = 0

    def draft(self, title: str, **fields: Any) -> Any:
        """A draft."""
        made = self.caller.create_story(str(self.written), title=title, **fields)
        self.written += 1
        return made["story"]

    def publish(self, title: str, **fields: Any) -> Any:
        """A published story."""
        story = self.draft(title, **fields)
        assert self.caller.publish(story["id"])["applied"] == "WRITTEN"
        return story


@pytest.fixture
def author(asha: ApiClient) -> Author:
    """Asha writes."""
    return Author(asha)


# --- Filters ----------------------------------------------------------------------------------------------------


def test_by_author(author: Author, bilal: ApiClient, nobody: ApiClient) -> None:
    """That person's stories alone; nothing of an author whom nobody knows, or who is hidden."""
    author.publish("Asha's")
    Author(bilal).publish("Bilal's")
    asha = author.caller
    assert titles(nobody) == ["Bilal's", "Asha's"]
    assert titles(nobody, author=asha.id) == titles(asha, author=asha.id) == ["Asha's"]
    assert titles(nobody, author=to_id("Person", uuid.UUID(int=7))) == []
    bilal.block(asha)
    for one in (asha, bilal):
        for other in (bilal, asha):
            assert titles(one, author=other.id) == ([] if one is not other else titles(one))


@pytest.mark.parametrize("wrong", ["", "x", to_id("Story", uuid.UUID(int=7)), to_id("Person"), "a\0b"])
def test_an_author_is_a_person(nobody: ApiClient, wrong: str) -> None:
    """Any other id makes no sense."""
    assert refused(nobody, author=wrong).startswith("filter.author: ")


def test_by_warnings(author: Author, nobody: ApiClient) -> None:
    """All of those wanted, none of those unwanted."""
    author.publish("Plain")
    author.publish("Gory", warnings=["GORE"])
    author.publish("Both", warnings=["VIOLENCE", "GORE", "GORE"])
    assert titles(nobody, withWarnings=["GORE"]) == ["Both", "Gory"]
    assert titles(nobody, withWarnings=["GORE", "VIOLENCE"]) == ["Both"]
    assert titles(nobody, withoutWarnings=["GORE", "HATE"]) == ["Plain"]
    assert titles(nobody, withoutWarnings=["VIOLENCE"]) == ["Gory", "Plain"]
    assert titles(nobody, withWarnings=["GORE"], withoutWarnings=["VIOLENCE"]) == ["Gory"]
    assert titles(nobody, withWarnings=["GORE"], withoutWarnings=["GORE"]) == []
    assert titles(nobody, withWarnings=[], withoutWarnings=[]) == ["Both", "Gory", "Plain"]


def test_warnings_are_kept_in_order_and_once(author: Author, nobody: ApiClient) -> None:
    """However they are given; every one can be."""
    given = [*reversed(ContentWarning.values), *ContentWarning.values]
    story = author.publish("Everything", warnings=given)
    author.publish("Nothing")
    found = nobody.ask("query ($id: ID!) { story(id: $id) { warnings } }", id=story["id"])["story"]
    assert found["warnings"] == sorted(ContentWarning.values)
    assert nobody.ask("{ stories(first: 1) { edges { node { warnings } } } }")["stories"]["edges"] == [
        {"node": {"warnings": []}}
    ]


def test_warnings_are_part_of_what_a_key_stands_for(asha: ApiClient) -> None:
    """The same story with other warnings is another request."""
    key = str(uuid.uuid4())
    assert asha.create_story("0", warnings=["GORE"], key=key)["applied"] == "WRITTEN"
    assert asha.create_story("0", warnings=["GORE"], key=key)["applied"] == "REPLAYED"
    assert asha.create_story("0", warnings=["HATE"], key=key)["__typename"] == "KeyReusedError"


def test_drafts_are_ones_own(author: Author, bilal: ApiClient, nobody: ApiClient) -> None:
    """For anybody else there are none, and no filter and no order hints at them."""
    author.publish("Published")
    author.draft("First draft", mature=True, warnings=["GORE"])
    author.draft("Second draft")
    asha = author.caller
    assert titles(asha, status="DRAFT") == ["Second draft", "First draft"]
    assert titles(asha, status="DRAFT", text="first", withWarnings=["GORE"], author=asha.id) == ["First draft"]
    assert titles(asha, status="DRAFT", author=bilal.id) == []
    assert titles(asha) == titles(asha, status="PUBLISHED") == ["Published"]
    for other in (bilal, nobody):
        for order in ("NEWEST", "MOST_READ"):
            empty = {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None}
            for wanted in ({}, {"author": asha.id}, {"text": "draft"}, {"withWarnings": ["GORE"]}):
                assert page(other, order, status="DRAFT", **wanted) == {"edges": [], "pageInfo": empty}
            assert titles(other, order, text="draft") == []


def test_members_add_up_and_null_is_left_out(author: Author, bilal: ApiClient, nobody: ApiClient) -> None:
    """A story is listed if everything that is given holds of it."""
    author.publish("The lion", warnings=["DEATH"])
    author.publish("The lion and the mouse")
    Author(bilal).publish("Another lion")
    me = author.caller.id
    assert titles(nobody, author=me, text="lion", withoutWarnings=["DEATH"]) == ["The lion and the mouse"]
    for name in ("author", "text", "status", "withWarnings", "withoutWarnings"):
        assert len(titles(nobody, **{name: None})) == 3
    assert len(nobody.ask("{ stories(filter: null) { edges { cursor } } }")["stories"]["edges"]) == 3
    assert len(nobody.ask("{ stories(filter: {}) { edges { cursor } } }")["stories"]["edges"]) == 3


# --- Text -------------------------------------------------------------------------------------------------------


def test_by_text(author: Author, nobody: ApiClient) -> None:
    """Words of title and summary, in any case and order, with the signs that people know from the web."""
    author.publish("Der Löwe und die Maus", summary="A fable about mercy.")
    author.publish("The lion's share", summary="Mercy? None.")
    lion, maus = "The lion's share", "Der Löwe und die Maus"
    assert titles(nobody, text="MERCY") == [lion, maus]
    assert titles(nobody, text="maus löwe") == titles(nobody, text="Maus fable") == [maus]
    assert titles(nobody, text="Lo\u0308we") == [maus], "composed or not"
    assert titles(nobody, text="mercy -fable") == titles(nobody, text="mercy none") == [lion]
    assert titles(nobody, text="fable or share") == [lion, maus]
    assert titles(nobody, text='"about mercy"') == [maus]
    assert titles(nobody, text="merc") == [lion, maus], "each word begins a word"
    assert titles(nobody, text='"mercy about"') == titles(nobody, text='"merc"') == titles(nobody, text="ercy") == []
    assert titles(nobody, text="  fable\n ") == [maus]
    assert titles(nobody, text="Maus -- fable") == titles(nobody, text="mercy - about") == [maus], (
        "a dash forbids nothing"
    )


@pytest.mark.parametrize("order", ["NEWEST", "MOST_READ"])
def test_rare_words_are_found_anywhere(
    author: Author, nobody: ApiClient, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """Behind the stories that are looked through first, too; frequent and rare words lead through the same pages."""
    monkeypatch.setattr(searches, "FEW", 3)
    lists._listed_by.cache_clear()
    monkeypatch.setattr(lists, "_listed_by", lists._listed_by.__wrapped__)
    most_read = ranked(author, 7)
    expected = most_read if order == "MOST_READ" else [f"Number {n}" for n in reversed(range(7))]
    for title in expected:
        assert titles(nobody, order, text=f'"{title}"') == [title]
    for text, wanted in (("number", expected), (f'"{expected[0]}" or "{expected[5]}"', [expected[0], expected[5]])):
        assert titles(nobody, order, text=text) == wanted
        walked, window = [], {"first": 1}
        while window:
            found = page(nobody, order, window, text=text)
            walked += [edge["node"]["title"] for edge in found["edges"]]
            window = {"first": 1, "after": found["pageInfo"]["endCursor"]} if found["pageInfo"]["hasNextPage"] else {}
        assert walked == wanted


def test_a_text_has_a_length(nobody: ApiClient) -> None:
    """Nothing at all is no text, and neither is a book."""
    for blank in ("", " ", "\n\t", "\u3000", " " * 10_000):
        assert refused(nobody, text=blank) == "filter.text: must not be empty or blank."
    assert refused(nobody, text="x" * 201) == "filter.text: is too long: 201 characters, at most 200."
    assert titles(nobody, text="x" * 200) == []
    assert refused(nobody, text="a " * 41) == "filter.text: has too many words: 41, at most 40."
    assert titles(nobody, text="a - " * 40) == []
    for bad in ("a\0b", "a\ud800b", "x" * 1_000_000):
        assert refused(nobody, text=bad).startswith("filter.text: ")


@pytest.mark.parametrize(
    "text",
    [
        *("'\"&|!():*", "'", '"', '"""', "\\", "\\'", "%s", "%(viewer)s", "{}", "$9", "--", "-", "- -", "or", "or or"),
        *("!", "<->", "a <-> b", "a:*", "(((", ")))", "or a or", "-a", '-"a b"', "a'; DROP TABLE stories_story; --"),
        *("\u200b", "\u202e", "\U0001f981", "a" * 200, "-" * 200, '"' * 200, "a or " * 20, "!!" * 100),
        *("- " * 99 + "a", "-<!" * 66, "-(" * 99, "-\t" * 99, '-"' * 99, "-a " * 40),
    ],
)
@pytest.mark.parametrize("order", ["NEWEST", "MOST_READ"])
def test_any_text_can_be_looked_for(author: Author, nobody: ApiClient, text: str, order: str) -> None:
    """No text is an error of the database, and none finds what it does not name."""
    author.publish("Lions")
    for who in (nobody, author.caller):
        assert titles(who, order, text=text) == (["Lions"] if re.match('-"?a', text) else [])


# --- Orders -----------------------------------------------------------------------------------------------------


def read(story: Any, *readers: ApiClient) -> None:
    """Each of them reads it today."""
    for reader in readers:
        reader.record_view(story["id"])


def test_most_read_first(
    author: Author, asha: ApiClient, bilal: ApiClient, chitra: ApiClient, nobody: ApiClient
) -> None:
    """From the first view on; what nobody has read comes last, and the newest of equals first."""
    one, two, _three = (author.publish(title) for title in ("One", "Two", "Three"))
    assert titles(nobody, "MOST_READ") == titles(nobody) == ["Three", "Two", "One"]
    read(one, bilal)
    assert titles(nobody, "MOST_READ") == ["One", "Three", "Two"]
    read(two, bilal, chitra, asha)
    assert titles(nobody, "MOST_READ") == ["Two", "One", "Three"]
    assert titles(nobody, "MOST_READ", text="one or three", author=asha.id) == ["One", "Three"]
    assert titles(nobody, "NEWEST") == ["Three", "Two", "One"]


def test_drafts_have_an_order_too(author: Author, bilal: ApiClient) -> None:
    """Those that were never read by when they were created."""
    for title in ("One", "Two"):
        author.draft(title)
    assert titles(author.caller, "MOST_READ", status="DRAFT") == ["Two", "One"]


def ranked(author: Author, count: int) -> list[str]:
    """Published stories of which three at a time have as many views; their titles, most read first."""
    stories = [author.publish(f"Number {n}") for n in range(count)]
    for n, story in enumerate(stories):
        StoryRank.objects.filter(pk=from_id(story["id"])[1][0]).update(views=(n * 7) % count // 3)  # type: ignore[index]
    return [rank.story.title for rank in StoryRank.objects.order_by("-views", "-story_id").select_related("story")]


@pytest.mark.parametrize("wanted", [{}, {"text": "number"}, {"withoutWarnings": ["GORE"]}], ids=str)
@pytest.mark.parametrize("order", ["NEWEST", "MOST_READ"])
def test_pages_lead_through_the_list_and_back(author: Author, nobody: ApiClient, wanted: Any, order: str) -> None:
    """With ties, in any order, under any filter: each once, from either end."""
    most_read = ranked(author, 8)
    expected = most_read if order == "MOST_READ" else [f"Number {n}" for n in reversed(range(8))]
    forward: list[str] = []
    backward: list[str] = []
    window: dict[str, Any] = {"first": 3}
    while window:
        found = page(nobody, order, window, **wanted)
        forward += [edge["node"]["title"] for edge in found["edges"]]
        window = {"first": 3, "after": found["pageInfo"]["endCursor"]} if found["pageInfo"]["hasNextPage"] else {}
    window = {"last": 3}
    while window:
        found = page(nobody, order, window, **wanted)
        backward = [edge["node"]["title"] for edge in found["edges"]] + backward
        more = found["pageInfo"]["hasPreviousPage"]
        window = {"last": 3, "before": found["pageInfo"]["startCursor"]} if more else {}
    assert forward == backward == expected


def test_a_cursor_belongs_to_its_kind_of_list(author: Author) -> None:
    """A moment is no number of views: the other list says so, instead of showing a page of anything."""
    ranked(author, 2)
    cursors = {order: page(author.caller, order)["pageInfo"]["endCursor"] for order in ("NEWEST", "MOST_READ")}
    for order, other in (("NEWEST", "MOST_READ"), ("MOST_READ", "NEWEST")):
        for name in ("after", "before"):
            message = refused(author.caller, {name: cursors[other]}, order)
            assert message == f"{name}: is not a cursor of this list."
    assert refused(author.caller, {"after": cursors["NEWEST"]}, "NEWEST", status="DRAFT") == (
        "after: is not a cursor of this list."
    )


def test_an_order_is_one_of_those_that_there_are(nobody: ApiClient) -> None:
    """As are warnings and states; null is no order."""
    for wrong in (
        {"o": "OLDEST"},
        {"o": None},
        {"f": {"status": "DELETED"}},
        {"f": {"withWarnings": ["BOREDOM"]}},
        {"f": {"withWarnings": [None]}},
        {"f": {"color": "red"}},
    ):
        answer = nobody.post(STORIES, **wrong)
        assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT", wrong


# --- Who sees what ----------------------------------------------------------------------------------------------

LISTS = {
    "stories": "{ stories { edges { node { title } } } }",
    "most read": "{ stories(orderBy: MOST_READ) { edges { node { title } } } }",
    "by text": '{ stories(filter: {text: "grown or everybody"}) { edges { node { title } } } }',
    "of an author": '{ person(handle: "asha") { stories { edges { node { title } } } } }',
    "feed": "{ feed { edges { node { title } } } }",
}


def listed(caller: ApiClient, query: str) -> set[str]:
    """The titles of a list."""
    found = caller.ask(query)
    while "edges" not in found:
        (found,) = found.values()
    return {edge["node"]["title"] for edge in found["edges"]}


ALL, FOR_ALL = {"For grown-ups", "For everybody"}, {"For everybody"}


@pytest.fixture
def grown_up(author: Author, bilal: ApiClient) -> Any:
    """A story for adults among others, by somebody whom bilal follows."""
    author.publish("For everybody")
    bilal.follow(author.caller)
    return author.publish("For grown-ups", mature=True)


@pytest.mark.parametrize("name", LISTS)
def test_stories_for_adults_are_for_those_who_want_them(
    grown_up: Any, name: str, asha: ApiClient, bilal: ApiClient, nobody: ApiClient
) -> None:
    """Off unless a reader turns them on; always off when signed out; one's own are always there."""
    query = LISTS[name]
    assert listed(bilal, query) == FOR_ALL
    assert bilal.update_profile({"showMature": True}, "1")["applied"] == "WRITTEN"
    assert listed(bilal, query) == ALL
    assert bilal.update_profile({"showMature": False}, "2")["applied"] == "WRITTEN"
    assert listed(bilal, query) == FOR_ALL
    if name != "feed":
        assert listed(nobody, query) == FOR_ALL
        assert listed(asha, query) == ALL
        assert asha.ask("{ viewer { showMature } }") == {"viewer": {"showMature": False}}


def test_what_is_looked_up_directly_is_found(
    grown_up: Any, asha: ApiClient, bilal: ApiClient, nobody: ApiClient
) -> None:
    """Whoever has the id, or a place in the story, is shown that it is for adults; the app asks."""
    query = "query ($id: ID!) { story(id: $id) { mature } node(id: $id) { ... on Story { mature } } }"
    for who in (bilal, nobody):
        assert who.ask(query, id=grown_up["id"]) == {"story": {"mature": True}, "node": {"mature": True}}
    bilal.record_view(grown_up["id"], chapter=grown_up["chapters"][0]["id"])
    place = "query ($id: ID!) { story(id: $id) { reading { version chapter { story { title } } } } }"
    assert bilal.ask(place, id=grown_up["id"])["story"]["reading"]["version"] == "1"
    shelf = "{ viewer { shelf { stories { edges { node { title } } } } } }"
    assert listed(asha, shelf) == ALL


def test_a_page_is_full_of_what_is_shown(author: Author, bilal: ApiClient) -> None:
    """What is hidden takes no place on a page, so that none is short."""
    for n in range(6):
        author.publish(f"Number {n}", mature=n % 2 == 0)
    for order in ("NEWEST", "MOST_READ"):
        found = page(bilal, order, {"first": 2})
        assert [edge["node"]["title"] for edge in found["edges"]] == ["Number 5", "Number 3"]
        assert found["pageInfo"]["hasNextPage"] is True
        rest = page(bilal, order, {"first": 2, "after": found["pageInfo"]["endCursor"]})
        assert [edge["node"]["title"] for edge in rest["edges"]] == ["Number 1"]
        assert rest["pageInfo"]["hasNextPage"] is False


def test_a_block_hides_stories_from_every_list(grown_up: Any, asha: ApiClient, bilal: ApiClient) -> None:
    """Either way, in every order, whatever is looked for."""
    for blocker, other in ((asha, bilal), (bilal, asha)):
        version = blocker.relationship(other)["version"]
        assert blocker.block(other, version)["applied"] == "WRITTEN"
        for query in LISTS.values():
            if "person(" not in query or blocker is bilal:
                assert listed(bilal, query) == set()
        assert blocker.unblock(other, blocker.relationship(other)["version"])["applied"] == "WRITTEN"


def test_what_is_no_longer_published_is_in_no_list(author: Author, nobody: ApiClient) -> None:
    """Although it keeps its rank for the day on which it comes back."""
    story = author.publish("Gone")
    key = from_id(story["id"])[1][0]  # type: ignore[index]
    now = Story.objects.get(pk=key).version
    query = """mutation ($id: ID!, $v: Version!) { unpublishStory(id: $id, expect: {version: $v}) { __typename } }"""
    assert author.caller.ask(query, id=story["id"], v=str(now))["unpublishStory"]["__typename"] == "StorySuccess"
    for order in ("NEWEST", "MOST_READ"):
        assert titles(nobody, order) == []
        assert titles(author.caller, order, status="DRAFT") == ["Gone"]
    assert StoryRank.objects.filter(pk=key).exists()
    assert author.caller.publish(story["id"], str(now + 1))["applied"] == "WRITTEN"
    assert titles(nobody, "MOST_READ") == ["Gone"]


def test_newest_is_by_publication(author: Author, nobody: ApiClient) -> None:
    """Not by when a story was begun."""
    drafts = [author.draft(title) for title in ("Begun first", "Begun last")]
    for draft in reversed(drafts):
        author.caller.publish(draft["id"])
    assert titles(nobody) == ["Begun first", "Begun last"]
    published = Story.objects.values_list("published_at", flat=True)
    assert all(at is not None and datetime.now(UTC) - at < timedelta(hours=1) for at in published)
