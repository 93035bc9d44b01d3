"""The executable schema: with limits of answers."""

from backend.engine import metrics
from schema.execution.cost import require_lengths
from schema.execution.length import count_scalars
from schema.root import schema

GRAPHQL = schema._schema

count_scalars(GRAPHQL)
require_lengths(GRAPHQL)

assert GRAPHQL.mutation_type is not None
for name in GRAPHQL.mutation_type.fields:
    metrics.ended(name)  # so that each is exported as 0 from the beginning
