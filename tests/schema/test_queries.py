"""How many SQL statements each request takes: few, the same whatever the page size, and each list read from its index."""

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backend.market import queries as market
from backend.market.models import Edition
from backend.moderation import queries as moderation_queries
from backend.moderation.models import ReportStatus
from backend.notifications import queries as notifications
from backend.pages import Window
from backend.people.models import Person
from backend.reading import queries as reading
from backend.reading.models import Reading
from backend.social import queries as social
from backend.stories import lists
from backend.stories.lists import StoryOrder, Wanted
from backend.stories.models import Story
from backend.whispers import queries as whispers
from schema.nodes import to_id
from tests.api import Caller, join
from tests.explaining import Explained
from tests.moderating import make_moderator, screen_for
from tests.notifying import told_of, told_of_a_day

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
EXPECTED = {
    "whispers": 5,
    "whispers of followers": 7,
    "reports": 11,
    "health": 6,
    "nothing": 0,
    "viewer": 1,
    "feed": 9,
    "stories": 9,
    "profile": 14,
    "followers": 9,
    "followers of followers": 9,
    "nodes": 14,
    "relationships": 7,
    "shelf": 4,
    "readings": 12,
    "editions": 10,
    "editions of stories": 4,
    "notifications": 11,
    "orders": 17,
    "sales": 15,
}


@pytest.fixture
def crowd(transactional_db: None) -> list[Caller]:
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


def report_all(people: list[Caller]) -> None:
    """Everybody whispers; p1 moderates, and has claimed the reports that p0 has made: of whispers, then of stories."""
    first, moderator = people[0], make_moderator(people[1])
    whispers = [one.create_whisper(f"I am {n}.")["whisper"]["id"] for n, one in enumerate(people[1:])]
    stories = [to_id("Story", story.pk) for story in Story.objects.exclude(author=first.person)]
    for pair in zip(whispers, stories, strict=True):
        for subject in pair:
            assert moderator.claim(first.report(subject)["report"]["id"])["applied"] == "WRITTEN"


def statements(captured: CaptureQueriesContext) -> list[str]:
    """The SQL that was sent, but for the beginning and end of transactions, which cost no more for a longer page."""
    return [one["sql"] for one in captured.captured_queries if not re.match("BEGIN|COMMIT|SAVEPOINT", one["sql"])]


def counted(caller: Caller, document: str, **variables: Any) -> list[str]:
    """The SQL of one request."""
    with CaptureQueriesContext(connection) as captured:
        answer = caller.post(document, **variables)
    assert "errors" not in answer, answer["errors"]
    return statements(captured)


def of_size(people: list[Caller], size: int) -> dict[str, Any]:
    """Variables for pages and lists of this size."""
    some = people[2 : 2 + size]
    written = Story.objects.filter(author_id__in=[one.person.pk for one in some])
    ids = [one.id for one in some]
    return {"n": size, "people": ids, "ids": ids + [to_id("Story", story.pk) for story in written]}


def asked_for(document: str, variables: dict[str, Any]) -> dict[str, Any]:
    """Those variables that the document declares."""
    return {name: value for name, value in variables.items() if f"${name}:" in document}


def test_queries_take_as_many_statements_whatever_the_page_size(crowd: list[Caller]) -> None:
    """The whole table, for two rows and for nineteen."""
    viewer = crowd[1]
    found: dict[int, dict[str, int]] = {}
    for size in (2, 19):
        variables = of_size(crowd, size)
        found[size] = {
            name: len(counted(viewer, document, **asked_for(document, variables)))
            for name, document in DOCUMENTS.items()
        }
    assert found[2] == found[19] == EXPECTED


def test_a_list_under_two_names_is_two_lists(crowd: list[Caller]) -> None:
    """Each page is read once, and what belongs to its rows once for each page."""
    query = "{ a: stories(first: 2) { edges { node { viewCount } } } b: stories(first: 5) { edges { node { viewCount } } } }"
    assert len(counted(crowd[1], query)) == 5


# --- Mutations --------------------------------------------------------------------------------------------------


