"""The nine workloads, by name."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from bench import reads, writes
from bench.data import Data
from bench.scripts import Answer, Batch, Request

Prepare = Callable[[Data, int], Generator[Request, Answer, Batch]]


@dataclass(frozen=True)
class Work:
    """A workload."""

    name: str
    what: str
    prepare: Prepare
    """Prepares a batch of so many requests; a generator that yields the requests which the preparation itself needs."""
    requests: int
    """The default number of requests in a round."""
    clients: int = 8
    limit: str | None = None
    """The name of the SQL file that does the same."""
    each: int = 1
    """The number of requests in one script, and in one run of the SQL."""
    retries: bool = False
    """Whether clients retry after conflicts, so that there are more requests than asked for."""


WORKS = [
    Work("R0", "`{ __typename }`", reads.nothing, 2_000),
    Work("R1", "feed of 20 stories with author, totals, relationship", reads.feed, 300, limit="R1"),
    Work("R2", "story with author and 10 chapters of 2 kB", reads.story, 600, limit="R2"),
    Work("M1h", "recordView by many readers on one story", writes.view_one, 600, limit="M1"),
    Work("M1s", "recordView spread over all stories", writes.view_many, 600, limit="M1"),
    Work("M2", "follow, then unfollow", writes.follow, 600, limit="M2", each=2),
    Work("M3", "createStory with 3 chapters of 2 kB", writes.create, 400, limit="M3"),
    Work(
        "M4",
        "updateStory by 32 clients on one story until done",
        writes.update,
        160,
        clients=32,
        limit="M4",
        each=writes.EACH,
        retries=True,
    ),
    Work("M5", "placeOrder where one in five is too late", writes.buy, 600, limit="M5"),
]
