"""The rows of jobs that procrastinate does not keep: why a job failed."""

from django.db import models
from django.db.models.functions import Now
from procrastinate.contrib.django.models import ProcrastinateJob

ERROR_CHARACTERS = 500


class Failure(models.Model):
    """How the last attempt of a job failed. It goes when the job does."""

    job_id = models.BigIntegerField(primary_key=True)
    """No foreign key: the queue's own rows come and go by its own statements."""
    at = models.DateTimeField(db_default=Now())
    error = models.CharField(max_length=ERROR_CHARACTERS)
    """The kind of exception and where it was raised; not what it says, which may quote somebody's text."""

    def __str__(self) -> str:
        return f"job {self.job_id}: {self.error}"


class DeadLetter(ProcrastinateJob):
    """A job that has failed for the last time, as the admin shows it."""

    class Meta:
        proxy = True
        verbose_name = "dead letter"
