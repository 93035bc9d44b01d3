"""The executable schema: with metrics of mutations, limits of answers, and without needless wrappers."""

from schema.execution.cost import require_lengths
from schema.execution.length import count_scalars
from schema.execution.mutation_metrics import count_mutations
from schema.root import schema

GRAPHQL = schema._schema

count_mutations(GRAPHQL)
count_scalars(GRAPHQL)
require_lengths(GRAPHQL)