def captured(act: Callable[[], Any]) -> tuple[str, int]:
    """What a mutation answered, and how many statements it took."""
    with CaptureQueriesContext(connection) as context:
        answer = act()
    return answer.get("applied") or answer["__typename"], len(statements(context))


Writes = Iterator[tuple[str, Callable[[], Any]]]


def writes(a: Caller, b: Caller) -> Writes:
    """Each mutation in a state in which it writes, then in one in which it meets a conflict."""
    yield "follow", lambda: a.follow(b, "0")
    yield "follow, too late", lambda: a.follow(b, "0")
    yield "follow, again", lambda: a.follow(b, "1")
    yield "unfollow", lambda: a.unfollow(b, "1")
    yield "unfollow, too late", lambda: a.unfollow(b, "1")
    b.follow(a, "2")
    yield "removeFollower", lambda: a.remove_follower(b, "3")
    yield "removeFollower, too late", lambda: a.remove_follower(b, "3")
    a.follow(b, "4")
    b.follow(a, "5")
    yield "block", lambda: a.block(b)
    yield "block, too late", lambda: a.block(b, "1")
    yield "unblock", lambda: a.unblock(b, "7")
    yield "unblock, too late", lambda: a.unblock(b, "7")
    yield "updateProfile", lambda: a.update_profile({"name": "A"}, "1")
    yield "updateProfile, too late", lambda: a.update_profile({"name": "B"}, "1")
    yield "createStory", lambda: a.create_story("0", chapters=1)
    yield "createStory, 50 chapters", lambda: a.create_story("1", chapters=50)
    yield "createStory, too late", lambda: a.create_story("0")
    mine = a.create_story("2")["story"]["id"]
    yield "publishStory", lambda: a.publish(mine)
    yield "publishStory, too late", lambda: a.publish(mine)
    story = b.published_story(chapters=2)
    one, two = (chapter["id"] for chapter in story["chapters"])
    yield "recordView", lambda: a.record_view(story["id"], "0", one)
    yield "recordView, next place", lambda: a.record_view(story["id"], "1", two)
    yield "recordView, too late", lambda: a.record_view(story["id"], "1", one)
    yield "recordView, further", lambda: a.record_view(story["id"], None, two, 1, policy="FURTHEST")
    yield "recordView, not further", lambda: a.record_view(story["id"], None, one, policy="FURTHEST")
    yield from edits(a, b)
    yield from moderation(a, b)
    told = told_of_a_day(a)
    yield "markNotificationRead", lambda: a.mark_read(told)
    yield "markNotificationRead, too late", lambda: a.mark_read(told)
    yield "markNotificationRead, again", lambda: a.mark_read(told, "2")


def edits(a: Caller, b: Caller) -> Writes:
    """Each write to a story of fifty chapters that is being read: how many there are costs no statement."""
    made = a.create_story("3", chapters=50)["story"]
    story, (one, two, *others) = made["id"], [chapter["id"] for chapter in made["chapters"]]
    yield "updateStory", lambda: a.update_story(story, {"title": "T", "mature": True}, "1")
    yield "updateStory, too late", lambda: a.update_story(story, {"title": "U", "mature": False}, "1")
    yield "updateStory, merging", lambda: a.update_story(story, {"summary": "S"}, "1", merge=True)
    yield "updateChapter", lambda: a.update_chapter(one, {"title": "T", "body": "A\n\nB"}, "1")
    yield "updateChapter, too late", lambda: a.update_chapter(one, {"title": "U", "body": "B"}, "1")
    a.update_chapter(one, {"body": "A!\n\nB"}, "2")
    yield "updateChapter, merging texts", lambda: a.update_chapter(one, {"body": "A\n\nB!"}, "2", merge=True)
    yield "reorderChapters", lambda: a.reorder(story, [*others, two, one], "1")
    yield "reorderChapters, too late", lambda: a.reorder(story, [*others, one, two], "1")
    a.publish(story, "7")
    b.record_view(story, "0", one)
    yield "deleteChapter", lambda: a.delete_chapter(one, "5")
    yield "deleteChapter, too late", lambda: a.delete_chapter(two, "0")
    revision = a.revisions(story)[0]["id"]
    yield "restoreRevision", lambda: a.restore(revision, "9")
    yield "restoreRevision, too late", lambda: a.restore(revision, "9")
    yield "appendChapter", lambda: a.append(made["id"], key=str(uuid.uuid4()))
    yield "unpublishStory", lambda: a.unpublish(story, "11")
    yield "unpublishStory, too late", lambda: a.unpublish(story, "11")
    yield "deleteStory, too late", lambda: a.delete_story(story, "1")
    yield "deleteStory", lambda: a.delete_story(story, "12")
    yield from trades(a, b)


