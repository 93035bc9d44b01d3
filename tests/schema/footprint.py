"""Proves that nothing was written: the whole content of every table, before and after."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps

from tests.races.rows import rows_of

COUNTED = "limits_bucket"
"""Attempts to sign in are counted whatever becomes of them."""
BESIDES = {COUNTED, "django_session", "django_migrations", "django_content_type"}


def footprint() -> dict[str, list[str]]:
    """Every row of every table, as text."""
    return rows_of({model._meta.db_table for model in apps.get_models()} - BESIDES)


@contextmanager
def nothing_written() -> Iterator[None]:
    """Fails if a row of any table is different afterwards."""
    before = footprint()
    yield
    assert footprint() == before
