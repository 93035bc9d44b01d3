"""Idempotency keys: one key, one effect, however often and in whatever company the request is sent."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from backend.engine.idempotency import forget_keys
from backend.engine.models import IdempotencyKey
from tests.api import PASSWORD, ApiClient
from tests.api.account import another_token
from tests.api.moderation import make_moderator, screen_for
from tests.api.notifications import told_of
from tests.nouns import merged
from tests.races.rivals import Rival, elsewhere, race
from tests.races.rows import assert_sound, everything, query, scalar, sizes
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)

Request = Callable[[str], Any]
CLAIM = "INSERT INTO engine_idempotencykey (person_id, key, fingerprint, created_at) VALUES (%s, %s, %s, now())"


def requests(mutation: str, asha: ApiClient, bilal: ApiClient) -> dict[str, Request]:
    """One request for each mutation that takes a key, ready to be sent with one: of those that need the same as this one."""
    if mutation in MODERATION:
        return moderation(asha, bilal)
    if mutation in EDITS:
        return edits(asha, asha.create_story("0", title="A draft")["story"]["id"])
    story = bilal.published_story()
    if mutation in TRADES:
        return trades(asha, bilal, story["id"])
    draft = asha.create_story("0", title="A draft")["story"]["id"]
    told, token = told_of(asha, story["id"]), another_token(asha)
    return {
        "follow": lambda key: asha.follow(bilal, "0", key),
        "createStory": lambda key: asha.create_story("1", chapters=3, key=key),
        "publishStory": lambda key: asha.publish(draft, "1", key=key),
        "unpublishStory": lambda key: bilal.unpublish(story["id"], "2", key),
        "recordView": lambda key: asha.record_view(story["id"], "0", story["chapters"][0]["id"], 7, key=key),
        "recordViews": lambda key: asha.record_views([{"story": story["id"]}, {"story": draft}], key),
        "updateProfile": lambda key: asha.update_profile({"name": "Asha again"}, "1", key=key),
        "markNotificationRead": lambda key: asha.mark_read(told, key=key),
        "revokeToken": lambda key: asha.revoke_token(token, key),
        "changePassword": lambda key: asha.change_password(PASSWORD, "another good password", key),
    }


def trades(asha: ApiClient, bilal: ApiClient, story: str) -> dict[str, Request]:
    """The writes to editions of bilal's, of which asha has ordered one."""
    one, two = (bilal.create_edition(story)["edition"]["id"] for _ in range(2))
    order = asha.place_order((one, 1))["order"]["id"]
    return {
        "createEdition": lambda key: bilal.create_edition(story, key=key),
        "adjustStock": lambda key: bilal.adjust_stock(one, -1, key=key),
        "setStock": lambda key: bilal.set_stock(one, 9, "2", key=key),
        "placeOrder": lambda key: asha.place_order((two, 2), (one, 1), key=key),
        "updateOrder": lambda key: asha.update_order(order, "CANCELLED", "1", key=key),
    }


def edits(asha: ApiClient, draft: str) -> dict[str, Request]:
    """The writes to a draft of two chapters that was edited once."""
    asha.append(draft)
    asha.update_story(draft, {"title": "Edited"}, "2")
    chapters = "query ($id: ID!) { story(id: $id) { chapters { id } } }"
    one, two = (chapter["id"] for chapter in asha.ask(chapters, id=draft)["story"]["chapters"])
    revision = asha.revisions(draft)[0]["id"]
    return {
        "updateStory": lambda key: asha.update_story(draft, {"summary": "S"}, "3", key=key),
        "deleteStory": lambda key: asha.delete_story(draft, "3", key),
        "appendChapter": lambda key: asha.append(draft, key=key),
        "updateChapter": lambda key: asha.update_chapter(one, {"body": "B"}, "1", key=key),
        "deleteChapter": lambda key: asha.delete_chapter(one, "1", key),
        "reorderChapters": lambda key: asha.reorder(draft, [two, one], "3", key),
        "restoreRevision": lambda key: asha.restore(revision, "3", key),
    }


def moderation(asha: ApiClient, bilal: ApiClient) -> dict[str, Request]:
    """The writes to whispers and reports; asha moderates."""
    make_moderator(asha)
    screen_for("REPORT", "scam")
    mine, theirs = asha.create_whisper()["whisper"]["id"], bilal.create_whisper("A scam.")
    open_, whisper = theirs["report"]["id"], theirs["whisper"]["id"]
    claimed, resolved = (asha.report(bilal.create_whisper()["whisper"]["id"])["report"]["id"] for _ in range(2))
    asha.claim(claimed)
    asha.resolve(resolved)
    return {
        "createWhisper": lambda key: asha.create_whisper("Another scam.", key=key),
        "deleteWhisper": lambda key: asha.delete_whisper(mine, key=key),
        "report": lambda key: asha.report(whisper, key=key),
        "claimReport": lambda key: asha.claim(open_, key=key),
        "unclaimReport": lambda key: asha.unclaim(claimed, "2", key),
        "resolveReport": lambda key: asha.resolve(open_, "REMOVED", key=key),
        "reopenReport": lambda key: asha.reopen(resolved, "2", key),
    }


