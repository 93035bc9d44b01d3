"""`changes` beside a sweep, or a deletion, of what was hidden before: nobody can tell what is gone from what is hidden.

An app holds what it was told last. It is told that something is gone if it holds that, and once.
"""

from collections.abc import Callable

import pytest

from backend.engine.transactions import unit_of_work
from backend.erasure import sweeping
from backend.social.models import Relationship
from tests.api import PASSWORD, ApiClient
from tests.races.rows import assert_verified
from tests.schema.test_changes import asked, begun, pair_id, place_id, told, walked
from tests.working import work_off

pytestmark = pytest.mark.django_db(transaction=True)

Act = Callable[[ApiClient, ApiClient, str], None]
"""What an author does, or another to whom they give a story."""


def unpublish(author: ApiClient, _: ApiClient, story: str) -> None:
    assert author.unpublish(story, author.version_of(story))["applied"] == "WRITTEN"


def block(author: ApiClient, reader: ApiClient, _: str) -> None:
    author.block(reader)


def be_blocked(author: ApiClient, reader: ApiClient, _: str) -> None:
    reader.block(author)


def publish(author: ApiClient, _: ApiClient, story: str) -> None:
    assert author.publish(story, author.version_of(story))["applied"] == "WRITTEN"


def unblock(author: ApiClient, reader: ApiClient, _: str) -> None:
    author.unblock(reader, author.relationship(reader)["version"])


def leave(author: ApiClient, *_: object) -> None:
    author.delete_account(PASSWORD)


def sweep(author: ApiClient, *_: object) -> None:
    sweeping.sweep(author.person.pk)


def leave_and_sweep(author: ApiClient, *_: object) -> None:
    leave(author)
    sweep(author)


def delete(author: ApiClient, _: ApiClient, story: str) -> None:
    assert author.delete_story(story, author.version_of(story))["__typename"] == "StoryDeleted"


@pytest.fixture
def held(asha: ApiClient, bilal: ApiClient) -> list[str]:
    """A published story of asha's that bilal reads, his place in it and a notification of it."""
    bilal.follow(asha)
    at = begun(bilal)
    story = asha.published_story(chapters=2)["id"]
    work_off()
    (notification,) = told(bilal, at)
    bilal.record_view(story)
    return [story, place_id(bilal, story), notification]


def walked_as_told(caller: ApiClient, since: str, first: int) -> tuple[dict[str, str | None], str]:
    """As `walked`, without a look at what there is now."""
    found: dict[str, str | None] = {}
    more = True
    while more:
        page = asked(caller, since, first)
        found |= {one["id"]: one["version"] for one in page["changes"]}
        since, more = page["cursor"], page["hasMore"]
    return found, since


def side_of(one: ApiClient, other: ApiClient) -> list[str]:
    return [other.id, pair_id(one, other)]


HIDING = {
    "unpublished": unpublish,
    "blocked": block,
    "blocking": be_blocked,
    "left": leave,
}


@pytest.mark.parametrize("hides", HIDING)
def test_what_was_hidden_before_is_not_told_again_when_it_is_swept(
    asha: ApiClient, bilal: ApiClient, held: list[str], hides: str
) -> None:
    """Neither when its author leaves, nor in the middle of the sweep, nor after it; but a person who was there is gone."""
    at = begun(bilal)
    HIDING[hides](asha, bilal, held[0])
    first, hidden = walked(bilal, at, 2)
    pair = side_of(bilal, asha)
    assert first.items() >= dict.fromkeys(held).items()
    if hides != "left":
        leave(asha)
    assert told(bilal, hidden) == {}
    while unit_of_work(lambda: sweeping.sweep_some(asha.person.pk)):
        assert not set(told(bilal, hidden)) & set(held)
    assert told(bilal, hidden) == ({} if hides == "blocked" else dict.fromkeys(pair))
    assert told(bilal, at) == dict.fromkeys([*held, *pair])
    assert told(bilal, begun(bilal)) == {}
    assert not Relationship.objects.exists()
    assert_verified()


@pytest.mark.parametrize("last", [be_blocked, block])
def test_whoever_left_after_a_block_is_told_of_once(asha: ApiClient, bilal: ApiClient, last: Act) -> None:
    """By the block, or by the sweep: a write of one's own to what is hidden by then tells nothing."""
    bilal.follow(asha)
    at = begun(bilal)
    last(asha, bilal, "")
    leave(asha)
    pair = dict.fromkeys(side_of(bilal, asha))
    found, left = walked(bilal, at, 2)
    sweep(asha)
    assert [found, told(bilal, left)] == ([pair, {}] if last is block else [{}, pair])
    assert told(bilal, at) == pair


ENDINGS: dict[str, tuple[Act, Act]] = {
    "unpublished, deleted": (unpublish, delete),
    "unpublished, swept": (unpublish, leave_and_sweep),
    "left, swept": (leave, sweep),
    "blocked, deleted": (block, delete),
    "blocked, swept": (block, leave_and_sweep),
    "blocking, deleted": (be_blocked, delete),
    "blocking, swept": (be_blocked, leave_and_sweep),
}


@pytest.mark.parametrize("first", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ENDINGS)
def test_what_is_hidden_and_gone_during_a_walk_is_told_once(
    asha: ApiClient, bilal: ApiClient, held: list[str], name: str, first: int
) -> None:
    """Though a page is read when there is nothing left of it, and the next walk begins after it was hidden."""
    hide, end = ENDINGS[name]
    at = begun(bilal)
    hide(asha, bilal, held[0])
    page = asked(bilal, at, first)
    end(asha, bilal, held[0])
    rest, later = walked(bilal, page["cursor"], first) if page["hasMore"] else ({}, page["cursor"])
    last = walked(bilal, later, first)[0]
    tombstones = [one["id"] for one in page["changes"] if one["thing"] is None]
    tombstones += [id_ for one in (rest, last) for id_, version in one.items() if version is None]
    mine = [id_ for id_ in tombstones if id_ in held]
    assert sorted(mine) == sorted(held)


BACK: dict[str, tuple[Act, Act]] = {
    "published": (unpublish, publish),
    "unblocked": (block, unblock),
}


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize("name", BACK)
def test_what_is_back_while_a_walk_goes_on_is_told_by_the_next(
    asha: ApiClient, bilal: ApiClient, held: list[str], name: str, first: int, again: bool
) -> None:
    """A page tells what was to be seen at the end of its walk. If it showed what came later, the next walk could not tell that
    this is hidden again.
    """
    hide, show = BACK[name]
    at = begun(bilal)
    hide(asha, bilal, held[0])
    page = asked(bilal, at, first)
    show(asha, bilal, held[0])
    rest, later = walked_as_told(bilal, page["cursor"], first)
    found = {one["id"]: one["version"] for one in page["changes"]} | rest
    assert found.items() >= dict.fromkeys(held).items()
    if again:
        hide(asha, bilal, held[0])
        assert told(bilal, later) == {}
    else:
        assert told(bilal, later).items() >= {held[0]: asha.version_of(held[0]), held[1]: "1", held[2]: "1"}.items()
