"""The database triggers that append to the change log. They stand beside a model's guards, so that no write can forget them.

Each is an AFTER trigger with a function of its own, whose SQL is fixed, so that a session plans it once: that is what makes it
cheap. Conditions stand in the function, because each statement would read that of a WHEN from its text anew. Rows are logged in
the transaction that writes them, so a rollback takes its entries with it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Model

from backend.changes.kinds import HANDED, PUBLIC, SIGHT
from backend.engine.trigger import TriggerConstraint

FUNCTION = """
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    {body}
    RETURN NULL;
END
$body$
"""
INTO = "INSERT INTO changes_change (kind, id, aggregate, owner, version, gone)"
APPEND = f"{INTO} VALUES"
ADDED = "added"
"""In the SQL of triggers: the rows that a statement inserted."""

OWNER_OF = "(SELECT {owner} FROM {table} WHERE {key} = {row}.{column})"
"""The owner that another row names."""
OWNER_OF_LOST = """coalesce(
        {owner_of},
        (SELECT owner FROM changes_change
         WHERE xid = pg_current_xact_id() AND kind = '{kind}' AND id = {row}.{column} AND gone LIMIT 1)
    )"""
"""The same for a row that goes: if the other is gone already, it went in this very transaction, and its entry says it."""

Side = Mapping[str, str]
"""By which fields a row is logged: `version`, `id`, `owner` (`story__author` for that field of the row that `story` refers to);
`unless` names one that has the same owner, perhaps, who is not told twice.
"""


class LogTrigger(TriggerConstraint):
    """What those below share: a trigger that runs a function; both have the constraint's name."""

    def remove_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """SQL that drops the triggers and their functions."""
        _, table, _ = self.quoted(model, schema_editor)
        return "; ".join(
            f"DROP TRIGGER IF EXISTS {name} ON {table}; DROP FUNCTION IF EXISTS {name}()" for name in self.triggers
        )

    def _created(self, table: str, events: str, when: str, body: str) -> str:
        """SQL for the function and the trigger."""
        function = FUNCTION.format(name=self.name, body=body)
        condition = f" WHEN ({when})" if when else ""
        return (
            f"{function}; CREATE TRIGGER {self.name} AFTER {events} ON {table} FOR EACH ROW{condition} "
            f"EXECUTE FUNCTION {self.name}()"
        )


