"""What people call themselves: handles as they are typed, reserved ones, and names that pass for others or cannot be seen."""

from typing import Any

import pytest
from django.db import connection

from backend.people.models import Person
from tests.api import PASSWORD, ApiClient

SIGN_IN = """
mutation ($h: String!, $p: String!) {
  signIn(handle: $h, password: $p) { __typename ... on SignSuccess { person { handle } } ... on ForbiddenError { code } }
}
"""
SIGN_UP = """
mutation ($h: String!, $n: String!, $p: String!) {
  signUp(handle: $h, name: $n, password: $p) {
    __typename ... on SignSuccess { person { handle name } } ... on InvalidError { fields { path message } }
  }
}
"""


def signed_up(handle: str, name: str) -> Any:
    """The answer to signUp."""
    return ApiClient(None).ask(SIGN_UP, h=handle, n=name, p=PASSWORD)["signUp"]


@pytest.mark.parametrize("typed", [" asha ", "ASHA\t", "\u00a0Asha", "asha\n"], ids=ascii)
def test_a_handle_is_known_as_it_is_typed(asha: ApiClient, typed: str) -> None:
    """With blanks around it, as phones put them, and in any case; also where somebody is looked up, or signs up."""
    signed_in = ApiClient(None).ask(SIGN_IN, h=typed, p=PASSWORD)["signIn"]
    assert signed_in == {"__typename": "SignSuccess", "person": {"handle": "asha"}}
    assert ApiClient(None).ask("query ($h: String!) { person(handle: $h) { handle } }", h=typed)["person"] == {
        "handle": "asha"
    }
    assert signed_up(typed, "Another")["fields"] == [{"path": "handle", "message": "is taken."}]
    assert signed_up(" zoe ", "Zoe")["person"]["handle"] == "zoe"


def test_a_handle_is_taken_also_where_statements_are_watched(asha: ApiClient) -> None:
    """As tools that trace Django do: each statement is sent on its own then."""
    with connection.execute_wrapper(lambda execute, *statement: execute(*statement)):
        assert signed_up("asha", "Another")["fields"] == [{"path": "handle", "message": "is taken."}]


def test_blanks_give_no_more_attempts(asha: ApiClient) -> None:
    """Of one handle they are one, however it is typed."""
    codes = [ApiClient(None).ask(SIGN_IN, h="asha" + " " * n, p="wrong")["signIn"]["__typename"] for n in range(30)]
    assert "RateLimitedError" in codes


@pytest.mark.parametrize(
    "handle",
    [
        *(
            "admin",
            "Admin",
            "ADMIN_",
            "adm1n",
            "admin2",
            "katha",
            "Katha.support",
            "kathaTeam",
            "moderator",
            "m0derator",
        ),
        *(
            "support",
            "root",
            "r00t",
            "api",
            "graphql",
            "system",
            "staff",
            "n0reply",
            "mailer-daemon",
            "webmaster",
            "null",
            "admin11",
            "adm1n1",
        ),
    ],
)
@pytest.mark.django_db
def test_handles_of_the_house_are_reserved(handle: str) -> None:
    """In any spelling that looks like them."""
    assert signed_up(handle, "Somebody")["fields"] == [{"path": "handle", "message": "is reserved."}]
    assert not Person.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "handle",
    [
        *("katharina", "apple", "rootless", "modesty", "teamwork", "there", "kath", "asha.admin"),
        *("modi", "Modi_2", "kathai", "kathal", "infoil"),
    ],
)
def test_others_are_free(handle: str) -> None:
    """Although they hold such a word."""
    assert signed_up(handle, "Somebody")["person"]["handle"] == handle


HIDDEN = "must not hold characters that cannot be seen."
BLANK = "must not be empty or blank."
MIXED = "must not mix letters of several scripts in one word."
NAMES = {
    **dict.fromkeys(
        ["\u3164", "\u2800\u2800", "\u115f", "\uffa0", "\u200b\ufeff", "\u034f", "\ufe0f", "\u180b", "\U000e0100"],
        BLANK,
    ),
    **dict.fromkeys(
        ["as\u3164ha", "as\u200bha", "asha\u2060", "as\u00adha", "\u200fasha", "as\u200dha", "a\u2800b"], HIDDEN
    ),
    **dict.fromkeys(
        ["as\u034fha", "as\ufe00ha", "as\ufe0fha", "\u00e9\u200d\u00e9", "\U0001f3f4\U000e0061sha"], HIDDEN
    ),
    **dict.fromkeys(["\u0410sha", "Ash\u0430 Rao", "Bil\u03b1l", "\u13aasha", "\u039avid"], MIXED),
    **dict.fromkeys(
        ["Katha", "KATHA team", "Admin", "\uff21dmin", "M0derator", "Katha Support", "\u0430\u0501\u043c\u0456\u0578"],
        None,
    ),
}


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_passes_for_nobody_else(asha: ApiClient, name: str) -> None:
    """It can be seen, mixes no letters that look alike, and does not speak for the platform: at first and later."""
    said = NAMES[name]
    for answer in (signed_up("another", name), asha.update_profile({"name": name}, "1")):
        (problem,) = answer["fields"]
        assert problem["message"] == said or said is None, problem
    assert Person.objects.get().name == "Asha"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Asha Rao",
            "O\u2019Brien",
            "Ivan \u0418\u0432\u0430\u043d",
            "\u0410\u0434\u0430",
            "\u0646\u0645\u200c\u06cc",
            "\u0915\u094d\u200d\u0937",
        ),
        *(
            "\U0001f469\u200d\U0001f680 Ada",
            "\u2764\ufe0f",
            "1\ufe0f\u20e3 \U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
            "\u845b\U000e0100",
            "\u6771\u4eac Taro",
            "Katharina",
            "Modi",
            "Kathai",
            "\ud64d\uae38\ub3d9",
            "Łódź Æsa",
        ),
    ],
    ids=ascii,
)
def test_names_of_all_scripts_are_well(asha: ApiClient, name: str) -> None:
    """With the joiners that some of them need."""
    assert asha.update_profile({"name": name}, "1")["person"]["name"] == name
