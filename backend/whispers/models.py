"""Models: the whisper, the findings of its screening, and the screening policy."""

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from backend.changes.triggers import ChangeLog
from backend.engine.guard import VersionGuard
from backend.engine.ids import uuid7
from backend.engine.planned_check import PlannedCheck
from backend.engine.presence import PresenceGuard
from backend.engine.removal import RemovalGuard
from backend.people.models import Person
from backend.whispers.words import normalised

TEXT_CHARACTERS = 500
WORD_CHARACTERS = 100
MAX_LINKS = 3
"""The limit of links if the policy has no row."""


class Whisper(models.Model):
    """A short text. Only its NSFW mark can change."""

    LOCK_RANK = 310

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    author = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="whispers", db_index=False)
    text = models.CharField(max_length=TEXT_CHARACTERS)
    nsfw = models.BooleanField("NSFW", default=False)
    created_at = models.DateTimeField(db_default=Now())
    version = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField(db_default=Now())
    nsfw_changed = models.BigIntegerField(default=1)

    class Meta:
        constraints = (
            VersionGuard(
                name="whisper_version_guard",
                sides={"": {"nsfw": ["nsfw"]}},
                fixed=["id", "author", "text", "created_at"],
            ),
            PresenceGuard(name="whisper_of_somebody", people=["author"]),
            RemovalGuard(name="whisper_removal_guard"),
            ChangeLog(name="whisper_change_log", kind="w", aggregate="author", sides=[{"owner": "author"}]),
        )
        indexes = (
            models.Index(F("author"), F("created_at").desc(), F("id").desc(), name="whisper_by_author"),
            models.Index(F("created_at").desc(), F("id").desc(), name="whisper_newest"),
        )

    def __str__(self) -> str:
        return self.text


class Effect(models.TextChoices):
    """What the policy does to a whisper."""

    FLAG = "FLAG", "mark it NSFW"
    REPORT = "REPORT", "mark it NSFW and report it to the moderators"


class Flag(models.Model):
    """The rules of the policy that matched a whisper. Later versions of the policy may add rules."""

    LOCK_RANK = 320

    whisper = models.OneToOneField(Whisper, on_delete=models.CASCADE, primary_key=True, related_name="flag")
    author = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    """The whisper's author."""
    effect = models.CharField(max_length=6, choices=Effect.choices)
    rules = ArrayField(models.CharField(max_length=WORD_CHARACTERS + 20))
    """The names of the rules: the words that were found, and "more than … links"."""
    policy = models.BigIntegerField()
    """The version of the policy that added the last of them."""

    class Meta:
        constraints = (
            PlannedCheck(condition=Q(rules__len__gte=1), name="flag_by_a_rule"),
            RemovalGuard(name="flag_removal_guard", fixed=["whisper", "author"]),
        )

    def __str__(self) -> str:
        return f"{', '.join(self.rules)} in {self.whisper_id}"


class Policy(models.Model):
    """Screening rules other than words. At most one row."""

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    most_links = models.PositiveSmallIntegerField(
        default=MAX_LINKS, help_text="A whisper with more links is marked NSFW and reported to the moderators."
    )

    class Meta:
        verbose_name_plural = "policy"
        constraints = (models.CheckConstraint(condition=Q(id=1), name="policy_is_one"),)

    def __str__(self) -> str:
        return f"at most {self.most_links} links"


class PolicyWord(models.Model):
    """A word, or a phrase, that whispers are screened for."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    word = models.CharField(
        max_length=WORD_CHARACTERS,
        unique=True,
        help_text="Found as a whole word, in any case of letters; several words are found in a row.",
    )
    effect = models.CharField(max_length=6, choices=Effect.choices, default=Effect.FLAG)

    def __str__(self) -> str:
        return self.word

    def clean(self) -> None:
        """Refuse a word that can never match."""
        if not normalised(self.word).strip():
            raise ValidationError({"word": "There is no letter or digit in it."})


class Screening(models.Model):
    """The progress of screening all whispers again after a change of the policy. At most one row."""

    LOCK_RANK = 300

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    policy = models.BigIntegerField()
    """The version of the policy that is applied."""
    began_at = models.DateTimeField(db_default=Now())
    reached = models.UUIDField(null=True)
    """The last whisper that was screened, in the order of ids; None before the first."""
    done = models.BooleanField(default=False)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(id=1), name="screening_is_one"),
            RemovalGuard(name="screening_removal_guard"),
        )

    def __str__(self) -> str:
        return f"policy {self.policy}: {'done' if self.done else 'under way'}"
