"""The rules by which whatever is added is demanded wherever it has to be: each says what is missing, and where to write it.

They look at models, contract and files, and need no database; tests/test_complete.py holds the house against them.
"""

import ast
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

from django.db.models import Field, ForeignKey, Model

from backend.changes.kinds import SIGNALS
from backend.changes.triggers import logs_of
from backend.engine.guard import guard_of, is_versioned, shown_as
from backend.engine.locks import rank_of
from backend.engine.presence import PresenceGuard
from backend.engine.removal import is_removal_guarded
from backend.people.models import Account, Person
from backend.stories.models import Chapter, Story
from backend.whispers.models import Whisper
from tests.departure_fixture import KEPT
from tests.schema.access_fixture import kind_of
from tests.schema.reads.aggregates import named_in

ROOT = Path(__file__).parents[1]
OPERATIONS = ROOT / "docs" / "operations.md"
WRITTEN_IN_THE_ADMIN = {"whispers_policy", "whispers_policyword"}
"""What no unit of work writes; each statement of the admin changes one of them alone."""
ALONE = {"jobs_failure", "changes_change", "changes_mark", "live_presence"} | WRITTEN_IN_THE_ADMIN
"""What no unit of work locks, and what each statement changes alone; of the change log nothing is ever updated."""
FREELY_REMOVED = {
    "people_accesstoken",
    "persisted_persisteddocument",
    "limits_bucket",
    "jobs_failure",
    "whispers_policy",
    "whispers_policyword",
    "people_personwords",
    "stories_storywords",
    "coauthors_coauthor",
    "changes_change",
    "changes_mark",
    "live_presence",
}
"""What may go at any time: nothing counts it, and no history needs it."""
NEVER_UPDATED = {"stories_revision", "moderation_evidence", "changes_change"}
"""They have the version of what they were made of, or tell of, and none of their own."""
AS_THE_WHOLE = {
    "whispers_flag.author_id",
    "moderation_report.person_id",
    "market_orderline.author_id",
    "people_personwords.person_id",
}
"""Columns that follow from those of the row that these belong to, which is guarded and swept."""
OF_HISTORY = {
    "stories_revision.by_id",
    "stories_tombstone.author_id",
    "moderation_decision.moderator_id",
    "moderation_moderationaction.moderator_id",
}
"""Columns that say what was; of a revision and of what a moderator did the id stays, and a tombstone is swept."""

PLACEHOLDERS = ("Person", "Story")
"""Types of which a row is shown to who may not see it, as it were empty."""
SOURCE_NAMES = {
    "row",
    "viewer",
    "mature",
    "moderator",
    "key",
    "owner",
    "between",
    "order",
    "way",
    "size",
    "limit",
    "token",
}

Complaints = Iterator[str]


def package_of(model: type[Model]) -> str:
    """The folder of the noun to which a model belongs."""
    return f"backend/{model._meta.app_label}"


def columns_to(model: type[Model], *others: type[Model]) -> "list[Field[Any, Any]]":
    """The foreign keys of a model to one of these."""
    return [one for one in model._meta.concrete_fields if isinstance(one, ForeignKey) and one.related_model in others]


# --- Models -----------------------------------------------------------------------------------------------------


def ranks(models: Iterable[type[Model]]) -> Complaints:
    """A new table has to find its place before anything can write to it."""
    ranked = {model: rank_of(model) for model in models if model._meta.db_table not in ALONE}
    often = Counter(ranked.values())
    for model, rank in ranked.items():
        where = f"{package_of(model)}/models.py: class {model.__name__}"
        if rank is None:
            yield f"{where} says no LOCK_RANK: when its rows are locked; see backend/engine/locks.py for a free number"
        elif often[rank] > 1:
            yield f"{where} has LOCK_RANK = {rank}, which another model has as well; take a free number"


def versions(models: Iterable[type[Model]]) -> Complaints:
    """A table with a version and no trigger would be the one that loses a write."""
    for model in models:
        has_version = any(field.name.endswith("version") for field in model._meta.concrete_fields)
        if has_version and not is_versioned(model) and model._meta.db_table not in NEVER_UPDATED:
            yield f"{package_of(model)}/models.py: {model.__name__} has a version, and no VersionGuard in its constraints"
    for model in filter(is_versioned, models):
        guard = guard_of(model)
        known = {
            *guard.fixed,
            *guard.stamps,
            *(f"{side}{own}" for side in guard.sides for own in ("version", "updated_at")),
        }
        for side, groups in guard.sides.items():
            known |= {f"{side}{group}_changed" for group in groups} | {field for of in groups.values() for field in of}
        for field in model._meta.concrete_fields:
            if field.name not in known:
                yield (
                    f"{package_of(model)}/models.py: {model.__name__}.{field.name} is in no group of its VersionGuard: add it to "
                    "one of `sides`, or to `fixed` if it never changes"
                )


