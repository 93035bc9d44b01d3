"""Invariants of idempotency keys, for `manage.py verify`."""

from backend.engine.checks import Check

INVARIANTS = (
    Check(
        "keys_have_a_reply",
        "each idempotency key has what it takes to be replayed",
        "engine_idempotencykey",
        """
        SELECT person_id, key, created_at FROM engine_idempotencykey
        WHERE reply IS NULL OR jsonb_typeof(reply) <> 'object' OR length(fingerprint) <> 32
        """,
    ),
)
