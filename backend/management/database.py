"""Commands that need the database: they say in one sentence that it is not there or not up to date, before they begin."""

from django.core.management import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor

from backend.logs.causes import in_postgresqls_words


def unusable(error: BaseException) -> str | None:
    """The sentence for an error that means that the database cannot be used; None for any other error."""
    reason = in_postgresqls_words(error)
    return None if reason is None else f"The database cannot be used: {reason}. Does it run, and is DATABASE_URL right?"


def missing_migrations() -> int:
    """How many migrations the database lacks. Raises what the database does."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def require_answer() -> None:
    """Raise CommandError, with the reason, if the database does not answer."""
    try:
        connection.ensure_connection()
    except (DatabaseError, InterfaceError) as error:
        raise CommandError(unusable(error) or str(error)) from None


def require_migrated() -> None:
    """Raise CommandError if migrations are missing, or the database does not answer."""
    require_answer()
    try:
        missing = missing_migrations()
    except (DatabaseError, InterfaceError) as error:
        raise CommandError(unusable(error) or str(error)) from None
    if missing:
        raise CommandError(
            f"The database is not up to date: it lacks {missing} migrations. Bring it up to date with manage.py migrate."
        )


class DatabaseCommand(BaseCommand):
    """A command that begins only if the database is there and up to date."""

    requires_migrations_checks = True

    def check_migrations(self) -> None:
        """Called by Django before a command from the command line. Raises CommandError, where Django would only warn."""
        require_migrated()
