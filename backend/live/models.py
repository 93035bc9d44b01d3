"""The model of live updates: who has what open, as each process knows it."""

from django.db import models
from django.db.models.functions import Now


class Presence(models.Model):
    """Who has which stories open over one process of a server. It rewrites its row, and the others read it.

    The table is UNLOGGED: what it says is over in seconds, so a crash may empty it, and no write of it is waited for.
    """

    process = models.UUIDField(primary_key=True)
    at = models.DateTimeField(db_default=Now())
    """When the process last said so; after some seconds it counts no more."""
    people = models.JSONField()
    """By story: of each person the id, the chapter, since when, and when they last came."""

    class Meta:
        db_table = "live_presence"

    def __str__(self) -> str:
        return str(self.process)
