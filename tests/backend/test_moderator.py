"""The command that makes moderators."""

import io
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command

from backend.people.models import Account
from tests.api import ApiClient


def moderator(*arguments: str) -> str:
    said = io.StringIO()
    call_command("moderator", *arguments, stdout=said)
    return said.getvalue()


def test_it_makes_somebody_a_moderator_and_takes_it_back(person: Callable[[str], ApiClient]) -> None:
    person("Zoe")
    person("ravi")
    assert moderator("ZOE") == "ZOE is a moderator now.\n"
    assert moderator("zoe") == "zoe is a moderator now.\n"
    assert list(Account.objects.filter(is_staff=True).values_list("login", flat=True)) == ["zoe"]
    assert moderator("zoe", "--revoke") == "zoe is not a moderator.\n"
    assert not Account.objects.filter(is_staff=True).exists()


def test_it_says_so_when_there_is_no_such_person(transactional_db: None) -> None:
    with pytest.raises(CommandError, match="nobody with the handle zoe"):
        moderator("zoe")
