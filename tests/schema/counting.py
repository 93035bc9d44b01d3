"""Counts SQL statements."""

import re

from django.test.utils import CaptureQueriesContext


def statements(captured: CaptureQueriesContext) -> list[str]:
    """The SQL that was sent, but for the beginning and end of transactions, which cost no more for a longer page."""
    return [one["sql"] for one in captured.captured_queries if not re.match("BEGIN|COMMIT|SAVEPOINT", one["sql"])]
