"""The commands that give people roles."""

import io
from collections.abc import Callable
from functools import partial

import pytest
from django.core.management import CommandError, call_command

from backend.people.models import Account
from tests.api import ApiClient
from tests.races.rivals import race


def said_by(*arguments: str) -> str:
    said = io.StringIO()
    call_command(*arguments, stdout=said)
    return said.getvalue()


ROLES = [("moderator", "is_moderator", "a moderator"), ("staff", "is_staff", "staff")]


@pytest.mark.parametrize(("command", "column", "role"), ROLES)
def test_it_gives_somebody_a_role_and_takes_it_back(
    command: str, column: str, role: str, person: Callable[[str], ApiClient]
) -> None:
    """That role alone; and it says whether anything has changed."""
    person("Zoe")
    person("ravi")
    assert said_by(command, "ZOE") == f"ZOE is {role} now.\n"
    assert said_by(command, "zoe") == f"zoe is {role} already.\nNothing has changed.\n"
    zoe = Account.objects.get(login="zoe")
    assert {name for _, name, _ in ROLES if getattr(zoe, name)} == {column}
    assert list(Account.objects.filter(**{column: True}).values_list("login", flat=True)) == ["zoe"]
    assert said_by(command, "ravi", "--remove") == f"ravi is not {role}.\nNothing has changed.\n"
    assert Account.objects.get(**{column: True}).login == "zoe"
    assert said_by(command, "Zoe", "--remove") == f"Zoe is {role} no longer.\n"
    assert said_by(command, "zoe", "--remove") == f"zoe is not {role}.\nNothing has changed.\n"
    assert not Account.objects.filter(**{column: True}).exists()


@pytest.mark.parametrize("command", ["moderator", "staff", "changepassword"])
def test_it_says_so_when_there_is_no_such_person(command: str, transactional_db: None) -> None:
    with pytest.raises(CommandError, match="nobody with the handle zoe"):
        said_by(command, "zoe")


@pytest.mark.parametrize(("command", "column", "role"), ROLES)
@pytest.mark.parametrize("option", [[], ["--remove"]])
def test_it_writes_only_where_the_role_is_another(
    command: str, column: str, role: str, option: list[str], person: Callable[[str], ApiClient]
) -> None:
    """Of many who do the same at once, one has changed something, and only that one says so."""
    person("zoe")
    Account.objects.update(**{column: bool(option)})
    rivals = race([partial(said_by, command, "zoe", *option)] * 6)
    changed = [said for said in rivals if "Nothing has changed." not in said]
    assert changed == [f"zoe is {role} {'no longer' if option else 'now'}.\n"]
    assert getattr(Account.objects.get(login="zoe"), column) is not bool(option)


def test_nobody_is_a_superuser() -> None:
    """Django's command would make an account past the rules for passwords."""
    with pytest.raises(CommandError, match="no superusers"):
        said_by("createsuperuser")
