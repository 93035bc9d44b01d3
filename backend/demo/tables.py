"""The demo data as rows, with their totals, in an order that satisfies all references."""

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from psycopg.types.json import Jsonb

from backend.demo import coauthors, decisions
from backend.demo.chance import Chance
from backend.demo.editions import Bought, Printed, bought, editions, left
from backend.demo.follows import Met, Side, Ties, met, sides, ties
from backend.demo.notifications import Told, told
from backend.demo.people import ASHA, Someone, people
from backend.demo.sizes import Sizes
from backend.demo.stories import Tale, favourites, hero, stories
from backend.demo.views import Visits, visits
from backend.demo.whispers import WORDS, Murmur, Reported, murmur
from backend.demo.words import Prose
from backend.market.models import Edition, Order, OrderLine
from backend.moderation.models import DailyReports, Evidence, Report
from backend.notifications.models import Notification, NotificationKind
from backend.nouns import Rows, Table, collect
from backend.people.demo import PASSWORD
from backend.people.models import Account, Person, PersonTally
from backend.reading.models import Reading, View
from backend.social.models import HIGH, LOW, Relationship
from backend.stories.models import Chapter, Shelf, Story, StoryRank, StoryStatus, StoryTally
from backend.whispers.models import Flag, PolicyWord, Whisper

OFFSETS = 1_000
"""The maximum offset of a reader's position; every chapter is longer."""

Totals = Sequence[tuple[Any, str, int]]
"""Subject, kind, how many."""


@dataclass(frozen=True)
class World:
    """All demo data; long texts are generated only when their rows are written."""

    seed: int
    people: list[Someone]
    stories: list[Tale]
    ties: Ties
    visits: Visits
    murmur: Murmur
    editions: list[Printed]
    orders: list[Bought]
    told: list[Told]


def world(seed: int, sizes: Sizes) -> World:
    """Generate all data, deterministic by seed and sizes."""
    tales = stories(seed, sizes)
    made = ties(seed, sizes, favourites(tales, count=50))
    tales = coauthors.shared(seed, tales, made, sizes.people)
    printed = editions(seed, sizes, tales)
    orders = bought(seed, sizes, tales, printed, made)
    everybody = people(seed, sizes.people)
    whispers = murmur(seed, sizes, tales, everybody)
    seen, notified = visits(seed, sizes, tales, made), told(seed, tales, made)
    return World(seed, everybody, tales, made, seen, whispers, printed, orders, notified)


def tables(of: World, *, open_to_all: bool) -> Iterator[Table]:
    """All tables with their rows. With `open_to_all`, people have the well-known password."""
    pairs = met(of.ties, of.people)
    about_people, about_stories = _totals_of_people(of), _totals_of_stories(of)
    published = sum(tale.published_at is not None for tale in of.stories)
    chapters = sum(len(tale.chapters) for tale in of.stories)
    yield Table("people", Person, "id handle name bio joined_at updated_at", len(of.people), _people(of))
    yield Table("accounts", Account, _ACCOUNT, len(of.people), _accounts(of, open_to_all))
    yield Table("shelves", Shelf, "author story_count version stories_changed updated_at", len(of.people), _shelves(of))
    yield Table("stories", Story, _STORY, len(of.stories), _stories(of))
    yield Table("chapters", Chapter, "id story position title body updated_at", chapters, _chapters(of))
    yield Table("relationships", Relationship, _RELATIONSHIP, len(pairs), _relationships(of, pairs))
    yield Table("readings", Reading, _READING, len(of.visits), _readings(of))
    yield Table("views", View, "story reader day", sum(map(len, of.visits.values())), _views(of))
    yield from _whispering(of)
    yield Table("notifications", Notification, _NOTIFICATION, len(of.told), _notifications(of))
    yield Table("editions", Edition, _EDITION, len(of.editions), _editions(of))
    yield Table("orders", Order, _ORDER, len(of.orders), _orders(of))
    yield Table("lines of orders", OrderLine, _LINE, sum(len(one.lines) for one in of.orders), _lines(of))
    yield from decisions.tables(of.murmur.reports, of.people, {tale.id: tale.title for tale in of.stories})
    yield from coauthors.tables(of.seed, of.stories, of.people)
    for demo_tables in collect("demo", "demo_tables"):
        yield from demo_tables(of)
    yield Table("totals of people", PersonTally, _TALLY, _slots(about_people), _tallies(about_people))
    yield Table("totals of stories", StoryTally, _TALLY, _slots(about_stories), _tallies(about_stories))
    yield Table("ranks of stories", StoryRank, "story views", published, _ranks(of, about_stories))


def _people(of: World) -> Rows:
    return ((p.id, p.handle, p.name, p.bio, p.joined_at, p.joined_at) for p in of.people)


_ACCOUNT = "person password login is_moderator suspended_until"


