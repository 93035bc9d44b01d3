"""Nothing is missing of what the rules in tests/completeness.py demand; each of them is also shown to fail on a sample."""

from collections.abc import Callable, Collection
from typing import Any

import pytest
from django.apps import apps
from graphql import is_object_type

from backend.changes.triggers import logs_of
from backend.engine.errors import Refusal
from backend.engine.guard import guard_of, is_versioned
from backend.erasure.invariants import swept_columns
from backend.erasure.leaving import NO_PROFILE
from backend.monitoring import verify
from backend.nouns import OURS, modules
from backend.people.models import Person
from backend.reading.models import Reading
from backend.social.models import PairSide, Relationship
from backend.stories.models import Shelf
from schema.changes import TYPES as LOGGED
from schema.nodes import node_types, row_of
from schema.root import schema
from tests.backend.test_verify import WAYS
from tests.completeness import (
    DEMANDED,
    Complaints,
    access_roots,
    access_rows,
    change_logs,
    changed_fields,
    checks,
    ends,
    guard_samples,
    look_ups,
    placeholders,
    presence,
    profiles,
    races,
    ranks,
    refusals,
    removals,
    requests,
    source_names,
    sweeping,
    versions,
)
from tests.engine.samples import samples
from tests.nouns import merged
from tests.races.covered import RACES
from tests.races.leaving_acts import HERS
from tests.schema.access_fixture import table
from tests.schema.mutation_fixture import CONDITIONED, LISTED, MUTATIONS
from tests.schema.reads.aggregates import declared, sql_of

MODELS = [one for one in apps.get_models() if one.__module__.startswith(OURS) and not one._meta.proxy]
TYPES = schema._schema.type_map
ROWS = {Relationship: PairSide}
"""What clients see instead of a row."""
Rule = Callable[..., Complaints]


# --- What they look at ------------------------------------------------------------------------------------------


def erasures() -> dict[str, Collection[str]]:
    """What each noun's module `erasure` declares."""
    return {module.__name__.split(".")[1]: vars(module) for module in modules("erasure")}


def swept() -> set[str]:
    """The columns of which the sweeping takes every row."""
    return {f"{of}.{column}" for of, columns in swept_columns().items() for column in columns}


def profile_fields() -> list[str]:
    return [field for fields in guard_of(Person).sides[""].values() for field in fields if field != "left_at"]


def object_fields() -> dict[str, set[str]]:
    """The fields of each object type of the contract."""
    return {
        name: set(type_.fields) for name, type_ in TYPES.items() if is_object_type(type_) and not name.startswith("__")
    }


def versioned_fields() -> dict[Any, set[str]]:
    """The fields of the type that shows the rows of each versioned model; a pair's are those of its sides."""
    shown = {row_of(one): object_fields()[name] for name, one in node_types().items()}
    return {model: shown[ROWS.get(model, model)] for model in filter(is_versioned, MODELS)}


def named_things() -> dict[str, list[str]]:
    """The fields that docs/access.md names of each thing."""
    named: dict[str, list[str]] = {}
    for row in (*table("Things"), *table("What only carries things")):
        named.setdefault(row.what, []).extend(row.names)
    return named


def nodes() -> list[str]:
    return [name for name, type_ in TYPES.items() if is_object_type(type_) and TYPES["Node"] in type_.interfaces]


def every_refusal(of: type[Refusal] = Refusal) -> list[type[Refusal]]:
    """The classes below one, of the engine and of each noun."""
    return [one for below in of.__subclasses__() for one in (below, *every_refusal(below))]


def sources() -> list[tuple[str, str, str]]:
    """The SQL of each field's source, with the type of the row. What a row brings along is of that row, which is found."""
    return [(where, type_name, sql_of(one)) for where, type_name, one in declared() if where.count(".") == 1]


def new_mutations() -> list[str]:
    """Those that tests/schema/mutation_fixture.py does not list by itself, all of which take a key."""
    return sorted(set(MUTATIONS) - LISTED)


# --- The tests --------------------------------------------------------------------------------------------------

RULES: list[tuple[Rule, Callable[[], tuple[Any, ...]]]] = [
    (ranks, lambda: (MODELS,)),
    (versions, lambda: (MODELS,)),
    (change_logs, lambda: (MODELS, {one.__name__ for one in LOGGED})),
    (removals, lambda: (MODELS,)),
    (changed_fields, lambda: (MODELS, versioned_fields())),
    (guard_samples, lambda: (MODELS, {Person, Shelf, *(type(row) for row in samples(Person(), Person()))})),
    (presence, lambda: (MODELS,)),
    (sweeping, lambda: (MODELS, swept())),
    (ends, lambda: (MODELS, erasures())),
    (profiles, lambda: (profile_fields(), NO_PROFILE)),
    (checks, lambda: ([one.name for one in verify.every_check()], {way.check for way in WAYS})),
    (access_rows, lambda: (object_fields(), named_things())),
    (access_roots, lambda: ("Queries", object_fields()["Query"], {row.what for row in table("Queries")})),
    (access_roots, lambda: ("Mutations", object_fields()["Mutation"], {row.what for row in table("Mutations")})),
    (source_names, lambda: (sources(),)),
    (placeholders, lambda: (sources(),)),
    (look_ups, lambda: (nodes(), node_types())),
    (refusals, lambda: (every_refusal(),)),
    (races, lambda: (CONDITIONED, RACES)),
    (requests, lambda: (new_mutations(), {**{name: merged(name) for name in DEMANDED}, "HERS": HERS})),
]


