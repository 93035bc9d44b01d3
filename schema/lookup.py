"""Lookup by global id: `node` and `nodes`."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import Annotated, Any

import strawberry

from backend.people.models import Person
from schema.context import Info
from schema.nodes import Node, check_id_count, from_id, node_types


def look_up(ids: Iterable[str], viewer: Person | None) -> list[Any]:
    """Each object, or None if the viewer may see none with this id. One query for each type."""
    wanted = [_wanted(global_id, viewer) for global_id in ids]
    keys: defaultdict[str, list[uuid.UUID]] = defaultdict(list)
    for one in wanted:
        if one is not None:
            keys[one[0]].append(one[1])
    types = node_types()
    found = {name: types[name].look_up(of, viewer=viewer) for name, of in keys.items()}
    return [None if one is None else found[one[0]].get(one[1]) for one in wanted]


def _wanted(global_id: str, viewer: Person | None) -> tuple[str, uuid.UUID] | None:
    found = from_id(global_id)
    if found is None:
        return None
    name, keys = found
    node_type = node_types().get(name)
    if node_type is None:
        return None
    if not node_type.belongs_to_viewer:
        return (name, keys[0]) if len(keys) == 1 else None
    return (name, keys[1]) if len(keys) == 2 and viewer is not None and keys[0] == viewer.pk else None


@strawberry.type
class LookupQuery:
    """Lookups by id. A malformed id gives null, like one that does not exist, so that it does not affect others."""

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
        return look_up(check_id_count(ids, "ids"), info.context.viewer)
