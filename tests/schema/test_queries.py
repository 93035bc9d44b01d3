"""How many SQL statements each query takes: few, and the same whatever the page size."""

from typing import Any

import pytest

from backend.stories.models import Story
from schema.nodes import to_id
from tests.api import ApiClient, join
from tests.api.moderation import make_moderator
from tests.api.notifications import told_of
from tests.schema.counting import counting
from tests.worlds import MadeOnce

STORY = (
    "id title author { id name followerCount relationship { following } } chapterCount viewCount "
    "reading { version chapter { title } }"
)
PERSON = "id handle followerCount followingCount storyCount relationship { following followedBy version }"
STORIES = f"edges {{ cursor node {{ {STORY} }} }} pageInfo {{ hasNextPage }}"
FOLLOWERS = f"totalCount edges {{ node {{ {PERSON} }} }}"
WHISPERS = "edges { cursor node { id text nsfw author { name followerCount relationship { following } } } }"
REPORT = (
    "id reason status claimedBy { name followerCount } reporter { name } subject { id ... on Whisper { text author { name } } "
    "... on Story { title author { name } chapterCount } }"
)
ORDERS = (
    f"edges {{ cursor node {{ status totalCents buyer {{ {PERSON} }} author {{ {PERSON} }} "
    f"lines {{ quantity priceCents edition {{ title stock story {{ {STORY} }} }} }} }} }}"
)
DOCUMENTS = {
    "whispers": f"query ($n: Int) {{ whispers(first: $n) {{ {WHISPERS} }} }}",
    "whispers of followers": f"""query ($n: Int) {{ person(handle: "p0") {{ followers(first: $n) {{ edges {{ node {{
        whispers(first: 3) {{ {WHISPERS} }} }} }} }} }} }}""",
    "reports": f"query ($n: Int) {{ reports(first: $n) {{ edges {{ cursor node {{ {REPORT} }} }} }} }}",
    "health": "{ health { operations { name committed } database { lockWaits tallySlots { count } } hottest { thing } } }",
    "nothing": "{ __typename }",
    "viewer": "{ viewer { id name } }",
    "feed": f"query ($n: Int) {{ feed(first: $n) {{ {STORIES} }} }}",
    "stories": f"query ($n: Int) {{ stories(first: $n) {{ {STORIES} }} }}",
    "profile": f"""query ($n: Int) {{ person(handle: "p0") {{ {PERSON} stories(first: $n) {{ {STORIES} }} }} }}""",
    "followers": f"""query ($n: Int) {{ person(handle: "p0") {{ followers(first: $n) {{ {FOLLOWERS} }} }} }}""",
    "followers of followers": """query ($n: Int) { person(handle: "p0") { followers(first: $n) { edges { node {
        followers(first: $n) { totalCount edges { node { handle relationship { following } } } }
        stories(first: 3) { edges { node { title chapterCount } } }
    } } } } }""",
    "nodes": f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Person {{ {PERSON} }} ... on Story {{ {STORY} }} }} }}",
    "relationships": "query ($people: [ID!]!) "
    f"{{ relationships(people: $people) {{ version following person {{ {PERSON} }} }} }}",
    "shelf": """query ($n: Int) { viewer { shelf { storyCount stories(first: $n) {
        edges { node { title status chapters { title } } }
    } } } }""",
    "readings": f"""query ($n: Int) {{ viewer {{ readings(first: $n) {{
        edges {{ cursor node {{ version offset chapter {{ title }} changedChapters {{ title }} story {{ {STORY} }} }} }}
    }} }} }}""",
    "editions": f"query ($n: Int) {{ editions(first: $n) {{ edges {{ cursor node {{ title stock story {{ {STORY} }} }} }} }} }}",
    "editions of stories": "query ($ids: [ID!]!) "
    "{ nodes(ids: $ids) { ... on Story { editions { edges { node { id stock } } } } } }",
    "orders": f"query ($n: Int) {{ orders(first: $n) {{ {ORDERS} }} }}",
    "notifications": f"query ($n: Int) {{ viewer {{ unreadCount notifications(first: $n) {{ "
    f"edges {{ cursor node {{ kind readAt story {{ {STORY} }} digest {{ day }} }} }} }} }} }}",
    "sales": f"query ($n: Int) {{ viewer {{ sales(first: $n) {{ {ORDERS} }} }} }}",
}
EXPECTED = {**dict.fromkeys(DOCUMENTS, 1), "health": 6, "nothing": 0}


