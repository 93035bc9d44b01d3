"""The workloads, by name."""

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
    workers: int = 1
    """The number of the server's processes."""
    limit: str | None = None
    """The name of the SQL file that does the same."""
    each: int = 1
    """The number of requests in one script, and in one run of the SQL."""
    retries: bool = False
    """Whether clients retry after conflicts, so that there are more requests than asked for."""
    takes_people: bool = False
    """Whether each script needs a person who has not done the same before."""

    def most(self, data: Data) -> int | None:
        """The maximum number of requests in a round for which the data suffice; None if there is none."""
        return data.people // PEOPLE_EACH if self.takes_people else None


PEOPLE_EACH = 5
"""For each request so many people: the SQL of the limit is run more often than the server is asked, and some are left out."""
CROWD, WORKERS = 64, 2
"""The clients and the server's processes of the workloads that look at a crowd."""

WORKS = [
    Work("R0", "`{ __typename }`", reads.nothing, 4_000),
    Work("R0t", "the same with a token", reads.nothing_signed_in, 4_000),
    Work("R1", "feed of 20 stories with author, totals, relationship", reads.feed, 300, limit="R1"),
    Work("R2", "story with author and 10 chapters of 2 kB", reads.story, 600, limit="R2"),
    Work("M1h", "recordView by many readers on one story", writes.view_one, 600, limit="M1", takes_people=True),
    Work("M1s", "recordView spread over all stories", writes.view_many, 600, limit="M1", takes_people=True),
    Work("M2", "follow, then unfollow", writes.follow, 600, limit="M2", each=2, takes_people=True),
    Work("M3", "createStory with 3 chapters of 2 kB", writes.create, 400, limit="M3", takes_people=True),
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
    Work("R0c", "R0 by 64 clients on two workers", reads.nothing, 4_000, clients=CROWD, workers=WORKERS),
    Work("R1c", "R1 by 64 clients on two workers", reads.feed, 600, clients=CROWD, workers=WORKERS),
    Work(
        "M1c",
        "M1h by 64 clients on two workers; the limit updates one hot row",
        writes.view_one,
        600,
        takes_people=True,
        limit="M1hot",
        clients=CROWD,
        workers=WORKERS,
    ),
    Work(
        "M2c",
        "M2 by 64 clients on two workers",
        writes.follow,
        600,
        each=2,
        takes_people=True,
        clients=CROWD,
        workers=WORKERS,
    ),
]
