"""Finds what each noun declares for the whole application, so that shared code need not name any noun.

A noun is one of our Django apps (`stories`, `market` …). Modules of these names in its package are found automatically:

`invariants`  INVARIANTS: the checks of its rows that `manage.py verify` runs
`erasure`     functions that delete its rows when something they depend on is deleted; see `backend.erasure`
`queries`     STILL_THERE: by model, whether a row that a person wrote can still be shown to them, where it is not enough that it
              exists
`demo`        demo_tables(world): its rows of the demo data, as `Table`s

The lock order of its tables is declared on its models; see `backend.engine.locks`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from django.apps import apps
from django.db.models import Model

OURS = "backend."

Rows = Iterable[tuple[Any, ...]]


@dataclass(frozen=True)
class Table:
    """Rows of a model for the demo: the fields that `rows` give, in their order; all others have the model's defaults."""

    what: str
    model: type[Model]
    names: str
    count: int
    rows: Rows


def packages() -> list[str]:
    """The packages of our apps, in the order of INSTALLED_APPS."""
    return [config.name for config in apps.get_app_configs() if config.name.startswith(OURS)]


@cache  # deletions ask while they hold locks, and a missing module is looked for in every folder
def modules(name: str) -> tuple[ModuleType, ...]:
    """All nouns' modules of this name, in the order of INSTALLED_APPS."""
    found = (f"{package}.{name}" for package in packages())
    return tuple(import_module(module) for module in found if find_spec(module) is not None)


def collect(module: str, name: str) -> list[Any]:
    """The attribute `name` of all nouns' modules called `module`; nouns without it are skipped."""
    return [getattr(one, name) for one in modules(module) if hasattr(one, name)]
