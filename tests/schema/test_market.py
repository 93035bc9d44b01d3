"""Editions and orders through the API: what each mutation promises, who finds what, and what never vanishes."""

import uuid
from typing import Any

import pytest

from schema.nodes import to_id
from tests.api import ApiClient
from tests.races.rows import assert_verified
from tests.schema.footprint import nothing_written

LISTS = """
query ($first: Int, $after: String) {
  editions(first: $first, after: $after) { edges { cursor node { id title } } pageInfo { hasNextPage endCursor } }
}
"""
ORDERS = """
query { orders { edges { node { id status totalCents lines {
  quantity priceCents edition { id title stock story { id version title status chapterCount viewCount
    chapters { id } author { handle } reading { version } editions { edges { node { id } } } } } } } } } }
"""
SALES = "query { viewer { sales { edges { node { id buyer { handle } author { handle } status } } } } }"
MOST = 2**31 - 1


@pytest.fixture
def story(asha: ApiClient) -> str:
    """A published story of asha's."""
    return asha.published_story()["id"]


@pytest.fixture
def edition(asha: ApiClient, story: str) -> str:
    """Five copies of it, at 300 cents."""
    return asha.create_edition(story)["edition"]["id"]


def listed(who: ApiClient) -> list[str]:
    """The ids of the editions that somebody finds in the list."""
    return [edge["node"]["id"] for edge in who.ask(LISTS)["editions"]["edges"]]


def orders_of(who: ApiClient) -> list[Any]:
    return [edge["node"] for edge in who.ask(ORDERS)["orders"]["edges"]]


def sales_of(who: ApiClient) -> list[Any]:
    return [edge["node"] for edge in who.ask(SALES)["viewer"]["sales"]["edges"]]


def found(who: ApiClient, id_: str) -> bool:
    return who.ask("query ($id: ID!) { node(id: $id) { id } }", id=id_)["node"] is not None


# --- Editions ---------------------------------------------------------------------------------------------------


def test_an_edition_is_created(asha: ApiClient, story: str) -> None:
    """Of a published story, with all that was said of it."""
    answer = asha.create_edition(story, stock=7, price=1250, title="  Signed  ")
    assert answer["applied"] == "WRITTEN"
    shown = {**answer["edition"], "id": None}
    assert shown == {
        "id": None,
        "version": "1",
        "title": "Signed",
        "priceCents": 1250,
        "stock": 7,
        "story": {"id": story},
    }
    query = "query ($id: ID!) { story(id: $id) { editions { edges { node { id } } } } }"
    assert asha.ask(query, id=story)["story"]["editions"]["edges"] == [{"node": {"id": answer["edition"]["id"]}}]


def test_only_the_author_prints(asha: ApiClient, bilal: ApiClient, story: str) -> None:
    """Others are forbidden to; across a block the story is not even there."""
    with nothing_written():
        assert bilal.create_edition(story)["code"] == "FORBIDDEN"
    asha.block(bilal)
    with nothing_written():
        assert bilal.create_edition(story)["code"] == "NOT_FOUND"


def test_a_draft_has_no_editions(asha: ApiClient, story: str) -> None:
    """Its author is told to publish it first; what was printed before it went back stays the author's."""
    draft = asha.create_story("1")["story"]["id"]
    with nothing_written():
        answer = asha.create_edition(draft)
    assert [field["path"] for field in answer["fields"]] == ["story"]
    edition = asha.create_edition(story)["edition"]["id"]
    asha.unpublish(story, "2")
    assert asha.create_edition(story)["code"] == "INVALID"
    assert found(asha, edition)
    assert not found(ApiClient(), edition)
    assert listed(asha) == []


def test_numbers_stay_within_their_limits(asha: ApiClient, story: str) -> None:
    """The largest are taken, none beyond."""
    with nothing_written():
        answer = asha.create_edition(story, stock=-1, price=10**9 + 1, title=" ")
    assert [field["path"] for field in answer["fields"]] == ["title", "priceCents", "stock"]
    assert asha.create_edition(story, stock=MOST, price=10**9)["edition"]["stock"] == MOST


def test_stock_is_adjusted(asha: ApiClient, bilal: ApiClient, edition: str) -> None:
    """Whatever it is; each time the version rises, and nobody else may."""
    more = asha.adjust_stock(edition, 3)
    assert (more["applied"], more["edition"]["stock"], more["edition"]["version"]) == ("WRITTEN", 8, "2")
    assert asha.adjust_stock(edition, -8)["edition"]["stock"] == 0
    assert asha.adjust_stock(edition, 0)["applied"] == "NOOP"
    with nothing_written():
        assert bilal.adjust_stock(edition, 1)["code"] == "FORBIDDEN"
        assert bilal.adjust_stock(edition, 0)["code"] == "FORBIDDEN"
    assert_verified()