def _accounts(of: World, open_to_all: bool) -> Rows:
    # A single hash for all, because hashing is slow and the password is public anyway.
    password = make_password(PASSWORD, salt="everybodyknows") if open_to_all else f"{UNUSABLE_PASSWORD_PREFIX}demo"
    suspended = {one.about: decisions.until(one) for one in of.murmur.reports if decisions.until(one)}
    for number, person in enumerate(of.people):
        yield person.id, password, person.handle.lower(), open_to_all and number == ASHA, suspended.get(number)


def _shelves(of: World) -> Rows:
    count = Counter(tale.author for tale in of.stories)
    changed_at: dict[int, datetime] = {tale.author: tale.created_at for tale in of.stories}
    for number, person in enumerate(of.people):
        version = count[number]
        yield person.id, count[number], version, version, changed_at.get(number, person.joined_at)


_STORY = (
    "id author title summary mature mature_held warnings writers managers "
    "status published_at created_at version status_changed coauthors_changed updated_at"
)


def _stories(of: World) -> Rows:
    marked = {one.subject["story"] for one in decisions.decided(of.murmur.reports) if "story" in one.subject}
    for tale in of.stories:
        status = StoryStatus.PUBLISHED if tale.published_at else StoryStatus.DRAFT
        stamped = tale.version if tale.published_at else 1
        yield (
            *(tale.id, of.people[tale.author].id, tale.title, tale.summary, tale.mature, tale.id in marked),
            list(tale.warnings),
            *([of.people[one].id for one in some] for some in (tale.writers, tale.managers)),
            *(status.value, tale.published_at, tale.created_at),
            *(tale.version, stamped, tale.shared_version, tale.changed_at),
        )


def _chapters(of: World) -> Rows:
    prose = Prose(Chance(of.seed, "prose"))
    for tale in of.stories:
        name = hero(tale, of.people)
        for position, chapter in enumerate(tale.chapters, start=1):
            yield chapter, tale.id, position, prose.title(), prose.body(name), tale.created_at


_SIDE = tuple(Side.__dataclass_fields__)
_RELATIONSHIP = " ".join(("id low high", *(f"{side}{name}" for side in (LOW, HIGH) for name in _SIDE)))


def _relationships(of: World, pairs: Met) -> Rows:
    chance = Chance(of.seed, "pairs")
    for pair, history in pairs.items():
        low, high = (of.people[number].id for number in pair)
        values = (getattr(side, name) for side in sides(pair, history) for name in _SIDE)
        yield chance.id(history[0][0]), low, high, *values


_READING = "id story reader chapter offset story_version version place_changed updated_at"


def _readings(of: World) -> Rows:
    chance = Chance(of.seed, "places")
    for (number, reader), moments in of.visits.items():
        tale, version = of.stories[number], len(moments)
        chapter = chance.choice(tale.chapters) if tale.chapters else None
        place = (chapter, chance.randrange(OFFSETS) if chapter else 0)
        seen = tale.version
        yield chance.id(moments[0]), tale.id, of.people[reader].id, *place, seen, version, version, moments[-1]


def _views(of: World) -> Rows:
    for (number, reader), moments in of.visits.items():
        for at in moments:
            yield of.stories[number].id, of.people[reader].id, at.date()


_NOTIFICATION = "id person kind story created_at read_at version read_changed updated_at"


def _notifications(of: World) -> Rows:
    kind = NotificationKind.STORY_PUBLISHED.value
    for one in of.told:
        told_of = (one.id, of.people[one.person].id, kind, of.stories[one.tale].id, one.at)
        yield *told_of, one.read_at, one.version, one.version, one.read_at or one.at


_EDITION = "id story author title price_cents stock initial created_at version stock_changed updated_at"


def _editions(of: World) -> Rows:
    """An edition is written once for each order of it, and once more for each cancelled one."""
    stocks = left(of.editions, of.orders)
    for number, one in enumerate(of.editions):
        tale, stock = of.stories[one.tale], stocks[number]
        yield (
            *(one.id, tale.id, of.people[tale.author].id, one.title, one.price_cents, stock.copies, one.initial),
            *(one.created_at, 1 + stock.writes, 1 + stock.writes, stock.at),
        )


_ORDER = "id author buyer total_cents status created_at version status_changed updated_at"


def _orders(of: World) -> Rows:
    for one in of.orders:
        author = of.people[of.stories[of.editions[one.lines[0][0]].tale].author].id
        total = sum(of.editions[number].price_cents * quantity for number, quantity in one.lines)
        version = len(one.moments)
        yield (
            *(one.id, author, of.people[one.buyer].id, total, one.status.value),
            *(one.moments[0], version, version, one.moments[-1]),
        )


_LINE = "order edition author number quantity price_cents"


def _lines(of: World) -> Rows:
    for one in of.orders:
        for place, (number, quantity) in enumerate(one.lines, start=1):
            printed = of.editions[number]
            author = of.people[of.stories[printed.tale].author].id
            yield one.id, printed.id, author, place, quantity, printed.price_cents


