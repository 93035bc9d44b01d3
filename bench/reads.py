"""The workloads that read. The expected answers come from the hand-written SQL of the limit."""

import random
from collections.abc import Generator
from typing import Any

from bench.data import CHAPTER, Data, one
from bench.limit import sql_of
from bench.scripts import Answer, Batch, Request, Script, require

VIEWERS = 50

NOTHING = "{ __typename }"
NOBODY = {"__typename": "Query"}
"""Its answer."""

FEED = """
query {
  feed(first: 20) {
    edges {
      node {
        id version title summary mature chapterCount viewCount
        author { id handle name followerCount relationship { following followedBy blocking } }
      }
    }
  }
}
"""

STORY = """
query ($id: ID!) {
  story(id: $id) {
    id version title summary mature
    author { id handle name }
    chapters { id version position title body }
  }
}
"""

CREATE = """
mutation ($input: CreateStoryInput!, $expect: Expect!) {
  createStory(input: $input, expect: $expect) {
    __typename
    ... on StorySuccess { applied story { id version title chapters { id position } } shelf { version storyCount } }
  }
}
"""

PUBLISH = """
mutation ($id: ID!, $expect: Expect!) {
  publishStory(id: $id, expect: $expect) { __typename ... on StorySuccess { applied story { id version } } }
}
"""


def asked(request: Request, expected: Answer) -> Script:
    """One request and its expected answer."""
    answer = yield request
    require(answer == expected, f"it should have been {expected!r:.2000}", answer)


def nothing(_data: Data, requests: int) -> Generator[Request, Answer, Batch]:
    """R0: the smallest possible request."""
    yield from ()
    return Batch([asked(Request(NOTHING), NOBODY) for _ in range(requests)])


def nothing_signed_in(data: Data, requests: int) -> Generator[Request, Answer, Batch]:
    """R0t: the same, by clients that send a token."""
    yield from ()
    viewers = [random.randint(1, data.people) for _ in range(requests)]
    return Batch([asked(Request(NOTHING, token=data.tokens[number]), NOBODY) for number in viewers])


def feed(data: Data, requests: int) -> Generator[Request, Answer, Batch]:
    """R1: the first page of a feed, for people whose feed fills it."""
    yield from ()
    viewers = min(VIEWERS, data.feeds)
    right = [limit_answer(data, "R1", n=number) for number in range(1, viewers + 1)]
    require(all(len(answer["feed"]["edges"]) == 20 for answer in right), "the feeds should be full", None)
    chosen = [random.randrange(viewers) for _ in range(requests)]
    scripts = [asked(Request(FEED, token=data.tokens[number + 1]), right[number]) for number in chosen]
    return Batch(scripts, variables={"viewers": viewers})


def story(data: Data, requests: int) -> Generator[Request, Answer, Batch]:
    """R2: a story by its id, signed out."""
    id_, number = yield from published(data, chapters=10)
    right = limit_answer(data, "R2", story=number)
    require(len(right["story"]["chapters"]) == 10, "the story should have ten chapters", right)
    scripts = [asked(Request(STORY, {"id": id_}), right) for _ in range(requests)]
    return Batch(scripts, variables={"story": number})


def limit_answer(data: Data, name: str, **variables: int) -> Answer:
    """The answer of the hand-written SQL that pgbench will run."""
    for named in sql_of(name, variables):
        found = data.db.execute(named, variables).fetchone()
    return found[0] if found else None


def published(data: Data, *, chapters: int) -> Generator[Request, Answer, tuple[str, int]]:
    """Publish a new story of the benchmark's author; returns its id and its number."""
    made = yield from created(data, chapters=chapters)
    request = Request(PUBLISH, {"id": made["id"], "expect": {"version": made["version"]}}, data.tokens[data.author])
    answer = yield request
    require(answer["publishStory"].get("applied") == "WRITTEN", "it should have been published", answer)
    return made["id"], data.add_story(made["id"], made["chapters"][0]["id"])


def created(data: Data, *, chapters: int) -> Generator[Request, Answer, Any]:
    """Create a story of the benchmark's author; returns the draft."""
    shelf = "SELECT shelf.version FROM stories_shelf AS shelf JOIN bench_person ON id = author_id WHERE n = %s"
    version = one(data.db, shelf, data.author)
    answer = yield Request(CREATE, creation(chapters, version), data.tokens[data.author])
    require(answer["createStory"].get("applied") == "WRITTEN", "it should have been created", answer)
    return answer["createStory"]["story"]


def creation(chapters: int, version: int) -> dict[str, Any]:
    """The variables for createStory on a shelf with this version."""
    written = [{"title": f"Chapter {number}", "body": CHAPTER} for number in range(1, chapters + 1)]
    return {
        "input": {"title": "The well", "summary": "What was said there.", "chapters": written},
        "expect": {"version": str(version)},
    }
