"""Live things of the Python client against a real server: over a stream, and by asking where a proxy takes none."""

import itertools
import threading
from typing import Any

import pytest
from katha_client import CHAPTER, RequestError

from tests.api import ApiClient
from tests.clients.conftest import Connect
from tests.clients.wire import Wire
from tests.serving import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=[True, False], ids=["over a stream", "by asking"])
def way(request: pytest.FixtureRequest, wire: Wire) -> Wire:
    """The wire to the server; one of the two takes no streams."""
    wire.streams = request.param
    return wire


def test_what_others_write_is_told_as_it_happens(
    connect: Connect, way: Wire, asha: ApiClient, bilal: ApiClient
) -> None:
    """What was missed at once, then each state or a later one, and at last that it is gone."""
    story = asha.published_story()
    client = connect(way.url, bilal.token)
    told: list[Any] = []
    done = threading.Event()

    def watch() -> None:
        for change in client.watch({story["id"]: "1"}, "... on Story { title }", interval=0.1):
            told.append(change)
            if change.thing is None:
                break
        done.set()

    thread = threading.Thread(target=watch)
    thread.start()
    until(lambda: [one.version for one in told] == ["2"], "what was missed is told")
    asha.update_story(story["id"], {"title": "New"}, "2")
    until(lambda: told[-1].version == "3", "the change is told")
    assert told[-1].thing["title"] == "New"
    way.hang_up()
    asha.update_story(story["id"], {"title": "Newer"}, "3")
    until(lambda: told[-1].version == "4", "what happened while the wire was cut is told")
    asha.delete_story(story["id"], "4")
    thread.join()
    assert done.is_set()
    versions = [one.version for one in told]
    assert (versions, told[-1].thing) == (["2", "3", "4", None], None)
    questions = way.requests - way.streams_asked
    assert questions <= 2 if way.streams else questions > 2


def test_two_who_edit_see_each_other(connect: Connect, way: Wire, asha: ApiClient) -> None:
    """Two devices type into one chapter at once, each its own paragraph; both end with all of it."""
    story = asha.create_story("0")["story"]
    text = "\n\n".join(f"paragraph {number}" for number in range(4))
    chapter = asha.append(story["id"], body=text)["chapter"]["id"]
    one, two = (
        connect(way.url, asha.token).edit(CHAPTER, chapter, autosave=0.05, watch=True, interval=0.1) for _ in range(2)
    )
    for number in range(5):
        for device, paragraph in ((one, 0), (two, 3)):
            paragraphs = device.values["body"].split("\n\n")
            paragraphs[paragraph] += f" {number}"
            device.edit(body="\n\n".join(paragraphs))
    whole = text.replace("paragraph 0", "paragraph 0 0 1 2 3 4").replace("paragraph 3", "paragraph 3 0 1 2 3 4")
    until(lambda: {one.values["body"], two.values["body"]} == {whole}, "both have all of it")
    assert (one.conflict, two.conflict) == (None, None)
    for device in (one, two):
        device.close()


def test_a_watch_that_is_left_ends(connect: Connect, way: Wire, asha: ApiClient) -> None:
    """Its connection is closed with it."""
    story = asha.published_story()
    watched = connect(way.url, asha.token).watch({story["id"]: None}, interval=0.1)
    assert [change.version for change in itertools.islice(watched, 1)] == ["2"]
    watched.close()


def test_a_subscription_of_ones_own_goes_on_after_a_cut(
    connect: Connect, wire: Wire, asha: ApiClient, bilal: ApiClient
) -> None:
    """The number of unread notifications is told at once, and again by the next stream."""
    told = connect(wire.url, asha.token).subscribe("subscription Unread { notified { unreadCount } }")
    assert next(told) == {"notified": {"unreadCount": 0}}
    wire.hang_up()
    assert next(told) == {"notified": {"unreadCount": 0}}
    assert wire.streams_asked == 2
    told.close()


def test_who_is_here_is_told_and_goes_when_they_go(
    connect: Connect, wire: Wire, asha: ApiClient, bilal: ApiClient
) -> None:
    """Both have one story open; then one of them hangs up."""
    story = asha.published_story()
    chapter = story["chapters"][0]["id"]

    def wait(stream: Any, expected: dict[str, str | None]) -> None:
        """Read on until these are here, each with the chapter that they have open."""
        for people in stream:
            if {one["person"]["handle"]: (one["chapter"] or {}).get("id") for one in people} == expected:
                return

    mine = connect(wire.url, asha.token).presence(story["id"])
    wait(mine, {"asha": None})
    theirs = connect(wire.url, bilal.token).presence(story["id"], chapter)
    wait(theirs, {"asha": None, "bilal": chapter})
    wait(mine, {"asha": None, "bilal": chapter})
    theirs.close()
    wait(mine, {"asha": None})
    mine.close()


def test_whoever_signs_nobody_in_is_told_so(connect: Connect, wire: Wire, asha: ApiClient) -> None:
    """A token that is none ends the stream, and is not asked with again."""
    told = connect(wire.url, "no token").subscribe("subscription Unread { notified { unreadCount } }")
    with pytest.raises(RequestError) as caught:
        next(told)
    assert (caught.value.code, wire.requests) == ("UNAUTHENTICATED", 1)


def test_an_app_that_was_offline_catches_up(connect: Connect, wire: Wire, asha: ApiClient) -> None:
    """In pages, each with a cursor to go on from: what was written, and what is gone."""
    client = connect(wire.url, asha.token)
    (begun,) = client.changes()
    assert begun.changes == []
    stories = [asha.create_story(str(number))["story"] for number in range(3)]
    asha.update_story(stories[0]["id"], {"title": "New"}, "1")
    asha.delete_story(stories[1]["id"], "1")
    pages = list(client.changes(begun.cursor, "... on Story { title }"))
    now = {change.id: change for page in pages for change in page.changes}
    assert (now[stories[0]["id"]].thing["title"], now[stories[0]["id"]].version) == ("New", "2")
    assert (now[stories[1]["id"]].thing, now[stories[2]["id"]].version) == (None, "1")
    (rest,) = client.changes(pages[-1].cursor)
    assert rest.changes == []
    with pytest.raises(RequestError):
        list(client.changes("no cursor"))
