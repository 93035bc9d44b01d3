"""A fault at the SQL statements of every mutation, in the exhaustive run at each: nothing is left behind, and
afterwards it works.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from django.db import close_old_connections, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from backend.engine import transactions
from backend.limits.models import Bucket
from backend.people.models import Person
from backend.stories.models import Story
from backend.whispers.models import PolicyWord
from tests import depth
from tests.api import PASSWORD, ApiClient, join
from tests.api.account import another_token
from tests.api.moderation import make_moderator, screen_for
from tests.api.notifications import told_of
from tests.nouns import collect, merged
from tests.races.rivals import my_pid, terminate
from tests.races.rows import assert_sound, everything, query, scalar, sizes
from tests.races.statements import Statement, fault_at, recorded

pytestmark = pytest.mark.django_db(transaction=True)

SIGN_UP = """
mutation($h: String!, $p: String!) { signUp(handle: $h, name: "Meena", password: $p) {
  __typename ... on SignSuccess { token } ... on Failure { code }
} }
"""
SIGN_IN = """
mutation($h: String!, $p: String!) { signIn(handle: $h, password: $p) {
  __typename ... on SignSuccess { token } ... on Failure { code }
} }
"""
DEADLOCK = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'; END $$"

CLAIMED = "engine_idempotencykey"

Send = Callable[[str | None], Any]


class Patient(ApiClient):
    """A caller who takes an answer of errors like any other refusal."""

    def ask(self, query: str, **variables: Any) -> Any:
        answer = self.post(query, **variables)
        if "errors" not in answer:
            return answer["data"]
        code = answer["errors"][0]["extensions"]["code"]
        return defaultdict(lambda: {"__typename": "errors", "code": code})


def patient(handle: str) -> Patient:
    """A new person, whose token this process knows from an earlier request."""
    caller = join(handle)
    known = Patient(caller.token, caller.person)
    assert known.ask("{ viewer { handle } }") == {"viewer": {"handle": handle}}
    return known


def prepared(mutation: str, tag: str) -> Send:
    """Everything that the mutation needs, made for people of its own, and a call that sends it."""
    asha, bilal = patient(f"asha{tag}"), patient(f"bilal{tag}")
    if mutation == "unfollow":
        asha.follow(bilal)
    if mutation in ("removeFollower", "block"):
        bilal.follow(asha)
    if mutation == "unblock":
        asha.block(bilal)
    if mutation in OF_NOUNS:
        return OF_NOUNS[mutation](asha, bilal)
    if mutation in TRADES:
        return prepared_trade(mutation, asha, bilal)
    if mutation in EDITS:
        return prepared_edit(mutation, asha, bilal)
    if mutation in MODERATION:
        return prepared_moderation(mutation, asha, bilal)
    draft = asha.create_story("0")["story"]["id"]
    story = bilal.published_story()
    chapter = story["chapters"][0]["id"]
    told, token = told_of(asha, story["id"]), another_token(asha)
    if mutation == "recordView-further":
        asha.record_view(story["id"])
    sends: dict[str, Send] = {
        "signUp": lambda key: Patient().ask(SIGN_UP, h=f"meena{tag}", p=PASSWORD)["signUp"],
        "signIn": lambda key: Patient().ask(SIGN_IN, h=f"asha{tag}", p=PASSWORD)["signIn"],
        "updateProfile": lambda key: asha.update_profile({"name": "A.", "bio": "B."}, "1", key=key),
        "follow": lambda key: asha.follow(bilal, "0", key),
        "unfollow": lambda key: asha.unfollow(bilal, "1", key),
        "removeFollower": lambda key: asha.remove_follower(bilal, "1", key),
        "block": lambda key: asha.block(bilal, key=key),
        "unblock": lambda key: asha.unblock(bilal, "1", key),
        "createStory": lambda key: asha.create_story("1", chapters=2, key=key),
        "publishStory": lambda key: asha.publish(draft, key=key),
        "recordView": lambda key: asha.record_view(story["id"], "0", chapter, 3, key=key),
        "recordView-further": lambda key: asha.record_view(story["id"], None, chapter, 3, key, policy="FURTHEST"),
        "recordViews": lambda key: asha.record_views([{"story": story["id"]}, {"story": draft}], key),
        "markNotificationRead": lambda key: asha.mark_read(told, key=key),
        "revokeToken": lambda key: asha.revoke_token(token, key),
        "changePassword": lambda key: asha.change_password(PASSWORD, "another good password", key),
        "deleteAccount": lambda key: asha.delete_account(PASSWORD, key),
    }
    return sends[mutation]


def prepared_edit(mutation: str, author: Patient, reader: Patient) -> Send:
    """A published story with three chapters, at version 4: the first was edited, the last deleted while it was read."""
    story = author.create_story("0", chapters=4)["story"]
    id_, (one, two, three, last) = story["id"], [chapter["id"] for chapter in story["chapters"]]
    author.update_chapter(one, {"body": "First.\n\nSecond."}, "1")
    author.publish(id_, "2")
    reader.record_view(id_, "0", last, 3)
    author.delete_chapter(last, "1")
    reader.record_view(id_, "2", two, 3)
    revision = author.revisions(id_)[0]["id"] if mutation == "restoreRevision" else ""
    merging = {"body": "First.\n\nSecond, again."}
    if mutation == "updateChapter-merging":
        author.update_chapter(one, {"body": "First, again.\n\nSecond."}, "2")
    sends: dict[str, Send] = {
        "updateStory": lambda key: author.update_story(id_, {"title": "T", "warnings": ["GORE"]}, "4", key=key),
        "updateChapter": lambda key: author.update_chapter(one, {"title": "T", "body": "B"}, "2", key=key),
        "updateChapter-merging": lambda key: author.update_chapter(one, merging, "2", merge=True, key=key),
        "appendChapter": lambda key: author.append(id_, key=key),
        "deleteChapter": lambda key: author.delete_chapter(two, "1", key=key),
        "reorderChapters": lambda key: author.reorder(id_, [three, one, two], "4", key=key),
        "unpublishStory": lambda key: author.unpublish(id_, "4", key=key),
        "deleteStory": lambda key: author.delete_story(id_, "4", key=key),
        "restoreRevision": lambda key: author.restore(revision, "4", key=key),
    }
    return sends[mutation]


def prepared_moderation(mutation: str, author: Patient, moderator: Patient) -> Send:
    """A whisper, and a published story with a chapter, each with a report: open, but for what a step needs."""
    make_moderator(moderator)
    if not PolicyWord.objects.exists():
        screen_for("REPORT", "scam")
    whisper = author.create_whisper("A scam.")["whisper"]["id"]
    story = author.published_story()
    of_whisper, of_story = (moderator.report(one)["report"]["id"] for one in (whisper, story["id"]))
    if mutation == "unclaimReport":
        moderator.claim(of_whisper)
    if mutation == "reopenReport":
        moderator.resolve(of_whisper)
    sends: dict[str, Send] = {
        "createWhisper": lambda key: author.create_whisper("Another scam.", key=key),
        "deleteWhisper": lambda key: author.delete_whisper(whisper, key=key),
        "report": lambda key: moderator.report(story["chapters"][0]["id"], key=key),
        "claimReport": lambda key: moderator.claim(of_whisper, key=key),
        "unclaimReport": lambda key: moderator.unclaim(of_whisper, "2", key),
        "reopenReport": lambda key: moderator.reopen(of_whisper, "2", key),
        "resolveReport-whisper": lambda key: moderator.resolve(of_whisper, "REMOVED", key=key),
        "resolveReport-story": lambda key: moderator.resolve(of_story, "REMOVED", key=key),
        "resolveReport-mature": lambda key: moderator.resolve(of_story, "MARKED_NSFW", key=key),
    }
    return sends[mutation]


def prepared_trade(mutation: str, author: Patient, buyer: Patient) -> Send:
    """Two editions of a story of which one copy each was ordered, and a story whose edition nobody wants."""
    story, unwanted = (author.published_story(version)["id"] for version in ("0", "1"))
    one, two = (author.create_edition(story)["edition"]["id"] for _ in range(2))
    author.create_edition(unwanted)
    order = buyer.place_order((one, 1), (two, 1))["order"]["id"]
    sends: dict[str, Send] = {
        "createEdition": lambda key: author.create_edition(story, key=key),
        "adjustStock": lambda key: author.adjust_stock(one, -2, key=key),
        "setStock": lambda key: author.set_stock(one, 9, "2", key=key),
        "placeOrder": lambda key: buyer.place_order((two, 2), (one, 1), key=key),
        "updateOrder": lambda key: author.update_order(order, "CONFIRMED", "1", key=key),
        "updateOrder-cancelling": lambda key: buyer.update_order(order, "CANCELLED", "1", key=key),
        "deleteStory-with-edition": lambda key: author.delete_story(unwanted, "2", key=key),
    }
    return sends[mutation]


MODERATION = ["createWhisper", "deleteWhisper", "report", "claimReport", "unclaimReport", "reopenReport"]
MODERATION += ["resolveReport-whisper", "resolveReport-story", "resolveReport-mature"]
TRADES = ["createEdition", "adjustStock", "setStock", "placeOrder", "updateOrder", "updateOrder-cancelling"]
TRADES += ["deleteStory-with-edition"]
EDITS = ["updateStory", "updateChapter", "updateChapter-merging", "deleteChapter", "reorderChapters", "unpublishStory"]
EDITS += ["deleteStory", "restoreRevision", "appendChapter"]
OF_NOUNS = merged("REQUESTS")
WITHOUT_KEY = ["signUp", "signIn"]
WITH_KEY = ["updateProfile", "follow", "unfollow", "removeFollower", "block", "unblock"]
WITH_KEY += ["createStory", "publishStory", "recordView", "recordView-further", "recordViews", "markNotificationRead"]
WITH_KEY += ["revokeToken", "changePassword", "deleteAccount"]
WITHOUT = depth.some(WITH_KEY, 4)
"""Those that are sent without a key too: the key is all that differs, so a few show it."""
CASES = [(mutation, False) for mutation in WITHOUT_KEY + WITHOUT] + [
    (mutation, True) for mutation in [*WITH_KEY, *EDITS, *MODERATION, *TRADES, *OF_NOUNS]
]
NAMES = [f"{mutation}-{'with' if keyed else 'no'}-key" for mutation, keyed in CASES]
MUTATIONS = pytest.mark.parametrize(("mutation", "keyed"), CASES, ids=NAMES)
UNITS = dict.fromkeys(("signUp", "signIn", "changePassword", "deleteAccount"), 2)
"""Mutations that count the attempt in a unit of work of its own, which comes first; all others are one."""
MAX_RETRIES = transactions.MAX_ATTEMPTS - 1


def new_key(keyed: bool) -> str | None:
    return str(uuid.uuid4()) if keyed else None


def wrote(answer: Any) -> bool:
    """Whether it is the answer of the one that did the work."""
    return answer.get("applied") in ("WRITTEN", "MERGED") or answer["__typename"] == "SignSuccess"


def broken() -> None:
    raise RuntimeError("a fault of ours")


def lost() -> None:
    terminate(my_pid())


def deadlocked() -> None:
    with connection.wrap_database_errors:
        connection.connection.execute(DEADLOCK)


def sent(send: Send, key: str | None, during: AbstractContextManager[list[Statement]]) -> tuple[Any, list[Statement]]:
    """The answer, and the statements until it came; attempts are not limited."""
    Bucket.objects.all().delete()
    with during as statements:
        answer = send(key)
    close_old_connections()  # as a server does after each request, and Django's test client does not
    return answer, statements


def rehearsed(mutation: str, send: Send, key: str | None) -> list[Statement]:
    """The statements up to the COMMIT of a mutation, which a fault there has rolled back: the rehearsal is the first fault."""
    untouched = everything()
    answer, statements = sent(send, key, broken_at_commit(UNITS.get(mutation, 1)))
    assert answer["code"] == "INTERNAL_SERVER_ERROR"
    assert everything() == untouched
    return statements


@contextmanager
def broken_at_commit(unit: int) -> Iterator[list[Statement]]:
    """A fault of ours just before the COMMIT of this unit of work, from 1; collects the statements up to there."""
    left, collected = unit, list[Statement]()

    def at_commit(_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            collected.extend(statements)
            broken()

    with patch.object(transactions, "_require_committable", at_commit), recorded() as statements:
        yield collected
    assert left == 0, "there are not so many units of work"


def plan(statements: list[Statement]) -> list[tuple[int, Callable[[], None]]]:
    """Where each fault is to strike: everywhere; in the quick run at the first unit's begin, after its own write, at its end.

    A deadlock is one only where no unit of work has begun: within one it is run again.
    """
    numbers = range(1, len(statements) + 1)
    if depth.EXHAUSTIVE:
        return [(number, fault) for number in numbers for fault in faults(statements[number - 1])]
    own = [n for n, one in enumerate(statements, 1) if one.is_write and one.locks not in ("limits_bucket", CLAIMED)]
    first = next(n for n in numbers if statements[n - 1].in_unit)
    after = min(own[0] + 1, len(statements))
    chosen = [(1, deadlocked), (1, lost), (first, broken), (after, broken), (after, lost), (len(statements), lost)]
    return [(n, fault) for n, fault in chosen if fault in faults(statements[n - 1])]


def faults(statement: Statement) -> list[Callable[[], None]]:
    """What may happen at a statement and ends the request."""
    return [broken, lost] if statement.in_unit else [broken, lost, deadlocked]


@MUTATIONS
def test_a_fault_leaves_nothing_behind(mutation: str, keyed: bool) -> None:
    """Our own error or a lost connection, at any statement up to COMMIT, rolls everything back, and the next request works.

    Our own is masked, the key is free again, and a lost connection is BUSY. Only the exhaustive run strikes at every
    statement, and sends all that can be sent without a key so.
    """
    send, key = prepared(mutation, ""), new_key(keyed)
    statements, untouched = rehearsed(mutation, send, key), everything()
    assert sum(one.in_unit for one in statements) >= 1 + 2 * keyed
    for number, fault in plan(statements):
        answer, struck = sent(send, key, fault_at(number, fault))
        assert len(struck) == number, "this request is not as its rehearsal was"
        assert everything() == untouched, struck[-1].sql
        assert answer["code"] in ANSWERED[fault, struck[-1].in_unit], struck[-1].sql
    answer, done = sent(send, key, recorded())
    assert wrote(answer)
    assert {one.locks for one in done[len(statements) :] if one.is_write} <= {"limits_bucket"}, (
        "a later unit of work writes"
    )
    assert_sound()


ANSWERED = {
    (broken, True): {"INTERNAL_SERVER_ERROR"},
    (broken, False): {"INTERNAL_SERVER_ERROR"},
    (lost, True): {"BUSY"},
    (lost, False): {"BUSY", "OUTCOME_UNKNOWN"},
    (deadlocked, False): {"BUSY"},
}


@MUTATIONS
def test_a_deadlock_is_run_again_and_has_one_effect(
    mutation: str, keyed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL may break off a transaction at any statement: the run after it does all of the work, once.

    A request meets as many as it may before it is given up, each at another statement. Only the exhaustive run has one at
    every statement.
    """
    monkeypatch.setattr(transactions, "_pause", lambda attempt: None)
    send, key = prepared(mutation, "calm"), new_key(keyed)
    statements = rehearsed(mutation, send, key)
    calm = effect_of(send, key, [])
    chosen = depth.some(by_unit(statements), MAX_RETRIES)
    for start in range(0, len(chosen), MAX_RETRIES):
        send, key = prepared(mutation, f"{start}"), new_key(keyed)
        assert effect_of(send, key, chosen[start : start + MAX_RETRIES]) == calm
    assert_sound()


