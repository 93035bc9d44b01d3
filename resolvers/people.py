"""People: lookups, the fields of a person, and the viewer's own profile."""

import uuid
from collections.abc import Mapping
from typing import Any

from backend.engine.conditions import Target, conditioned
from backend.engine.idempotency import Outcome, Request
from backend.engine.versions import Expected
from backend.people import actions, demo, queries
from backend.people.models import Person
from resolvers.work import performed

DEMO_PASSWORD = demo.PASSWORD


def update_profile(
    me: Person,
    *,
    patch: Mapping[str, Any],
    expect: Expected,
    merge: bool,
    key: uuid.UUID | None,
) -> Outcome:
    """Change the viewer's name, bio, or whether lists show stories for adults."""

    def write(seen: Expected) -> Outcome:
        return actions.update_profile(me.pk, patch, seen, merge=merge)

    request = Request("updateProfile", me.pk, key, {"patch": dict(patch), "merge": merge})
    return performed(request, conditioned(me.pk, expect, Target("person", {"pk": me.pk}), write), me)


# --- Demo people, for the explorer ------------------------------------------------------------------------------


def demo_people() -> list[tuple[str, str]]:
    """Handle and name of the demo people that a visitor can sign in as; empty without demo data."""
    return queries.names(demo.HANDLES) if demo.is_open() else []
