"""Resolvers: each checks who is asking, runs one unit of work or query, and batches the rows. They know nothing of GraphQL."""
