"""The workloads that write. Each expects the present version, like a client that has just read it."""

import random
import uuid
from collections.abc import Generator

from bench.data import CHAPTER, Data, global_id, key_of, one, rows
from bench.reads import CREATE, created, creation, published
from bench.scripts import Answer, Batch, Request, Script, require

VIEW = """
mutation ($story: ID!, $place: PlaceInput!, $expect: Expect!) {
  recordView(story: $story, place: $place, expect: $expect) {
    __typename
    ... on ReadingSuccess { applied counted reading { id version offset } }
  }
}
"""

RELATE = """
mutation ($person: ID!, $expect: Expect!) {
  %s(person: $person, expect: $expect) {
    __typename
    ... on RelationshipSuccess { applied relationship { id version following } }
  }
}
"""
FOLLOW, UNFOLLOW = RELATE % "follow", RELATE % "unfollow"

UPDATE = """
mutation ($id: ID!, $patch: StoryPatch!, $expect: Expect!) {
  updateStory(id: $id, patch: $patch, expect: $expect) {
    __typename
    ... on StorySuccess { applied story { id version title } }
    ... on ConflictError { current { version } retry { kind afterMs } }
  }
}
"""

CREATE_EDITION = """
mutation ($story: ID!, $stock: Int!) {
  createEdition(story: $story, title: "First edition", priceCents: 300, stock: $stock) {
    __typename
    ... on EditionSuccess { edition { id stock } }
  }
}
"""

BUY = """
mutation ($edition: ID!, $key: UUID!) {
  placeOrder(lines: [{edition: $edition, quantity: 1}], key: $key) {
    __typename
    ... on OrderSuccess { applied order { id version status totalCents } }
    ... on OutOfStockError { available edition { id stock } }
  }
}
"""


# --- M1 ----------------------------------------------------------------------------------------------------------

VISITS = """
SELECT visit.reader, story.id, story.chapter_id
FROM unnest(%s::int[], %s::int[]) AS visit (reader, story)
JOIN bench_person AS reader ON reader.n = visit.reader
JOIN bench_story AS story ON story.n = visit.story
JOIN stories_story AS written ON written.id = story.id AND reader.id <> ALL(written.author_id || written.writers)
WHERE NOT EXISTS (
    SELECT FROM reading_reading AS reading WHERE reading.story_id = story.id AND reading.reader_id = reader.id
) AND NOT EXISTS (
    SELECT FROM social_relationship AS pair
    WHERE pair.low_id = LEAST(reader.id, written.author_id) AND pair.high_id = GREATEST(reader.id, written.author_id)
      AND (pair.low_blocks_at IS NOT NULL OR pair.high_blocks_at IS NOT NULL)
)
"""

VIEWS = """
SELECT sum(count)::bigint FROM stories_storytally AS tally JOIN bench_story AS story ON story.id = tally.subject_id
WHERE tally.kind = 'views' AND story.n BETWEEN %s AND %s
"""


def view_one(data: Data, requests: int) -> Generator[Request, Answer, Batch]:
    """M1h: many readers view one story, each for the first time."""
    _, number = yield from published(data, chapters=1)
    return views(data, requests, number, number)


def view_many(data: Data, requests: int) -> Generator[Request, Answer, Batch]:
    """M1s: many readers view different stories, each for the first time."""
    yield from ()
    return views(data, requests, 1, data.stories)


