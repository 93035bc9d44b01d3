"""What co-authors and invitations add to the tests that walk everything."""

from collections.abc import Callable
from typing import Any

from backend.coauthors.models import Invitation
from tests.api import ApiClient
from tests.api.moderation import new_key
from tests.backend.moderation_ways import CONSTRAINTS, unguarded

SHARED = "SELECT id FROM stories_story WHERE writers <> '{}' LIMIT 1"
OPEN = "SELECT id FROM coauthors_invitation WHERE status = 'PENDING' LIMIT 1"
COPIED = (
    "INSERT INTO coauthors_invitation SELECT (jsonb_populate_record(row, jsonb_build_object('id', gen_random_uuid()))).* "
    "FROM coauthors_invitation AS row WHERE id = '{it}'"
)
BLOCKED = (
    "INSERT INTO social_relationship (id, low_id, high_id, low_blocks_at, low_version, low_following_changed, "
    "low_followed_changed, low_blocking_changed, high_version, high_following_changed, high_followed_changed, "
    "high_blocking_changed) SELECT gen_random_uuid(), LEAST(author_id, writers[1]), GREATEST(author_id, writers[1]), now(), "
    "1, 0, 0, 1, 0, 0, 0, 0 FROM stories_story WHERE id = '{it}' "
    "ON CONFLICT (low_id, high_id) DO UPDATE SET low_blocks_at = now(), low_follows_at = NULL, high_follows_at = NULL, "
    "low_version = social_relationship.low_version + 1, low_blocking_changed = social_relationship.low_version + 1, "
    "low_following_changed = social_relationship.low_version + 1, low_followed_changed = social_relationship.low_version + 1, "
    "high_version = social_relationship.high_version + 1, high_following_changed = social_relationship.high_version + 1, "
    "high_followed_changed = social_relationship.high_version + 1"
)

WAYS: list[Any] = [
    ("coauthors_of_stories", SHARED, "DELETE FROM coauthors_coauthor WHERE story_id = '{it}'", "story_id={it}"),
    (
        "writers_once",
        SHARED,
        "UPDATE stories_story SET writers = writers || writers[1], version = version + 1, coauthors_changed = version + 1 "
        "WHERE id = '{it}'",
        "id={it}",
    ),
    ("nobody_writes_across_a_block", SHARED, BLOCKED, "story_id={it}"),
    (
        "invitations_can_be_accepted",
        OPEN,
        unguarded(
            "coauthors_invitation",
            "person_id = (SELECT author_id FROM stories_story WHERE id = story_id), invited_by_id = NULL",
        ),
        "id={it}",
    ),
    (
        "one_open_invitation",
        OPEN,
        f"DROP INDEX invitation_one_open_for_each; {COPIED}",
        "open=2",
        CONSTRAINTS,
    ),
    (
        "answered_was_written",
        OPEN,
        unguarded("coauthors_invitation", "status = 'DECLINED'"),
        "id={it} status=DECLINED",
    ),
    *(
        ("versions_of_invitation", OPEN, unguarded("coauthors_invitation", wrong), "id={it}", frozenset(also))
        for wrong, also in (
            ("inviter_changed = version + 1", ()),
            ("status_changed = 0", ()),
        )
    ),
]


def guarded(one: Any, other: Any, story: Any) -> list[Invitation]:
    """Its guard is tried on this row."""
    return [Invitation(story=story, person=other, invited_by=one, offered="WRITE")]


def set_scene(scene: Any) -> None:
    """Somebody writes both stories with the author and may publish them; the author has a story that is offered, and the like."""
    writer, author = scene.callers["co-author"], scene.author
    for state in ("published", "draft"):
        author.written_with(writer, "MANAGE", story=scene.ids[f"Story ({state})"](author))
    scene.offered = author.create_story(author.shelf_version(), title="Offered")["story"]["id"]
    offer(scene)
    scene.reporter.written_with(author)
    other = scene.reporter.create_story(scene.reporter.shelf_version())["story"]["id"]
    scene.reporter.invite(other, author, "1")


def offer(scene: Any) -> None:
    """Invite the stranger to the story that is offered."""
    author, stranger = scene.author, scene.callers["stranger"]
    made = author.invite(scene.offered, stranger, author.version_of(scene.offered))["invitation"]["id"]
    scene.ids["Invitation"] = lambda _viewer: made


def offer_again(scene: Any) -> None:
    """Invite them once more, whatever has become of it."""
    author, stranger = scene.author, scene.callers["stranger"]
    author.withdraw(scene.ids["Invitation"](author))
    author.remove_coauthor(scene.offered, stranger, author.version_of(scene.offered))
    offer(scene)


def bring_back(scene: Any) -> None:
    """Restore the chapters that somebody has deleted."""
    author = scene.author
    for state in ("published", "draft"):
        story = scene.ids[f"Story ({state})"](author)
        if scene.version(scene.ids[f"Chapter ({state})"](author)) == "0":
            author.restore(author.revisions(story)[0]["id"], author.version_of(story))