def test_stock_is_never_below_zero(asha: ApiClient, edition: str) -> None:
    """The refusal says of what too little is left, and how much there is."""
    with nothing_written():
        answer = asha.adjust_stock(edition, -6)
    assert (answer["__typename"], answer["code"], answer["available"]) == ("OutOfStockError", "OUT_OF_STOCK", 5)
    assert answer["edition"]["id"] == edition
    assert answer["retry"] == {"kind": "NEVER", "afterMs": 0}


def test_stock_has_an_upper_limit(asha: ApiClient, bilal: ApiClient, edition: str) -> None:
    """Of all copies, sold ones too: so whatever is cancelled has room."""
    order = bilal.place_order((edition, 5))["order"]["id"]
    with nothing_written():
        for delta in (MOST, MOST - 4, -MOST - 1):
            answer = asha.adjust_stock(edition, delta)
            assert [field["path"] for field in answer["fields"]] == ["delta"]
        answer = asha.set_stock(edition, MOST, "2")
        assert [field["path"] for field in answer["fields"]] == ["to"]
    assert asha.adjust_stock(edition, MOST - 5)["edition"]["stock"] == MOST - 5
    assert bilal.update_order(order, "CANCELLED", "1")["applied"] == "WRITTEN"
    assert asha.stock_of(edition) == MOST
    assert asha.set_stock(edition, 0, "4")["edition"]["stock"] == 0
    assert asha.set_stock(edition, MOST, "5")["edition"]["stock"] == MOST
    assert_verified()


def test_stock_is_set_as_it_was_seen(asha: ApiClient, bilal: ApiClient, edition: str) -> None:
    """An order since is a conflict, which shows the edition; so already is nothing to do."""
    assert asha.set_stock(edition, 9, "1")["edition"]["version"] == "2"
    assert asha.set_stock(edition, 9, "2")["applied"] == "NOOP"
    bilal.place_order((edition, 2))
    with nothing_written():
        answer = asha.set_stock(edition, 9, "2")
        assert bilal.set_stock(edition, 9, "3")["code"] == "FORBIDDEN"
    assert answer["overlaps"] == [{"path": "stock", "base": None, "mine": 9, "theirs": 7}]
    assert answer["current"] == {"__typename": "Edition", "id": edition, "version": "3", "stock": 7}
    assert asha.set_stock(edition, 9, "3")["edition"]["stock"] == 9
    assert_verified()


def test_a_chain_of_stocks_needs_no_version(asha: ApiClient, edition: str) -> None:
    """`expect.after` names the mutation that made it or set it before."""
    query = """mutation ($e: ID!, $t: Int!, $a: UUID!, $k: UUID) {
        setStock(edition: $e, to: $t, expect: {after: $a}, key: $k) { __typename ... on EditionSuccess { edition { stock } } }
    }"""
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    assert asha.set_stock(edition, 9, "1", key=first)["applied"] == "WRITTEN"
    assert asha.ask(query, e=edition, t=4, a=first, k=second)["setStock"]["edition"] == {"stock": 4}
    assert asha.ask(query, e=edition, t=3, a=second, k=None)["setStock"]["edition"] == {"stock": 3}
    assert asha.ask(query, e=edition, t=2, a=second, k=None)["setStock"]["__typename"] == "ConflictError"


# --- Orders -----------------------------------------------------------------------------------------------------


def test_an_order_takes_all_its_lines(asha: ApiClient, bilal: ApiClient, story: str, edition: str) -> None:
    """In the order asked for, at the prices of now; the same edition twice is taken together."""
    other = asha.create_edition(story, stock=10, price=50)["edition"]["id"]
    answer = bilal.place_order((other, 1), (edition, 2), (other, 3))
    assert answer["applied"] == "WRITTEN"
    assert {**answer["order"], "id": None} == {
        "id": None,
        "version": "1",
        "status": "PLACED",
        "totalCents": 800,
        "buyer": {"handle": "bilal"},
        "author": {"handle": "asha"},
        "lines": [
            {"quantity": 4, "priceCents": 50, "edition": {"id": other}},
            {"quantity": 2, "priceCents": 300, "edition": {"id": edition}},
        ],
    }
    assert (bilal.stock_of(edition), bilal.stock_of(other)) == (3, 6)
    assert [order["id"] for order in orders_of(bilal)] == [answer["order"]["id"]]
    assert sales_of(asha) == [
        {"id": answer["order"]["id"], "buyer": {"handle": "bilal"}, "author": {"handle": "asha"}, "status": "PLACED"}
    ]
    assert_verified()


