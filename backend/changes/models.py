"""Models: the change log, and the marks by which it is pruned."""

from typing import Any

from django.db import models
from django.db.models.functions import Now


class Xid(models.Field):
    """PostgreSQL's number of a transaction, which never comes again in a cluster."""

    def db_type(self, connection: Any) -> str:  # noqa: ARG002
        """Its type in PostgreSQL."""
        return "xid8"

    def from_db_value(self, value: Any, *_: Any) -> int | None:
        """As a number; psycopg knows no such type."""
        return None if value is None else int(value)

    def get_prep_value(self, value: Any) -> Any:
        """As text, which PostgreSQL takes for any type."""
        return str(value) if isinstance(value, int) else value


class Sequence(models.BigIntegerField):
    """A number that PostgreSQL counts up, and nobody sets."""

    def db_type_suffix(self, connection: Any) -> str:  # noqa: ARG002
        """What follows the type."""
        return "GENERATED ALWAYS AS IDENTITY"


class Kind(models.Field):
    """One ASCII character, stored in one byte."""

    def db_type(self, connection: Any) -> str:  # noqa: ARG002
        """Its type in PostgreSQL."""
        return '"char"'


class ThisTransaction(models.Func):
    """The number of the transaction that writes."""

    function, arity, output_field = "pg_current_xact_id", 0, Xid()


class Change(models.Model):
    """That one version of a thing was written, or that a thing is gone. Triggers append to it (`triggers`), nothing updates it.

    A commit is seen by the number of its transaction, never by a sequence or a time: those are handed out before the
    commit, so a reader would miss what commits late. No other index: each costs every write.
    """

    pk = models.CompositePrimaryKey("xid", "seq")
    xid = Xid(db_default=ThisTransaction())
    seq = Sequence()
    """Orders the entries of one transaction."""
    kind = Kind()
    """What it is about; see `kinds`."""
    id = models.UUIDField()
    """The key by which clients look it up: of what belongs to the viewer and another row, the key of that."""
    aggregate = models.UUIDField()
    """The key of the story, person, pair or order that it hangs on."""
    owner = models.UUIDField(null=True)
    """In whose world it is; None of what belongs to nobody, such as a report that the screening made."""
    version = models.BigIntegerField()
    gone = models.BooleanField()

    class Meta:
        indexes = (models.Index(fields=["owner", "xid", "seq"], name="change_by_owner"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Mark(models.Model):
    """When which transactions were over. The log has no times; by the marks what is old is found, once a day.

    The entries of all transactions before a mark that is `pruned` may be gone.
    """

    at = models.DateTimeField(db_default=Now(), primary_key=True)
    xid = Xid()
    """All transactions before this one had ended."""
    pruned = models.BooleanField(default=False, db_default=False)

    def __str__(self) -> str:
        return f"{self.xid} at {self.at}"
