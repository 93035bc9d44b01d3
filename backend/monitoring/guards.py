"""Checks of every table: versions, references, and whether the database's triggers and constraints are in place."""

from collections.abc import Iterator

from django.apps import apps
from django.db.models import CheckConstraint, ForeignKey, Model, UniqueConstraint

from backend.changes.triggers import LogTrigger
from backend.engine.checks import Check
from backend.engine.guard import VersionGuard, guard_of, is_versioned
from backend.engine.presence import PresenceGuard
from backend.engine.removal import RemovalGuard
from backend.engine.trigger import TriggerConstraint

MODELS = [model for model in apps.get_models() if model.__module__.startswith("backend.") and not model._meta.proxy]


def checks() -> Iterator[Check]:
    """The checks of each versioned model, then those of all tables."""
    for model in MODELS:
        if is_versioned(model):
            yield _versions(model)
    yield _references()
    yield _guards()
    yield _presence()
    yield _removals()
    yield _logs()
    yield _triggers()
    yield _constraints()
    yield _validity()


def _versions(model: type[Model]) -> Check:
    """Versions are not below their start, and stamps are not above the version."""
    shown, broken = [_key(model)], []
    for side, groups in guard_of(model).sides.items():
        version = f"{side}version"
        least = model._meta.get_field(version).get_default()  # type: ignore[union-attr]
        stamps = [f"{side}{group}_changed" for group in groups]
        shown += [version, *stamps]
        broken.append(f"{version} < {least}")
        broken += [f"{stamp} NOT BETWEEN {least} AND {version}" for stamp in stamps]
    return Check(
        f"versions_of_{model._meta.model_name}",
        "no version lies below its start, and no stamp above its version",
        model._meta.db_table,
        f"SELECT {', '.join(shown)} FROM {model._meta.db_table} WHERE {' OR '.join(broken)}",
    )


def _references() -> Check:
    """Foreign keys, checked on the rows, because a constraint that is not enforced proves nothing."""
    lost = [
        f"SELECT '{model._meta.db_table}' AS of, {_key(model, 'row')}::text AS row, '{field.column}' AS reference, "
        f"row.{field.column}::text AS value FROM {model._meta.db_table} AS row "
        f"LEFT JOIN {field.related_model._meta.db_table} AS other ON other.{field.target_field.column} = row.{field.column} "
        f"WHERE row.{field.column} IS NOT NULL AND other.{field.target_field.column} IS NULL"
        for model in MODELS
        for field in _foreign_keys(model)
    ]
    among = " UNION ALL ".join(f"SELECT FROM {model._meta.db_table}" for model in MODELS if _foreign_keys(model))
    return Check("references", "whatever a row refers to is there", f"({among})", " UNION ALL ".join(lost))


def _guards() -> Check:
    return _enabled(
        "version_guards",
        "each versioned table has its trigger, and it is enabled",
        VersionGuard,
        "tgfoid = to_regproc(expected.column2)",
    )


def _presence() -> Check:
    return _enabled(
        "presence_guards",
        "each table that must not get rows of people who have left has its trigger, and it is enabled",
        PresenceGuard,
        "tgfoid = to_regproc(expected.column2) AND tgdeferrable",
    )


def _removals() -> Check:
    return _enabled(
        "removal_guards",
        "each table whose rows are counted, totalled or kept as history has its triggers, and they are enabled",
        RemovalGuard,
        "tgfoid = to_regproc('katha_refuse_removal')",
    )


def _logs() -> Check:
    return _enabled(
        "change_logs",
        "each table whose changes are told has its triggers, and they are enabled",
        LogTrigger,
        "tgfoid = to_regproc(expected.column2)",
    )