def trades(author: Caller, buyer: Caller) -> Writes:
    """Each write to editions and orders, with two lines."""
    story = author.published_story("5")["id"]
    yield "createEdition", lambda: author.create_edition(story)
    one, two = (author.create_edition(story)["edition"]["id"] for _ in range(2))
    yield "adjustStock", lambda: author.adjust_stock(one, 2)
    yield "adjustStock, too much", lambda: author.adjust_stock(one, -9)
    yield "setStock", lambda: author.set_stock(one, 5, "2")
    yield "setStock, too late", lambda: author.set_stock(one, 6, "2")
    yield "placeOrder", lambda: buyer.place_order((one, 1), (two, 1))
    yield "placeOrder, too much", lambda: buyer.place_order((one, 1), (two, 9))
    order, other = (buyer.place_order((one, 1), (two, 1))["order"]["id"] for _ in range(2))
    yield "updateOrder", lambda: author.update_order(order, "CONFIRMED", "1")
    yield "updateOrder, too late", lambda: author.update_order(order, "SHIPPED", "1")
    yield "updateOrder, cancelling", lambda: buyer.update_order(other, "CANCELLED", "1")
    doomed = author.published_story("6")["id"]
    author.create_edition(doomed)
    yield "deleteStory with an edition", lambda: author.delete_story(doomed, "2")


def moderation(a: Caller, b: Caller) -> Writes:
    """Each write to whispers and reports; of several reports the others are resolved by one statement."""
    screen_for("REPORT", "scam")
    made: list[Any] = []
    yield "createWhisper, new policy", lambda: b.create_whisper("Psst.")
    yield "createWhisper", lambda: b.create_whisper("Psst.")
    yield "createWhisper, found", lambda: made.append(b.create_whisper("A scam.")) or made[-1]
    whisper, report = made[0]["whisper"]["id"], made[0]["report"]["id"]
    story = b.published_story("1")
    yield "report", lambda: a.report(whisper)
    yield "report, again", lambda: a.report(whisper)
    make_moderator(a)
    yield "claimReport", lambda: a.claim(report)
    yield "claimReport, too late", lambda: a.claim(report)
    yield "unclaimReport", lambda: a.unclaim(report, "2")
    yield "unclaimReport, too late", lambda: a.unclaim(report, "2")
    yield "resolveReport", lambda: a.resolve(report, "DISMISSED", "3")
    yield "resolveReport, too late", lambda: a.resolve(report, "DISMISSED", "3")
    yield "reopenReport", lambda: a.reopen(report, "4")
    yield "reopenReport, too late", lambda: a.reopen(report, "4")
    yield "resolveReport, removing", lambda: a.resolve(report, "REMOVED", "5")
    of_story = a.report(story["id"])["report"]["id"]
    yield "resolveReport, taking down", lambda: a.resolve(of_story, "REMOVED", "1")
    mine = b.create_whisper("A scam.")["whisper"]["id"]
    a.resolve(a.report(mine)["report"]["id"], "MARKED_NSFW")
    yield "deleteWhisper", lambda: b.delete_whisper(mine)
    other = b.create_whisper("Psst.")["whisper"]["id"]
    a.resolve(a.report(other)["report"]["id"], "MARKED_NSFW")
    yield "deleteWhisper, too late", lambda: b.delete_whisper(other)


