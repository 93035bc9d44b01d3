"""What decisions of moderators and their log add to the tests that walk everything."""

import uuid
from collections.abc import Callable
from typing import Any

from backend.moderation.models import Decision, ModerationAction
from schema.nodes import to_id
from tests.api import ApiClient, join
from tests.api.moderation import make_moderator, new_key
from tests.backend.moderation_ways import CONSTRAINTS, unguarded
from tests.schema.access_fixture import key_in

WARNED = "SELECT id FROM moderation_decision WHERE outcome = 'WARNED' LIMIT 1"
SUSPENDED = "SELECT about_id FROM moderation_decision WHERE outcome = 'SUSPENDED' LIMIT 1"
DRAFT = "SELECT id FROM stories_story WHERE status = 'DRAFT' LIMIT 1"
OF_WHISPER = "SELECT id FROM moderation_report WHERE status = 'OPEN' AND whisper_id IS NOT NULL LIMIT 1"
LOG = "moderation_moderationaction"

WAYS = [
    (
        "stories_are_held_by_decisions",
        DRAFT,
        "UPDATE stories_story SET held = true, version = version + 1, holds_changed = version + 1 WHERE id = '{it}'",
        "id={it} held=True",
    ),
    (
        "stories_are_held_by_decisions",
        DRAFT,
        unguarded("stories_story", "mature = true, mature_held = true"),
        "id={it} held=False mature_held=True",
    ),
    (
        "suspended_as_decided",
        SUSPENDED,
        "UPDATE people_account SET suspended_until = NULL WHERE person_id = '{it}'",
        "person_id={it} suspended_until=None",
    ),
    (
        "decisions_fit_their_kind",
        WARNED,
        unguarded("moderation_decision", "kind = 'story'"),
        "id={it} kind=story outcome=WARNED",
    ),
    (
        "decisions_fit_their_kind",
        WARNED,
        "ALTER TABLE moderation_decision DROP CONSTRAINT decision_suspends_until; "
        + unguarded("moderation_decision", "until = now()"),
        "id={it} kind=person outcome=WARNED",
        CONSTRAINTS,
    ),
    (
        "appeals_are_judged_once",
        WARNED,
        "ALTER TABLE moderation_decision DROP CONSTRAINT decision_judged_if_appealed; "
        + unguarded("moderation_decision", "appealed_at = NULL, appeal = '', appeal_outcome = 'UPHELD'"),
        "id={it} appealed_at=None appeal_outcome=UPHELD",
        CONSTRAINTS | {"decisions_are_in_the_log"},
    ),
    (
        "appeals_are_judged_once",
        WARNED,
        unguarded("moderation_decision", "appeal = ''"),
        "id={it}",
    ),
    (
        "decisions_are_in_the_log",
        WARNED,
        f"ALTER TABLE {LOG} DISABLE TRIGGER USER; DELETE FROM {LOG} WHERE decision_id = '{{it}}'; "
        f"ALTER TABLE {LOG} ENABLE TRIGGER USER",
        "id={it}",
    ),
    (
        "decisions_are_in_the_log",
        WARNED,
        "UPDATE moderation_decision SET lifted_at = now(), version = version + 1, state_changed = version + 1 "
        "WHERE id = '{it}'",
        "id={it}",
    ),
    (
        "buried_reports_can_come_back",
        OF_WHISPER,
        unguarded(
            "moderation_report",
            "status = 'RESOLVED', outcome = 'REMOVED', claimed_by_id = NULL, buried = id, buried_in = id, buried_open = true",
        ),
        "id={it} buried={it}",
        frozenset({"what_is_reported_is_kept"}),
    ),
    *(
        ("versions_of_decision", WARNED, unguarded("moderation_decision", wrong), "id={it}")
        for wrong in ("appeal_changed = version + 1", "state_changed = 0")
    ),
]


def guarded(one: Any, other: Any, story: Any) -> list[Decision]:
    """Its guard is tried on this row."""
    of = {"about": one, "moderator": other, "report_id": uuid.uuid4(), "subject": story.pk, "kind": "story"}
    return [Decision(**of, outcome="REMOVED", excerpt="A story")]


