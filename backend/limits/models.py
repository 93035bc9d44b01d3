"""The rows of rate limits that all processes share."""

from django.db import models


class Bucket(models.Model):
    """A leaky bucket. Its key is an HMAC, so no addresses or handles are stored."""

    LOCK_RANK = 110

    key = models.BinaryField(primary_key=True, max_length=32, editable=False)
    empty_at = models.DateTimeField(db_index=True)
    """When the bucket will be empty; after that the row can be deleted."""

    def __str__(self) -> str:
        return f"bucket until {self.empty_at:%Y-%m-%d %H:%M:%S}"
