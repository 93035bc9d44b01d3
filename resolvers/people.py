"""People: lookups, the fields of a person, and the viewer's own profile."""

import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from backend.engine.idempotency import Outcome
from backend.engine.mutations import Mutation, Target
from backend.engine.versions import Expected
from backend.people import actions, demo, queries
from backend.people.models import Person
from backend.people.suspension import hold_profile
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
        return actions.update_profile(me.id, patch, seen, merge=merge)

    arguments = {"patch": dict(patch), "merge": merge}
    target = Target("person", {"pk": me.id})
    may = partial(hold_profile, me.id)
    return performed(Mutation("updateProfile", me.id, key, arguments, write, target, expect, may=may), me)


# --- Demo people, for the explorer ------------------------------------------------------------------------------


def demo_people() -> list[tuple[str, str]]:
    """Handle and name of the demo people that a visitor can sign in as; empty without demo data."""
    return queries.names(demo.HANDLES) if demo.is_open() else []
