"""Whispers under races: what a policy finds while it changes, and a deletion against whoever reports or settles it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from backend.moderation.models import Report
from backend.whispers import policy
from backend.whispers.models import Flag, PolicyWord, Whisper
from tests import depth
from tests.api import ApiClient
from tests.api.moderation import make_moderator, screen_for
from tests.races.rivals import Rival, elsewhere, race, rounds, until
from tests.races.rows import assert_verified, scalar
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)


def said(answer: Any) -> str:
    """What became of a mutation, in one word."""
    return answer.get("applied") or answer["code"]


def test_a_policy_holds_for_each_whisper_that_begins_after_its_change(asha: ApiClient, bilal: ApiClient) -> None:
    """While four people whisper, a word comes and goes: whoever begins after a change, and ends before the next, meets it."""
    changes = depth.rounds(12, at_least=4)
    told = begun = 0
    seen: list[tuple[int, int, bool]] = []

    def change() -> None:
        nonlocal told, begun
        for number in range(1, changes + 1):
            begun = number
            if number % 2:
                screen_for("REPORT", "scam")
            else:
                PolicyWord.objects.all().delete()
            told = number
            until(lambda number=number: sum(one[0] == number for one in list(seen)) >= 3, "whispers in between")

    def whisper(caller: ApiClient) -> None:
        while told < changes:
            before_it = told
            found = caller.create_whisper("A scam?")["report"] is not None
            seen.append((before_it, begun, found))
        seen.append((told, begun, caller.create_whisper("A scam?")["report"] is not None))

    race([change, *[lambda caller=caller: whisper(caller) for caller in (asha, asha, bilal, bilal)]])
    certain = [(after, found) for after, latest, found in seen if after == latest]
    assert {after for after, _ in certain} >= set(range(1, changes + 1))
    assert [(after, found) for after, found in certain if found != bool(after % 2)] == []
    assert Flag.objects.count() == Report.objects.count() > 0
    assert_verified()


def test_a_change_that_is_not_committed_holds_for_nobody(asha: ApiClient) -> None:
    """Nor does one that is taken back; and nobody waits for it."""
    asha.create_whisper("A scam")
    number = policy.current().number
    with transaction.atomic():
        screen_for("REPORT", "scam")
        assert elsewhere(lambda: asha.create_whisper("A scam"))["report"] is None
        transaction.set_rollback(True)
    assert policy.current().number == number
    assert asha.create_whisper("A scam")["report"] is None
    screen_for("REPORT", "scam")
    assert asha.create_whisper("A scam")["report"] is not None


def test_a_policy_that_changes_at_the_last_moment_holds(asha: ApiClient) -> None:
    """The whisper was screened by the policy before, and is not inserted: it is screened again."""
    asha.create_whisper("A scam")
    with before('INSERT INTO "whispers_whisper"', lambda: elsewhere(lambda: screen_for("REPORT", "scam"))):
        answer = asha.create_whisper("A scam")
    assert (answer["whisper"]["nsfw"], answer["report"]["status"]) == (True, "OPEN")
    assert Whisper.objects.count() == 2
    assert_verified()


def test_a_process_that_was_not_there_learns_of_it(asha: ApiClient) -> None:
    """It asks for one number: that is raised by whoever changes the policy, in psql too."""
    screen_for("FLAG", "gore")
    assert asha.create_whisper("scam")["whisper"]["nsfw"] is False
    with connection.cursor() as cursor:
        cursor.execute("UPDATE whispers_policyword SET word = 'scam'")
    assert asha.create_whisper("scam")["whisper"]["nsfw"] is True
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE whispers_policyword")
    assert asha.create_whisper("scam")["whisper"]["nsfw"] is False


def test_changes_at_the_same_time_all_count() -> None:
    """Eight at once raise the number eight times, so none of them is overlooked."""
    number = policy.current().number
    race([lambda word=word: screen_for("FLAG", word) for word in "abcdefgh"])
    assert policy.current().number == number + 8
    assert sorted(policy.current().words) == list("abcdefgh")


def test_of_eight_deletions_one_happens(asha: ApiClient) -> None:
    """The others are told when it went."""
    whisper = asha.create_whisper()["whisper"]["id"]
    answers = race([lambda: asha.delete_whisper(whisper)] * 8)
    assert sorted(map(said, answers)) == ["NOT_FOUND"] * 7 + ["WRITTEN"]
    assert all(answer["deletedAt"] for answer in answers if "deletedAt" in answer)
    assert_verified()


def test_a_report_that_waited_for_a_deletion_finds_nothing(asha: ApiClient, bilal: ApiClient) -> None:
    """It comes while the whisper is being deleted."""
    whisper = asha.create_whisper()["whisper"]["id"]
    late: list[Rival] = []
    with before(
        'INSERT INTO "stories_tombstone"', lambda: late.append(Rival(lambda: bilal.report(whisper)).until_it_waits())
    ):
        assert asha.delete_whisper(whisper)["applied"] == "WRITTEN"
    assert late[0].result()["code"] == "NOT_FOUND"
    assert not Report.objects.exists()
    assert_verified()


def test_a_deletion_that_waited_for_a_report_resolves_it(asha: ApiClient, bilal: ApiClient) -> None:
    """It comes while the whisper is being reported."""
    whisper = asha.create_whisper()["whisper"]["id"]
    late: list[Rival] = []
    with before(
        'INSERT INTO "moderation_report"',
        lambda: late.append(Rival(lambda: asha.delete_whisper(whisper)).until_it_waits()),
    ):
        assert bilal.report(whisper)["applied"] == "WRITTEN"
    assert late[0].result()["applied"] == "WRITTEN"
    assert Report.objects.values_list("status", "outcome", "whisper").get() == ("RESOLVED", "REMOVED", None)
    assert_verified()


@pytest.mark.parametrize("outcome", ["REMOVED", "MARKED_NSFW", "DISMISSED"])
def test_deleting_reporting_and_settling_at_once_leave_nothing_half_done(
    outcome: str, asha: ApiClient, bilal: ApiClient, chitra: ApiClient, person: Callable[[str], ApiClient]
) -> None:
    """Some whispers: the author deletes each, somebody reports it, a moderator settles an earlier report."""
    count, moderator = depth.rounds(40, at_least=10), make_moderator(person("mina"))
    screen_for("REPORT", "scam")
    made = [asha.create_whisper(f"A scam {number}") for number in range(count)]
    whispers = [one["whisper"]["id"] for one in made]
    reports = [one["report"]["id"] for one in made]
    answers = rounds(
        [
            lambda number: said(asha.delete_whisper(whispers[number])),
            lambda number: said(bilal.report(whispers[number])),
            lambda number: said(chitra.report(whispers[number])),
            lambda number: said(moderator.resolve(reports[number], outcome)),
        ],
        count,
    )
    for deleted, *reported, settled in answers:
        assert deleted in {"WRITTEN", "NOT_FOUND", "CONFLICT"}
        assert set(reported) <= {"WRITTEN", "NOT_FOUND"}
        assert settled in {"WRITTEN", "CONFLICT"}
        assert "WRITTEN" in (deleted, settled)
    left = sum(deleted == "CONFLICT" for deleted, *_ in answers)
    assert Whisper.objects.count() == left
    assert scalar("SELECT count(*) FROM moderation_report WHERE status <> 'RESOLVED' AND whisper_id IS NULL") == 0
    assert_verified()
