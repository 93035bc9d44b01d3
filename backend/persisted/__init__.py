"""Persisted documents: what clients have registered by its hash, known to all processes and servers of one database."""
