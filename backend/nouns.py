"""What a noun adds to the whole is declared in its own package and collected here, so that the whole names no noun.

A noun is an app of ours (`stories`, `market` …). A module of one of these names in its package is found by itself:

`invariants`  INVARIANTS: what `manage.py verify` proves of its rows
`erasure`     functions that clear the noun's part when something else ends; see `backend.erasure`
`demo`        demo_tables(world): the rows that it adds to the demo data

The order in which units of work lock its tables stands on its models; see `backend.engine.locks`.
"""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from django.apps import apps

OURS = "backend."


def packages() -> list[str]:
    """The packages of our apps, in the order of the setting INSTALLED_APPS."""
    return [config.name for config in apps.get_app_configs() if config.name.startswith(OURS)]


def modules(name: str) -> list[ModuleType]:
    """The modules of this name, of the nouns that have one, in the order of INSTALLED_APPS."""
    found = (f"{package}.{name}" for package in packages())
    return [import_module(module) for module in found if find_spec(module) is not None]


def collect(module: str, name: str) -> list[Any]:
    """What the nouns declare by this name in their module of that name. A noun that does not contributes nothing."""
    return [getattr(one, name) for one in modules(module) if hasattr(one, name)]
