"""A random history of six who edit two stories at once, checked against every change of their rows."""

import json
import random
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection

from backend.engine.errors import Conflict, FieldConflict
from backend.engine.idempotency import Outcome
from backend.stories import merge
from backend.stories.models import Revision
from tests import depth
from tests.api import ApiClient
from tests.races.authored_story import Answer, AuthoredStory, Seen, fields, told, word
from tests.races.rivals import race
from tests.races.rows import assert_verified, query

pytestmark = pytest.mark.django_db(transaction=True)

THREADS, STEPS = 6, 60
SEEDS = depth.some([1, 2, 3], 1)

LOG = """
CREATE TABLE race_log (
    number bigint GENERATED ALWAYS AS IDENTITY, unit text DEFAULT pg_current_xact_id()::text, gone bool, at jsonb
);
CREATE FUNCTION race_log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO race_log (gone, at) VALUES (TG_OP = 'DELETE', to_jsonb(CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END));
    RETURN NULL;
END $$;
CREATE TRIGGER race_log AFTER INSERT OR UPDATE OR DELETE ON stories_story FOR EACH ROW EXECUTE FUNCTION race_log();
CREATE TRIGGER race_log AFTER INSERT OR UPDATE OR DELETE ON stories_chapter FOR EACH ROW EXECUTE FUNCTION race_log();
"""
FORGET = """
DROP TRIGGER race_log ON stories_story; DROP TRIGGER race_log ON stories_chapter; DROP FUNCTION race_log; DROP TABLE race_log;
"""

EDITABLE = ("title", "summary", "mature", "warnings")
TEXTS = ("title", "body")
EVERYTHING = frozenset({*EDITABLE, "status", "chapters", "texts"})

State = dict[str, Any]
"""A row as it was at one of its versions, by column."""


@dataclass
class Step:
    """One request: what it read and set of which row, which groups of the story that touches, and what it was told."""

    story: uuid.UUID
    row: uuid.UUID
    seen: int | None
    reads: frozenset[str]
    sets: Mapping[str, Any]
    touches: frozenset[str]
    merge: bool = False
    own: frozenset[int] = frozenset()
    """Later versions that this editor made without looking at what others had made before: a chain of `after`."""
    sent: str | None = None
    """The text that this editor goes on from, where it was merged with others' that stayed unseen."""
    said: str = ""
    is_written: bool = False
    made: dict[str, State] = field(default_factory=dict)
    current: State | None = None
    overlaps: tuple[FieldConflict, ...] = ()

    def heard(self, answer: Answer) -> "Step":
        self.said = word(answer)
        if isinstance(answer, Outcome):
            self.made = {name: fields(row) for name, row in answer.rows.items()}
            # What was merged may have been stored already. A row that was written carries what it was before.
            written = answer.rows["story" if self.row == self.story else "chapter"] if self.said == "MERGED" else None
            self.is_written = self.said == "WRITTEN" or hasattr(written, "before")
        if isinstance(answer, Conflict):
            self.current, self.overlaps = fields(answer.current), answer.overlaps
        return self


@pytest.fixture
def log(transactional_db: None) -> Iterator[None]:
    """Every change of a story or a chapter is written down, in the order in which its row was locked."""
    with connection.cursor() as cursor:
        cursor.execute(LOG)
    yield
    with connection.cursor() as cursor:
        cursor.execute(FORGET)


@dataclass(frozen=True)
class Chain:
    """A request of one's own that the next one can name, and what its sender knows then: versions, and the row."""

    key: uuid.UUID
    seen: int
    own: frozenset[int]
    row: State
    sent: str | None = None


# --- Those who edit -----------------------------------------------------------------------------------------------


