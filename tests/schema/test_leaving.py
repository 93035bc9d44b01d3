"""Somebody who has left is nobody, at once and for everybody: before anything of theirs is swept, and after."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from backend.engine.models import IdempotencyKey
from backend.erasure import sweeping
from backend.notifications.models import Notification
from backend.people.models import AccessToken
from backend.stories.models import Revision
from schema.nodes import from_id, to_id
from tests.api import PASSWORD, Caller
from tests.leaving import Life, leave, live
from tests.moderating import REPORT
from tests.owning import another_token
from tests.races.statements import recorded
from tests.schema.footprint import nothing_written
from tests.schema.mutations import BY_ID, MUTATIONS
from tests.schema.scene import MISSING, raw
from tests.working import empty_queue

NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
NODES = "query ($id: ID!) { nodes(ids: [$id]) { __typename id } }"
SIDE = "query ($id: ID!) { relationships(people: [$id]) { version } }"
BY_AUTHOR = "query ($id: ID!) { stories(filter: {author: $id}) { edges { node { id } } } }"
PERSON = "query ($h: String!) { person(handle: $h) { id } }"
STORIES = "edges { node { id title author { handle } } }"
PEOPLE = "totalCount edges { node { id handle } }"
LISTS = f"""{{
  stories {{ {STORIES} }} read: stories(orderBy: MOST_READ) {{ {STORIES} }} whispers {{ edges {{ node {{ id text }} }} }}
  editions {{ edges {{ node {{ id }} }} }}
  person(handle: "bilal") {{ followers {{ {PEOPLE} }} following {{ {PEOPLE} }} }}
}}"""
MINE = f"""{{
  feed {{ {STORIES} }}
  viewer {{
    followers {{ {PEOPLE} }} following {{ {PEOPLE} }} unreadCount notifications {{ edges {{ node {{ id }} }} }}
    readings {{ edges {{ node {{ story {{ id title }} }} }} }}
  }}
}}"""
KINDS = {
    **dict.fromkeys(("ordered", "read", "draft"), "Story"),
    **dict.fromkeys(("chapter of ordered", "chapter of read"), "Chapter"),
    **dict.fromkeys(("whisper", "flagged"), "Whisper"),
    **dict.fromkeys(("edition", "unordered"), "Edition"),
}
GONE = ["stays", "is swept"]
"""Whether what they left behind is still there."""


@pytest.fixture(autouse=True)
def queue(transactional_db: None) -> Iterator[None]:
    """The queue's tables are not swept away with the others."""
    yield
    empty_queue()


def left(then: str) -> Life:
    """Asha has left, with a bit of everything."""
    life = live()
    leave(life.asha)
    if then == "is swept":
        sweeping.sweep(life.asha.person.pk)
    return life


def things(life: Life) -> dict[str, str]:
    """What was hers, with its type, by id."""
    return {life.asha.id: "Person", **{life.ids[name]: kind for name, kind in KINDS.items()}}


@pytest.mark.parametrize("then", GONE)
def test_nothing_can_be_looked_up(then: str) -> None:
    """Each answer is the one for an id that there never was, byte for byte."""
    life = left(then)
    for caller in life.others:
        for id_, kind in things(life).items():
            for query in (NODE, NODES):
                assert raw(caller, query, id=id_) == raw(caller, query, id=to_id(kind, MISSING)), (kind, caller.person)
        assert raw(caller, PERSON, h="asha") == raw(caller, PERSON, h="nobody-at-all")
        for query in (SIDE, BY_AUTHOR):
            assert raw(caller, query, id=life.asha.id) == raw(caller, query, id=to_id("Person", MISSING))


