"""The rows of people: the public profile, the account behind it, its tokens, and the totals about a person."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from backend.engine.guard import VersionGuard
from backend.engine.ids import uuid7
from backend.engine.tallies import Tally

HANDLE_CHARACTERS = 50
NAME_CHARACTERS = 100
BIO_CHARACTERS = 2_000
LABEL_CHARACTERS = 100


class Person(models.Model):
    """The public profile of somebody. Versioned; name and bio can change independently, the handle never does."""

    LOCK_RANK = 200

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    handle = models.CharField(max_length=HANDLE_CHARACTERS)
    name = models.CharField(max_length=NAME_CHARACTERS)
    bio = models.CharField(max_length=BIO_CHARACTERS, default="", blank=True)
    show_mature = models.BooleanField(default=False, db_default=False)
    """Whether lists show this person stories that are meant for adults only. For themselves alone to know."""
    joined_at = models.DateTimeField(db_default=Now())
    left_at = models.DateTimeField(null=True, editable=False)
    """When they deleted their account. The row stays, without a profile: their handle is not given away again."""
    version = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField(db_default=Now())
    name_changed = models.BigIntegerField(default=1)
    bio_changed = models.BigIntegerField(default=1)
    show_mature_changed = models.BigIntegerField(default=1, db_default=1)

    class Meta:
        verbose_name_plural = "people"
        constraints = (
            models.UniqueConstraint(Lower("handle"), name="person_handle_unique"),
            VersionGuard(
                name="person_version_guard",
                sides={"": {"name": ["name", "left_at"], "bio": ["bio"], "show_mature": ["show_mature"]}},
                fixed=["id", "handle", "joined_at"],
            ),
        )
        indexes = (models.Index(fields=["id"], condition=Q(left_at__isnull=False), name="person_gone"),)

    def __str__(self) -> str:
        return f"@{self.handle}"


class Departure(models.Model):
    """How far the sweeping of what somebody left behind has come: moved by the transaction that sweeps some more."""

    LOCK_RANK = 220

    person = models.OneToOneField(Person, on_delete=models.CASCADE, primary_key=True, related_name="departure")
    stage = models.PositiveSmallIntegerField(default=0)
    """How many of the stages are done; see `sweeping`."""
    reached = models.UUIDField(null=True)
    """The last thing that is done with in this stage, where some of its things stay; None before the first."""
    done = models.BooleanField(default=False)

    class Meta:
        indexes = (models.Index(fields=["person"], condition=Q(done=False), name="departure_under_way"),)

    def __str__(self) -> str:
        return f"{self.person_id}: {'done' if self.done else f'stage {self.stage}'}"


class PersonTally(Tally):
    """Totals about a person: `followers`, `following`, and `stories` (the published ones)."""

    LOCK_RANK = 900

    pk = models.CompositePrimaryKey("subject", "kind", "slot")
    subject = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)


class AccountManager(BaseUserManager["Account"]):
    """Finds accounts by login, which is the handle in lower case."""

    def get_by_natural_key(self, username: str | None) -> "Account":
        """The account with this login, however it is capitalised."""
        return self.get(login=(username or "").lower())


class Account(AbstractBaseUser):
    """How a person signs in. Apart from the profile, so that no password hash is read along with a name."""

    LOCK_RANK = 210

    person = models.OneToOneField(Person, on_delete=models.CASCADE, primary_key=True, related_name="account")
    login = models.CharField(max_length=HANDLE_CHARACTERS, unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("moderator", default=False, help_text="May moderate, and may use this admin.")

    USERNAME_FIELD = "login"
    objects = AccountManager()

    def __str__(self) -> str:
        return self.login

    def has_perm(self, _perm: str, _obj: Any = None) -> bool:
        """Moderators may look at everything; what may be changed, each admin page says for itself."""
        return self.is_active and self.is_staff

    def has_module_perms(self, _app_label: str) -> bool:
        """As `has_perm`, for a whole app."""
        return self.is_active and self.is_staff


class AccessToken(models.Model):
    """A bearer token. Opaque and random; only its SHA-256 is kept, so a copy of the database signs nobody in."""

    LOCK_RANK = 240

    digest = models.BinaryField(primary_key=True, max_length=32, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="tokens")
    public_id = models.UUIDField(unique=True, default=uuid7, db_default=RandomUUID(), editable=False)
    """Names the token to its owner. It signs nobody in."""
    label = models.CharField(max_length=LABEL_CHARACTERS, default="", db_default="")
    """What the client said that it is."""
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(db_default=Now())
    """To the hour: a request writes it only if it is older."""
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"token of {self.account_id}"