class Editor:
    """Makes random writes, each with what this editor last saw, and looks up now and then."""

    def __init__(self, authored_stories: list[AuthoredStory], seed: str) -> None:
        self.authored_stories, self.chance = authored_stories, random.Random(seed)
        self.seen: dict[uuid.UUID, State] = {}
        self.orders: dict[uuid.UUID, list[uuid.UUID]] = {}
        self.listed: dict[uuid.UUID, int] = {}
        """The version at which each order was looked up."""
        self.chains: dict[uuid.UUID, Chain] = {}

    def walk(self) -> list[Step]:
        for authored in self.authored_stories:
            self.look(authored)
        return [self.step() for _ in range(STEPS)]

    def look(self, authored: AuthoredStory) -> None:
        story, chapters = authored.row(), authored.chapters()
        self.orders[authored.story] = [chapter.pk for chapter in chapters]
        self.listed[authored.story] = story.version
        self.seen |= {row.pk: fields(row) for row in (story, *chapters)}

    def step(self) -> Step:
        authored = self.chance.choice(self.authored_stories)
        if self.chance.random() < 0.25:
            self.look(authored)
        moves: list[Callable[[AuthoredStory], Step]] = [self.edit, self.write, self.restore]
        moves += [self.append, self.drop, self.reorder, self.publish, self.unpublish]
        (move,) = self.chance.choices(moves, [6, 8, 2, 1, 1, 1, 1, 1])
        step = move(authored)
        for state in (*step.made.values(), step.current):
            if state is not None and "id" in state:
                self.seen[state["id"]] = state
        return step

    def edit(self, authored: AuthoredStory) -> Step:
        values: State = {"title": self.chance.choice("ABC"), "summary": self.chance.choice("ABC")}
        values |= {"mature": self.chance.random() < 0.5, "warnings": self.chance.choice([[], ["DEATH"], ["GORE"]])}
        patch = {name: values[name] for name in self.chance.sample(EDITABLE, self.chance.choice([1, 1, 2]))}
        merging, chain, key = self.chance.random() < 0.6, self.chain(authored.story), uuid.uuid4()
        reads = frozenset(patch if merging else EDITABLE)
        step = Step(authored.story, authored.story, chain.seen, reads, patch, frozenset(patch), merging, chain.own)
        step.heard(told(lambda: authored.edit(after(chain), merge=merging, key=key, **patch)))
        return self.chained(step, chain, key)

    def chain(self, row: uuid.UUID) -> Chain:
        """What to go on from: the answer that was read last, or the last request of one's own, whatever it was answered."""
        if row in self.chains and self.chance.random() < 0.5:
            return self.chains[row]
        return Chain(NOBODYS, self.seen[row]["version"], frozenset(), self.seen[row])

    def chained(self, step: Step, chain: Chain, key: uuid.UUID) -> Step:
        made = step.made.get("story" if step.row == step.story else "chapter")
        if made is None:
            self.chains.pop(step.row, None)
            return step
        # A field that was left as others wrote it bears no stamp of this version. A text that was merged with theirs does.
        is_known = step.is_written and ("body" not in step.sets or made["body"] == step.sets["body"])
        own = chain.own | {made["version"]} if is_known else chain.own
        sent = chain.sent
        if "body" in step.sets:
            sent = None if is_known else step.sets["body"]
        self.chains[step.row] = Chain(key, chain.seen, own, {**chain.row, **step.sets}, sent)
        return step

    def write(self, authored: AuthoredStory) -> Step:
        if not self.orders[authored.story]:
            return self.append(authored)
        chapter = self.chance.choice(self.orders[authored.story])
        chain, patch, key = self.chain(chapter), State(), uuid.uuid4()
        if self.chance.random() < 0.4:
            patch["title"] = self.chance.choice("ABC")
        if not patch or self.chance.random() < 0.3:
            paragraphs = chain.row["body"].split("\n\n")
            paragraphs[self.chance.randrange(len(paragraphs))] = self.chance.choice(["So.", "Thus.", "Then.", "Now."])
            if self.chance.random() < 0.3:
                self.chance.shuffle(paragraphs)
            patch["body"] = "\n\n".join(paragraphs)
        merging = self.chance.random() < 0.7
        reads = frozenset(patch if merging else TEXTS)
        step = Step(
            authored.story, chapter, chain.seen, reads, patch, frozenset({"texts"}), merging, chain.own, chain.sent
        )
        step.heard(told(lambda: authored.write(chapter, after(chain), merge=merging, key=key, **patch)))
        return self.chained(step, chain, key)

    def append(self, authored: AuthoredStory) -> Step:
        step = Step(authored.story, authored.story, None, frozenset(), {}, frozenset({"chapters"}))
        return step.heard(told(lambda: authored.append("More", "One.\n\nTwo.\n\nThree.")))

    def drop(self, authored: AuthoredStory) -> Step:
        if not self.orders[authored.story]:
            return self.append(authored)
        chapter = self.chance.choice(self.orders[authored.story])
        seen = self.seen[chapter]["version"]
        step = Step(authored.story, chapter, seen, frozenset(TEXTS), {}, frozenset({"chapters"}))
        return step.heard(told(lambda: authored.drop(chapter, seen)))

    def reorder(self, authored: AuthoredStory) -> Step:
        order, seen = self.orders[authored.story], self.listed[authored.story]
        step = Step(authored.story, authored.story, seen, frozenset({"chapters"}), {}, frozenset({"chapters"}))
        return step.heard(told(lambda: authored.reorder(self.chance.sample(order, len(order)), seen)))

    def publish(self, authored: AuthoredStory) -> Step:
        seen = self.seen[authored.story]["version"]
        step = Step(authored.story, authored.story, seen, EVERYTHING, {"status": "PUBLISHED"}, frozenset({"status"}))
        return step.heard(told(lambda: authored.publish(seen)))

    def unpublish(self, authored: AuthoredStory) -> Step:
        seen, status = self.seen[authored.story]["version"], frozenset({"status"})
        step = Step(authored.story, authored.story, seen, status, {"status": "DRAFT"}, status)
        return step.heard(told(lambda: authored.unpublish(seen)))

    def restore(self, authored: AuthoredStory) -> Step:
        kept = list(Revision.objects.filter(story_id=authored.story).order_by("version"))
        if not kept:
            return self.edit(authored)
        revision = self.chance.choice(kept)
        row = revision.chapter_id or authored.story
        seen = self.seen[row]["version"] if row in self.seen else 1
        values = {name: value for name, value in revision.values.items() if name not in ("chapters", "removed")}
        reads = frozenset(values or {"chapters"})
        touches = frozenset({"texts"}) if revision.chapter_id else reads
        step = Step(authored.story, row, seen, reads, values, touches)
        return step.heard(told(lambda: authored.restore(revision.pk, seen)))