def beside(life: Life, caller: Caller) -> list[tuple[str, str]]:
    """What lies between somebody and her, or is of something of hers: the ids, and those of what there never was."""
    me, her, read = caller.person.pk, life.asha.person.pk, from_id(life.ids["read"])[1][0]  # type: ignore[index]
    told = Notification.objects.filter(story__author_id=her).values_list("pk", flat=True)
    return [
        *((to_id("Relationship", one, her), to_id("Relationship", one, MISSING)) for one in (me, her)),
        *((to_id("Relationship", her, one), to_id("Relationship", MISSING, one)) for one in (me, her)),
        (to_id("Reading", read, me), to_id("Reading", MISSING, me)),
        (to_id("Reading", me, read), to_id("Reading", me, MISSING)),
        (to_id("Shelf", her), to_id("Shelf", MISSING)),
        *((to_id("Revision", one.pk), to_id("Revision", MISSING)) for one in Revision.objects.filter(by_id=her)),
        *((to_id("Notification", one), to_id("Notification", MISSING)) for one in told),
    ]


@pytest.mark.parametrize("then", GONE)
def test_nothing_beside_them_can_be_looked_up(then: str) -> None:
    """Not the pair with them, nor one's place in their story, nor that one was told of it."""
    life = left(then)
    for caller in life.others[:-1]:
        for id_, missing in beside(life, caller):
            for query in (NODE, NODES):
                assert raw(caller, query, id=id_) == raw(caller, query, id=missing), (id_, caller.person)


@pytest.mark.parametrize("then", GONE)
def test_no_list_and_no_total_of_a_list_has_them(then: str) -> None:
    """Neither the person, nor what was theirs."""
    life = left(then)
    for caller in life.others:
        found = json.dumps([caller.ask(LISTS), *([caller.ask(MINE)] if caller.person else [])])
        for id_ in things(life):
            assert id_ not in found
        assert "asha" not in found
        bilal = caller.ask(LISTS)["person"]
        assert bilal["followers"] == {"totalCount": 0, "edges": []}
        assert bilal["following"] == {"totalCount": 0, "edges": []}
    mine = life.bilal.ask(MINE)["viewer"]
    assert (mine["unreadCount"], mine["notifications"]["edges"], mine["readings"]["edges"]) == (0, [], [])


def arguments(mutation: str, id_: str) -> dict[str, Any]:
    """Good ones, that name this id."""
    chapter = {"title": "One", "body": "Text."}
    given: dict[str, Any] = {
        BY_ID[mutation][0]: id_,
        **{"expect": {"version": "1"}, "patch": {"title": "New"}, "order": [], "chapter": chapter, "title": "New"},
        **{"priceCents": 5, "stock": 3, "delta": 2, "to": 9, "key": "01890000-0000-7000-8000-000000000005"},
    }
    return {name: value for name, value in given.items() if f"${name}:" in MUTATIONS[mutation]}


@pytest.mark.parametrize("then", GONE)
def test_nothing_can_be_done_with_them(then: str) -> None:
    """Each mutation that names them, or what was theirs, answers as for what there never was, and writes nothing."""
    life = left(then)
    for caller in life.others[:-1]:
        for mutation, (_, kind) in BY_ID.items():
            for id_, of in things(life).items():
                if of == kind:
                    with nothing_written():
                        answers = [
                            raw(caller, MUTATIONS[mutation], **arguments(mutation, one))
                            for one in (id_, to_id(kind, MISSING))
                        ]
                    assert answers[0] == answers[1], (mutation, caller.person.handle)
                    assert b"NOT_FOUND" in answers[0]
        for id_, kind in things(life).items():
            if kind != "Edition":
                with nothing_written():
                    refused = caller.report(id_)
                    assert refused == caller.report(to_id(kind, MISSING))
                assert refused["code"] == "NOT_FOUND"
        line = {"quantity": 1, "edition": life.ids["edition"]}
        assert caller.place_order((line["edition"], 1))["code"] == "NOT_FOUND"