def prepared(mutation: str, asha: ApiClient, bilal: ApiClient) -> Request:
    """A request of one of the writes that need something to end."""
    if mutation == "unfollow":
        asha.follow(bilal)
        return lambda key: asha.unfollow(bilal, "1", key)
    if mutation == "removeFollower":
        bilal.follow(asha)
        return lambda key: asha.remove_follower(bilal, "1", key)
    if mutation == "block":
        return lambda key: asha.block(bilal, key=key)
    if mutation == "unblock":
        asha.block(bilal)
        return lambda key: asha.unblock(bilal, "1", key)
    if mutation in OF_NOUNS:
        return OF_NOUNS[mutation](asha, bilal)
    return requests(mutation, asha, bilal)[mutation]


EDITS = ["updateStory", "deleteStory", "appendChapter", "updateChapter", "deleteChapter", "reorderChapters"]
EDITS += ["restoreRevision"]
MODERATION = [
    "createWhisper",
    "deleteWhisper",
    "report",
    "claimReport",
    "unclaimReport",
    "resolveReport",
    "reopenReport",
]
TRADES = ["createEdition", "adjustStock", "setStock", "placeOrder", "updateOrder"]
MUTATIONS = [
    "follow",
    "unfollow",
    "removeFollower",
    "block",
    "unblock",
    "createStory",
    "publishStory",
    "recordView",
    "recordViews",
]
MUTATIONS += ["updateProfile", "unpublishStory", "markNotificationRead", "revokeToken", "changePassword"]
MUTATIONS += EDITS + MODERATION + TRADES
OF_NOUNS = merged("REQUESTS")
MUTATIONS += OF_NOUNS


def effect(before_it: dict[str, int]) -> dict[str, int]:
    """By how many rows each table has grown."""
    return {table: size - before_it[table] for table, size in sizes().items() if size != before_it[table]}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_eight_requests_with_one_key_have_one_effect_and_eight_equal_answers(
    mutation: str, asha: ApiClient, bilal: ApiClient
) -> None:
    """Seven of them wait for the first and repeat its reply."""
    send, key = prepared(mutation, asha, bilal), str(uuid.uuid4())
    before_it = sizes()
    answers = race([lambda: send(key)] * 8)
    assert sorted(answer.pop("applied") for answer in answers) == ["REPLAYED"] * 7 + ["WRITTEN"]
    for view in (view for answer in answers for view in answer.get("views", ())):
        view.pop("applied", None)  # each of several says the same of itself
    assert answers == [answers[0]] * 8
    assert effect(before_it)["engine_idempotencykey"] == 1
    once = everything()
    assert send(key)["applied"] == "REPLAYED"
    assert everything() == once
    assert_sound()


def test_a_request_in_flight_is_waited_for(asha: ApiClient, bilal: ApiClient) -> None:
    """The second request with a key answers only when the first has ended, and then says the same."""
    key = str(uuid.uuid4())
    second: list[Rival] = []
    acts = [
        lambda: second.append(Rival(lambda: asha.follow(bilal, "0", key))),
        lambda: second[0].until_it_waits(),
    ]
    with before("INSERT INTO .*people_persontally|UPDATE .*engine_idempotencykey", *acts):
        first = asha.follow(bilal, "0", key)
    answer = second[0].result()
    assert (first.pop("applied"), answer.pop("applied")) == ("WRITTEN", "REPLAYED")
    assert first == answer
    assert_sound()


def test_a_rival_that_holds_the_key_and_rolls_back_leaves_it_free(asha: ApiClient, bilal: ApiClient) -> None:
    """A request whose twin failed has to do the work itself."""
    key = uuid.uuid4()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, [asha.person.pk, key, b"x" * 32])
        rivals = [Rival(lambda: asha.follow(bilal, "0", str(key))).until_it_waits() for _ in range(2)]
        transaction.set_rollback(True)
    assert sorted(rival.result()["applied"] for rival in rivals) == ["REPLAYED", "WRITTEN"]
    assert_sound()


def test_a_key_that_nobody_gives_back_ends_as_busy(asha: ApiClient, bilal: ApiClient) -> None:
    """A request waits for its twin no longer than a lock may take; nothing is written, and later it works."""
    key = uuid.uuid4()

    def impatient() -> Any:
        query("SELECT set_config('lock_timeout', '100ms', false)")
        return asha.follow(bilal, "0", str(key))

    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, [asha.person.pk, key, b"x" * 32])
        answer = Rival(impatient).result()
        transaction.set_rollback(True)
    assert (answer["code"], answer["retry"]["kind"]) == ("BUSY", "SAME_REQUEST")
    assert scalar("SELECT count(*) FROM social_relationship") == 0
    assert asha.follow(bilal, "0", str(key))["applied"] == "WRITTEN"