WRITES = {
    "follow": ("WRITTEN", 6),
    "follow, too late": ("ConflictError", 5),
    "follow, again": ("NOOP", 4),
    "unfollow": ("WRITTEN", 4),
    "unfollow, too late": ("ConflictError", 5),
    "removeFollower": ("WRITTEN", 4),
    "removeFollower, too late": ("ConflictError", 5),
    "block": ("WRITTEN", 5),
    "block, too late": ("ConflictError", 6),
    "unblock": ("WRITTEN", 2),
    "unblock, too late": ("ConflictError", 4),
    "updateProfile": ("WRITTEN", 2),
    "updateProfile, too late": ("ConflictError", 4),
    "createStory": ("WRITTEN", 6),
    "createStory, 50 chapters": ("WRITTEN", 6),
    "createStory, too late": ("ConflictError", 4),
    "publishStory": ("WRITTEN", 7),
    "publishStory, too late": ("ConflictError", 5),
    "recordView": ("WRITTEN", 8),
    "recordView, next place": ("WRITTEN", 6),
    "recordView, too late": ("ConflictError", 7),
    "recordView, further": ("WRITTEN", 7),
    "recordView, not further": ("NOOP", 8),
    "updateStory": ("WRITTEN", 5),
    "updateStory, too late": ("ConflictError", 5),
    "updateStory, merging": ("MERGED", 5),
    "updateChapter": ("WRITTEN", 5),
    "updateChapter, too late": ("ConflictError", 6),
    "updateChapter, merging texts": ("MERGED", 8),
    "reorderChapters": ("WRITTEN", 8),
    "reorderChapters, too late": ("ConflictError", 6),
    "deleteChapter": ("WRITTEN", 10),
    "deleteChapter, too late": ("ConflictError", 7),
    "restoreRevision": ("WRITTEN", 11),
    "restoreRevision, too late": ("ConflictError", 7),
    "appendChapter": ("WRITTEN", 7),
    "unpublishStory": ("WRITTEN", 6),
    "unpublishStory, too late": ("ConflictError", 5),
    "deleteStory, too late": ("ConflictError", 8),
    "deleteStory": ("WRITTEN", 15),
    "createWhisper, new policy": ("WRITTEN", 5),
    "createWhisper": ("WRITTEN", 4),
    "createWhisper, found": ("WRITTEN", 8),
    "report": ("WRITTEN", 8),
    "report, again": ("NOOP", 5),
    "claimReport": ("WRITTEN", 5),
    "claimReport, too late": ("ConflictError", 7),
    "unclaimReport": ("WRITTEN", 4),
    "unclaimReport, too late": ("ConflictError", 6),
    "resolveReport": ("WRITTEN", 6),
    "resolveReport, too late": ("ConflictError", 7),
    "reopenReport": ("WRITTEN", 4),
    "reopenReport, too late": ("ConflictError", 6),
    "resolveReport, removing": ("WRITTEN", 9),
    "resolveReport, taking down": ("WRITTEN", 10),
    "deleteWhisper": ("WRITTEN", 5),
    "deleteWhisper, too late": ("ConflictError", 4),
    "markNotificationRead": ("WRITTEN", 2),
    "markNotificationRead, too late": ("ConflictError", 4),
    "markNotificationRead, again": ("NOOP", 3),
    "createEdition": ("WRITTEN", 4),
    "adjustStock": ("WRITTEN", 5),
    "adjustStock, too much": ("OutOfStockError", 6),
    "setStock": ("WRITTEN", 3),
    "setStock, too late": ("ConflictError", 4),
    "placeOrder": ("WRITTEN", 10),
    "placeOrder, too much": ("OutOfStockError", 6),
    "updateOrder": ("WRITTEN", 6),
    "updateOrder, too late": ("ConflictError", 5),
    "updateOrder, cancelling": ("WRITTEN", 9),
    "deleteStory with an edition": ("WRITTEN", 18),
}
"""Without what the answer shows of other people and things, which costs as much as in a query."""


def test_a_mutation_takes_a_few_statements(asha: Caller, bilal: Caller) -> None:
    """The token, the write with what belongs to it, and what the answer shows; explaining a conflict takes at most two more."""
    found = {name: captured(act) for name, act in writes(asha, bilal)}
    assert found == WRITES
    for name, (_, count) in found.items():
        if name.endswith("too late"):
            assert count <= found[name.partition(",")[0]][1] + 2


