"""The engine's own table: idempotency keys."""

from django.db import models

from backend.engine.presence import PresenceGuard
from backend.engine.removal import RemovalGuard


class IdempotencyKey(models.Model):
    """An idempotency key: who used it, a hash of the request, and the reply."""

    LOCK_RANK = 100

    pk = models.CompositePrimaryKey("person", "key")
    person = models.ForeignKey("people.Person", on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.UUIDField()
    fingerprint = models.BinaryField(max_length=32)
    """SHA-256 of the operation and its arguments."""
    reply = models.JSONField(null=True)
    """Null only inside the transaction that does the work."""
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            PresenceGuard(name="idempotencykey_of_somebody", people=["person"]),
            RemovalGuard(name="idempotencykey_removal_guard", fixed=["person", "key", "fingerprint"]),
        )
        indexes = (models.Index(fields=["created_at"], name="idempotencykey_by_age"),)

    def __str__(self) -> str:
        return f"{self.person_id} {self.key}"