def test_a_key_belongs_to_one_request(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Other arguments or another mutation with the same key are refused, and write nothing."""
    key = str(uuid.uuid4())
    assert asha.follow(bilal, "0", key)["applied"] == "WRITTEN"
    once = everything()
    assert asha.follow(chitra, "0", key)["code"] == "KEY_REUSED"
    assert asha.unfollow(bilal, "1", key)["code"] == "KEY_REUSED"
    assert asha.create_story("0", key=key)["code"] == "KEY_REUSED"
    assert everything() == once


def test_a_key_belongs_to_one_person(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Two people who made up the same key do not meet."""
    key = str(uuid.uuid4())
    results = race([lambda: asha.follow(chitra, "0", key), lambda: bilal.follow(chitra, "0", key)])
    assert [one["applied"] for one in results] == ["WRITTEN", "WRITTEN"]
    assert_sound()


def test_eight_other_requests_with_one_key_have_one_effect(asha: ApiClient, person: Callable[[str], ApiClient]) -> None:
    """Whoever comes first owns the key; the others are told that it is theirs no more."""
    key, people = str(uuid.uuid4()), [person(f"friend{n}") for n in range(8)]
    results = race([lambda friend=friend: asha.follow(friend, "0", key) for friend in people])
    assert sorted(one.get("applied") or one["code"] for one in results) == ["KEY_REUSED"] * 7 + ["WRITTEN"]
    assert scalar("SELECT count(*) FROM follow") == 1
    assert_sound()


def test_another_expectation_is_the_same_request(asha: ApiClient) -> None:
    """A retry after a conflict names another version; once it has been served, either version replays it."""
    key = str(uuid.uuid4())
    asha.update_profile({"bio": "elsewhere"}, "1")
    assert asha.update_profile({"name": "A."}, "1", key=key)["code"] == "CONFLICT"
    assert asha.update_profile({"name": "A."}, "2", key=key)["applied"] == "WRITTEN"
    assert asha.update_profile({"name": "A."}, "1", key=key)["applied"] == "REPLAYED"
    assert asha.update_profile({"name": "A."}, "2", key=key)["applied"] == "REPLAYED"


def test_a_refusal_is_not_remembered(asha: ApiClient, bilal: ApiClient) -> None:
    """A key that was refused is free: the same intention works as soon as it is allowed."""
    key = str(uuid.uuid4())
    asha.block(bilal)
    untouched = everything()
    assert asha.follow(bilal, "1", key)["code"] == "FORBIDDEN"
    assert asha.follow(bilal, "0", key)["code"] == "CONFLICT"
    assert everything() == untouched
    asha.unblock(bilal, "1")
    assert asha.follow(bilal, "2", key)["applied"] == "WRITTEN"


def test_a_replay_is_the_first_reply_whatever_has_happened_since(asha: ApiClient, bilal: ApiClient) -> None:
    """The reply says what that write did, not what others have made of it."""
    key = str(uuid.uuid4())
    first = asha.follow(bilal, "0", key)
    asha.unfollow(bilal, "1")
    bilal.block(asha)
    again = asha.follow(bilal, "0", key)
    assert (first.pop("applied"), again.pop("applied")) == ("WRITTEN", "REPLAYED")
    assert first == again
    assert asha.relationship(bilal) is None


def test_a_noop_is_remembered_too(asha: ApiClient, bilal: ApiClient) -> None:
    """What was so already when it was asked for stays answered, also when it is so no more."""
    key = str(uuid.uuid4())
    asha.follow(bilal)
    assert asha.follow(bilal, "1", key)["applied"] == "NOOP"
    asha.unfollow(bilal, "1")
    assert asha.follow(bilal, "1", key)["applied"] == "REPLAYED"
    assert not asha.relationship(bilal)["following"]


def test_old_keys_are_forgotten_and_young_ones_are_not(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """A forgotten key starts anew, where the version still guards against a second effect."""
    old, young = str(uuid.uuid4()), str(uuid.uuid4())
    asha.follow(bilal, "0", old)
    query("UPDATE engine_idempotencykey SET created_at = created_at - interval '30 days' RETURNING 1")
    asha.follow(chitra, "0", young)
    call_command("expire_keys", verbosity=0)
    assert [str(row.key) for row in IdempotencyKey.objects.all()] == [young]
    assert asha.follow(bilal, "0", old)["code"] == "CONFLICT"
    assert asha.follow(chitra, "0", young)["applied"] == "REPLAYED"


def test_forgetting_goes_on_in_batches_and_leaves_requests_in_flight_alone(asha: ApiClient, bilal: ApiClient) -> None:
    """A key that a request is claiming right now is neither waited for nor taken away."""
    rows = [(uuid.uuid4(), asha.person.pk) for _ in range(25)]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO engine_idempotencykey VALUES (%s, 'x', '{}', now() - interval '30 days', %s)", rows
        )
    counts: list[int] = []
    month_old = timezone.now() - timedelta(days=29)
    forget = lambda: counts.append(elsewhere(lambda: forget_keys(month_old, batch=10)))  # noqa: E731
    with before("UPDATE .*engine_idempotencykey", forget):
        assert asha.follow(bilal, "0", str(uuid.uuid4()))["applied"] == "WRITTEN"
    assert counts == [25]
    assert IdempotencyKey.objects.count() == 1
