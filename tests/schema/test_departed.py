"""Somebody who has left is nobody, at once and for everybody: before anything of theirs is swept, and after."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from backend.erasure import sweeping
from backend.notifications.models import Notification
from backend.people.models import Departure
from backend.social.models import Relationship
from backend.social.pairs import Pair
from backend.stories.models import Revision
from schema.nodes import from_id, to_id
from tests.api import ApiClient
from tests.api.moderation import REPORT
from tests.departure_fixture import DepartureFixture, leave, live
from tests.schema.access_fixture import MISSING, raw
from tests.schema.footprint import nothing_written
from tests.schema.mutation_fixture import BY_ID, MUTATIONS
from tests.worlds import MadeOnce

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


@pytest.fixture(scope="module", params=["stays", "is swept"])
def life(request: pytest.FixtureRequest, made_once: MadeOnce) -> Iterator[DepartureFixture]:
    """Asha has left, with a bit of everything, which is still there or is not; the same for all."""

    def left() -> DepartureFixture:
        life = live()
        leave(life.asha)
        if request.param == "is swept":
            sweeping.sweep(life.asha.person.pk)
        return life

    yield made_once(left)
    made_once.end()


def things(life: DepartureFixture) -> dict[str, str]:
    """What was hers, with its type, by id."""
    return {life.asha.id: "Person", **{life.ids[name]: kind for name, kind in KINDS.items()}}


def test_nothing_can_be_looked_up(life: DepartureFixture) -> None:
    """Each answer is the one for an id that there never was, byte for byte."""
    for caller in life.others:
        for id_, kind in things(life).items():
            for query in (NODE, NODES):
                assert raw(caller, query, id=id_) == raw(caller, query, id=to_id(kind, MISSING)), (kind, caller.person)
        assert raw(caller, PERSON, h="asha") == raw(caller, PERSON, h="nobody-at-all")
        for query in (SIDE, BY_AUTHOR):
            assert raw(caller, query, id=life.asha.id) == raw(caller, query, id=to_id("Person", MISSING))


def beside(life: DepartureFixture, caller: ApiClient) -> list[tuple[str, str]]:
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


def test_nothing_beside_them_can_be_looked_up(life: DepartureFixture) -> None:
    """Not the pair with them, nor one's place in their story, nor that one was told of it."""
    for caller in life.others[:-1]:
        for id_, missing in beside(life, caller):
            for query in (NODE, NODES):
                assert raw(caller, query, id=id_) == raw(caller, query, id=missing), (id_, caller.person)


def test_no_list_and_no_total_of_a_list_has_them(life: DepartureFixture) -> None:
    """Neither the person, nor what was theirs."""
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
        **{"expect": {"version": "1"}, "patch": {"title": "New"}, "order": [], "chapter": chapter, "title": "New"},
        **{"person": to_id("Person", MISSING), "right": "WRITE"},
        **{"priceCents": 5, "stock": 3, "delta": 2, "to": 9, "key": "01890000-0000-7000-8000-000000000005"},
        BY_ID[mutation][0]: id_,
    }
    return {name: value for name, value in given.items() if f"${name}:" in MUTATIONS[mutation]}


def check_nothing_can_be_done(life: DepartureFixture, caller: ApiClient) -> None:
    """The answers to somebody's mutations and reports."""
    for mutation, (_, kind) in BY_ID.items():
        for id_ in (id_ for id_, of in things(life).items() if of == kind):
            hidden, missing = (
                raw(caller, MUTATIONS[mutation], **arguments(mutation, one)) for one in (id_, to_id(kind, MISSING))
            )
            assert hidden == missing, (mutation, caller.person.handle)
            assert b"NOT_FOUND" in hidden
    for id_, kind in things(life).items():
        if kind != "Edition":
            refused = caller.report(id_)
            assert refused == caller.report(to_id(kind, MISSING))
            assert refused["code"] == "NOT_FOUND"


def test_nothing_can_be_done_with_them(life: DepartureFixture) -> None:
    """Each mutation that names them, or what was theirs, answers as for what there never was, and writes nothing."""
    for caller in life.others[:-1]:
        with nothing_written():
            check_nothing_can_be_done(life, caller)
        line = {"quantity": 1, "edition": life.ids["edition"]}
        assert caller.place_order((line["edition"], 1))["code"] == "NOT_FOUND"


def test_no_step_towards_them_is_possible_on_the_version_last_seen(life: DepartureFixture) -> None:
    """A pair that is still there answers each write as that of strangers does, also one that has seen its last version."""
    for caller in life.others[:-1]:
        pair = Pair.of(caller.person.pk, life.asha.person.pk)
        row = Relationship.objects.filter(**pair.key).first()
        version = 0 if row is None else getattr(row, f"{pair.mine}version")
        for step in (caller.follow, caller.unfollow, caller.remove_follower, caller.block, caller.unblock):
            with nothing_written():
                refused = step(life.asha, version=str(version))
            assert refused["code"] == "NOT_FOUND", (step.__name__, caller.person.handle)


def test_an_order_stays_without_the_person(life: DepartureFixture) -> None:
    """Its other side sees what was bought, and nothing of the one who left but the id."""
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


def test_moderators_see_nothing_of_them(life: DepartureFixture) -> None:
    """No subject, nobody who made or claimed a report."""
    found = life.dev.ask(f"{{ reports {{ edges {{ node {{ {REPORT} }} }} }} }}")["reports"]["edges"]
    assert len(found) == (2 if Departure.objects.get(pk=life.asha.person.pk).done else 9)
    for one in (edge["node"] for edge in found):
        assert one["claimedBy"] in (None, {"handle": "dev"})
        assert one["reporter"] in (None, {"handle": "chitra"}, {"handle": "bilal"})
        assert one["subject"] is None or one["subject"].get("text", "Of bilal.") == "Of bilal."
