"""Why a job failed, which procrastinate does not store."""

from django.db import models
from django.db.models.functions import Now
from procrastinate.contrib.django.models import ProcrastinateJob

ERROR_CHARACTERS = 500


class Failure(models.Model):
    """Why the last attempt of a job failed. It is removed with the job."""

    job_id = models.BigIntegerField(primary_key=True)
    """No foreign key, because procrastinate inserts and deletes its rows by its own SQL."""
    at = models.DateTimeField(db_default=Now())
    error = models.CharField(max_length=ERROR_CHARACTERS)
    """The type of the exception and where it was raised; not its message, which may quote user data."""

    def __str__(self) -> str:
        return f"job {self.job_id}: {self.error}"


class DeadLetter(ProcrastinateJob):
    """A job that failed for the last time, for the admin."""

    class Meta:
        proxy = True
        verbose_name = "dead letter"