@pytest.mark.parametrize(("rule", "of"), RULES, ids=lambda value: value.__name__.replace("<lambda>", ""))
def test_nothing_is_missing(rule: Rule, of: Callable[[], tuple[Any, ...]]) -> None:
    missing = list(rule(*of()))
    assert not missing, "\n".join([str(rule.__doc__), *missing])


SAMPLE = "tests/races/test_reading.py::test_no_such"
OF_PERSON = {"Person": ["id", "pronouns"]}


@pytest.mark.parametrize(
    ("rule", "of", "told"),
    [
        (
            guard_samples,
            ([Reading], {Person}),
            "tests/nouns/reading.py: guarded(one, other, story) has no row of Reading",
        ),
        (changed_fields, ([Reading], {Reading: {"chapter"}}), "clients know no `offset` of Reading"),
        (change_logs, ([Reading], {"Story"}), "schema/changes.py: TYPES has no type for Reading"),
        (sweeping, ([Reading], set()), "backend/reading/erasure.py: reading_reading.reader_id"),
        (ends, ([Reading], {"reading": ["chapter_deleted"]}), "backend/reading/erasure.py: Reading refers to Story"),
        (profiles, (["pronouns"], {"name": ""}), "backend/erasure/leaving.py: NO_PROFILE leaves Person.pronouns"),
        (checks, (["one_bookmark"], {"views"}), "WAYS has no way to break the check one_bookmark"),
        (access_rows, ({"Bookmark": ["id", "note"]}, {}), "no row for the type Bookmark. Add it under Things"),
        (access_rows, (OF_PERSON, {"Person": ["id"]}), "docs/access.md: Person does not say who sees `pronouns`"),
        (
            access_roots,
            ("Mutations", ["bookmarkStory"], ["follow"]),
            "no row for `bookmarkStory` under Mutations",
        ),
        (source_names, ([("Story.days", "Story", "$rov.id")],), "Story.days: its source names $rov"),
        (
            placeholders,
            ([("Story.days", "Story", "SELECT count(*) FROM reading_view AS seen WHERE seen.story_id = $row.id")],),
            "Story.days: its source reads a table, also for a placeholder",
        ),
        (look_ups, (["Bookmark"], {}), "schema: class Bookmark is a Node"),
        (refusals, ([type("TooYoung", (), {"code": "TOO_YOUNG"})],), "class TooYoung declares no `event`"),
        (refusals, ([type("TooYoung", (), {"event": "too young", "log_level": 20})],), "does not explain `too young`"),
        (races, (["bookmarkStory"], {}), "no test races bookmarkStory, which takes `expect`"),
        (races, (["recordView"], {"recordView": SAMPLE}), "there is no test_no_such"),
        (requests, (["x"], {"ARGUMENTS": "", "REQUESTS": "x", "HERS": "x"}), "ARGUMENTS does not say of x"),
    ],
)
def test_a_rule_says_what_to_write(rule: Rule, of: tuple[Any, ...], told: str) -> None:
    (complaint,) = rule(*of)
    assert told in complaint


@pytest.mark.parametrize(
    ("rule", "told"),
    [(ranks, "LOCK_RANK"), (versions, "VersionGuard"), (presence, "PresenceGuard"), (removals, "RemovalGuard")],
)
def test_a_rule_sees_a_model_that_forgot(rule: Rule, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reading, "LOCK_RANK", None)
    monkeypatch.setattr(Reading._meta, "constraints", [])
    (complaint,) = rule([Reading])
    assert complaint.startswith("backend/reading/models.py")
    assert told in complaint


def test_a_rule_sees_what_is_not_logged_and_a_kind_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind_log(Reading), "kind", kind_log(Person).kind)
    (complaint,) = change_logs([Person, Reading], {"Person", "Reading"})
    assert complaint.startswith("backend/reading/models.py: Reading is logged as `p`, which is Person already")
    monkeypatch.setattr(Reading._meta, "constraints", [guard_of(Reading)])
    (complaint,) = change_logs([Reading], {"Reading"})
    assert "Reading has versions that are not logged: add ChangeLog" in complaint


def kind_log(model: Any) -> Any:
    """How the rows of a model are logged."""
    (found,) = logs_of(model)
    return found


def test_a_rule_sees_a_rank_that_is_taken_and_a_field_in_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reading, "LOCK_RANK", Person.LOCK_RANK)
    assert sorted("which another model has as well" in one for one in ranks([Person, Reading])) == [True, True]
    monkeypatch.setattr(guard_of(Reading), "fixed", ("id", "story"))
    (complaint,) = versions([Reading])
    assert complaint.startswith("backend/reading/models.py: Reading.reader is in no group of its VersionGuard")