def set_scene(scene: Any) -> None:
    """A decision against the author and one against the moderator, each with its line in the log; and a report by the author."""
    scene.author.report(scene.buyer.id)
    moderator = scene.callers["moderator"]
    other = make_moderator(scene.reporter)
    for who, tag in ((scene.author, ""), (moderator, " (about the moderator)")):
        report = scene.callers["stranger"].report(who.id, "Rude.")["report"]["id"]
        decision = other.decided(report, "WARNED", reason=f"TEXT of Decision{tag}")
        scene.ids[f"Decision{tag}"] = lambda _viewer, id_=decision["id"]: id_
        line = to_id("ModerationAction", ModerationAction.objects.get(decision_id=key_in(decision["id"])).pk)
        scene.ids[f"ModerationAction{tag}"] = lambda _viewer, id_=line: id_


def live(life: Any) -> None:
    """Asha was warned, and has decided against somebody."""
    report = life.chitra.report(life.asha.id)["report"]["id"]
    life.ids["against asha"] = life.dev.decided(report, "WARNED")["id"]
    other = life.ids["settled by asha"] = life.chitra.report(life.esra.id)["report"]["id"]
    life.ids["by asha, against esra"] = life.asha.decided(other, "WARNED")["id"]
    life.esra.appeal(life.ids["by asha, against esra"])


RACES = {
    "appealDecision": "tests/races/test_decisions.py::test_of_eight_appeals_one_is_made",
    "resolveAppeal": "tests/races/test_decisions.py::test_of_eight_who_judge_one_appeal_one_does",
    "liftDecision": "tests/races/test_decisions.py::test_of_eight_who_lift_a_decision_one_does",
}


def warned(about: ApiClient, by: ApiClient) -> str:
    """The id of a decision of one against the other, whom they have reported."""
    make_moderator(by)
    id_: str = by.decided(by.report(about.id)["report"]["id"], "WARNED")["id"]
    return id_


ARGUMENTS = {
    "appealDecision": lambda world: {"id": world.against_me, "text": "It is fine.", "expect": {"version": "1"}},
    "resolveAppeal": lambda world: {"id": world.appealed, "outcome": "UPHELD", "expect": {"version": "2"}},
    "liftDecision": lambda world: {"id": world.in_force, "expect": {"version": "1"}},
}
BY_ID = dict.fromkeys(ARGUMENTS, ("id", "Decision"))
MORE = {"appealDecision": {"text": "It is fine."}, "resolveAppeal": {"outcome": "UPHELD", "answer": "No."}}


def _appeal(one: ApiClient, other: ApiClient) -> Callable[[str | None], Any]:
    decision = warned(one, other)
    return lambda key: one.appeal(decision, key=key)


def _judge(one: ApiClient, other: ApiClient) -> Callable[[str | None], Any]:
    """Somebody else has decided, because others may moderate as well."""
    story, maker = other.published_story()["id"], make_moderator(join(f"by-{one.person.handle}"))
    decision = maker.decided(maker.report(story)["report"]["id"], "REMOVED")["id"]
    make_moderator(one)
    other.appeal(decision)
    return lambda key: one.judge(decision, "OVERTURNED", key=key)


def _lift(one: ApiClient, other: ApiClient) -> Callable[[str | None], Any]:
    report = make_moderator(one).report(other.id)["report"]["id"]
    decision = one.decided(report, "SUSPENDED", days=3)["id"]
    return lambda key: one.lift(decision, key=key)


REQUESTS = {"appealDecision": _appeal, "resolveAppeal": _judge, "liftDecision": _lift}
HERS = {
    "appealDecision": lambda life: life.asha.appeal(life.ids["against asha"], key=new_key()),
    "resolveAppeal": lambda life: life.asha.judge(life.ids["by asha, against esra"], "UPHELD", key=new_key()),
    "liftDecision": lambda life: life.asha.lift(life.ids["by asha, against esra"], "2", key=new_key()),
}
