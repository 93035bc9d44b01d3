"""Calls the GraphQL API as a client does: one file a noun, and the client that has all of their calls."""

from tests.api.client import FAILURE, PASSWORD, ApiClient, join

__all__ = ["FAILURE", "PASSWORD", "ApiClient", "join"]