def views(data: Data, requests: int, first: int, last: int) -> Batch:
    """The batch of views; the check compares the totals."""
    readers = random.sample(range(1, data.people + 1), min(data.people, requests + requests // 4 + 20))
    visits = rows(data.db, VISITS, readers, [random.randint(first, last) for _ in readers])[:requests]
    require(len(visits) == requests, "there should be so many readers", len(visits))
    before = one(data.db, VIEWS, first, last) or 0

    def check() -> None:
        counted = one(data.db, VIEWS, first, last) - before
        require(counted == requests, f"{requests} views should have been counted", counted)

    scripts = [view(data.tokens[reader], *where) for reader, *where in visits]
    return Batch(scripts, check, {"people": data.people, "first": first, "last": last})


def view(token: str, story: uuid.UUID, chapter: uuid.UUID) -> Script:
    """A first view, at a place in the first chapter."""
    place = {"chapter": global_id("Chapter", chapter), "offset": 1_999}
    variables = {"story": global_id("Story", story), "place": place, "expect": {"version": "0"}}
    answer = yield Request(VIEW, variables, token)
    done = answer["recordView"]
    is_so = done.get("applied") == "WRITTEN" and done["counted"] and done["reading"]["version"] == "1"
    require(is_so, "the view should have been counted", answer)


# --- M2 ----------------------------------------------------------------------------------------------------------

STRANGERS = """
SELECT me.n, me.id, them.n, them.id FROM bench_person AS me JOIN bench_person AS them ON them.n = 1 + (me.n - 1 + %s) %% %s
WHERE NOT EXISTS (
    SELECT FROM social_relationship AS pair
    WHERE pair.low_id = LEAST(me.id, them.id) AND pair.high_id = GREATEST(me.id, them.id)
)
ORDER BY random() LIMIT %s
"""

TIES = "SELECT count(*) FROM follow"


def follow(data: Data, requests: int) -> Generator[Request, Answer, Batch]:
    """M2: follow and unfollow between people without any contact before."""
    yield from ()
    shift = random.randint(1, (data.people - 1) // 2)  # less than half the circle, so that no two meet from both sides
    pairs = rows(data.db, STRANGERS, shift, data.people, requests // 2)
    require(len(pairs) == requests // 2, "there should be so many strangers", len(pairs))
    before = one(data.db, TIES)

    def check() -> None:
        require(one(data.db, TIES) == before, "nobody should follow anybody more than before", None)

    # Alternately from either side of the pair, because each side has its own columns, and so its own statements.
    turns = ((b, of_a) if turn % 2 == 0 else (a, of_b) for turn, (a, of_a, b, of_b) in enumerate(pairs))
    scripts = [meet(data.tokens[me], them) for me, them in turns]
    return Batch(scripts, check, {"people": data.people, "shift": shift})


def meet(token: str, person: uuid.UUID) -> Script:
    """Follow somebody and unfollow them."""
    for version, (field, document) in enumerate((("follow", FOLLOW), ("unfollow", UNFOLLOW))):
        variables = {"person": global_id("Person", person), "expect": {"version": str(version)}}
        answer = yield Request(document, variables, token)
        done = answer[field]
        require(done.get("applied") == "WRITTEN", f"{field} should have been written", answer)
        is_so = done["relationship"]["version"] == str(version + 1)
        require(is_so and done["relationship"]["following"] is (field == "follow"), f"{field} should be shown", answer)


# --- M3 ----------------------------------------------------------------------------------------------------------

SHELVES = """
SELECT person.n, shelf.version FROM bench_person AS person JOIN stories_shelf AS shelf ON shelf.author_id = person.id
ORDER BY random() LIMIT %s
"""

WRITTEN = "SELECT (SELECT count(*) FROM stories_story), (SELECT count(*) FROM stories_chapter)"


def create(data: Data, requests: int) -> Generator[Request, Answer, Batch]:
    """M3: many authors create a story each."""
    yield from ()
    authors = rows(data.db, SHELVES, requests)
    require(len(authors) == requests, "there should be so many authors", len(authors))
    ((stories, chapters),) = rows(data.db, WRITTEN)

    def check() -> None:
        is_so = rows(data.db, WRITTEN) == [(stories + requests, chapters + 3 * requests)]
        require(is_so, f"{requests} stories with 3 chapters each should have been added", rows(data.db, WRITTEN))

    return Batch(
        [write(data.tokens[author], version) for author, version in authors],
        check,
        {"people": data.people, "body": CHAPTER},
    )


def write(token: str, version: int) -> Script:
    """Create a story on a shelf with this version."""
    answer = yield Request(CREATE, creation(3, version), token)
    done = answer["createStory"]
    is_so = done.get("applied") == "WRITTEN" and [one["position"] for one in done["story"]["chapters"]] == [1, 2, 3]
    require(is_so and done["shelf"]["version"] == str(version + 1), "the story should have been created", answer)


# --- M4 ----------------------------------------------------------------------------------------------------------

EACH = 5

TITLES = """
SELECT revision.values ->> 'title' FROM stories_revision AS revision
WHERE revision.story_id = %s AND revision.chapter_id IS NULL
UNION ALL SELECT title FROM stories_story WHERE id = %s
"""


def update(data: Data, requests: int) -> Generator[Request, Answer, Batch]:
    """M4: clients write the title of the same story; the check finds every title in the history."""
    made = yield from created(data, chapters=1)
    key = key_of(made["id"])
    titles = [[f"Title {client} {number}" for number in range(EACH)] for client in range(requests // EACH)]

    def check() -> None:
        found = sorted(title for (title,) in rows(data.db, TITLES, key, key))
        sent = sorted([made["title"], *(title for of_client in titles for title in of_client)])
        require(found == sent, "every title that was written should be found once", found)

    scripts = [retitle(made["id"], made["version"], data.tokens[data.author], one_client) for one_client in titles]
    return Batch(scripts, check, {"author": data.author, "story": key})


def retitle(id_: str, version: str, of: str, titles: list[str]) -> Script:
    """Write the titles in turn, retrying each after a conflict with the advised wait."""
    after_ms = 0
    for title in titles:
        while True:
            variables = {"id": id_, "patch": {"title": title}, "expect": {"version": version}}
            answer = yield Request(UPDATE, variables, of, after_ms)
            done = answer["updateStory"]
            if done["__typename"] != "ConflictError":
                break
            version, after_ms = done["current"]["version"], done["retry"]["afterMs"]
        require(done.get("applied") == "WRITTEN" and done["story"]["title"] == title, "it should be written", answer)
        is_next = done["story"]["version"] == str(int(version) + 1)
        require(is_next, f"the version should be the next one after {version}", answer)
        version, after_ms = done["story"]["version"], 0


# --- M5 ----------------------------------------------------------------------------------------------------------

SOLD = "SELECT COALESCE(sum(quantity), 0)::bigint FROM market_orderline WHERE edition_id = %s"


def buy(data: Data, requests: int) -> Generator[Request, Answer, Batch]:
    """M5: buyers order copies, with stock for four fifths of them."""
    id_, _ = yield from published(data, chapters=1)
    stock = requests * 4 // 5
    made = yield Request(CREATE_EDITION, {"story": id_, "stock": stock}, data.tokens[data.author])
    edition = made["createEdition"]["edition"]["id"]
    sold: list[bool] = []

    def check() -> None:
        left = one(data.db, "SELECT stock FROM market_edition WHERE id = %s", key_of(edition))
        found = (sum(sold), one(data.db, SOLD, key_of(edition)), left)
        require(found == (stock, stock, 0), f"exactly {stock} copies should have been sold", found)

    others = data.people - 1
    buyers = [1 + (data.author + random.randrange(others)) % data.people for _ in range(requests)]
    known = {"people": data.people, "edition": key_of(edition)}
    return Batch([order(edition, data.tokens[buyer], sold) for buyer in buyers], check, known)


def order(edition: str, token: str, sold: list[bool]) -> Script:
    """Order a copy; an OutOfStockError is right only if the stock is used up."""
    answer = yield Request(BUY, {"edition": edition, "key": str(uuid.uuid4())}, token)
    done = answer["placeOrder"]
    if done["__typename"] == "OutOfStockError":
        require(done["available"] == 0 and done["edition"]["stock"] == 0, "there should be none left", answer)
    else:
        require(done.get("applied") == "WRITTEN" and done["order"]["totalCents"] == 300, "it should be ordered", answer)
    sold.append(done["__typename"] == "OrderSuccess")