def _enabled(name: str, rule: str, guard: type[TriggerConstraint], as_declared: str) -> Check:
    """Every trigger that models declare by this guard exists as declared and is enabled."""
    expected = _values(
        [
            (model._meta.db_table, trigger)
            for model in MODELS
            for constraint in model._meta.constraints
            if isinstance(constraint, guard)
            for trigger in constraint.triggers
        ]
    )
    return Check(
        name,
        rule,
        expected,
        f"""
        SELECT expected.column1 AS "table", expected.column2 AS trigger, coalesce(tgenabled::text, 'missing') AS state
        FROM {expected} AS expected
        LEFT JOIN pg_trigger ON tgrelid = to_regclass(expected.column1) AND tgname = expected.column2 AND {as_declared}
        WHERE tgenabled IS NULL OR tgenabled NOT IN ('O', 'A')
        """,
    )


def _triggers() -> Check:
    return Check(
        "triggers",
        "no trigger is disabled, those behind foreign keys neither",
        f"(SELECT FROM pg_trigger WHERE tgrelid IN {_tables()})",
        f"""
        SELECT tgrelid::regclass::text AS "table", tgname AS trigger, tgenabled AS state FROM pg_trigger
        WHERE tgrelid IN {_tables()} AND tgenabled NOT IN ('O', 'A')
        """,
    )


def _constraints() -> Check:
    """Primary, foreign and unique keys are identified by their columns, named constraints by their names."""
    expected: list[tuple[str, str]] = []
    for model in MODELS:
        table, fields = model._meta.db_table, model._meta.concrete_fields
        expected.append((table, "p " + " ".join(sorted(str(f.column) for f in model._meta.pk_fields))))
        expected += [(table, f"u {f.column}") for f in fields if f.unique and not f.primary_key]
        expected += [(table, f"f {f.column}") for f in _foreign_keys(model)]
        expected += [
            (table, constraint.name)
            for constraint in model._meta.constraints
            if isinstance(constraint, CheckConstraint | UniqueConstraint)
        ]
    return Check(
        "constraints",
        "no constraint is missing that the models declare",
        _values(expected),
        f"""
        SELECT expected.column1 AS "table", expected.column2 AS "constraint" FROM {_values(expected)} AS expected
        WHERE NOT EXISTS (
            SELECT FROM pg_constraint WHERE conrelid = to_regclass(expected.column1) AND expected.column2 IN (
                conname,
                contype::text || ' ' || (
                    SELECT string_agg(attname, ' ' ORDER BY attname) FROM pg_attribute
                    WHERE attrelid = conrelid AND attnum = ANY(conkey)
                )
            )
        ) AND NOT EXISTS (
            SELECT FROM pg_index WHERE indrelid = to_regclass(expected.column1)
                AND indexrelid = to_regclass(expected.column2) AND indisunique
        )
        """,
    )


def _validity() -> Check:
    every = f"""
        SELECT conrelid::regclass::text AS "table", conname AS name, convalidated AS valid FROM pg_constraint
        WHERE conrelid IN {_tables()}
        UNION ALL
        SELECT indrelid::regclass::text, indexrelid::regclass::text, indisvalid FROM pg_index
        WHERE indrelid IN {_tables()}
    """
    return Check(
        "validity",
        "every constraint and every index holds for all rows, not just for new ones",
        f"({every})",
        f'SELECT "table", name FROM ({every}) AS every WHERE NOT valid',
    )


def _foreign_keys(model: type[Model]) -> "list[ForeignKey[Model, Model]]":
    return [field for field in model._meta.concrete_fields if isinstance(field, ForeignKey)]


def _key(model: type[Model], alias: str | None = None) -> str:
    columns = ", ".join(f"{alias}.{f.column}" if alias else str(f.column) for f in model._meta.pk_fields)
    return columns if len(model._meta.pk_fields) == 1 else f"ROW({columns})"


def _tables() -> str:
    return "(" + ", ".join(f"to_regclass('{model._meta.db_table}')" for model in MODELS) + ")"


def _values(rows: list[tuple[str, str]]) -> str:
    return "(VALUES " + ", ".join(f"('{table}', '{name}')" for table, name in rows) + ")"
