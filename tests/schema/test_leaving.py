"""Leaving: nothing signs in who has left, and all that is theirs is swept."""

import json
from collections.abc import Callable

from django.db import connection

from backend.engine.models import IdempotencyKey
from backend.erasure import sweeping
from backend.people.models import AccessToken
from tests.api import PASSWORD, ApiClient
from tests.api.account import another_token
from tests.departure_fixture import leave
from tests.races.statements import recorded
from tests.schema.footprint import nothing_written


def test_a_page_that_names_many_of_them_costs_no_more(asha: ApiClient, person: Callable[[str], ApiClient]) -> None:
    """They are a batch like others; what is asked of one is loaded for all."""
    edition = asha.create_edition(asha.published_story()["id"])["edition"]["id"]
    for number in range(4):
        buyer = person(f"buyer{number}")
        buyer.place_order((edition, 1))
        leave(buyer)
    lists = " ".join(f"{name} {{ edges {{ cursor }} }}" for name in ("followers", "following", "stories", "whispers"))
    query = (
        "query ($n: Int!) { viewer { sales(first: $n) { edges { node { buyer { handle followerCount "
        f"relationship {{ version following }} followers {{ totalCount }} {lists} }} }} }} }} }} }}"
    )
    counts = []
    for size in (1, 4):
        with recorded() as statements:
            assert len(asha.ask(query, n=size)["viewer"]["sales"]["edges"]) == size
        counts.append(len(statements))
    assert counts[0] == counts[1]


# --- Leaving itself ---------------------------------------------------------------------------------------------


def test_nothing_signs_them_in_any_more(asha: ApiClient) -> None:
    """No token, no password; and nobody gets the handle."""
    another_token(asha)
    sign_in = 'mutation ($p: String!) { signIn(handle: "asha", password: $p) { ... on Failure { code } } }'
    leave(asha)
    assert not AccessToken.objects.filter(account_id=asha.person.pk).exists()
    assert asha.ask("{ viewer { handle } }")["viewer"] is None
    assert asha.create_whisper()["code"] == "UNAUTHENTICATED"
    assert asha.delete_account(PASSWORD)["code"] == "UNAUTHENTICATED"
    wrong = [ApiClient().ask(sign_in.replace("asha", handle), p=PASSWORD)["signIn"] for handle in ("asha", "nobody")]
    assert wrong == [{"code": "UNAUTHENTICATED"}] * 2
    taken = (
        'mutation ($p: String!) { signUp(handle: "Asha", name: "A", password: $p) { ... on InvalidError '
        "{ fields { path message } } } }"
    )
    fields = ApiClient().ask(taken, p=PASSWORD)["signUp"]["fields"]
    assert fields == [{"path": "handle", "message": "is taken."}]


def test_a_wrong_password_changes_nothing(asha: ApiClient) -> None:
    """It counts as an attempt to sign in; the right one works after it."""
    with nothing_written():
        assert asha.delete_account("a wrong password")["code"] == "FORBIDDEN"
    assert asha.ask("{ viewer { handle } }")["viewer"] == {"handle": "asha"}
    leave(asha)


def test_the_key_of_the_leaving_is_swept_too(asha: ApiClient) -> None:
    """It is claimed like any other, and belongs to nobody once all is done."""
    key = "01890000-0000-7000-8000-000000000007"
    assert asha.delete_account(PASSWORD, key)["applied"] == "WRITTEN"
    assert IdempotencyKey.objects.get().person_id == asha.person.pk
    sweeping.sweep(asha.person.pk)
    assert not IdempotencyKey.objects.exists()


def test_a_job_is_deferred_with_it(asha: ApiClient) -> None:
    """In the same transaction, once."""
    leave(asha)
    with connection.cursor() as cursor:
        cursor.execute("SELECT args FROM procrastinate_jobs WHERE task_name = 'sweep' AND status = 'todo'")
        assert [json.loads(args) for (args,) in cursor.fetchall()] == [{"person": str(asha.person.pk)}]
