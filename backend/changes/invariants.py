"""Invariants of the change log, for `manage.py verify`."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db.models import Model

from backend.changes.triggers import ChangeLog, logs_of
from backend.engine.checks import Check

DIFFERING = """
    SELECT '{kind}' AS kind, newest.id, newest.owner, newest.version, newest.gone, written.version AS version_of_row
    FROM (
        SELECT DISTINCT ON ({key}) id, owner, version, gone FROM changes_change WHERE kind = '{kind}'
        ORDER BY {key}, seq DESC
    ) AS newest LEFT JOIN ({written}) AS written
        ON written.id = newest.id AND (written.owner IS NULL OR written.owner = newest.owner)
    WHERE CASE WHEN newest.gone THEN written.version > 0 ELSE newest.version IS DISTINCT FROM written.version END
"""


def _has_own_ids(model: type[Model], log: ChangeLog) -> bool:
    """Whether entries name the rows by their own ids. Otherwise an id is of another row, and says which only with the owner."""
    field: Any = model._meta.get_field(log.sides[0]["id"])
    return bool(field.unique)


def _written(model: type[Model], log: ChangeLog) -> str:
    """SQL: by which ids the rows of a model are logged, with their owners where an id is that of another row."""
    found = []
    for side in log.sides:
        fields: dict[str, Any] = {name: model._meta.get_field(side[name]) for name in ("id", "version")}
        is_own = _has_own_ids(model, log)
        owner = "NULL::uuid" if is_own else str(model._meta.get_field(side["owner"]).column)  # type: ignore[union-attr]
        columns = f"{fields['id'].column} AS id, {owner} AS owner, {fields['version'].column} AS version"
        found.append(f"SELECT {columns} FROM {model._meta.db_table}")
    return " UNION ".join(found)


def _differing() -> Iterator[str]:
    """For each model, SQL for the newest entries that do not say what the row is."""
    for model in apps.get_models():
        for log in logs_of(model):
            key = "id" if _has_own_ids(model, log) else "id, owner"  # who owns a row may change
            yield DIFFERING.format(kind=log.kind, key=key, written=_written(model, log))


def kinds_without_owner() -> set[str]:
    """Kinds of which a thing may be nobody's: where the column that names the owner may be NULL."""
    sides = (
        (model, log.kind, side["owner"]) for model in apps.get_models() for log in logs_of(model) for side in log.sides
    )
    return {kind for model, kind, owner in sides if "__" not in owner and model._meta.get_field(owner).null}


INVARIANTS = (
    Check(
        "changes_agree",
        "the newest entry of each thing in the change log has the version of its row, or says that it is gone",
        "changes_change",
        "UNION ALL".join(_differing()),
    ),
    Check(
        "changes_are_of_this_cluster",
        "no entry of the change log is of a transaction that is still to come: manage.py prune_changes --all after a restore",
        "(SELECT xid FROM changes_change UNION ALL SELECT xid FROM changes_mark)",
        """
        SELECT xid::text FROM (SELECT xid FROM changes_change UNION ALL SELECT xid FROM changes_mark) AS logged
        WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()) AND xid IS DISTINCT FROM pg_current_xact_id_if_assigned()
        """,
    ),
)
