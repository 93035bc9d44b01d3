"""Notifications as clients see them: who is told of what, what lists leave out, and marking them read."""

from typing import Any

from backend.notifications import queries
from tests.api import ApiClient
from tests.api.notifications import announce, told_of, told_of_a_day

NODE = "query ($id: ID!) { node(id: $id) { id ... on Notification { kind story { id } } } }"
OF_PERSON = "query ($h: String!) { person(handle: $h) { unreadCount notifications { edges { cursor } } } }"


def only(caller: ApiClient) -> Any:
    """The one notification of this person."""
    (edge,) = caller.notifications()["edges"]
    return edge["node"]


def test_followers_are_told_and_nobody_else(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Whoever follows when a story is published finds it among their notifications, unread."""
    bilal.follow(asha)
    story = asha.published_story(title="Monsoon")["id"]
    announce(story)
    told = only(bilal)
    assert told["story"] == {"id": story, "title": "Monsoon"}
    assert (told["kind"], told["readAt"], told["digest"], told["version"]) == ("STORY_PUBLISHED", None, None, "1")
    assert bilal.notifications()["unreadCount"] == 1
    assert asha.titles() == chitra.titles() == []


def test_a_story_that_is_published_again_is_news_only_to_new_followers(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient
) -> None:
    """While it is a draft nobody sees the notification; then it is back, once."""
    bilal.follow(asha)
    story = asha.published_story()["id"]
    announce(story)
    asha.unpublish(story, "2")
    assert bilal.titles() == []
    assert bilal.notifications()["unreadCount"] == 0
    chitra.follow(asha)
    asha.publish(story, "3")
    announce(story)
    assert bilal.titles() == chitra.titles() == ["A story"]


def test_a_draft_is_not_announced(asha: ApiClient, bilal: ApiClient) -> None:
    """A job that comes too late tells nobody."""
    bilal.follow(asha)
    story = asha.published_story()["id"]
    asha.unpublish(story, "2")
    announce(story)
    asha.publish(story, "3")
    assert bilal.titles() == []


def test_a_block_hides_what_was_told_before(asha: ApiClient, bilal: ApiClient) -> None:
    """It leaves the list, and whoever still has its id finds nothing; it is back when the block is gone."""
    bilal.follow(asha)
    story = asha.published_story()["id"]
    announce(story)
    id_ = only(bilal)["id"]
    asha.block(bilal)
    assert bilal.titles() == []
    assert bilal.ask(NODE, id=id_)["node"] is None
    assert bilal.mark_read(id_)["code"] == "NOT_FOUND"
    asha.unblock(bilal, "2")
    assert bilal.titles() == ["A story"]
    assert bilal.mark_read(id_)["applied"] == "WRITTEN"


def test_stories_for_adults_are_for_who_wants_them(asha: ApiClient, bilal: ApiClient) -> None:
    """As in every other list."""
    bilal.follow(asha)
    story = asha.create_story("0", title="Dark", mature=True)["story"]["id"]
    asha.publish(story)
    announce(story)
    assert bilal.titles() == []
    assert bilal.notifications()["unreadCount"] == 0
    bilal.ask('mutation { updateProfile(patch: {showMature: true}, expect: {version: "1"}) { __typename } }')
    assert bilal.titles() == ["Dark"]
    assert bilal.notifications()["unreadCount"] == 1


def test_a_deleted_story_takes_its_notifications_along(asha: ApiClient, bilal: ApiClient) -> None:
    """Nobody finds them, whatever they have kept of them."""
    bilal.follow(asha)
    story = asha.published_story()["id"]
    announce(story)
    id_ = only(bilal)["id"]
    assert asha.delete_story(story, "2")["applied"] == "WRITTEN"
    assert bilal.titles() == []
    assert bilal.ask(NODE, id=id_)["node"] is None
    assert bilal.mark_read(id_)["code"] == "NOT_FOUND"


def test_a_notification_is_for_one_person(asha: ApiClient, bilal: ApiClient, nobody: ApiClient) -> None:
    """Nobody else finds it, marks it, lists it or counts it."""
    told = told_of_a_day(bilal)
    for other in (asha, nobody):
        assert other.ask(NODE, id=told)["node"] is None
        assert other.ask(OF_PERSON, h="bilal")["person"] == {"unreadCount": None, "notifications": None}
    assert asha.mark_read(told)["code"] == "NOT_FOUND"
    assert nobody.mark_read(told)["code"] == "UNAUTHENTICATED"
    assert only(bilal)["readAt"] is None


def test_marking_read_is_conditioned(asha: ApiClient) -> None:
    """Once; who has seen that it is read changes nothing; who has not is told when it was."""
    told = told_of_a_day(asha)
    marked = asha.mark_read(told)
    assert (marked["applied"], marked["notification"]["version"]) == ("WRITTEN", "2")
    read_at = marked["notification"]["readAt"]
    assert read_at is not None
    assert asha.mark_read(told, "2")["applied"] == "NOOP"
    late = asha.mark_read(told, "1")
    assert (late["code"], late["retry"]["kind"], late["expected"]) == ("CONFLICT", "REBASE", "1")
    assert late["overlaps"] == [{"path": "readAt", "base": None, "mine": None, "theirs": read_at}]
    assert (late["current"]["id"], late["current"]["version"]) == (told, "2")
    assert asha.mark_read(told, "9")["code"] == "CONFLICT"


def test_a_version_from_the_future_writes_nothing(asha: ApiClient) -> None:
    """Nor does it claim that anything overlaps."""
    told = told_of_a_day(asha)
    answer = asha.mark_read(told, "7")
    assert (answer["code"], answer["overlaps"]) == ("CONFLICT", [])
    assert only(asha)["version"] == "1"


def test_the_unread_are_listed_and_counted_alone(asha: ApiClient) -> None:
    """Only what is unread, only what is read, or all; the count stops at a hundred."""
    told = [told_of_a_day(asha) for _ in range(4)]
    asha.mark_read(told[1])
    ids = {
        unread: [edge["node"]["id"] for edge in asha.notifications(unread)["edges"]] for unread in (None, True, False)
    }
    assert ids == {None: told[::-1], True: [told[3], told[2], told[0]], False: [told[1]]}
    assert asha.notifications()["unreadCount"] == 3
    for _ in range(queries.MAX_COUNTED):
        told_of_a_day(asha)
    assert asha.notifications()["unreadCount"] == queries.MAX_COUNTED == 100


def test_pages_stay_put_while_notifications_come(asha: ApiClient) -> None:
    """The next page goes on where the first one ended."""
    told = [told_of_a_day(asha) for _ in range(5)]
    first = asha.notifications(first=2)
    assert first["pageInfo"]["hasNextPage"] is True
    told_of_a_day(asha)
    second = asha.notifications(first=3, after=first["pageInfo"]["endCursor"])
    assert [edge["node"]["id"] for edge in first["edges"] + second["edges"]] == told[::-1]
    assert second["pageInfo"]["hasNextPage"] is False


def test_a_digest_has_figures_and_no_story(asha: ApiClient, bilal: ApiClient) -> None:
    """And a story has no figures."""
    told_of_a_day(asha)
    told = only(asha)
    assert (told["kind"], told["story"]) == ("MODERATION_DIGEST", None)
    assert {name: told["digest"][name] for name in ("openReports", "claimedReports", "resolvedReports")} == {
        "openReports": 3,
        "claimedReports": 2,
        "resolvedReports": 1,
    }
    told_of(asha, bilal.published_story()["id"])
    assert asha.notifications()["edges"][0]["node"]["digest"] is None