def test_all_lines_or_none(asha: ApiClient, bilal: ApiClient, story: str, edition: str) -> None:
    """The first line of which too little is left is named, and nothing is taken of the others."""
    scarce, sold_out = (asha.create_edition(story, stock=stock)["edition"]["id"] for stock in (1, 0))
    with nothing_written():
        answer = bilal.place_order((edition, 1), (sold_out, 1), (scarce, 2))
        assert (answer["__typename"], answer["available"], answer["edition"]["id"]) == ("OutOfStockError", 0, sold_out)
        answer = bilal.place_order((scarce, 1), (edition, 1), (scarce, 1))
        assert (answer["available"], answer["edition"]["id"]) == (1, scarce)
    assert bilal.place_order((scarce, 1), (edition, 5))["applied"] == "WRITTEN"


def test_an_order_is_of_one_author(asha: ApiClient, bilal: ApiClient, chitra: ApiClient, edition: str) -> None:
    """Of several stories, but not of several people; their own editions people may order too."""
    another = asha.create_edition(asha.published_story("1")["id"])["edition"]["id"]
    theirs = chitra.create_edition(chitra.published_story()["id"])["edition"]["id"]
    with nothing_written():
        answer = bilal.place_order((edition, 1), (theirs, 1))
    assert [field["path"] for field in answer["fields"]] == ["lines"]
    assert bilal.place_order((edition, 1), (another, 1))["applied"] == "WRITTEN"
    own = asha.place_order((edition, 1))["order"]
    assert asha.update_order(own["id"], "CONFIRMED", "1")["applied"] == "WRITTEN"
    assert asha.update_order(own["id"], "CANCELLED", "2")["applied"] == "WRITTEN"


def test_what_is_hidden_cannot_be_ordered(asha: ApiClient, bilal: ApiClient, story: str, edition: str) -> None:
    """A draft's and a blocked author's editions look exactly like none; nothing of the order is taken."""
    unknown = bilal.place_order((to_id("Edition", uuid.UUID(int=7)), 1))
    assert unknown["code"] == "NOT_FOUND"
    asha.unpublish(story, "2")
    with nothing_written():
        assert bilal.place_order((edition, 1)) == unknown
    asha.publish(story, "3")
    bilal.block(asha)
    with nothing_written():
        assert bilal.place_order((edition, 1)) == unknown
        assert bilal.adjust_stock(edition, 1)["code"] == "NOT_FOUND"
        assert bilal.set_stock(edition, 1, "1")["code"] == "NOT_FOUND"


def test_bad_lines_are_invalid(bilal: ApiClient, edition: str) -> None:
    """Their number, their quantities, their editions, and what they cost together."""
    bad: list[tuple[list[tuple[str, int]], str]] = [
        ([], "lines"),
        ([(edition, 1)] * 51, "lines"),
        ([(edition, 0)], "lines.0.quantity"),
        ([(edition, 1), (edition, -1)], "lines.1.quantity"),
        ([(edition, 1001)], "lines.0.quantity"),
        ([(edition, 600), (edition, 401)], "lines.1.quantity"),
        ([(edition, 1), ("nonsense", 1)], "lines.1.edition"),
        ([(bilal.id, 1)], "lines.0.edition"),
    ]
    with nothing_written():
        for lines, path in bad:
            answer = bilal.place_order(*lines)
            assert [field["path"] for field in answer["fields"]] == [path], lines


def test_a_total_has_a_limit(asha: ApiClient, bilal: ApiClient, story: str) -> None:
    """What GraphQL can say."""
    dear = asha.create_edition(story, stock=5, price=10**9)["edition"]["id"]
    with nothing_written():
        answer = bilal.place_order((dear, 3))
    assert [field["path"] for field in answer["fields"]] == ["lines"]
    assert bilal.place_order((dear, 2))["order"]["totalCents"] == 2 * 10**9


STAGES = {"PLACED": (), "CONFIRMED": ("CONFIRMED",), "SHIPPED": ("CONFIRMED", "SHIPPED"), "CANCELLED": ("CANCELLED",)}
LEGAL = {("PLACED", "CONFIRMED"), ("CONFIRMED", "SHIPPED"), ("PLACED", "CANCELLED"), ("CONFIRMED", "CANCELLED")}