ANSWERS = ("acceptInvitation", "declineInvitation", "withdrawInvitation")
AGAIN = {**dict.fromkeys(ANSWERS, offer_again), "deleteChapter": bring_back}


def live(life: Any) -> None:
    """Asha writes with others what is hers and what is theirs, was invited, and has invited."""
    asha, bilal, chitra, ids = life.asha, life.bilal, life.chitra, life.ids
    asha.written_with(chitra, story=ids["ordered"])
    ids["of bilal and asha"] = bilal.written_with(asha, "MANAGE")
    ids["by asha to chitra"] = asha.invite(ids["of bilal and asha"], chitra, "3")["invitation"]["id"]
    offered = chitra.create_story(chitra.shelf_version())["story"]["id"]
    ids["to asha"] = chitra.invite(offered, asha, "1")["invitation"]["id"]


NEW = "tests/races/test_coauthors.py::test_of_eight_"
RACES = {
    "inviteCoauthor": f"{NEW}invitations_on_one_version_one_is_made",
    **dict.fromkeys(
        ("acceptInvitation", "declineInvitation", "withdrawInvitation"), f"{NEW}answers_on_one_version_one_is_given"
    ),
    **dict.fromkeys(("setCoauthorRight", "removeCoauthor", "leaveStory"), f"{NEW}changes_on_one_version_one_is_made"),
}

ARGUMENTS = {
    "inviteCoauthor": lambda world: {"story": world.draft["id"], "person": world.other.id, "expect": {"version": "1"}},
    "acceptInvitation": lambda world: {"id": world.invited, "expect": {"version": "1"}},
    "declineInvitation": lambda world: {"id": world.invited, "expect": {"version": "1"}},
    "withdrawInvitation": lambda world: {"id": world.inviting, "expect": {"version": "1"}},
    "setCoauthorRight": lambda world: {
        **{"story": world.shared, "person": world.other.id, "right": "MANAGE"},
        "expect": {"version": "4"},
    },
    "removeCoauthor": lambda world: {"story": world.shared, "person": world.other.id, "expect": {"version": "4"}},
    "leaveStory": lambda world: {"story": world.theirs, "expect": {"version": "3"}},
}
BY_ID = {
    **dict.fromkeys(ANSWERS, ("id", "Invitation")),
    **dict.fromkeys(("inviteCoauthor", "setCoauthorRight", "removeCoauthor", "leaveStory"), ("story", "Story")),
}
MORE = {
    "inviteCoauthor": lambda scene: {"person": scene.reporter.id},
    "setCoauthorRight": lambda scene: {"person": scene.callers["co-author"].id, "right": "MANAGE"},
    "removeCoauthor": lambda scene: {"person": scene.reporter.id},
}


def _invite(one: ApiClient, other: ApiClient) -> Callable[[str | None], Any]:
    story = one.create_story("0")["story"]["id"]
    return lambda key: one.invite(story, other, "1", key=key)


def _invited(answer: str, right: str = "WRITE") -> Callable[[ApiClient, ApiClient], Callable[[str | None], Any]]:
    def prepared(one: ApiClient, other: ApiClient) -> Callable[[str | None], Any]:
        author, invited = (one, other) if answer == "withdraw" else (other, one)
        story = author.create_story("0")["story"]["id"]
        author.publish(story)
        made = author.invite(story, invited, "2", right)["invitation"]["id"]
        return lambda key: getattr(one, answer)(made, key=key)

    return prepared


def _set(one: ApiClient, other: ApiClient) -> Callable[[str | None], Any]:
    story = one.written_with(other)
    return lambda key: one.set_right(story, other, "MANAGE", "3", key)


def _remove(one: ApiClient, other: ApiClient) -> Callable[[str | None], Any]:
    story = one.written_with(other)
    return lambda key: one.remove_coauthor(story, other, "3", key)


def _leave(one: ApiClient, other: ApiClient) -> Callable[[str | None], Any]:
    story = other.written_with(one)
    return lambda key: one.leave_story(story, "3", key)


REQUESTS = {
    "inviteCoauthor": _invite,
    "acceptInvitation": _invited("accept", "OWN"),
    "declineInvitation": _invited("decline"),
    "withdrawInvitation": _invited("withdraw"),
    "setCoauthorRight": _set,
    "removeCoauthor": _remove,
    "leaveStory": _leave,
}
HERS = {
    "inviteCoauthor": lambda life: life.asha.invite(life.ids["draft"], life.chitra, "2", key=new_key()),
    "acceptInvitation": lambda life: life.asha.accept(life.ids["to asha"], key=new_key()),
    "declineInvitation": lambda life: life.asha.decline(life.ids["to asha"], key=new_key()),
    "withdrawInvitation": lambda life: life.asha.withdraw(life.ids["by asha to chitra"], key=new_key()),
    "setCoauthorRight": lambda life: life.asha.set_right(life.ids["ordered"], life.chitra, "MANAGE", "5", new_key()),
    "removeCoauthor": lambda life: life.asha.remove_coauthor(life.ids["ordered"], life.chitra, "5", new_key()),
    "leaveStory": lambda life: life.asha.leave_story(life.ids["of bilal and asha"], "4", new_key()),
}
