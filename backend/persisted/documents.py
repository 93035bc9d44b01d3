"""Registers documents by their hash, and finds them: a bounded number, of which the newest stay.

Anybody may register one, so neither number nor size may grow with how many do. Whoever's document was pushed out is asked for
its text again, as the protocol has it. A database that is away is no error here either: a document that cannot be looked up
is one that is not known, and the client sends its text.
"""

from hashlib import sha256

from backend.engine import committed, metrics
from backend.engine.declarations import query, select
from backend.engine.errors import Refusal
from backend.engine.refusal_log import log_refusal
from backend.engine.statements import Declared, compiled
from backend.engine.transactions import snapshot, unit_of_work
from backend.persisted.models import PersistedDocument

OPERATION = "persist"
"""The operation under which metrics count the transactions."""
MAX_DOCUMENTS = 2_000
MAX_BYTES = 80_000
"""The maximum size of a registered document."""
DIGITS = 64
"""The length of a SHA-256 in hexadecimal."""


def find(digest: str) -> str | None:
    """The text with this SHA-256 (in hexadecimal), or None if it is not known. Only reads."""
    if len(digest) != DIGITS:  # `fromhex` passes over spaces: one document would have names without number
        return None
    try:
        key = bytes.fromhex(digest)
        with snapshot():
            row = _text(sha256=key).row
    except ValueError:
        return None
    except Refusal as refusal:
        log_refusal(refusal)
        return None
    found = None if row is None else bytes(row[0])
    return _decoded(found) if found is not None and sha256(found).digest() == key else None


@compiled
def _text(*, sha256: bytes) -> Declared[tuple[bytes | memoryview]]:
    return select(PersistedDocument.objects.filter(pk=sha256).values_list("text"))


def register(text: str) -> None:
    """Make a valid document known to all processes, unless it is too long."""
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) > MAX_BYTES:
        return
    try:
        with metrics.operation(OPERATION), committed.apart():
            unit_of_work(lambda: _register(sha256(encoded).digest(), encoded))
    except Refusal as refusal:  # the next process that is sent the text registers it
        log_refusal(refusal)


def _register(digest: bytes, encoded: bytes) -> None:
    if _add(sha256=digest, text=encoded).count:
        _delete_oldest(kept=MAX_DOCUMENTS)


@compiled
def _add(*, sha256: bytes, text: bytes) -> Declared[tuple[()]]:
    return query(ADD, sha256=sha256, text=text)


ADD = """
INSERT INTO persisted_persisteddocument (sha256, text) VALUES (%(sha256)s, %(text)s) ON CONFLICT DO NOTHING
"""
# Of several who register at once, each skips the rows that another one is deleting.
DELETE_OLDEST = """
DELETE FROM persisted_persisteddocument WHERE sha256 IN (
  SELECT sha256 FROM persisted_persisteddocument WHERE sha256 IN (
    SELECT sha256 FROM persisted_persisteddocument ORDER BY registered_at DESC, sha256 OFFSET %(kept)s
  ) FOR UPDATE SKIP LOCKED
)
"""


@compiled
def _delete_oldest(*, kept: int) -> Declared[tuple[()]]:
    return query(DELETE_OLDEST, kept=kept)


def _decoded(encoded: bytes) -> str:
    return encoded.decode("utf-8", "surrogatepass")
