"""The rows of persisted documents."""

from django.db import models
from django.db.models.functions import Now


class PersistedDocument(models.Model):
    """A GraphQL document that a client has registered (Apollo's automatic persisted queries)."""

    LOCK_RANK = 115

    sha256 = models.BinaryField(primary_key=True, max_length=32, editable=False)
    """Of the text."""
    text = models.BinaryField()
    """In UTF-8. Bytes, because a comment may hold characters that PostgreSQL takes for no text."""
    registered_at = models.DateTimeField(db_default=Now(), db_index=True)

    def __str__(self) -> str:
        return bytes(self.sha256).hex()
