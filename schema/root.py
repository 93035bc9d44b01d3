"""The schema object: every root field, every type, every refusal."""

import uuid
from datetime import datetime

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from schema import (
    changes,
    chapters,
    coauthors,
    decisions,
    lists,
    live,
    lookup,
    market,
    moderation,
    monitoring,
    notifications,
    people,
    reading,
    revisions,
    social,
    stories,
    tokens,
    whispers,
)
from schema.nodes import node_types
from schema.scalars import BIG_INT, DATE_TIME, UUID, VERSION, BigInt, Version

NOUNS = (
    people,
    tokens,
    lookup,
    social,
    stories,
    lists,
    chapters,
    revisions,
    coauthors,
    reading,
    whispers,
    moderation,
    decisions,
    market,
    notifications,
    monitoring,
    changes,
    live,
)
"""In the order in which the contract has their root fields: those of a class whose name ends in Query, Mutation
or Subscription.
"""

POSITION = {module.__name__: position for position, module in enumerate(NOUNS)}
"""Introspection lists the types in this order too, whatever imports what first."""


def _root(name: str, description: str) -> type:
    """A root type made of the root fields of each module."""
    parts = [
        part
        for module in NOUNS
        for of, part in vars(module).items()
        if of.endswith(name) and getattr(part, "__module__", None) == module.__name__
    ]
    root = merge_types(name, tuple(parts))
    root.__strawberry_definition__.description = description  # type: ignore[attr-defined]
    return root


Query = _root("Query", "What can be read. One request sees one moment: its answer never mixes two.")
Mutation = _root(
    "Mutation",
    "What can be written. Each happens entirely or not at all, and answers with what it made or why it was refused.",
)

Subscription = _root(
    "Subscription",
    "What can be watched: over SSE (Accept: text/event-stream), or a WebSocket with the subprotocol graphql-transport-ws.",
)

schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=sorted(node_types().values(), key=lambda one: POSITION.get(one.__module__, len(POSITION))),
    config=StrawberryConfig(scalar_map={BigInt: BIG_INT, Version: VERSION, datetime: DATE_TIME, uuid.UUID: UUID}),
)
