"""Models: the public profile, its account and tokens, and totals about a person."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now

from backend.changes.kinds import ACCESS, LEFT
from backend.changes.triggers import ChangeLog, SignalLog
from backend.engine.declarations import select
from backend.engine.guard import VersionGuard
from backend.engine.ids import uuid7
from backend.engine.removal import RemovalGuard
from backend.engine.statements import Declared, compiled
from backend.engine.tallies import Tally

HANDLE_CHARACTERS = 50
NAME_CHARACTERS = 100
BIO_CHARACTERS = 2_000
LABEL_CHARACTERS = 100


class Person(models.Model):
    """A person's public profile. Versioned; name and bio change independently, the handle never changes."""

    LOCK_RANK = 200

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    handle = models.CharField(max_length=HANDLE_CHARACTERS)
    name = models.CharField(max_length=NAME_CHARACTERS)
    bio = models.CharField(max_length=BIO_CHARACTERS, default="", blank=True)
    show_mature = models.BooleanField(default=False, db_default=False)
    """Whether lists show this person stories for adults. Visible only to themselves."""
    joined_at = models.DateTimeField(db_default=Now())
    left_at = models.DateTimeField(null=True, editable=False)
    """When they deleted their account. The row stays without a profile, so that the handle is never reused."""
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
            RemovalGuard(name="person_removal_guard"),
            ChangeLog(name="person_change_log", kind="p", aggregate="id", sides=[{"owner": "id"}]),
            SignalLog(name="person_left_log", kind=LEFT, owner="id", id="id", columns=["left_at"]),
        )
        indexes = (models.Index(fields=["id"], condition=Q(left_at__isnull=False), name="person_gone"),)

    def __str__(self) -> str:
        return f"@{self.handle}"


class PersonWords(models.Model):
    """The words of a person's handle and name, by which they are found; see `engine.words`.

    Triggers keep them, with the sort key of the list, until the person leaves; no unit of work writes them.
    """

    LOCK_RANK = 205

    person = models.OneToOneField(Person, on_delete=models.CASCADE, primary_key=True, related_name="+")
    words = SearchVectorField()
    joined_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "words of people"
        indexes = (
            # Without a list of pending entries, which each search would have to read.
            GinIndex(fields=["words"], name="person_words", fastupdate=False),
            models.Index(F("joined_at").desc(), F("person").desc(), name="person_words_joined"),
        )

    def __str__(self) -> str:
        return f"words of {self.person_id}"


class Departure(models.Model):
    """The progress of deleting the data of a person who has left. Each batch updates it in its own transaction."""

    LOCK_RANK = 220

    person = models.OneToOneField(Person, on_delete=models.CASCADE, primary_key=True, related_name="departure")
    stage = models.PositiveSmallIntegerField(default=0)
    """How many stages are done; see `erasure.sweeping`."""
    reached = models.UUIDField(null=True)
    """The last row handled in this stage, for stages that keep some rows; None before the first."""
    done = models.BooleanField(default=False)

    class Meta:
        constraints = (RemovalGuard(name="departure_removal_guard", fixed=["person"]),)
        indexes = (models.Index(fields=["person"], condition=Q(done=False), name="departure_under_way"),)

    def __str__(self) -> str:
        return f"{self.person_id}: {'done' if self.done else f'stage {self.stage}'}"


class PersonTally(Tally):
    """Totals about a person: `followers`, `following`, and `stories` (the published ones)."""

    LOCK_RANK = 900

    pk = models.CompositePrimaryKey("subject", "kind", "slot")
    subject = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)


class AccountManager(BaseUserManager["Account"]):
    """Finds accounts by login, the handle in lower case."""

    def get_by_natural_key(self, username: str | None) -> "Account":
        """The account with this login, case-insensitively."""
        found: Account | None = _by_login(login=(username or "").lower()).row
        if found is None:
            raise Account.DoesNotExist
        return found


@compiled
def _by_login(*, login: str) -> Declared[Any]:
    return select(Account.objects.filter(login=login))


class Account(AbstractBaseUser):
    """A person's login and password. Separate from the profile, so that password hashes are not loaded with names."""

    LOCK_RANK = 210

    person = models.OneToOneField(Person, on_delete=models.CASCADE, primary_key=True, related_name="account")
    login = models.CharField(max_length=HANDLE_CHARACTERS, unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("staff", default=False)
    """Whether they run the server: they look at every table in the admin, which logs it. See `manage.py staff`."""
    is_moderator = models.BooleanField("moderator", default=False, db_default=False)
    """Whether they settle reports and edit the screening policy. See `manage.py moderator`."""
    suspended_until = models.DateTimeField(null=True, editable=False)
    """Until when the moderators refuse their writes: the latest end of their suspensions, which may be over; None without one."""

    USERNAME_FIELD = "login"
    objects = AccountManager()

    class Meta:
        constraints = (
            RemovalGuard(name="account_removal_guard", fixed=["person"]),
            SignalLog(
                name="account_access_log",
                kind=ACCESS,
                owner="person",
                id="person",
                columns=["password", "is_active", "is_staff", "is_moderator", "suspended_until"],
            ),
        )

    def __str__(self) -> str:
        return self.login

    def has_perm(self, _perm: str, _obj: Any = None) -> bool:
        """Staff may open the admin's pages; each decides what may be changed. Those for moderators ask for that role instead."""
        return self.is_active and self.is_staff

    def has_module_perms(self, _app_label: str) -> bool:
        """As `has_perm`, for a whole app."""
        return self.is_active and self.is_staff


class AccessToken(models.Model):
    """A bearer token. Only the SHA-256 of its random text is stored, so a leaked database contains no valid tokens."""

    LOCK_RANK = 240

    digest = models.BinaryField(primary_key=True, max_length=32, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="tokens")
    public_id = models.UUIDField(unique=True, default=uuid7, db_default=RandomUUID(), editable=False)
    """Identifies the token to its owner; it is not a credential."""
    label = models.CharField(max_length=LABEL_CHARACTERS, default="", db_default="")
    """The client's name for itself."""
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(db_default=Now())
    """Written at most once an hour."""
    expires_at = models.DateTimeField()

    class Meta:
        constraints = (
            SignalLog(name="accesstoken_access_log", kind=ACCESS, owner="account", id="public_id", removals=True),
        )

    def __str__(self) -> str:
        return f"token of {self.account_id}"