@pytest.mark.parametrize("then", GONE)
def test_an_order_stays_without_the_person(then: str) -> None:
    """Its other side sees what was bought, and nothing of the one who left but the id."""
    life = left(then)
    profile = (
        "{ id handle name bio version followerCount storyCount relationship { version following } "
        "followers { edges { cursor } } stories { edges { cursor } } whispers { edges { cursor } } }"
    )
    query = (
        f"query ($id: ID!) {{ node(id: $id) {{ ... on Order {{ buyer {profile} author {profile} totalCents "
        "lines { edition { title story { title author { handle } chapters { id } } } } } } }"
    )
    nobody = {
        **{
            "id": life.asha.id,
            "handle": "",
            "name": "",
            "bio": "",
            "version": "0",
            "followerCount": 0,
            "storyCount": 0,
        },
        "relationship": {"version": "0", "following": False},
        **{name: {"edges": []} for name in ("followers", "stories", "whispers")},
    }
    sold = life.bilal.ask(query, id=life.ids["bought"])["node"]
    assert sold["buyer"] == nobody
    bought = life.bilal.ask(query, id=life.ids["shipped"])["node"]
    assert (bought["author"], bought["totalCents"]) == (nobody, 300)
    story = {"title": "First edition", "author": {"handle": ""}, "chapters": []}
    assert bought["lines"] == [{"edition": {"title": "First edition", "story": story}}]


def test_a_page_that_names_many_of_them_costs_no_more(asha: Caller, person: Callable[[str], Caller]) -> None:
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


@pytest.mark.parametrize("then", GONE)
def test_moderators_see_nothing_of_them(then: str) -> None:
    """No subject, nobody who made or claimed a report."""
    life = left(then)
    found = life.dev.ask(f"{{ reports {{ edges {{ node {{ {REPORT} }} }} }} }}")["reports"]["edges"]
    assert len(found) == (1 if then == "is swept" else 7)
    for one in (edge["node"] for edge in found):
        assert one["claimedBy"] is None
        assert one["reporter"] in (None, {"handle": "chitra"}, {"handle": "bilal"})
        assert one["subject"] is None or one["subject"]["text"] == "Of bilal."


# --- Leaving itself ---------------------------------------------------------------------------------------------


def test_nothing_signs_them_in_any_more(asha: Caller) -> None:
    """No token, no password; and nobody gets the handle."""
    another_token(asha)
    sign_in = 'mutation ($p: String!) { signIn(handle: "asha", password: $p) { ... on Failure { code } } }'
    leave(asha)
    assert not AccessToken.objects.filter(account_id=asha.person.pk).exists()
    assert asha.ask("{ viewer { handle } }")["viewer"] is None
    assert asha.create_whisper()["code"] == "UNAUTHENTICATED"
    assert asha.delete_account(PASSWORD)["code"] == "UNAUTHENTICATED"
    wrong = [Caller().ask(sign_in.replace("asha", handle), p=PASSWORD)["signIn"] for handle in ("asha", "nobody")]
    assert wrong == [{"code": "UNAUTHENTICATED"}] * 2
    taken = (
        'mutation ($p: String!) { signUp(handle: "Asha", name: "A", password: $p) { ... on InvalidError '
        "{ fields { path message } } } }"
    )
    fields = Caller().ask(taken, p=PASSWORD)["signUp"]["fields"]
    assert fields == [{"path": "handle", "message": "is taken."}]


def test_a_wrong_password_changes_nothing(asha: Caller) -> None:
    """It counts as an attempt to sign in; the right one works after it."""
    with nothing_written():
        assert asha.delete_account("a wrong password")["code"] == "FORBIDDEN"
    assert asha.ask("{ viewer { handle } }")["viewer"] == {"handle": "asha"}
    leave(asha)


def test_the_key_of_the_leaving_is_swept_too(asha: Caller) -> None:
    """It is claimed like any other, and belongs to nobody once all is done."""
    key = "01890000-0000-7000-8000-000000000007"
    assert asha.delete_account(PASSWORD, key)["applied"] == "WRITTEN"
    assert IdempotencyKey.objects.get().person_id == asha.person.pk
    sweeping.sweep(asha.person.pk)
    assert not IdempotencyKey.objects.exists()


def test_a_job_is_deferred_with_it(asha: Caller) -> None:
    """In the same transaction, once."""
    leave(asha)
    with connection.cursor() as cursor:
        cursor.execute("SELECT args FROM procrastinate_jobs WHERE task_name = 'sweep' AND status = 'todo'")
        assert [json.loads(args) for (args,) in cursor.fetchall()] == [{"person": str(asha.person.pk)}]
