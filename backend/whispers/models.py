"""The rows of whispers: the whisper, what its screening found, and the policy that it is screened by."""

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from backend.engine.guard import VersionGuard
from backend.engine.ids import uuid7
from backend.engine.presence import PresenceGuard
from backend.people.models import Person
from backend.whispers.words import normalised

TEXT_CHARACTERS = 500
WORD_CHARACTERS = 100
MAX_LINKS = 3
"""So many links a whisper may have where the policy does not say."""


class Whisper(models.Model):
    """A short text that never changes. Whether it is marked NSFW may."""

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
    """That the policy found something in a whisper, and which of its rules did. Later versions of the policy may add to it."""

    LOCK_RANK = 320

    whisper = models.OneToOneField(Whisper, on_delete=models.CASCADE, primary_key=True, related_name="flag")
    author = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    """The whisper's author."""
    effect = models.CharField(max_length=6, choices=Effect.choices)
    rules = ArrayField(models.CharField(max_length=WORD_CHARACTERS + 20))
    """What they are called: the words that were found, and "more than … links"."""
    policy = models.BigIntegerField()
    """The version of the policy that found the last of them."""

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(rules__len__gte=1), name="flag_by_a_rule"),)

    def __str__(self) -> str:
        return f"{', '.join(self.rules)} in {self.whisper_id}"


class Policy(models.Model):
    """What a whisper is screened for besides words. There is one such row at most."""

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
    """A word, or several in a row, for which whispers are screened."""

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
        """Refuse what could never be found."""
        if not normalised(self.word).strip():
            raise ValidationError({"word": "There is no letter or digit in it."})


class Screening(models.Model):
    """How far all whispers have been screened again by a changed policy. There is one such row at most."""

    LOCK_RANK = 300

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    policy = models.BigIntegerField()
    """The version of the policy by which they are screened."""
    began_at = models.DateTimeField(db_default=Now())
    reached = models.UUIDField(null=True)
    """The whisper, in the order of ids, up to which this is done; None before the first."""
    done = models.BooleanField(default=False)

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(id=1), name="screening_is_one"),)

    def __str__(self) -> str:
        return f"policy {self.policy}: {'done' if self.done else 'under way'}"
