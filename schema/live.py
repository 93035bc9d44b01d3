"""Live updates in GraphQL: what can be subscribed to. `schema/execution/watching.py` makes a subscription of each."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from django.conf import settings

from backend.changes.triggers import logs_of
from backend.engine.errors import Invalid, Wrong
from backend.live import queries
from backend.live.subscriptions import FEEDS, OWN, PRESENT, Thing
from backend.notifications import models as notification_models
from backend.notifications import queries as notifications
from backend.social.models import Relationship
from backend.sources import Row, Value
from backend.stories import lists
from schema.arguments import parse_version
from schema.changes import Change
from schema.nodes import Versioned, at_most, from_id, key_of, node_types, sourced
from schema.scalars import Version

if TYPE_CHECKING:
    from schema.chapters import Chapter
    from schema.notifications import Notification
    from schema.people import Person
    from schema.stories import Story

WATCHED = "watched"
"""The key under which the metadata of a subscription's field has how it is read."""
MAX_PRESENT = 100
"""How many people are shown to have a story open; of more, those who have had it longest."""
UNSEEN = None
"""What is seen of a thing of which nothing has been."""
NOTIFICATIONS = logs_of(notification_models.Notification)[0].kind
RELATIONSHIPS = logs_of(Relationship)[0].kind
"""What the change log calls notifications and relationships."""


@dataclass(frozen=True, eq=False)
class Live:
    """How a field of the subscription is read, for one thing (`$row`) and one viewer."""

    source: Row | None = None
    """The field's value; None where it is the thing itself, a row of its own type."""
    state: str = ""
    """SQL: what the client has once it was sent, NULL where there is nothing to send. Without it, the printed text counts."""
    needs_viewer: bool = True
    is_list: bool = False
    """Whether each new row of the viewer's is told by itself, as `$row.key`."""
    is_of_server: bool = False
    """Whether `$row.extra` is what the server knows of the thing and the database does not."""
    topic: Callable[[Any, Thing], Sequence[Hashable]] | None = None
    """What in the change log concerns it, for this viewer and thing, where that is not the thing itself."""


Watched = Mapping[Thing, bytes | None]
"""What a subscription watches, and the version that its client has of each."""


def watch(live: Live, description: str) -> Any:
    """Decorate a field of the subscription, whose resolver says what is watched. Raises what refuses its arguments."""
    return partial(strawberry.field, description=description, metadata={WATCHED: live})()


@strawberry.input(description="A thing to watch, and the version of it that the client has.")
class SeenInput:
    """What was seen."""

    id: strawberry.ID = strawberry.field(description="The thing's id.")
    version: Version | None = strawberry.field(
        default=None, description="The version that was last seen of it; null or left out for none."
    )


@strawberry.type(description="A notification that has come, and how many are unread now.")
class Notified:
    """What `notified` tells."""

    notification: Annotated["Notification", strawberry.lazy("schema.notifications")] | None = sourced(
        notifications.OF_LIVE, "What has come; null at first, and where only the number has changed."
    )
    unread_count: int = sourced(
        notifications.UNREAD_COUNT, f"How many are unread, counted up to {notifications.MAX_COUNTED}."
    )


@strawberry.type(description="Somebody who has a story open.")
class Present:
    """One of those who are there."""

    person: Annotated["Person", strawberry.lazy("schema.people")] = sourced(queries.PRESENT_PERSON, "Who it is.")
    chapter: Annotated["Chapter", strawberry.lazy("schema.chapters")] | None = sourced(
        queries.PRESENT_CHAPTER, "The chapter that they have open; null if they did not say, or it is gone."
    )
    since: datetime = sourced(Value("$row.since"), "Since when they have had the story open.")


@strawberry.type(description="Who has a story open now.")
class Presence:
    """What `presence` tells."""

    people: list[Present] = strawberry.field(
        description=f"Everybody who has it open, oneself too: at most {MAX_PRESENT}, those first who have had it longest. "
        "Nobody across a block.",
        metadata={"source": queries.PRESENT, **at_most(MAX_PRESENT)},
    )


