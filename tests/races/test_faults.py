"""A fault at every SQL statement of every mutation: nothing is left behind, and afterwards it works."""

import itertools
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from django.db import close_old_connections, connection

from backend.whispers.models import PolicyWord
from tests.api import PASSWORD, Caller, join
from tests.moderating import make_moderator, screen_for
from tests.notifying import told_of
from tests.owning import another_token
from tests.races.rivals import my_pid, terminate
from tests.races.rows import assert_sound, everything, query, scalar, sizes
from tests.races.statements import Statement, fault_at

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

Send = Callable[[str | None], Any]


class Patient(Caller):
    """A caller who takes an answer of errors like any other refusal."""

    def ask(self, query: str, **variables: Any) -> Any:
        answer = self.post(query, **variables)
        if "errors" not in answer:
            return answer["data"]
        code = answer["errors"][0]["extensions"]["code"]
        return defaultdict(lambda: {"__typename": "errors", "code": code})


def patient(handle: str) -> Patient:
    caller = join(handle)
    return Patient(caller.token, caller.person)


def prepared(mutation: str, tag: str) -> Send:
    """Everything that the mutation needs, made for people of its own, and a call that sends it."""
    asha, bilal = patient(f"asha{tag}"), patient(f"bilal{tag}")
    if mutation == "unfollow":
        asha.follow(bilal)
    if mutation in ("removeFollower", "block"):
        bilal.follow(asha)
    if mutation == "unblock":
        asha.block(bilal)
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
WITHOUT_KEY = ["signUp", "signIn"]
WITH_KEY = ["updateProfile", "follow", "unfollow", "removeFollower", "block", "unblock"]
WITH_KEY += ["createStory", "publishStory", "recordView", "recordView-further", "markNotificationRead"]
WITH_KEY += ["revokeToken", "changePassword", "deleteAccount"]
CASES = [(mutation, False) for mutation in WITHOUT_KEY + WITH_KEY] + [
    (mutation, True) for mutation in WITH_KEY + EDITS + MODERATION + TRADES
]
NAMES = [f"{mutation}-{'with' if keyed else 'no'}-key" for mutation, keyed in CASES]
MUTATIONS = pytest.mark.parametrize(("mutation", "keyed"), CASES, ids=NAMES)


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


def struck_everywhere(send: Send, key: str | None, fault: Callable[[], None]) -> list[tuple[bool, str]]:
    """Send it with a fault at its first statement, at its second … until it goes through; nothing may be left behind.

    Returns for each fault whether it struck the transaction, and the code of the answer.
    """
    codes = []
    for number in itertools.count(1):
        untouched = everything()
        with fault_at(number, fault) as statements:
            answer = send(key)
        close_old_connections()  # as a server does after each request, and Django's test client does not
        if len(statements) < number:
            assert wrote(answer)
            return codes
        assert everything() == untouched, statements[-1].sql
        codes.append((statements[-1].in_unit, answer["code"]))
    raise AssertionError("unreachable: the loop ends by returning")


@MUTATIONS
def test_a_fault_of_ours_leaves_nothing_behind(mutation: str, keyed: bool) -> None:
    """An exception at any statement rolls everything back, the key too, and is masked."""
    codes = struck_everywhere(prepared(mutation, ""), new_key(keyed), broken)
    assert {code for _, code in codes} == {"INTERNAL_SERVER_ERROR"}
    assert sum(in_unit for in_unit, _ in codes) >= 1 + 2 * keyed
    assert_sound()


@MUTATIONS
def test_a_lost_connection_leaves_nothing_behind(mutation: str, keyed: bool) -> None:
    """A server process that ends at any statement before COMMIT: the answer says BUSY and the next request works."""
    codes = struck_everywhere(prepared(mutation, ""), new_key(keyed), lost)
    assert {code for in_unit, code in codes if in_unit} == {"BUSY"}
    assert {code for in_unit, code in codes if not in_unit} <= {"BUSY", "OUTCOME_UNKNOWN"}
    assert_sound()


@MUTATIONS
def test_a_deadlock_is_run_again_and_has_one_effect(mutation: str, keyed: bool) -> None:
    """PostgreSQL may break off a transaction at any statement: the second run does all of the work, once."""
    calm, _ = effect_of(prepared(mutation, "calm"), new_key(keyed), fault_number=0)
    for number in itertools.count(1):
        send, key = prepared(mutation, f"{number}"), new_key(keyed)
        effect, statements = effect_of(send, key, fault_number=number)
        if len(statements) < number:
            break
        if not statements[-1].in_unit:  # nothing is run again where nothing was begun
            assert not effect
            effect, _ = effect_of(send, key, fault_number=0)
        assert effect == calm
    assert_sound()


def effect_of(send: Send, key: str | None, *, fault_number: int) -> tuple[Counter[str], list[Statement]]:
    """What a request adds to the tables, counted, with a deadlock at one of its statements."""
    start = counted()
    with fault_at(fault_number, deadlocked) as statements:
        answer = send(key)
    assert wrote(answer) or answer["code"] == "BUSY"
    end = counted()
    end.subtract(start)
    return Counter({what: change for what, change in end.items() if change}), statements


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
    }
    versions = {
        f"versions of {table}": scalar(f"SELECT coalesce(sum({sum_}), 0)::int FROM {table}")
        for table, sum_ in sums.items()
    }
    return Counter({**rows, **dict(totals), **dict(views), **versions})
