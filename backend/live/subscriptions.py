"""One subscription: who watches, which things, what of each was sent last, and which are to be looked at anew.

It holds ids and versions, never events: what is sent is the thing as it is when there is room for it. So a slow client misses
states in between, always gets the last one, and takes no memory.
"""

import enum
import uuid
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple, Protocol

from backend.postgresql.reads import Statement

HIDDEN = b""
"""The state of a thing that is gone, or that the viewer may not see: the two are told alike."""


class Ending(enum.Enum):
    """Why the server ends a subscription."""

    SIGNED_OUT = "signed_out"
    """What signed the viewer in does so no more."""
    FAULT = "fault"
    """What is asked cannot be read, for a reason that is in the log."""
    LEASE = "lease"
    """The client did not say that it is still there."""
    SLOW = "slow"
    """The client does not read."""
    STOPPING = "stopping"
    """The server stops."""
    LEFT = "left"
    """The client has closed it, or its connection; the server ends nothing."""


class Thing(NamedTuple):
    """What is watched: a row of a type, by key."""

    id: str
    """As clients name it."""
    type: str
    key: uuid.UUID | None
    owner: uuid.UUID | None = None
    """The first key of an id of two: whose it is."""


OWN = Thing("", "", None)
"""What is the viewer's own, and no thing with an id."""
FEEDS, PRESENT = "feeds", "present"
"""What concerns the feeds of some, and who has a story open."""


class Asked(NamedTuple):
    """One thing for one viewer, to be read."""

    subscription: "Subscription"
    thing: Thing


class Batch(Protocol):
    """Subscriptions that are read by one statement: those with the same document and the same values of variables."""

    field: str
    """The field that is subscribed to."""
    statement: Statement
    is_list: bool
    """Whether each new row of the viewer's is told by itself."""
    most: int
    """How many things it may read at a time."""
    cost: int
    """What one delivery costs."""
    a_minute: int
    """What a sender may spend in a minute; 0 for no limit."""

    def bind(self, asked: Sequence[Asked]) -> list[bytes | None]:
        """What is bound to the statement for these."""

    def differs(self, sent: bytes | None, state: bytes) -> bool:
        """Whether a client that has the one state is to be told of the other."""

    def payload(self, printed: bytes, viewer: str) -> bytes:
        """The execution result, as JSON, of what the statement has printed for one of them."""


class Outlet(Protocol):
    """Where what is sent goes: one stream of events, or one operation of a WebSocket."""

    @property
    def is_ready(self) -> bool:
        """Whether the client has read so much that more may be sent."""

    async def send(self, payload: bytes) -> None:
        """Send one execution result."""

    def end(self, ending: Ending) -> None:
        """Tell the client that nothing more comes, and why."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who watches, and by what they are signed in."""

    id: uuid.UUID | None
    address: str
    sender: str
    """Whose allowance it uses."""
    token: bytes | None = None
    """The digest of the token; None of a session, and when signed out."""
    is_signed_in: Callable[[], bool] | None = None
    """Of a session, whether it still signs them in. The statement that reads looks at a token by itself."""
    ends_at: float | None = None
    """When the token or session expires (monotonic seconds)."""


class Subscription:
    """One running subscription."""

    __slots__ = ("batch", "dirty", "is_over", "outlet", "sent", "topics", "viewer", "waits_until")

    def __init__(
        self,
        viewer: Viewer,
        batch: Batch,
        outlet: Outlet,
        seen: dict[Thing, bytes | None],
        topics: Sequence[tuple[Hashable, Thing]],
    ) -> None:
        self.viewer, self.batch, self.outlet = viewer, batch, outlet
        self.sent = seen
        """Of each thing the state that the client has: a version, `HIDDEN`, or None before anything was sent."""
        self.topics = tuple(topics)
        """What in the log concerns which thing: keys of things, and of what they hang on."""
        self.dirty: set[Thing] = set()
        """The things to look at; made when it is needed, because most subscriptions are idle."""
        self.is_over = False
        self.waits_until = 0.0
        """Until when its sender has no allowance (monotonic seconds)."""

    def due(self) -> list[Thing]:
        """What is to be looked at, in the order in which the client named it: that of the log may say why it is hidden."""
        if len(self.dirty) == 1:
            return list(self.dirty)
        return [one for one in self.sent if one in self.dirty] + sorted(
            self.dirty - self.sent.keys(), key=attrgetter("key")
        )