def change_logs(models: Iterable[type[Model]], shown: Collection[str]) -> Complaints:
    """What the change log does not tell of, nobody hears of: neither who watches it, nor who was offline."""
    kinds: dict[str, str] = {}
    for model in filter(is_versioned, models):
        where = f"{package_of(model)}/models.py: {model.__name__}"
        logs = logs_of(model)
        if not logs:
            yield (
                f'{where} has versions that are not logged: add ChangeLog(name="{model._meta.model_name}_change_log", kind=…, '
                "aggregate=…, sides=…) to the constraints; see backend/changes/triggers.py"
            )
        for kind in {one.kind for one in logs}:
            if kind in SIGNALS or kind in kinds:
                yield f"{where} is logged as `{kind}`, which is {kinds.get(kind, 'a signal')} already; take a free character"
            kinds[kind] = model.__name__
            if model.__name__ not in shown:
                yield f"schema/changes.py: TYPES has no type for {model.__name__}, so `changes` cannot tell of it"


def removals(models: Iterable[type[Model]]) -> Complaints:
    """Whether rows may just be deleted is decided for each table; see backend/engine/removal.py."""
    for model in models:
        if not is_removal_guarded(model) and model._meta.db_table not in FREELY_REMOVED:
            yield (
                f"{package_of(model)}/models.py: {model.__name__} does not say that its rows are kept, so anybody may delete "
                f'them: add RemovalGuard(name="{model._meta.model_name}_removal_guard") to the constraints. If nothing counts '
                "them and no history needs them, name the table in FREELY_REMOVED of tests/completeness.py"
            )


def changed_fields(models: Iterable[type[Model]], fields: Mapping[type[Model], Collection[str]]) -> Complaints:
    """What a conflict calls changed is what a client can look at."""
    for model in models:
        if model not in fields:
            continue
        for groups in guard_of(model).sides.values():
            for group in groups:
                for field in set(shown_as(model, group)) - set(fields[model]):
                    yield (
                        f"{package_of(model)}/models.py: clients know no `{field}` of {model.__name__}: name the fields in which "
                        f'they see the group in SHOWN_AS = {{"{group}": […]}}'
                    )


def guard_samples(models: Iterable[type[Model]], sampled: Collection[type[Model]]) -> Complaints:
    """The trigger of each versioned table is tried on a row of it."""
    for model in filter(is_versioned, models):
        if model not in sampled:
            yield (
                f"tests/nouns/{model._meta.app_label}.py: guarded(one, other, story) has no row of {model.__name__}, so nothing "
                f"tries its guard: return [{model.__name__}(…)]"
            )


def presence(models: Iterable[type[Model]]) -> Complaints:
    """Nothing new may refer to somebody who has left; see backend/engine/presence.py."""
    for model in models:
        named = {one for guard in model._meta.constraints if isinstance(guard, PresenceGuard) for one in guard.people}
        keys = {field.name for field in model._meta.pk_fields} - {"id"}
        for field in columns_to(model, Person):
            if field.name not in {*named, *keys} and name_of(field) not in AS_THE_WHOLE | OF_HISTORY:
                yield (
                    f"{package_of(model)}/models.py: {model.__name__}.{field.name} refers to people without a guard: "
                    f'add PresenceGuard(name="…", people=["{field.name}"]) to the constraints'
                )


def name_of(field: "Field[Any, Any]") -> str:
    """The name of a column: table and column."""
    return f"{field.model._meta.db_table}.{field.column}"


def sweeping(models: Iterable[type[Model]], swept: set[str]) -> Complaints:
    """Whoever leaves takes everything along, but for what others need."""
    for model in models:
        for field in columns_to(model, Person, Account):
            if name_of(field) not in swept | AS_THE_WHOLE | OF_HISTORY and model._meta.label not in KEPT:
                yield (
                    f"{package_of(model)}/erasure.py: {name_of(field)} refers to people, and nobody sweeps it: "
                    "name it in SWEPT_COLUMNS and write sweep_person(person_id, limit) with a SWEEP_STAGE; see backend/erasure"
                )


ENDS: dict[type[Model], tuple[str, ...]] = {
    Story: ("story_deleted", "check_story_deletion"),
    Chapter: ("chapter_deleted",),
    Whisper: ("whispers_deleted",),
}
"""What a noun declares that refers to one of these; one of the functions."""


def ends(models: Iterable[type[Model]], declared: Mapping[str, Collection[str]]) -> Complaints:
    """Whatever hangs on a thing goes when that goes, or keeps it."""
    for model in models:
        for other, functions in ENDS.items():
            own = model._meta.app_label == other._meta.app_label
            if (
                columns_to(model, other)
                and not own
                and not set(functions) & set(declared.get(model._meta.app_label, ()))
            ):
                yield (
                    f"{package_of(model)}/erasure.py: {model.__name__} refers to {other.__name__}, and does not say what becomes "
                    f"of it when that is deleted: write {functions[0]}(…); see backend/erasure/__init__.py"
                )


def profiles(fields: Iterable[str], emptied: Collection[str]) -> Complaints:
    """Of somebody who has left nothing but the handle is kept."""
    for field in fields:
        if field not in emptied:
            yield f"backend/erasure/leaving.py: NO_PROFILE leaves Person.{field} when somebody leaves: give its empty value"


