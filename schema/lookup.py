"""Lookup by global id: `node` and `nodes`."""

import uuid
from collections.abc import Sequence
from functools import cache
from typing import Annotated

import strawberry

from backend.sources import Bound, ByIds
from schema.nodes import Node, asked, check_id_count, from_id, look_up, node_types

NOTHING: tuple[None, Sequence[None]] = None, [None]


def _wanted(global_id: str) -> tuple[str | None, Sequence[uuid.UUID | None]]:
    """The type and the keys in an id; nothing for one that is malformed, or of no type that can be looked up."""
    found = from_id(global_id)
    if found is None:
        return NOTHING
    node_type = node_types().get(found[0])
    if node_type is None or len(found[1]) != 1 + node_type.belongs_to_viewer:
        return NOTHING
    return found


@cache
def _by_ids(types: frozenset[str]) -> ByIds:
    return ByIds(tuple(node_types()[name].look_up for name in sorted(types)))


@strawberry.type
class LookupQuery:
    """Lookups by id. A malformed id gives null, like one that does not exist, so that it does not affect others."""

    @look_up(description="Anything by its id; null if there is no such thing that you may see.")
    def node(
        self, id: Annotated[strawberry.ID, strawberry.argument(description="The id of the thing.")]
    ) -> Node | None:
        """One thing."""
        type_name, keys = _wanted(id)
        if type_name is None:
            return Bound(None)  # type: ignore[return-value]
        return Bound(node_types()[type_name].look_up, {"key": keys[-1], "owner": keys[0]})  # type: ignore[return-value]

    @look_up(description="Several things by their ids, in the same order; null for each that you may not see.")
    def nodes(
        self, ids: Annotated[list[strawberry.ID], strawberry.argument(description="Their ids, at most 1000.")]
    ) -> list[Node | None]:
        """Several things."""
        found = [_wanted(one) for one in check_id_count(ids, "ids")]
        types = frozenset(type_name for type_name, _ in found if type_name is not None)
        return Bound(_by_ids(types), asked(found))  # type: ignore[return-value]