def whose(to: str, buyer: ApiClient, author: ApiClient) -> ApiClient:
    """Who may ask for this status."""
    return buyer if to == "CANCELLED" else author


@pytest.mark.parametrize("start", STAGES)
def test_an_order_goes_only_where_it_may(asha: ApiClient, bilal: ApiClient, edition: str, start: str) -> None:
    """From each status to each other: written, nothing to do, or invalid with nothing written."""
    for to in STAGES:
        order = bilal.place_order((edition, 1))["order"]
        for step in STAGES[start]:
            order = whose(step, bilal, asha).update_order(order["id"], step, order["version"])["order"]
        left, who = asha.stock_of(edition), whose(to, bilal, asha)
        if (start, to) in LEGAL:
            answer = who.update_order(order["id"], to, order["version"])
            assert (answer["applied"], answer["order"]["status"]) == ("WRITTEN", to)
            assert asha.stock_of(edition) == left + (to == "CANCELLED")
            continue
        with nothing_written():
            answer = who.update_order(order["id"], to, order["version"])
        if start == to:
            assert answer["applied"] == "NOOP"
        else:
            assert [field["path"] for field in answer["fields"]] == ["to"]
    assert_verified()


def test_each_side_does_its_own(asha: ApiClient, bilal: ApiClient, chitra: ApiClient, edition: str) -> None:
    """The buyer does not confirm, the author does not cancel, and for anybody else there is no such order."""
    order = bilal.place_order((edition, 1))["order"]["id"]
    with nothing_written():
        assert bilal.update_order(order, "CONFIRMED", "1")["code"] == "FORBIDDEN"
        assert bilal.update_order(order, "SHIPPED", "1")["code"] == "FORBIDDEN"
        assert asha.update_order(order, "CANCELLED", "1")["code"] == "FORBIDDEN"
        hidden = chitra.update_order(order, "CANCELLED", "1")
        assert hidden == chitra.update_order(to_id("Order", uuid.UUID(int=7)), "CANCELLED", "1")
    assert hidden["code"] == "NOT_FOUND"
    assert (found(bilal, order), found(asha, order), found(chitra, order), found(ApiClient(), order)) == (
        *(True, True),
        *(False, False),
    )


def test_who_comes_late_is_shown_what_became_of_the_order(asha: ApiClient, bilal: ApiClient, edition: str) -> None:
    """What it was is known exactly, because an order goes only forward."""
    order = bilal.place_order((edition, 1))["order"]["id"]
    asha.update_order(order, "CONFIRMED", "1")
    with nothing_written():
        answer = bilal.update_order(order, "CANCELLED", "1")
    assert answer["overlaps"] == [{"path": "status", "base": "PLACED", "mine": "CANCELLED", "theirs": "CONFIRMED"}]
    assert answer["current"] == {"__typename": "Order", "id": order, "version": "2", "status": "CONFIRMED"}
    asha.update_order(order, "SHIPPED", "2")
    late = bilal.update_order(order, "CANCELLED", "2")
    assert late["overlaps"] == [{"path": "status", "base": "CONFIRMED", "mine": "CANCELLED", "theirs": "SHIPPED"}]
    assert bilal.update_order(order, "CANCELLED", "9")["overlaps"][0]["base"] is None
    assert bilal.update_order(order, "CANCELLED", "3")["code"] == "INVALID"
    assert asha.update_order(order, "SHIPPED", "2")["code"] == "CONFLICT"


# --- Who finds what ---------------------------------------------------------------------------------------------


def test_editions_are_listed_newest_first(asha: ApiClient, bilal: ApiClient, story: str) -> None:
    """A page at a time, without those of drafts and of people across a block."""
    made = [asha.create_edition(story, title=f"No. {number}")["edition"]["id"] for number in range(5)]
    theirs = bilal.create_edition(bilal.published_story()["id"])["edition"]["id"]
    first = ApiClient().ask(LISTS, first=2)["editions"]
    assert [edge["node"]["id"] for edge in first["edges"]] == [theirs, made[4]]
    second = ApiClient().ask(LISTS, first=9, after=first["pageInfo"]["endCursor"])["editions"]
    assert [edge["node"]["id"] for edge in second["edges"]] == made[3::-1]
    assert (first["pageInfo"]["hasNextPage"], second["pageInfo"]["hasNextPage"]) == (True, False)
    backwards = (
        "query ($id: ID!, $b: String) { story(id: $id) { editions(last: 2, before: $b) "
        "{ edges { cursor node { id } } } } }"
    )
    (_, oldest) = ApiClient().ask(backwards, id=story)["story"]["editions"]["edges"]
    shown = ApiClient().ask(backwards, id=story, b=oldest["cursor"])["story"]["editions"]["edges"]
    assert [edge["node"]["id"] for edge in shown] == [made[2], made[1]]
    asha.block(bilal)
    assert listed(bilal) == [theirs]
    assert listed(asha) == made[::-1]


