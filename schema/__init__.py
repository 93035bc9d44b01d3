"""The contract in GraphQL: types, root fields, answers."""
