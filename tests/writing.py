"""Writes of tests, each sent at once: what the engine declares, without being compiled for good."""

from typing import Any

from django.db.models import QuerySet

from backend.engine import declarations
from backend.engine.statements import DECLARATIONS


def write(rows: "QuerySet[Any]", **values: Any) -> list[Any]:
    """The rows that an `update` returned."""
    return declarations.update(rows, **values).run().rows


def replace(rows: "QuerySet[Any]", **values: Any) -> list[Any]:
    """The rows that a `replace` returned."""
    return declarations.replace(rows, **values).run().rows


def write_all(rows: "QuerySet[Any]", **values: Any) -> int:
    """How many rows were updated."""
    return declarations.update_all(rows, **values).run().count


def remove(rows: "QuerySet[Any]") -> list[Any]:
    """The rows that were deleted."""
    return declarations.delete(rows).run().rows


def remove_all(rows: "QuerySet[Any]") -> int:
    """How many rows were deleted."""
    return declarations.delete_all(rows).run().count


def compilations() -> int:
    """How many statements have been compiled in this process."""
    return sum(len(one.plans) for one in DECLARATIONS)
