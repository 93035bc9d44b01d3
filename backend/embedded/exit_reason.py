"""Why a server has ended: what its log says, without the statements and values that a log of PostgreSQL also quotes."""

import re
import signal

from backend.embedded.data_folder import DataFolder

SUPERVISOR = "The supervisor: "
"""How the lines of the supervisor begin."""
LOOKED_AT = 200
"""How many lines at the end of the log are looked at."""
SEVERE = re.compile(r"(?:\] (PANIC|FATAL):  |^(postgres): )(.+)")
"""PostgreSQL's own words on what ended a process, or kept it from starting at all; DETAIL and STATEMENT, which quote values,
stand on lines of their own.
"""
ORDINARY = re.compile(r"terminating connection|the database system is|role |database |no pg_hba|sorry, too many")
"""What it says to clients, which is not why it ended."""


def how_it_ended(status: int) -> str:
    """How a process ended, by the status that Popen gives it."""
    if status < 0:
        return f"ended by {signal.Signals(-status).name}"
    return f"exit status {status}"


def exit_reason(place: DataFolder) -> str:
    """Why the server ended, in one line."""
    lines = place.log.read_text(errors="replace").splitlines()[-LOOKED_AT:] if place.log.exists() else []
    by_supervisor = [line.removeprefix(SUPERVISOR) for line in lines if line.startswith(SUPERVISOR)]
    severe = [(found[1], found[3]) for found in map(SEVERE.search, lines) if found and not ORDINARY.match(found[3])]
    panics = [words for severity, words in severe if severity == "PANIC"]
    by_postgres = panics or [words for _, words in severe]
    said = by_supervisor[-1] if by_supervisor else "its supervisor was killed"
    return f"{said}. PostgreSQL said: {by_postgres[-1]}." if by_postgres else f"{said}."