def test_a_key_costs_two_statements_and_a_replay_no_write(asha: Caller, bilal: Caller) -> None:
    """Claimed and filled; read again."""
    key = str(uuid.UUID(int=5))
    assert captured(lambda: asha.follow(bilal, "0", key=key)) == ("WRITTEN", WRITES["follow"][1] + 2)
    assert captured(lambda: asha.follow(bilal, "0", key=key)) == ("REPLAYED", 3)


# --- Indexes ----------------------------------------------------------------------------------------------------


def wanted_lists(author: uuid.UUID) -> list[Wanted]:
    """Each way in which a list of stories can be asked for, and some at once."""
    rare, common = str(Story.objects.earliest("id").pk)[:8], "the"
    return [
        Wanted(),
        Wanted(author=author),
        Wanted(without_warnings=["HATE", "GORE"]),
        Wanted(text=rare),
        Wanted(text=common),
        Wanted(author=author, text=common, without_warnings=["GORE"]),
        Wanted(drafts=True),
        Wanted(drafts=True, text=rare),
    ]


@pytest.mark.parametrize("window", [Window(20), Window(20, backward=True)], ids=["forward", "backward"])
def test_pages_are_read_from_their_indexes(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, window: Window
) -> None:
    """With some thousands of people no list reads a table from its beginning, nor do the totals."""
    monkeypatch.setattr(lists, "NEAR", 100)  # as small a part of this table as it is of a large one
    call_command("demo", people=2_000, stories=3_000, editions=2_000, orders=4_000, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    known = Person.objects.order_by("joined_at")[:20]
    viewer, owners = known[0].pk, [one.pk for one in known]
    places = list(Reading.objects.all()[:20])
    printed = [edition.story_id for edition in Edition.objects.all()[:20]]
    explained = Explained()
    with connection.execute_wrapper(explained):
        for kind in (social.FOLLOWERS, social.FOLLOWING):
            social.lists(kind, owners[:1], window, viewer=viewer)
            social.list_totals(kind, owners[:1], viewer=viewer)
        lists.feed(window, viewer=viewer, mature=False)
        lists.by_authors(owners[:1], window, viewer=viewer, mature=False)
        lists.on_shelf(viewer, window)
        for wanted, order in product(wanted_lists(owners[1]), StoryOrder):
            lists.stories(wanted, order, window, viewer=viewer, mature=False)
        reading.of_reader(viewer, window)
        whispers.of_everybody(window)
        whispers.of_followed(window, viewer=viewer, mature=False)
        whispers.by_authors(owners[:1], window, viewer=viewer, mature=False)
        for status in (None, *ReportStatus):
            moderation_queries.reports(status, replace(window, oldest_first=True))
        reading.changed_chapters(places, viewer=viewer)
        market.published_editions(window, viewer=viewer, mature=False)
        market.editions_of(printed, window, viewer=viewer)
        for unread in (None, True, False):
            notifications.of_person(viewer, window, unread=unread, mature=False)
        notifications.unread_count(viewer, mature=False)
        market.orders_by(viewer, window)
        market.orders_from(owners[1], window)
    assert len(explained.plans) >= 10
    for plan in explained.plans:
        # Those about to be swept are so few that no index of them is worth its while.
        assert "Seq Scan" not in plan.replace("Seq Scan on people_departure", ""), plan


@pytest.mark.parametrize("order", StoryOrder)
def test_rare_words_are_found_by_their_index(transactional_db: None, order: StoryOrder) -> None:
    """The words of the query are those of the index, which `@@` with any others would not use."""
    call_command("demo", people=200, stories=3_000, chapters=0, views=3_000, verbosity=0)
    explained = Explained()
    with connection.execute_wrapper(explained):
        lists.stories(Wanted(text="unheard-of"), order, Window(20), viewer=None, mature=True)
    assert "story_search" in explained.plans[-1], explained.plans[-1]
    with connection.execute_wrapper(explained):
        lists.stories(Wanted(text="the"), order, Window(20), viewer=None, mature=True)
    assert len(explained.plans) == 3, "what is near the beginning needs no second look"
