"""Finding anything again by its id: `node` and `nodes`."""

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import strawberry

from backend.people.models import Person
from resolvers import market, moderation, notifications, people, reading, revisions, social, stories, tokens, whispers
from schema.context import Info
from schema.nodes import Node, at_most, from_id

Loader = Callable[[Iterable[uuid.UUID], Person | None], dict[uuid.UUID, Any]]

OF_EVERYBODY: dict[str, Loader] = {
    "Person": lambda ids, viewer: people.by_ids(ids, viewer=viewer),
    "Shelf": lambda ids, viewer: stories.shelves_by_ids(ids, viewer=viewer),
    "Story": lambda ids, viewer: stories.by_ids(ids, viewer=viewer),
    "Chapter": lambda ids, viewer: stories.chapters_by_ids(ids, viewer=viewer),
    "Revision": lambda ids, viewer: revisions.by_ids(ids, viewer=viewer),
    "Whisper": lambda ids, viewer: whispers.by_ids(ids, viewer=viewer),
    "Report": lambda ids, viewer: moderation.by_ids(ids, viewer=viewer),
    "Edition": lambda ids, viewer: market.editions_by_ids(ids, viewer=viewer),
    "Order": lambda ids, viewer: market.orders_by_ids(ids, viewer=viewer),
    "AccessToken": lambda ids, viewer: tokens.by_ids(ids, viewer=viewer),
    "Notification": lambda ids, viewer: notifications.by_ids(ids, viewer=viewer),
}
OF_THE_VIEWER: dict[str, Loader] = {
    "Relationship": lambda ids, viewer: social.relationships(ids, viewer=viewer) if viewer else {},
    "Reading": lambda ids, viewer: reading.by_stories(ids, viewer=viewer),
}
"""Things that belong to the viewer and something else: their ids name the viewer first, and nobody else finds them."""


def look_up(ids: Iterable[str], viewer: Person | None) -> list[Any]:
    """Each thing, or None where there is none that the viewer may see; one query for each type, however many ids."""
    wanted = [_wanted(global_id, viewer) for global_id in ids]
    keys: defaultdict[str, list[uuid.UUID]] = defaultdict(list)
    for one in wanted:
        if one is not None:
            keys[one[0]].append(one[1])
    found = {name: (OF_EVERYBODY.get(name) or OF_THE_VIEWER[name])(of, viewer) for name, of in keys.items()}
    return [None if one is None else found[one[0]].get(one[1]) for one in wanted]


def _wanted(global_id: str, viewer: Person | None) -> tuple[str, uuid.UUID] | None:
    found = from_id(global_id)
    if found is None:
        return None
    name, keys = found
    if name in OF_EVERYBODY and len(keys) == 1:
        return name, keys[0]
    if name in OF_THE_VIEWER and len(keys) == 2 and viewer is not None and keys[0] == viewer.pk:
        return name, keys[1]
    return None


@strawberry.type
class LookupQuery:
    """Reads by id. Any text is looked up, for text that cannot be an id names nothing: one bad id spoils no others."""

    @strawberry.field(description="Anything by its id; null if there is no such thing that you may see.")
    def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The id of the thing.")],
    ) -> Node | None:
        """One thing."""
        return look_up([id], info.context.viewer)[0]

    @strawberry.field(description="Several things by their ids, in the same order; null for each that you may not see.")
    def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="Their ids, at most 1000.")],
    ) -> list[Node | None]:
        """Several things."""
        return look_up(at_most(ids, "ids"), info.context.viewer)