@pytest.fixture(scope="module")
def crowd(made_once: MadeOnce) -> list[ApiClient]:
    """Many people, the same for all."""
    return made_once(make_crowd)


def make_crowd() -> list[ApiClient]:
    """Twenty-one people; p0 is followed by and follows all others; each has a published story that p1 has read.

    Each has an edition of it that p1 has ordered, and all have ordered one of p1's.
    """
    people = [join(f"p{n}") for n in range(21)]
    first, reader = people[:2]
    for one in people:
        story = one.published_story(chapters=2)
        editions = [one.create_edition(story["id"])["edition"]["id"] for _ in range(2)]
        if one is not reader:
            assert reader.place_order(*((edition, 1) for edition in editions))["applied"] == "WRITTEN"
            reader.record_view(story["id"], chapter=story["chapters"][0]["id"])
            assert reader.follow(one)["applied"] == "WRITTEN"
    for one in people[2:]:
        one.follow(first)
        first.follow(one, "1")
    report_all(people)
    for story in Story.objects.filter(author__in=[one.person for one in people[2:]]):
        told_of(reader, to_id("Story", story.pk))
    edition = reader.create_edition(reader.published_story("1")["id"], stock=30)["edition"]["id"]
    for one in people:
        assert one.place_order((edition, 1))["applied"] == "WRITTEN"
    return people


def report_all(people: list[ApiClient]) -> None:
    """Everybody whispers; p1 moderates, and has claimed the reports that p0 has made: of whispers, then of stories.

    Another person's stand in for those of p1, because nobody settles what is reported of their own.
    """
    first, moderator = people[0], make_moderator(people[1])
    others = [join("another"), *people[2:]]
    whispers = [one.create_whisper(f"I am {n}.")["whisper"]["id"] for n, one in enumerate(others)]
    story = others[0].published_story(chapters=2)
    moderator.record_view(story["id"], chapter=story["chapters"][0]["id"])
    stories = [to_id("Story", story.pk) for story in Story.objects.filter(author__in=[one.person for one in others])]
    for pair in zip(whispers, stories, strict=True):
        for subject in pair:
            assert moderator.claim(first.report(subject)["report"]["id"])["applied"] == "WRITTEN"


def counted(caller: ApiClient, document: str, **variables: Any) -> list[str]:
    """The SQL of one request."""
    with counting() as sent:
        answer = caller.post(document, **variables)
    assert "errors" not in answer, answer["errors"]
    return sent


def of_size(people: list[ApiClient], size: int) -> dict[str, Any]:
    """Variables for pages and lists of this size."""
    some = people[2 : 2 + size]
    written = Story.objects.filter(author_id__in=[one.person.pk for one in some])
    ids = [one.id for one in some]
    return {"n": size, "people": ids, "ids": ids + [to_id("Story", story.pk) for story in written]}


def asked_for(document: str, variables: dict[str, Any]) -> dict[str, Any]:
    """Those variables that the document declares."""
    return {name: value for name, value in variables.items() if f"${name}:" in document}


def test_queries_take_as_many_statements_whatever_the_page_size(crowd: list[ApiClient]) -> None:
    """One statement for each that only reads, for two rows and for nineteen."""
    viewer = crowd[1]
    found: dict[int, dict[str, int]] = {}
    for size in (2, 19):
        variables = of_size(crowd, size)
        found[size] = {
            name: len(counted(viewer, document, **asked_for(document, variables)))
            for name, document in DOCUMENTS.items()
        }
    assert found[2] == found[19] == EXPECTED


def test_all_lists_of_a_document_are_one_statement(crowd: list[ApiClient]) -> None:
    """Also the same list under two names."""
    query = "{ a: stories(first: 2) { edges { node { viewCount } } } b: stories(first: 5) { edges { node { viewCount } } } }"
    assert len(counted(crowd[1], query)) == 1
