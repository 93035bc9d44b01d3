"""Documents that ask for anything that can be read, in any shape, made by chance from a seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError, parse, validate

from schema.root import schema
from tests.schema.reads.shapes import Shape
from tests.schema.reads.values import Values
from tests.schema.reads.world import DEAD, SIGNED_OUT, World

VIEWERS = {
    "asha": 6,
    "bilal": 5,
    "chitra": 5,
    "dev": 5,
    "kavi": 5,
    "ines": 3,
    "jon": 3,
    "esra": 2,
    "farid": 2,
    "hana": 1,
    "gita": 1,
    SIGNED_OUT: 4,
    DEAD: 1,
}
"""How often each of them asks."""
INVALID = 0.02
"""How many documents are kept that are not valid, mostly because fields of one name cannot be merged."""


@dataclass
class Asked:
    """A request."""

    query: str
    variables: dict[str, Any]
    viewer: str
    operation: str | None = None

    def body(self) -> dict[str, Any]:
        """What is sent."""
        sent: dict[str, Any] = {"query": self.query, "variables": self.variables}
        return sent if self.operation is None else {**sent, "operationName": self.operation}


def documents(world: World, count: int, seed: int) -> Iterator[Asked]:
    """So many requests. Each depends on the seed and on its number alone."""
    for number in range(count):
        yield document(world, f"{seed}:{number}")


def document(world: World, seed: str) -> Asked:
    """One request."""
    chance = random.Random(seed)
    viewer = chance.choices(list(VIEWERS), list(VIEWERS.values()))[0]
    while True:
        asked = _made(Values(world, chance, viewer), viewer)
        if is_valid(asked.query) or chance.random() < INVALID:
            return asked


def is_valid(query: str) -> bool:
    """Whether the document can be executed."""
    try:
        return not validate(schema._schema, parse(query))
    except GraphQLError:
        return False


def _made(values: Values, viewer: str) -> Asked:
    shape = Shape(values)
    text, variables = shape.document()
    return Asked(text, variables, viewer, shape.operation)