@strawberry.type
class LiveSubscription:
    """Live updates."""

    @watch(
        Live(needs_viewer=False),
        "The latest state of each of these things: at once where it differs from what was seen, then after every change. "
        "Coalesced: a client that reads slowly misses states in between, never the last one, and a thing never goes backwards.",
    )
    def changed(
        self,
        things: Annotated[
            list[SeenInput],
            strawberry.argument(description="What to watch: each once, of any kind that has versions; at most 500."),
        ],
    ) -> Change:
        """Things that change."""
        return _seen(things)  # type: ignore[return-value]

    @watch(
        Live(notifications.LIVE, is_list=True, topic=lambda viewer, _: [(NOTIFICATIONS, viewer)]),
        "The viewer's notifications as they come, with how many are unread; that number at once.",
    )
    def notified(self) -> Notified:
        """Notifications."""
        return {OWN: UNSEEN}  # type: ignore[return-value]

    @watch(
        Live(
            lists.FEED_HEAD,
            state=f"(SELECT head.id::text FROM ({lists.FEED_HEAD.sql}) AS head)",
            topic=lambda viewer, _: [FEEDS, (RELATIONSHIPS, viewer)],
        ),
        "The first story of the viewer's feed: at once, and whenever it is another one.",
    )
    def feed_head(self) -> Annotated["Story", strawberry.lazy("schema.stories")]:
        """The head of the feed."""
        return {OWN: UNSEEN}  # type: ignore[return-value]

    @watch(
        Live(queries.PRESENCE, is_of_server=True, topic=lambda _, story: [(PRESENT, story.key), story.key]),
        "Who has this story open, and where; subscribing says that the viewer has. At once, and whenever somebody comes, goes "
        "or opens another chapter. Who vanishes is gone within 10 seconds. Over SSE behind a proxy the stream ends after a few "
        "seconds, without complete: subscribe again, and you have never been away.",
    )
    def presence(
        self,
        story: Annotated[strawberry.ID, strawberry.argument(description="The id of the story.")],
        chapter: Annotated[
            strawberry.ID | None, strawberry.argument(description="The id of the chapter that the viewer has open.")
        ] = None,
    ) -> Presence:
        """Who is there."""
        key = key_of(story, "Story", "story")
        where = None if chapter is None else key_of(chapter, "Chapter", "chapter")
        return {Thing(story, "Story", key, where): UNSEEN}  # type: ignore[return-value]


def _seen(things: list[SeenInput]) -> Watched:
    """The things to watch. Raises `Invalid` for one that cannot be watched, and for too many or none."""
    if not things:
        raise Invalid.one("things", "must name at least one thing.", Wrong.TOO_FEW, 1)
    most = settings.THINGS_WATCHED
    if len(things) > most:
        raise Invalid.one("things", f"are too many: {len(things)}, at most {most}.", Wrong.TOO_MANY, most)
    found: dict[Thing, bytes | None] = {}
    for at, one in enumerate(things):
        version = None if one.version is None else parse_version(one.version, f"things.{at}.version")
        found[_thing(one.id, f"things.{at}.id")] = UNSEEN if version is None else b"%d" % version
    return found


def _thing(global_id: str, path: str) -> Thing:
    found = from_id(global_id)
    node_type = None if found is None else node_types().get(found[0])
    if found is None or node_type is None or len(found[1]) != 1 + node_type.belongs_to_viewer:
        raise Invalid.one(path, "is not an id that this server handed out.", Wrong.NOT_HANDED_OUT)
    if not issubclass(node_type, Versioned):
        raise Invalid.one(path, f"names a {found[0]}, which has no version: it cannot be watched.", Wrong.WRONG_KIND)
    type_name, keys = found
    return Thing(global_id, type_name, keys[-1], keys[0] if len(keys) > 1 else None)
