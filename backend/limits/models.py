"""The rows of limits that hold for all processes together."""

from django.db import models


class Bucket(models.Model):
    """A leaky bucket. Which one is said by an HMAC alone, so there are no addresses and no handles here."""

    LOCK_RANK = 110

    key = models.BinaryField(primary_key=True, max_length=32, editable=False)
    empty_at = models.DateTimeField(db_index=True)
    """When all that was put into it will have run out; a row whose time has passed says nothing any more."""

    def __str__(self) -> str:
        return f"bucket until {self.empty_at:%Y-%m-%d %H:%M:%S}"
