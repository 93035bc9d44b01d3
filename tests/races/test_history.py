"""A random history of four people who follow and block each other at once, checked against every change of their rows."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection

from backend.engine.errors import Conflict, Refusal
from backend.engine.versions import Expected
from backend.people.models import Person
from backend.social.models import PairSide
from backend.social.pairs import Pair
from resolvers import social
from tests import depth
from tests.races.rivals import race
from tests.races.rows import assert_sound, crowd, query

pytestmark = pytest.mark.django_db(transaction=True)

THREADS, STEPS = 6, 80
SEEDS = depth.some([1, 2, 3], 1)

LOG = """
CREATE TABLE race_log (number bigint GENERATED ALWAYS AS IDENTITY, pair uuid, at jsonb);
CREATE FUNCTION race_log() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO race_log (pair, at) VALUES (NEW.id, to_jsonb(NEW)); RETURN NEW; END $$;
CREATE TRIGGER race_log AFTER INSERT OR UPDATE ON social_relationship FOR EACH ROW EXECUTE FUNCTION race_log();
"""
FORGET = "DROP TRIGGER race_log ON social_relationship; DROP FUNCTION race_log; DROP TABLE race_log;"

READS = {
    "follow": {"following", "blocking"},
    "unfollow": {"following"},
    "remove_follower": {"followed_by"},
    "block": {"following", "followed_by", "blocking"},
    "unblock": {"blocking"},
}
GOALS = {
    "follow": ("following", True),
    "unfollow": ("following", False),
    "remove_follower": ("followed_by", False),
    "block": ("blocking", True),
    "unblock": ("blocking", False),
}


@dataclass(frozen=True)
class Step:
    """One request, and what it was told."""

    me: Person
    them: Person
    move: str
    seen: int | None
    said: str
    pair_side: PairSide | None


State = dict[str, Any]
"""What one side sees of a pair: following, followed_by, blocking; and its version."""


@pytest.fixture
def log(transactional_db: None) -> Iterator[None]:
    """Every change of a relationship is written down, in the order in which the row was locked."""
    with connection.cursor() as cursor:
        cursor.execute(LOG)
    yield
    with connection.cursor() as cursor:
        cursor.execute(FORGET)


def walk(people: list[Person], chance: random.Random) -> list[Step]:
    """Random moves, each with the version that this walker last saw; a block may also say that it does not care."""
    seen: dict[tuple[Any, Any], int] = {}
    steps = []
    for _ in range(STEPS):
        me, them = chance.sample(people, 2)
        move = chance.choice([*READS, "follow", "follow"])
        version: int | None = seen.get((me.pk, them.pk), 0)
        if move == "block" and chance.random() < 0.5:
            version = None
        step = take(me, them, move, version)
        if step.pair_side is not None:
            seen[me.pk, them.pk] = step.pair_side.version
        steps.append(step)
    return steps


def take(me: Person, them: Person, move: str, version: int | None) -> Step:
    try:
        outcome = getattr(social, move)(me, person=them.pk, expect=Expected(version), key=None)
    except Conflict as conflict:
        return Step(me, them, move, version, conflict.code, conflict.current)
    except Refusal as refusal:
        return Step(me, them, move, version, refusal.code, None)
    return Step(me, them, move, version, outcome.applied.value, outcome.rows["relationship"].seen_by(me.pk))


def side(row: dict[str, Any], mine: str, theirs: str) -> State:
    return {
        "version": row[f"{mine}version"],
        "following": row[f"{mine}follows_at"] is not None,
        "followed_by": row[f"{theirs}follows_at"] is not None,
        "blocking": row[f"{mine}blocks_at"] is not None,
    }


def story_of(me: Person, them: Person) -> list[State]:
    """Everything that one side has ever seen of a pair, in order; the first is the view of strangers."""
    pair = Pair.of(me.pk, them.pk)
    sql = "SELECT at FROM race_log JOIN social_relationship ON id = pair WHERE (low_id, high_id) = (%s, %s) ORDER BY number"
    rows = [json.loads(at) if isinstance(at, str) else at for (at,) in query(sql, *pair.key.values())]
    return [side(row, pair.mine, pair.theirs) for row in rows]


def changed(story: list[State], after: int, up_to: int) -> set[str]:
    """What one side saw change by the writes after one version and up to another."""
    fields = set()
    for old, new in pairwise(story):
        if after < new["version"] <= up_to:
            fields |= {name for name, value in new.items() if value != old[name]} - {"version"}
    return fields


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_history_keeps_every_promise(log: None, seed: int) -> None:
    """Whatever the interleaving: each success had seen what it replaced, each conflict had a reason, each version its write.

    The exhaustive run walks three such histories.
    """
    people = crowd(4)
    walks = race([lambda n=n: walk(people, random.Random(f"{seed} {n}")) for n in range(THREADS)])
    steps = [step for steps in walks for step in steps]
    stories = {(me.pk, them.pk): story_of(me, them) for me in people for them in people if me is not them}
    assert {step.said for step in steps} >= {"WRITTEN", "CONFLICT"}
    for story in stories.values():
        check_versions(story)
    for step in steps:
        check_step(step, stories[step.me.pk, step.them.pk])
    check_count(steps)
    assert_sound()


def check_versions(story: list[State]) -> None:
    """A side's version rises by one with each write that the side can see, and with no other."""
    for old, new in pairwise(story):
        saw_it = any(old[name] != new[name] for name in ("following", "followed_by", "blocking"))
        assert new["version"] == old["version"] + saw_it


def check_step(step: Step, story: list[State]) -> None:
    """What the step was told is what its side's story says."""
    if step.pair_side is None:
        assert step.said in ("NOT_FOUND", "FORBIDDEN", "BUSY")
        return
    version = step.pair_side.version
    strangers = {"version": 0, "following": False, "followed_by": False, "blocking": False}
    then = next((state for state in story if state["version"] == version), strangers)
    assert {name: getattr(step.pair_side, name) for name in then} == then
    seen = version if step.seen is None else step.seen
    if step.said == "CONFLICT":
        assert seen > version or changed(story, seen, version) & READS[step.move]
        return
    field, goal = GOALS[step.move]
    assert then[field] is goal
    before_mine = version - (step.said == "WRITTEN")
    assert not changed(story, seen, before_mine) & READS[step.move], "it replaced what it had not seen"


def check_count(steps: list[Step]) -> None:
    """Each acknowledged write is one change of its row, with a version of its own, and there are no others."""
    written = [
        (step.me.pk, step.them.pk, step.pair_side.version)
        for step in steps
        if step.said == "WRITTEN" and step.pair_side
    ]
    assert len(written) == len(set(written))
    ((changes,),) = query("SELECT count(*) FROM race_log WHERE (at->>'low_version', at->>'high_version') <> ('0', '0')")
    assert changes == len(written)
