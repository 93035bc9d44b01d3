"""What many viewers may see of many things, read by one statement, is what each of them finds alone."""

import json
from collections import Counter

import pytest

from schema.execution.watching import kind_of
from schema.nodes import Versioned, node_types
from tests.live.watched import CHANGED, seen, told, watching
from tests.schema import access_fixture
from tests.schema.access_fixture import THINGS, VIEWERS, AccessFixture
from tests.worlds import MadeOnce

ALL = "\n".join(
    f"... on {name} {{ {fields} }}"
    for name, fields in {
        "Story": "title summary status viewCount author { handle } chapters { id title body version }",
        "Chapter": "title body position story { id title }",
        "Person": "handle name bio followerCount showMature unreadCount",
        "Relationship": "following followedBy blocking person { handle }",
        "Reading": "offset chapter { id }",
        "Order": "state: status",
        "Edition": "title stock",
        "Whisper": "text",
        "Shelf": "storyCount",
        "Notification": "kind readAt of: story { title }",
    }.items()
)
CHANGED_WHOLE = (
    "subscription ($things: [SeenInput!]!) { changed(things: $things) "
    f"{{ id version thing {{ __typename id version updatedAt {ALL} }} }} }}"
)
NODE = f"query ($id: ID!) {{ node(id: $id) {{ __typename id ... on Versioned {{ version updatedAt }} {ALL} }} }}"


@pytest.fixture(scope="module")
def scene(made_once: MadeOnce) -> AccessFixture:
    """The author, their things and everybody; the same for all."""
    return made_once(AccessFixture)


def versioned() -> list[str]:
    """The things of docs/access.md that have versions."""
    return sorted({row.what for row in THINGS if issubclass(node_types()[access_fixture.kind_of(row.what)], Versioned)})


def test_each_gets_what_they_find_alone(scene: AccessFixture) -> None:
    """Every thing of the access table for every viewer: those who are signed in by one statement. Gone and hidden look alike."""
    callers = {viewer: scene.callers[viewer] for viewer in VIEWERS}
    ids = {viewer: [scene.ids[thing](caller) for thing in versioned()] for viewer, caller in callers.items()}
    found = [
        watching(caller, CHANGED_WHOLE, things=seen(*dict.fromkeys(ids[viewer]))) for viewer, caller in callers.items()
    ]
    assert len({id(one.many) for one in found}) == 2, "signed in and signed out"
    answers = iter(told(found))
    hidden: Counter[bool] = Counter()
    for viewer, caller in callers.items():
        for id_ in dict.fromkeys(ids[viewer]):
            alone = caller.post(NODE, id=id_)
            answer = next(answers)
            assert answer is not None
            change = answer["data"]["changed"]
            assert change["id"] == id_
            assert change["thing"] == alone["data"]["node"], (viewer, id_)
            assert change["version"] == (alone["data"]["node"] or {"version": None})["version"]
            hidden[change["thing"] is None] += 1
    assert hidden[True] > 10
    assert hidden[False] > 10


def test_who_is_not_signed_in_any_more_is_left_out(scene: AccessFixture) -> None:
    """The statement looks at the token itself, whatever the process believes."""
    caller, other = scene.callers["stranger"], scene.callers["follower"]
    found = [watching(one, CHANGED, things=seen(other.id)) for one in (caller, other)]
    gone = found[0].viewer.__class__(found[0].viewer.id, "", "", b"\x00" * 32)
    stale = found[0].__class__(gone, found[0].many, found[0].seen, found[0].topics)
    first, second = told([stale, found[1]])
    assert first is None
    assert second is not None
    assert json.dumps(second["data"]["changed"]["thing"])


def test_the_log_tells_of_everything_that_can_be_watched() -> None:
    """Each type that has versions is a kind of the change log, of its own."""
    kinds = [kind_of(name) for name, type_ in node_types().items() if issubclass(type_, Versioned)]
    assert len(kinds) == len(set(kinds)) > 10
