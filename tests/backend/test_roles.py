"""The commands that give people roles."""

import io
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command

from backend.people.models import Account
from tests.api import ApiClient


def said_by(*arguments: str) -> str:
    said = io.StringIO()
    call_command(*arguments, stdout=said)
    return said.getvalue()


ROLES = [("moderator", "is_moderator", "a moderator"), ("staff", "is_staff", "staff")]


@pytest.mark.parametrize(("command", "column", "role"), ROLES)
def test_it_gives_somebody_a_role_and_takes_it_back(
    command: str, column: str, role: str, person: Callable[[str], ApiClient]
) -> None:
    """That role alone."""
    person("Zoe")
    person("ravi")
    assert said_by(command, "ZOE") == f"ZOE is {role} now.\n"
    assert said_by(command, "zoe") == f"zoe is {role} now.\n"
    zoe = Account.objects.get(login="zoe")
    assert {name for _, name, _ in ROLES if getattr(zoe, name)} == {column}
    assert list(Account.objects.filter(**{column: True}).values_list("login", flat=True)) == ["zoe"]
    assert said_by(command, "zoe", "--revoke") == f"zoe is not {role}.\n"
    assert not Account.objects.filter(**{column: True}).exists()


@pytest.mark.parametrize("command", ["moderator", "staff", "changepassword"])
def test_it_says_so_when_there_is_no_such_person(command: str, transactional_db: None) -> None:
    with pytest.raises(CommandError, match="nobody with the handle zoe"):
        said_by(command, "zoe")


def test_nobody_is_a_superuser() -> None:
    """Django's command would make an account past the rules for passwords."""
    with pytest.raises(CommandError, match="no superusers"):
        said_by("createsuperuser")