NOBODYS = uuid.UUID(int=0)


def after(chain: Chain) -> Seen:
    """What a request says that goes on from there."""
    return chain.seen if chain.key == NOBODYS else chain.key


# --- What really happened -----------------------------------------------------------------------------------------


class Book:
    """All changes of the rows: each row's states by version, and each story's order of chapters by its version."""

    def __init__(self) -> None:
        self.states: dict[uuid.UUID, dict[int, State]] = defaultdict(dict)
        self.written: dict[uuid.UUID, list[int]] = defaultdict(list)
        self.gone: dict[tuple[uuid.UUID, int], State] = {}
        self.orders: dict[tuple[uuid.UUID, int], list[uuid.UUID]] = {}
        units: dict[str, list[tuple[bool, State]]] = defaultdict(list)
        for unit, gone, at in query("SELECT unit, gone, at FROM race_log ORDER BY number"):
            units[unit].append((gone, json.loads(at) if isinstance(at, str) else at))
        for events in units.values():
            for gone, at in events:
                if not gone:
                    self.states[uuid.UUID(at["id"])][at["version"]] = at
                    self.written[uuid.UUID(at["id"])].append(at["version"])
        places: dict[uuid.UUID, dict[uuid.UUID, int]] = defaultdict(dict)
        for events in sorted(units.values(), key=lambda events: self._story(events)["version"]):
            self._put_in_order(events, places[uuid.UUID(self._story(events)["id"])])

    def _story(self, events: list[tuple[bool, State]]) -> State:
        (story,) = (at for _, at in events if "story_id" not in at)
        return story

    def _put_in_order(self, events: list[tuple[bool, State]], places: dict[uuid.UUID, int]) -> None:
        story = self._story(events)
        for gone, at in events:
            if gone:
                del places[uuid.UUID(at["id"])]
                self.gone[uuid.UUID(at["id"]), story["version"]] = at
            elif "story_id" in at:
                places[uuid.UUID(at["id"])] = at["position"]
        assert sorted(places.values()) == list(range(1, len(places) + 1))
        self.orders[uuid.UUID(story["id"]), story["version"]] = sorted(places, key=places.__getitem__)

    def touched(self, row: uuid.UUID, version: int) -> set[str]:
        """The groups that a version has stamped."""
        stamps = self.states[row][version].items()
        return {name.removesuffix("_changed") for name, at in stamps if name.endswith("_changed") and at == version}

    def unseen(self, step: Step, up_to: int) -> set[str]:
        """The groups that somebody has touched up to a version, and its sender has neither seen nor touched since."""
        if step.seen is None:
            return set()
        last = {
            name: one for one in sorted(self.states[step.row]) if one <= up_to for name in self.touched(step.row, one)
        }
        return {name for name, version in last.items() if version > step.seen and version not in step.own}

    def base(self, step: Step, name: str) -> Any:
        """What a field held when the sender last saw it, or the text that the sender goes on from."""
        if name == "body" and step.sent is not None:
            return step.sent
        versions = (one for one in self.states[step.row] if one <= (step.seen or 0) or one in step.own)
        version = max(one for one in versions if name in self.touched(step.row, one))
        return self.value(step.row, version, name)

    def value(self, row: uuid.UUID, version: int, name: str) -> Any:
        """What a field held at a version."""
        return self.orders[row, version] if name == "chapters" else self.states[row][version][name]

    def before(self, row: uuid.UUID, version: int) -> State:
        """The state that a version replaced."""
        return self.states[row][max(one for one in self.states[row] if one < version)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_history_keeps_every_promise(log: None, asha: ApiClient, seed: int) -> None:
    """Whatever the interleaving: each success had seen what it replaced, each conflict had a reason, nothing is made up.

    The exhaustive run walks three such histories.
    """
    authored_stories = [AuthoredStory.of(asha.person, *["One.\n\nTwo.\n\nThree."] * 3) for _ in range(2)]
    walks = race([Editor(authored_stories, f"{seed} {number}").walk for number in range(THREADS)])
    steps = [step for steps in walks for step in steps]
    book = Book()
    assert {step.said for step in steps} >= {"WRITTEN", "MERGED", "CONFLICT", "NOOP"}
    assert {step.said for step in steps} <= {"WRITTEN", "MERGED", "CONFLICT", "NOOP", "NOT_FOUND", "INVALID", "BUSY"}
    check_versions(book)
    for authored in authored_stories:
        check_count(book, authored, [step for step in steps if step.story == authored.story])
    for step in steps:
        check = check_success if step.made else check_conflict if step.said == "CONFLICT" else None
        if check is not None:
            check(book, step)
    for revision in Revision.objects.all():
        check_revision(book, revision)
    assert_verified()


def check_versions(book: Book) -> None:
    """A version is had once, and rises: by one, but where a chapter came back."""
    came_back = 0
    for row, versions in book.written.items():
        assert len(set(versions)) == len(versions)
        assert versions[0] == 1
        for old, new in pairwise(versions):
            if new != old + 1:
                came_back += 1
                assert new > old
                assert any(id_ == row and state["version"] == old for (id_, _), state in book.gone.items())
    assert came_back <= len(book.gone)


def check_count(book: Book, authored: AuthoredStory, steps: list[Step]) -> None:
    """Each acknowledged write is one version of the story and one revision, and there are no others."""
    made = sorted(step.made["story"]["version"] for step in steps if step.is_written)
    assert [1, *made] == sorted(book.states[authored.story])
    assert Revision.objects.filter(story_id=authored.story).count() == len(made)
    by_version = {step.made["story"]["version"]: step for step in steps if step.is_written}
    for version, step in by_version.items():
        touched = book.touched(authored.story, version)
        assert touched <= step.touches
        for name in step.touches - touched:  # sent as it was
            assert book.value(authored.story, version, name) == book.value(authored.story, version - 1, name)


def check_success(book: Book, step: Step) -> None:
    """It had seen what it replaced in all that it reads or sets, or merged with it; it is as it says."""
    for state in step.made.values():
        if "id" in state:
            check_state(book, state)
    made = step.made["story"] if step.row == step.story else step.made.get("chapter")
    if made is None:  # a chapter that was deleted
        made = book.gone[step.row, step.made["story"]["version"]]
        assert not book.unseen(step, made["version"]) & step.reads
        return
    before_mine = made["version"] - step.is_written
    unseen = book.unseen(step, before_mine) & step.reads
    assert step.merge or not unseen, "it replaced what it had not seen"
    check_word(book, step, made, before_mine)
    for name, mine in step.sets.items():
        if name not in unseen:
            assert made[name] == mine
        elif name == "body":
            bodies = book.base(step, name), mine, book.value(step.row, before_mine, name)
            assert made[name] in (mine, merge.merged(merge.three_way(*bodies)))
        else:
            theirs = book.value(step.row, before_mine, name)
            assert made[name] == theirs, "it replaced what it had not seen"
            assert mine in (theirs, book.base(step, name)), "what it wanted to change is lost"


def check_word(book: Book, step: Step, made: State, before_mine: int) -> None:
    """Who sets some fields, and could go on from another that they have not seen, is told that it was merged."""
    if step.said != "MERGED":
        assert {name: made[name] for name in step.sets} == dict(step.sets)
    shown = set(EDITABLE if step.row == step.story else TEXTS)
    if shown & set(step.sets) and book.unseen(step, before_mine) & (shown - set(step.sets)):
        assert step.said == "MERGED"


def check_state(book: Book, state: State) -> None:
    """A row that was answered with is the row as it was."""
    then = book.states[state["id"]][state["version"]]
    named = set(then) & {*EDITABLE, "status", "body", "position", "story_version"}
    assert {name: state[name] for name in named} == {name: then[name] for name in named}


def check_conflict(book: Book, step: Step) -> None:
    """Something that it reads had changed; what it is told of that is so, as far as it is told."""
    assert step.current is not None
    assert step.seen is not None
    check_state(book, step.current)
    version = step.current["version"]
    assert step.seen > version or book.unseen(step, version) & step.reads
    for overlap in step.overlaps:
        if overlap.base is not None:
            assert overlap.base == book.base(step, overlap.path)
        if overlap.path in step.current:
            assert overlap.theirs == step.current[overlap.path]
            assert overlap.path in book.unseen(step, version)


def check_revision(book: Book, revision: Revision) -> None:
    """It holds what stood there before, and since when."""
    row = revision.chapter_id or revision.story_id
    old, values = book.before(row, revision.version), dict(revision.values)
    if "chapters" in values:
        assert [uuid.UUID(one) for one in values.pop("chapters")] == book.orders[row, revision.version - 1]
        assert revision.since["chapters"] == old["chapters_changed"]
    if (removed := values.pop("removed", None)) is not None:
        gone = book.gone[uuid.UUID(removed["id"]), revision.version]
        assert removed == {name: gone[name] for name in removed}
    assert values == {name: old[name] for name in values}
    assert {name: revision.since[name] for name in values} == {name: old[f"{name}_changed"] for name in values}