class ChangeLog(LogTrigger):
    """Declares that the versions of a model's rows are logged, and when they are gone: as `kind`, for each of `sides`.

    A side whose version did not rise is not logged, so a row that two people share tells neither of what only the other may
    know. Version 0 stands for a row that there is not yet for this side, and is not logged either. `aggregate` is the field with
    the key of what it hangs on. `public` is one that is set as long as others see it: when that changes, it is logged as well
    (`kinds.PUBLIC`).
    """

    def __init__(
        self,
        *,
        name: str,
        kind: str,
        aggregate: str,
        sides: Sequence[Side],
        parent: str = "",
        public: str = "",
    ) -> None:
        super().__init__(name=name)
        self.kind, self.aggregate, self.parent, self.public = kind, aggregate, parent, public
        self.sides = [{"version": "version", "id": "id", **side} for side in sides]
        """`parent` is the kind of the row that names the owner, if it is another one."""

    @property
    def triggers(self) -> Sequence[str]:
        """The names of its triggers.

        One is for rows. Rows of one side are added many at a time, such as the chapters of a story or the notifications of all
        followers: that is logged by statement, with a trigger of its own. Those that people share come one by one.
        """
        return (self.name, f"{self.name}_added") if len(self.sides) == 1 else (self.name,)

    def create_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """SQL for this table's functions and triggers."""
        model, table, _ = self.quoted(model, schema_editor)
        gone, written = (self._appends(model, row) for row in ("OLD", "NEW"))
        body = f"IF TG_OP = 'DELETE' THEN\n    {gone}\n    ELSE\n    {written}\n    END IF;"
        if len(self.sides) > 1:
            return self._created(table, "INSERT OR UPDATE OR DELETE", "", body)
        name, side = self.triggers[1], self.sides[0]
        entries = f"SELECT {self._entry(model, side, ADDED)} FROM {ADDED} WHERE {self._is_told(model, side, ADDED)}"
        return (
            f"{self._created(table, 'UPDATE OR DELETE', '', body)}; {FUNCTION.format(name=name, body=f'{INTO} {entries};')}; "
            f"CREATE TRIGGER {name} AFTER INSERT ON {table} REFERENCING NEW TABLE AS {ADDED} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """How migrations serialise it."""
        path, args, kwargs = super().deconstruct()
        more = {name: value for name in ("parent", "public") if (value := getattr(self, name))}
        return path, args, {**kwargs, "kind": self.kind, "aggregate": self.aggregate, "sides": self.sides, **more}

    def _appends(self, model: type[Model], row: str) -> str:
        """PL/pgSQL that appends what is to be told of a row that goes (OLD) or that was written (NEW)."""
        appends = [(self._is_told(model, side, row), self._entry(model, side, row)) for side in self.sides]
        if self.public:
            column = _column(model, self.public)
            turned, gone = {
                "OLD": (f"OLD.{column} IS NOT NULL", "TRUE"),
                "NEW": (f"(OLD.{column} IS NULL) <> (NEW.{column} IS NULL)", f"NEW.{column} IS NULL"),
            }[row]
            appends.append((turned, self._entry(model, self.sides[0], row, kind=PUBLIC, gone=gone)))
        return "\n    ".join(f"IF {told} THEN {APPEND} ({entry}); END IF;" for told, entry in appends)

    def _is_told(self, model: type[Model], side: Side, row: str) -> str:
        """SQL: whether a side is told."""
        version = _column(model, side["version"])
        told = f"{row}.{version} > " + (f"coalesce(OLD.{version}, 0)" if row == "NEW" else "0")
        if "unless" not in side:
            return told
        owner, other = (_column(model, side[one]) for one in ("owner", "unless"))
        return f"{told} AND {row}.{owner} <> {row}.{other}"

    def _entry(self, model: type[Model], side: Side, row: str, *, kind: str = "", gone: str = "") -> str:
        id_, version = (f"{row}.{_column(model, side[one])}" for one in ("id", "version"))
        aggregate, owner = f"{row}.{_column(model, self.aggregate)}", self._owner(model, side, row)
        is_gone = gone or str(row == "OLD").upper()
        return f"'{kind or self.kind}', {id_}, {aggregate}, {owner}, {version}, {is_gone}"

    def _owner(self, model: type[Model], side: Side, row: str) -> str:
        name, _, of_other = side["owner"].partition("__")
        column = _column(model, name)
        if not of_other:
            return f"{row}.{column}"
        other: Any = model._meta.get_field(name).related_model
        names = {"owner": _column(other, of_other), "table": other._meta.db_table, "key": other._meta.pk.column}
        owner_of = OWNER_OF.format(**names, row=row, column=column)
        if row != "OLD":
            return owner_of
        return OWNER_OF_LOST.format(owner_of=owner_of, row=row, column=column, kind=self.parent)


class SignalLog(LogTrigger):
    """Declares what changes all that somebody sees: as `kind`, when one of `columns` is updated, else when a row comes or goes.

    `owner` is the field that names who it is, `id` what it is about. With `removals`, only when a row goes.
    """

    def __init__(
        self, *, name: str, kind: str, owner: str, id: str, columns: Sequence[str] = (), removals: bool = False
    ) -> None:
        super().__init__(name=name)
        self.kind, self.owner, self.id, self.columns, self.removals = kind, owner, id, tuple(columns), removals

    def create_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """SQL for this table's function and trigger."""
        model, table, _ = self.quoted(model, schema_editor)
        owner, id_ = (_column(model, one) for one in (self.owner, self.id))

        def append(row: str) -> str:
            return f"{APPEND} ('{self.kind}', {row}.{id_}, {row}.{id_}, {row}.{owner}, 0, {str(row == 'OLD').lower()});"

        if self.columns:
            new, old = (", ".join(f"{row}.{_column(model, one)}" for one in self.columns) for row in ("NEW", "OLD"))
            events = f"UPDATE OF {', '.join(_column(model, one) for one in self.columns)}"
            return self._created(table, events, f"ROW({new}) IS DISTINCT FROM ROW({old})", append("NEW"))
        if self.removals:
            return self._created(table, "DELETE", "", append("OLD"))
        return self._created(
            table, "INSERT OR DELETE", "", f"IF TG_OP = 'DELETE' THEN {append('OLD')} ELSE {append('NEW')} END IF;"
        )

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """How migrations serialise it."""
        path, args, kwargs = super().deconstruct()
        when = {"columns": self.columns} if self.columns else {"removals": True} if self.removals else {}
        return path, args, {**kwargs, "kind": self.kind, "owner": self.owner, "id": self.id, **when}


class HandedLog(LogTrigger):
    """Declares that a row may come to be another's: the person of its field `owner`. See `kinds.HANDED`."""

    def __init__(self, *, name: str, owner: str) -> None:
        super().__init__(name=name)
        self.owner = owner

    def create_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """SQL for this table's function and trigger."""
        model, table, _ = self.quoted(model, schema_editor)
        owner = _column(model, self.owner)
        append = f"{APPEND} ('{HANDED}', NEW.id, OLD.{owner}, NEW.{owner}, 0, FALSE);"
        return self._created(table, f"UPDATE OF {owner}", f"OLD.{owner} <> NEW.{owner}", append)

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """How migrations serialise it."""
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "owner": self.owner}


