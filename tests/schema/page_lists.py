"""Each kind of list with eleven rows, several of which share a moment, for the tests of pages."""

from datetime import UTC, datetime, timedelta
from typing import Any

from backend.engine.ids import uuid7
from backend.moderation.models import Report
from backend.people.models import Person
from backend.reading.models import Reading
from backend.social.models import Relationship
from backend.stories.models import Story, StoryRank, StoryStatus
from backend.whispers.models import Whisper
from schema.nodes import to_id
from tests.api import ApiClient, join
from tests.api.moderation import make_moderator

COUNT = 11
START = datetime(2024, 2, 29, 12, tzinfo=UTC)
PAGE = "edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
ARGUMENTS = "(first: $first, after: $after, last: $last, before: $before)"
DECLARED = "query ($first: Int, $after: String, $last: Int, $before: String)"
LISTS = {
    "stories": f"{{ stories{ARGUMENTS} {{ {PAGE} }} }}",
    "most read": f"{{ stories{ARGUMENTS.replace('(', '(orderBy: MOST_READ, ')} {{ {PAGE} }} }}",
    "found by text": f"""{{ stories{ARGUMENTS.replace("(", '(filter: {text: "STORY"}, ')} {{ {PAGE} }} }}""",
    "feed": f"{{ feed{ARGUMENTS} {{ {PAGE} }} }}",
    "of an author": f"""{{ person(handle: "bilal") {{ stories{ARGUMENTS} {{ {PAGE} }} }} }}""",
    "shelf": f"{{ viewer {{ shelf {{ stories{ARGUMENTS} {{ {PAGE} }} }} }} }}",
    "readings": f"{{ viewer {{ readings{ARGUMENTS} {{ {PAGE} }} }} }}",
    "whispers": f"{{ whispers{ARGUMENTS} {{ {PAGE} }} }}",
    "whispers of a person": f"""{{ person(handle: "bilal") {{ whispers{ARGUMENTS} {{ {PAGE} }} }} }}""",
    "reports": f"{{ reports{ARGUMENTS} {{ {PAGE} }} }}",
    "open reports": f"{{ reports{ARGUMENTS.replace('(', '(status: OPEN, ')} {{ {PAGE} }} }}",
    "followers": f"""{{ person(handle: "bilal") {{ followers{ARGUMENTS} {{ {PAGE} }} }} }}""",
    "following": f"""{{ person(handle: "bilal") {{ following{ARGUMENTS} {{ {PAGE} }} }} }}""",
}


def moment(n: int) -> datetime:
    """Moments of which three follow each other with ties, a microsecond apart."""
    return START + timedelta(microseconds=n // 3)


class Lists:
    """Each kind of list with eleven rows, several of which share a moment, and the order that it should have."""

    def __init__(self, me: ApiClient, them: ApiClient) -> None:
        self.me, self.them = me, them
        self.order: dict[str, list[str]] = {}
        published = add_stories(them, range(COUNT))
        self.order |= dict.fromkeys(("stories", "found by text", "feed", "of an author"), published)
        self.order["most read"] = add_ranks()
        follows = Relationship(
            **pair(me.person.pk, them.person.pk), **follow(me.person.pk, them.person.pk, START - timedelta(days=1))
        )
        Relationship.objects.bulk_create([follows])
        for kind in ("followers", "following"):
            strangers = Person.objects.bulk_create(
                Person(id=uuid7(), handle=f"{kind}{n}", name="Somebody") for n in range(COUNT)
            )
            rows = [(moment(n), stranger.pk) for n, stranger in enumerate(strangers)]
            Relationship.objects.bulk_create(
                Relationship(
                    **pair(them.person.pk, other),
                    **(follow(other, them.person.pk, at) if kind == "followers" else follow(them.person.pk, other, at)),
                )
                for at, other in rows
            )
            if kind == "followers":
                rows.append((START - timedelta(days=1), me.person.pk))
            self.order[kind] = [to_id("Person", other) for _, other in sorted(rows, reverse=True)]

    def page(self, kind: str, **window: Any) -> Any:
        """A page of a list."""
        who = self.them if kind == "shelf" else self.me
        found = who.ask(DECLARED + LISTS[kind], **window)
        while "edges" not in found:
            (found,) = found.values()
        return found


def add_stories(author: ApiClient, numbers: range) -> list[str]:
    """Published stories, at the moments of these numbers; their ids, newest first."""
    rows = [
        Story(
            id=uuid7(),
            author=author.person,
            title=f"Story {n}",
            status=StoryStatus.PUBLISHED,
            published_at=moment(n),
            created_at=moment(n),
        )
        for n in numbers
    ]
    Story.objects.bulk_create(rows)
    return [to_id("Story", row.pk) for row in sorted(rows, key=lambda row: (row.published_at, row.pk), reverse=True)]


def add_readings(reader: ApiClient) -> list[str]:
    """A place in each story, moved last at the moments of their numbers; their ids, newest first."""
    rows = [
        Reading(id=uuid7(), story=story, reader=reader.person, updated_at=moment(n))
        for n, story in enumerate(Story.objects.order_by("title"))
    ]
    Reading.objects.bulk_create(rows)
    in_order = sorted(rows, key=lambda row: (row.updated_at, row.pk), reverse=True)
    return [to_id("Reading", row.reader_id, row.story_id) for row in in_order]


def add_whispers(author: ApiClient) -> list[Whisper]:
    """Whispers, at the moments of their numbers, newest first."""
    rows = [Whisper(author=author.person, text=f"{n}", created_at=moment(n)) for n in range(COUNT)]
    Whisper.objects.bulk_create(rows)
    return sorted(rows, key=lambda row: (row.created_at, row.pk), reverse=True)


def add_reports(reporter: ApiClient, whispers: list[Whisper]) -> list[str]:
    """A report of each whisper, at the moment of its own; their ids, oldest first."""
    rows = [
        Report(about_id=one.author_id, reporter=reporter.person, whisper=one, reason="Look.", created_at=one.created_at)
        for one in whispers
    ]
    Report.objects.bulk_create(rows)
    return [to_id("Report", row.pk) for row in sorted(rows, key=lambda row: (row.created_at, row.pk))]


def add_ranks() -> list[str]:
    """A rank for each story, three of them alike; the ids of the stories, most read first."""
    StoryRank.objects.bulk_create(
        StoryRank(story=story, views=n // 3) for n, story in enumerate(Story.objects.order_by("-title"))
    )
    return [to_id("Story", rank.pk) for rank in StoryRank.objects.order_by("-views", "-story_id")]


def pair(one: Any, other: Any) -> dict[str, Any]:
    """The key of a pair."""
    return {"low_id": min(one, other), "high_id": max(one, other)}


def follow(follower: Any, followed: Any, at: datetime) -> dict[str, Any]:
    """That one of a pair follows the other since a moment."""
    return {("low_" if follower < followed else "high_") + "follows_at": at}


def make_lists() -> Lists:
    """Asha looks at bilal's lists."""
    asha, bilal = join("asha"), join("bilal")
    lists = Lists(asha, bilal)
    lists.order["shelf"] = lists.order["stories"]
    lists.order["readings"] = add_readings(asha)
    whispers = add_whispers(bilal)
    newest, oldest = [to_id("Whisper", one.pk) for one in whispers], add_reports(make_moderator(asha), whispers)
    lists.order |= {"whispers": newest, "whispers of a person": newest, "reports": oldest, "open reports": oldest}
    return lists


def ids(page: Any) -> list[str]:
    """The ids of a page."""
    return [edge["node"]["id"] for edge in page["edges"]]