def test_editions_of_mature_stories_are_for_who_wants_them(asha: ApiClient, bilal: ApiClient) -> None:
    """In lists; by its id, and in its story, such an edition is found whatever is set."""
    story = asha.create_story("0", mature=True)["story"]["id"]
    asha.publish(story)
    edition = asha.create_edition(story)["edition"]["id"]
    assert (listed(asha), listed(bilal), listed(ApiClient())) == ([edition], [], [])
    assert found(bilal, edition)
    bilal.update_profile({"showMature": True}, "1")
    assert listed(bilal) == [edition]


def test_orders_are_for_the_two_of_them(asha: ApiClient, bilal: ApiClient, chitra: ApiClient, edition: str) -> None:
    """Nobody sees others' orders or sales, and the signed-out have none."""
    bilal.place_order((edition, 1))
    assert (orders_of(asha), orders_of(chitra), sales_of(bilal), sales_of(chitra)) == ([], [], [], [])
    others = 'query { person(handle: "asha") { sales { edges { node { id } } } } }'
    assert bilal.ask(others)["person"]["sales"] is None
    assert ApiClient().ask(others)["person"]["sales"] is None
    assert ApiClient().ask(ORDERS)["orders"]["edges"] == []


@pytest.mark.parametrize("how", ["unpublished", "blocked"])
def test_an_order_outlives_what_hides_its_story(
    asha: ApiClient, bilal: ApiClient, story: str, edition: str, how: str
) -> None:
    """The buyer reads on what was ordered; of the story nothing is said that the edition does not say."""
    order = bilal.place_order((edition, 2))["order"]["id"]
    if how == "unpublished":
        asha.unpublish(story, "2")
        asha.update_story(story, {"title": "A secret", "summary": "More of it"}, "3")
    else:
        asha.block(bilal)
    assert not found(bilal, edition)
    assert not found(bilal, story)
    assert orders_of(bilal) == [
        {
            "id": order,
            "status": "PLACED",
            "totalCents": 600,
            "lines": [
                {
                    "quantity": 2,
                    "priceCents": 300,
                    "edition": {
                        "id": edition,
                        "title": "First edition",
                        "stock": 3,
                        "story": {
                            "id": story,
                            "version": "0",
                            "title": "First edition",
                            "status": "DRAFT",
                            "chapterCount": 0,
                            "viewCount": 0,
                            "chapters": [],
                            "author": {"handle": "asha"},
                            "reading": {"version": "0"},
                            "editions": {"edges": []},
                        },
                    },
                }
            ],
        }
    ]
    assert bilal.update_order(order, "CANCELLED", "1")["applied"] == "WRITTEN"
    assert asha.stock_of(edition) == 5


# --- Deleting a story -------------------------------------------------------------------------------------------


def test_a_story_goes_with_its_editions(asha: ApiClient, story: str, edition: str) -> None:
    """If nobody has ordered them."""
    assert asha.delete_story(story, "2")["applied"] == "WRITTEN"
    assert not found(asha, edition)
    assert listed(asha) == []
    assert asha.adjust_stock(edition, 1)["code"] == "NOT_FOUND"
    assert_verified()


@pytest.mark.parametrize("steps", [(), ("CONFIRMED", "SHIPPED"), ("CANCELLED",)])
def test_a_story_with_orders_stays(
    asha: ApiClient, bilal: ApiClient, story: str, edition: str, steps: tuple[str, ...]
) -> None:
    """Open, shipped or cancelled: an order is the buyer's as well. The author can hide the story."""
    order = bilal.place_order((edition, 1))["order"]
    for step in steps:
        order = whose(step, bilal, asha).update_order(order["id"], step, order["version"])["order"]
    with nothing_written():
        answer = asha.delete_story(story, "2")
    assert (answer["code"], [field["path"] for field in answer["fields"]]) == ("INVALID", ["id"])
    assert [one["id"] for one in orders_of(bilal)] == [order["id"]]
    assert asha.unpublish(story, "2")["applied"] == "WRITTEN"