class RemovalLog(LogTrigger):
    """Declares what others see no more when a row goes, or whom else it concerns that it is gone.

    `entries` selects kind, id, aggregate, owner, version and gone; `OLD` is the row. It is logged at that moment, because later
    nobody could say what those have seen: what came afterwards must not be told to them.
    """

    def __init__(self, *, name: str, entries: str) -> None:
        super().__init__(name=name)
        self.entries = entries

    def create_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """SQL for this table's function and trigger."""
        _, table, _ = self.quoted(model, schema_editor)
        return self._created(table, "DELETE", "", f"{INTO} {self.entries};")

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """How migrations serialise it."""
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "entries": self.entries}


class SightLog(LogTrigger):
    """Declares that two people, `low` and `high`, hide from each other what is theirs while either `…_blocks_at` is set.

    Whenever that changes, both are logged as somebody who sees less or more of the other: it is how one whom a block hides
    something from hears that it is hidden, and says no more than that. See `kinds.SIGHT`.
    """

    def create_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """SQL for this table's function and trigger."""
        model, table, _ = self.quoted(model, schema_editor)
        body = "\n    ".join(
            f"{APPEND} ('{SIGHT}', NEW.{other}_id, NEW.id, NEW.{one}_id, 4 * {_hidden('OLD', one, other)} + "
            f"{_hidden('NEW', one, other)}, {_is_blocking('NEW', one)} OR {_is_blocking('NEW', other)});"
            for one, other in (("low", "high"), ("high", "low"))
        )
        changed = " OR ".join(f"{_is_blocking('NEW', one)} <> {_is_blocking('OLD', one)}" for one in ("low", "high"))
        events = "INSERT OR UPDATE OF low_blocks_at, high_blocks_at"  # so that a follow calls nothing
        return self._created(table, events, "", f"IF {changed} THEN\n    {body}\n    END IF;")


def _is_blocking(row: str, side: str) -> str:
    return f"({row}.{side}_blocks_at IS NOT NULL)"


def _hidden(row: str, one: str, other: str) -> str:
    """SQL: what the one does not see of the other."""
    blocked, blocking = _is_blocking(row, other), _is_blocking(row, one)
    return f"CASE WHEN {blocked} THEN 3 WHEN {blocking} THEN 1 ELSE 0 END"


def _column(model: type[Model], name: str) -> str:
    return str(model._meta.get_field(name).column)  # type: ignore[union-attr]


def logs_of(model: type[Model]) -> list[ChangeLog]:
    """How the rows of `model` are logged."""
    return [one for one in model._meta.constraints if isinstance(one, ChangeLog)]


def kind_of(model: type[Model]) -> str:
    """As what the rows of `model` are logged. Raises LookupError if they are not."""
    for one in logs_of(model):
        return one.kind
    raise LookupError(f"{model.__name__} declares no ChangeLog.")