def _totals_of_people(of: World) -> Totals:
    totals = {
        "followers": Counter(followee for _follower, followee in of.ties.follows),
        "following": Counter(follower for follower, _followee in of.ties.follows),
        "stories": Counter(tale.author for tale in of.stories if tale.published_at),
    }
    return [(of.people[who].id, kind, count) for kind, counter in totals.items() for who, count in counter.items()]


def _totals_of_stories(of: World) -> Totals:
    views: Counter[int] = Counter()
    for (number, _reader), moments in of.visits.items():
        views[number] += len(moments)
    return [(of.stories[number].id, "views", count) for number, count in views.items()]


def _ranks(of: World, about_stories: Totals) -> Rows:
    views = {story: count for story, _kind, count in about_stories}
    return ((tale.id, views.get(tale.id, 0)) for tale in of.stories if tale.published_at)


_WHISPER = "id author text nsfw created_at updated_at"
_REPORT = (
    "id about reporter whisper story person evidence reason created_at "
    "status outcome claimed_by version state_changed updated_at"
)


def _whispering(of: World) -> Iterator[Table]:
    """The policy, whispers, flags and reports."""
    said, found = of.murmur.whispers, [one for one in of.murmur.whispers if one.found is not None]
    whispers = ((w.id, of.people[w.author].id, w.text, w.nsfw, w.created_at, w.created_at) for w in said)
    flags = ((w.id, of.people[w.author].id, WORDS[str(w.found)].value, [w.found], 1) for w in found)
    yield Table("words of the policy", PolicyWord, "id word effect", len(of.murmur.words), of.murmur.words)
    yield Table("whispers", Whisper, _WHISPER, len(said), whispers)
    yield Table("flags", Flag, "whisper author effect rules policy", len(found), flags)
    reported = {one.subject["story"]: one.id for one in of.murmur.reports if "story" in one.subject}
    of_people = [one for one in of.murmur.reports if "person" in one.subject]
    kept, rows = "id subject version about texts chapters", (*_evidence(of, reported), *_profiles(of, of_people))
    yield Table("what was reported", Evidence, kept, len(reported) + len(of_people), rows)
    yield Table("reports", Report, _REPORT, len(of.murmur.reports), _reports(of))
    made = _made_reports(of)
    days = ((reporter, day, count) for (reporter, day), count in made.items())
    yield Table("reports of each day", DailyReports, "reporter day count", len(made), days)


def _evidence(of: World, reported: dict[uuid.UUID, uuid.UUID]) -> Rows:
    """The reported stories as they still are, each under the id of its report."""
    chapters: dict[uuid.UUID, list[dict[str, Any]]] = {story: [] for story in reported}
    for id_, story, position, title, body, at in _chapters(of):
        if story in reported:
            of_chapter = {"id": str(id_), "story_id": str(story), "position": position, "title": title, "body": body}
            chapters[story].append({**of_chapter, "version": 1, "updated_at": at.isoformat()})
    for tale in of.stories:
        if tale.id in reported:
            at = tale.changed_at
            texts = {"title": tale.title, "summary": tale.summary, "warnings": list(tale.warnings)}
            kept = Jsonb({**texts, "updated_at": at.isoformat()}), Jsonb(chapters[tale.id])
            yield reported[tale.id], tale.id, tale.version, of.people[tale.author].id, *kept


def _profiles(of: World, reports: Iterable[Reported]) -> Rows:
    """The reported people as they still are."""
    for one in reports:
        person = of.people[one.about]
        texts = {"name": person.name, "bio": person.bio, "updated_at": person.joined_at.isoformat()}
        yield one.id, person.id, 1, person.id, Jsonb(texts), None


def _reports(of: World) -> Rows:
    for one in of.murmur.reports:
        reporter = None if one.reporter is None else of.people[one.reporter].id
        whisper, story, person = (one.subject.get(kind) for kind in ("whisper", "story", "person"))
        subject = (whisper, story, person, None if whisper is not None else one.id)
        yield one.id, of.people[one.about].id, reporter, *subject, one.reason, one.at, *one.state(of.people)


def _made_reports(of: World) -> Counter[tuple[uuid.UUID, date]]:
    """How many reports each person has made on each day (UTC)."""
    made = ((one.reporter, one.at) for one in of.murmur.reports if one.reporter is not None)
    return Counter((of.people[reporter].id, at.astimezone(UTC).date()) for reporter, at in made)


_TALLY = "subject kind slot count"


def _slots(totals: Totals) -> int:
    return sum(count > 0 for _subject, _kind, count in totals)


def _tallies(totals: Totals) -> Rows:
    """Each total in one slot, as if it had been raised one by one."""
    for subject, kind, count in totals:
        if count > 0:
            yield subject, kind, 0, count
