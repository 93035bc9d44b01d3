"""Executes GraphQL: parsing, limits, validation, running and errors, without HTTP."""