def by_unit(statements: list[Statement]) -> list[int]:
    """The numbers of the statements of each unit of work, the first unit first, and of each the last statement first."""
    places, between = [], 0
    for number, one in enumerate(statements, 1):
        between += not one.in_unit
        if one.in_unit:
            counts_attempt = one.locks == "limits_bucket" and one.sql.lstrip().startswith("INSERT")
            places.append((between, not counts_attempt, -number))
    return [-number for *_, number in sorted(places)]


def effect_of(send: Send, key: str | None, deadlocks_at: list[int]) -> Counter[str]:
    """What a request adds to the tables, counted, with a deadlock at each of these statements, one in each run."""
    start = counted()
    answer, _ = sent(send, key, deadlocks(deadlocks_at))
    assert wrote(answer)
    end = counted()
    end.subtract(start)
    return Counter({what: change for what, change in end.items() if change})


@contextmanager
def deadlocks(numbers: list[int]) -> Iterator[list[Statement]]:
    """A deadlock at each of these statements, of each unit the last one first: a retry may know what was looked up before it.

    Their numbers count on from the beginning of the unit of work that is run again.
    """
    left, here, start = list(numbers), 0, 0
    committable = transactions._require_committable

    def strike(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: Any) -> Any:
        nonlocal here, start
        here += 1
        if not connection.in_atomic_block:
            start = here
        if left and left[0] == here:
            left.pop(0)
            here = start
            deadlocked()
        return execute(sql, parameters, many, context)

    def at_commit(connection: BaseDatabaseWrapper) -> None:
        nonlocal start
        start = here
        committable(connection)

    with patch.object(transactions, "_require_committable", at_commit), connection.execute_wrapper(strike):
        yield []
    assert not left, "a statement was not reached"


def counted() -> Counter[str]:
    """Rows by table, versions, and totals by kind: how many slots a total has is chance."""
    rows = {table: size for table, size in sizes().items() if not table.endswith("tally")}
    totals = query("SELECT kind, sum(count)::int FROM people_persontally GROUP BY kind")
    views = query("SELECT kind, sum(count)::int FROM stories_storytally GROUP BY kind")
    sums = {
        "social_relationship": "low_version + high_version",
        "stories_story": "version",
        "stories_chapter": "version",
        "whispers_whisper": "version",
        "moderation_report": "version",
        "market_edition": "version + stock",
        "market_order": "version",
        "notifications_notification": "version",
        **{row._meta.db_table: "version" for of in collect("guarded") for row in of(Person(), Person(), Story())},
    }
    versions = {
        f"versions of {table}": scalar(f"SELECT coalesce(sum({sum_}), 0)::int FROM {table}")
        for table, sum_ in sums.items()
    }
    return Counter({**rows, **dict(totals), **dict(views), **versions})