def checks(names: Iterable[str], broken: Collection[str]) -> Complaints:
    """A check of `verify` that nobody has seen to fail proves nothing."""
    for name in names:
        if name not in broken:
            yield f"tests/nouns/….py of its noun: WAYS has no way to break the check {name}; see tests/backend/test_verify.py"


# --- The contract -----------------------------------------------------------------------------------------------


def access_rows(fields: Mapping[str, Collection[str]], things: Mapping[str, Collection[str]]) -> Complaints:
    """Who may see what is decided for each field, once for each thing of its type."""
    kinds = {kind_of(thing) for thing in things}
    for name in fields.keys() - kinds - {"Query", "Mutation", "Subscription"}:
        names = " ".join(f"`{field}`" for field in sorted(fields[name]))
        yield (
            f"docs/access.md: no row for the type {name}. Add it under Things, a cell for each viewer: | {name} | {names} | … | "
            f"— or, if it only carries things, under that heading: | `{name}` | {names} | who sent the mutation |"
        )
    for thing, named in things.items():
        for field in set(fields.get(kind_of(thing), ())) - set(named):
            yield f"docs/access.md: {thing} does not say who sees `{field}`: add it to a row, or a row with other cells"


def access_roots(root: str, fields: Iterable[str], named: Collection[str]) -> Complaints:
    """Who may ask and do what is decided for each query and each mutation."""
    for field in fields:
        if field not in named:
            yield f"docs/access.md: no row for `{field}` under {root}: for each thing that it is about, a cell for each viewer"


def source_names(sources: Iterable[tuple[str, str, str]]) -> Complaints:
    """A name that stands for nothing would be a fault of each query with this field."""
    for where, _, sql in sources:
        for name in sorted({*Template(sql).get_identifiers()} - SOURCE_NAMES):
            yield f"{where}: its source names ${name}, which stands for nothing; backend/sources.py lists what does"


def placeholders(sources: Iterable[tuple[str, str, str]]) -> Complaints:
    """What somebody may not see is shown as a placeholder, of which nothing else may be read either."""
    for where, type_name, sql in sources:
        if type_name in PLACEHOLDERS and named_in(sql) and not any(one in sql for one in ("$row.version", "$viewer")):
            yield (
                f"{where}: its source reads a table, also for a placeholder, whose row has version 0 and the id of what is "
                "hidden: let it find nothing unless $row.version > 0, or say of which $viewer it is"
            )


def look_ups(implementing: Iterable[str], known: Mapping[str, type]) -> Complaints:
    """Everything that has an id is found again by it."""
    for name in implementing:
        if name not in known or not hasattr(known[name], "look_up"):
            yield f"schema: class {name} is a Node: it needs `row`, its model, and `look_up`; see schema/nodes.py"


def refusals(classes: Iterable[type]) -> Complaints:
    """Nobody forgets to decide whether somebody wants to hear of it: trouble is no secret, and daily life is no trouble."""
    for one in classes:
        if not {"event", "log_level"} <= vars(one).keys():
            yield (
                f"{one.__module__}: class {one.__name__} declares no `event` and `log_level`: what the log calls it, and how "
                "loudly; logging.NOTSET if it is only counted"
            )
        elif one.__dict__["log_level"] and f"`{one.__dict__['event']}`" not in OPERATIONS.read_text(encoding="utf-8"):
            yield f"docs/operations.md: the table under Logs does not explain `{one.__dict__['event']}`"


def races(conditioned: Iterable[str], raced: Mapping[str, str], root: Path = ROOT) -> Complaints:
    """A version is a promise only if two who saw the same one were let loose on it."""
    for name in conditioned:
        if name not in raced:
            yield (
                f"tests/races: no test races {name}, which takes `expect`. Write one, in which of eight with one version one "
                f'wins, and name it in RACES of tests/nouns: RACES = {{"{name}": "tests/races/test_….py::test_…"}}'
            )
            continue
        path, _, test = raced[name].partition("::")
        text = (root / path).read_text() if (root / path).exists() else ""
        if test not in {one.name for one in ast.parse(text).body if isinstance(one, ast.FunctionDef)}:
            yield f"{path}: there is no {test}, which RACES names as the race of {name}"
        elif "from tests.races.rivals import" not in text:
            yield f"{path}: {test} is to race {name}, and its file uses nothing of tests/races/rivals.py"


DEMANDED = {
    "ARGUMENTS": "with which arguments it succeeds",
    "REQUESTS": "how a request is prepared and sent with a key",
    "HERS": "what somebody does with it who is leaving",
}


def requests(names: Iterable[str], declared: Mapping[str, Collection[str]]) -> Complaints:
    """What every mutation is put through: bad input, faults at every statement, one key eight times, somebody who leaves."""
    for name in names:
        for table_, what in DEMANDED.items():
            if name not in declared[table_]:
                yield f'tests/nouns/….py of its noun: {table_} does not say of {name} {what}: {table_} = {{"{name}": …}}'
