"""Editing a story against a plain model of it: what is said, and every row afterwards, exactly as the model has it."""

import itertools
import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from backend.engine.idempotency import Outcome
from backend.people.models import Person
from backend.reading.models import Reading
from backend.stories import merge
from backend.stories.models import Chapter, Revision, Shelf, Story
from tests import depth
from tests.races.authored_story import Answer, AuthoredStory, told, word
from tests.races.rows import assert_nothing_left, assert_verified, crowd

pytestmark = pytest.mark.django_db(transaction=True)

EDITABLE = ("title", "summary", "mature", "warnings")
TEXTS = ("title", "body")
BODIES = ("One.\n\nTwo.", "One.\n\nTwo!", "One!\n\nTwo.", "One.", "Two.", "One!\n\nTwo!", "Two.\n\nOne.")
NUMBERS = itertools.count()

backs = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3, 6, -1])
"""How many versions ago somebody looked."""
places = st.integers(0, 5)
fields = [("title", "A"), ("title", "B"), ("title", "C"), ("summary", ""), ("summary", "A"), ("mature", True)]
fields += [("mature", False), ("warnings", []), ("warnings", ["GORE"]), ("warnings", ["DEATH", "GORE"])]
patches = st.lists(st.sampled_from(fields), min_size=1, max_size=2).map(dict)
texts = [("title", "A"), ("title", "B"), *(("body", body) for body in BODIES)]
text_patches = st.lists(st.sampled_from(texts), min_size=1, max_size=2).map(dict)

Values = dict[str, Any]


@dataclass
class Thing:
    """A versioned row: its values, its version, and the version at which each group of fields last changed."""

    values: Values
    stamps: dict[str, int]
    version: int = 1

    def is_unchanged(self, seen: int, groups: Sequence[str]) -> bool:
        return seen <= self.version and all(self.stamps[group] <= seen for group in groups)

    def may_merge(self, seen: int, patch: Values) -> bool:
        equal = {name for name in patch if self.values[name] == patch[name]}
        return self.is_unchanged(seen, [name for name in patch if name not in equal])

    def is_so(self, patch: Mapping[str, Any]) -> bool:
        return all(self.values[name] == value for name, value in patch.items())

    def is_news(self, seen: int, patch: Values, groups: Iterable[str]) -> bool:
        """Whether something else than what the patch sets has changed since."""
        return any(self.stamps[group] > seen for group in groups if group not in patch)

    def put(self, values: Values, groups: Sequence[str] | None = None) -> None:
        self.version += 1
        self.stamps |= dict.fromkeys(self.new(values) if groups is None else groups, self.version)
        self.values |= values

    def new(self, values: Mapping[str, Any]) -> list[str]:
        """Those that it does not have already: only these are stamped and kept."""
        return [name for name, value in values.items() if self.values[name] != value]


@dataclass
class Kept:
    """A revision."""

    chapter: uuid.UUID | None
    version: int
    values: Values
    since: dict[str, int]


def new_chapter(title: str, body: str, version: int = 1) -> Thing:
    stamps = dict.fromkeys(["position", "title", "body"], version)
    return Thing({"title": title, "body": body}, stamps, version)


@dataclass
class Model:
    """A story as it should be."""

    story: Thing
    order: list[uuid.UUID]
    chapters: dict[uuid.UUID, Thing]
    written_at: dict[uuid.UUID, int]
    """The story's version that wrote each chapter."""
    kept: list[Kept] = field(default_factory=list)
    place: uuid.UUID | None = None

    # Each of these is told what the server is told, and says what it should say.

    def edit(self, seen: int, patch: Values, *, merging: bool, reads: Sequence[str] = EDITABLE) -> str:
        story = self.story
        clean = story.may_merge(seen, patch) if merging else story.is_unchanged(seen, reads)
        if not clean:
            own = self._own(None, story, seen, patch) if merging else patch
            if own == patch:
                return "CONFLICT"
            return self.edit(seen, own, merging=True) if own else "MERGED"
        news = story.is_news(seen, patch, story.stamps if merging else EDITABLE)
        if story.is_so(patch):
            return "MERGED" if news else "NOOP"
        self._keep(None, story, patch)
        merged = story.version > seen if merging else news
        story.put(patch)
        return "MERGED" if merged else "WRITTEN"

    def write(self, id_: uuid.UUID, seen: int, patch: Values, *, merging: bool, reads: Sequence[str] = TEXTS) -> str:
        chapter = self.chapters.get(id_)
        if chapter is None:
            return "NOT_FOUND"
        clean = chapter.may_merge(seen, patch) if merging else chapter.is_unchanged(seen, reads)
        if not clean and merging and (own := self._own(id_, chapter, seen, patch)) != patch:
            return self.write(id_, seen, own, merging=True) if own else "MERGED"
        if not clean:
            merged = self._merged(id_, chapter, seen, patch) if merging else None
            if merged is None:
                return "CONFLICT"
            patch = {**patch, "body": merged}
        news = not clean or chapter.is_news(seen, patch, chapter.stamps if merging else TEXTS)
        if chapter.is_so(patch):
            return "MERGED" if news else "NOOP"
        self._keep(id_, chapter, patch)
        others = chapter.version > seen if merging else news
        chapter.put(patch)
        self.story.put({}, ["texts"])
        self.written_at[id_] = self.story.version
        return "MERGED" if others else "WRITTEN"

    def _merged(self, id_: uuid.UUID, chapter: Thing, seen: int, patch: Values) -> str | None:
        collide = [name for name in patch if chapter.stamps[name] > seen and chapter.values[name] != patch[name]]
        known = self._bases(id_, "body", seen)
        if collide != ["body"] or not known:
            return None
        return merge.merged(merge.three_way(known[0], patch["body"], chapter.values["body"])) or None

    def _own(self, id_: uuid.UUID | None, row: Thing, seen: int, patch: Values) -> Values:
        """Without what others have changed, and was sent as it was seen."""
        theirs = [name for name in patch if row.stamps[name] > seen and name != "body"]
        return {name: of for name, of in patch.items() if name not in theirs or of not in self._bases(id_, name, seen)}

    def _bases(self, id_: uuid.UUID | None, name: str, seen: int) -> list[Any]:
        of = [kept for kept in self.kept if kept.chapter == id_ and name in kept.values]
        return [kept.values[name] for kept in of if kept.since[name] <= seen < kept.version]

    def append(self, id_: uuid.UUID, title: str, body: str) -> str:
        self._keep_order()
        self.story.put({}, ["chapters"])
        self._place([*self.order, id_], {id_: new_chapter(title, body)})
        return "WRITTEN"

    def drop(self, id_: uuid.UUID, seen: int) -> str:
        chapter = self.chapters.get(id_)
        if chapter is None:
            return "NOT_FOUND"
        if not chapter.is_unchanged(seen, TEXTS):
            return "CONFLICT"
        if self.order == [id_] and self.story.values["status"] == "PUBLISHED":
            return "INVALID"
        index = self.order.index(id_)
        removed = {**chapter.values, "id": str(id_), "position": index + 1, "version": chapter.version}
        self._keep_order(removed)
        self.story.put({}, ["chapters"])
        del self.chapters[id_], self.written_at[id_]
        self._place([one for one in self.order if one != id_])
        if self.place == id_:
            self.place = self.order[min(index, len(self.order) - 1)] if self.order else None
        return "WRITTEN"

    def reorder(self, order: list[uuid.UUID], seen: int) -> str:
        if not self.story.is_unchanged(seen, ["chapters"]):
            return "CONFLICT"
        if sorted(order) != sorted(self.order):
            return "INVALID"
        if order == self.order:
            return "NOOP"
        self._keep_order()
        self.story.put({}, ["chapters"])
        self._place(order)
        return "WRITTEN"

    def show(self, seen: int, status: str, reads: Sequence[str]) -> str:
        if not self.story.is_unchanged(seen, reads):
            return "CONFLICT"
        if self.story.values["status"] == status:
            return "NOOP"
        self._keep(None, self.story, {"status": status})
        self.story.put({"status": status})
        return "WRITTEN"

    def restore(self, kept: Kept, seen: int) -> str:
        if kept.chapter is not None:
            return self.write(kept.chapter, seen, dict(kept.values), merging=False, reads=list(kept.values))
        if "status" in kept.values:
            return "INVALID"
        if "chapters" not in kept.values:
            return self.edit(seen, dict(kept.values), merging=False, reads=list(kept.values))
        if not self.story.is_unchanged(seen, ["chapters"]):
            return "CONFLICT"
        back = kept.values.get("removed")
        came = [] if back is None or uuid.UUID(back["id"]) in self.order else [uuid.UUID(back["id"])]
        earlier = [uuid.UUID(one) for one in kept.values["chapters"]]
        there = [*self.order, *came]
        order = [one for one in earlier if one in there] + [one for one in there if one not in earlier]
        if order == self.order:
            return "NOOP"
        self._keep_order()
        self.story.put({}, ["chapters"])
        version = self.story.version
        self._place(order, {id_: new_chapter(back["title"], back["body"], version) for id_ in came if back})
        return "WRITTEN"

    def view(self, id_: uuid.UUID) -> None:
        if self.story.values["status"] == "PUBLISHED" and id_ in self.order:
            further = self.place is None or self.order.index(id_) > self.order.index(self.place)
            self.place = id_ if further else self.place

    def _place(self, order: list[uuid.UUID], new: Mapping[uuid.UUID, Thing] | None = None) -> None:
        for id_ in order:
            moved = id_ in self.order and order.index(id_) != self.order.index(id_)
            if moved:
                self.chapters[id_].put({}, ["position"])
        self.order = order
        self.chapters |= new or {}
        self.written_at |= dict.fromkeys(new or {}, self.story.version)

    def _keep(self, chapter: uuid.UUID | None, row: Thing, names: Mapping[str, Any]) -> None:
        values, since = ({name: of[name] for name in row.new(names)} for of in (row.values, row.stamps))
        self.kept.append(Kept(chapter, row.version + 1, values, since))

    def _keep_order(self, removed: Values | None = None) -> None:
        values: Values = {"chapters": list(map(str, self.order))} | ({} if removed is None else {"removed": removed})
        since = dict.fromkeys(values, self.story.stamps["chapters"])
        self.kept.append(Kept(None, self.story.version + 1, values, since))


WEIGHTS = {"edit": 6, "write": 6, "append": 3, "drop": 4, "reorder": 3, "publish": 2, "unpublish": 2}
WEIGHTS |= {"restore": 4, "undo": 4, "view": 2, "delete": 1}
ARGUMENTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "edit": {"patch": patches, "back": backs, "merging": st.booleans()},
    "write": {"patch": text_patches, "place": places, "back": backs, "merging": st.booleans()},
    "append": {"body": st.sampled_from(BODIES)},
    "drop": {"place": places, "back": backs},
    "reorder": {"shuffled": st.integers(0, 99), "back": backs, "whole": st.sampled_from([True, True, True, False])},
    "publish": {"back": backs},
    "unpublish": {"back": backs},
    "restore": {"number": st.integers(0, 30), "back": backs},
    "undo": {},
    "view": {"place": places},
    "delete": {"back": st.sampled_from([0, 1, 2])},
}
"""What each move is told."""


class Editing(RuleBasedStateMachine):
    """Does the same to a story and to its model. An author of its own for each run, so nothing has to be cleaned."""

    me: Person
    authored: AuthoredStory
    model: Model | None = None
    known: list[uuid.UUID]
    """Every chapter that there has ever been in this story."""

    @initialize()
    def arrive(self) -> None:
        self.me, self.reader = crowd(2, f"author{next(NUMBERS)}x")

    @precondition(lambda self: self.model is None)
    @rule(bodies=st.lists(st.sampled_from(BODIES), min_size=1, max_size=3))
    def create(self, bodies: list[str]) -> None:
        self.authored = AuthoredStory.of(self.me, *bodies)
        self.known = self.authored.order()
        values = {"title": "A story", "summary": "", "mature": False, "warnings": [], "status": "DRAFT"}
        chapters = [new_chapter(f"Chapter {number}", body) for number, body in enumerate(bodies, 1)]
        stamps = dict.fromkeys([*values, "chapters", "texts"], 1)
        by_id = dict(zip(self.known, chapters, strict=True))
        self.model = Model(Thing(values, stamps), list(self.known), by_id, dict.fromkeys(self.known, 1))

    @precondition(lambda self: self.model)
    @rule(data=st.data(), move=st.sampled_from([move for move, weight in WEIGHTS.items() for _ in range(weight)]))
    def act(self, data: st.DataObject, move: str) -> None:
        if move in ("write", "drop", "view") and not self.known:
            move = "append"
        if move in ("restore", "undo") and not self.the_model.kept:
            move = "edit"
        getattr(self, move)(**{name: data.draw(values, name) for name, values in ARGUMENTS[move].items()})

    @property
    def the_model(self) -> Model:
        assert self.model is not None
        return self.model

    def seen(self, back: int) -> int:
        return max(self.the_model.story.version - back, 0)

    def chapter(self, place: int, back: int) -> tuple[uuid.UUID, int]:
        """One of all that there have been, and a version of it."""
        id_ = self.known[place % len(self.known)]
        chapter = self.the_model.chapters.get(id_)
        return id_, 1 if chapter is None else max(chapter.version - back, 0)

    def agree(self, answer: Answer, expected: str) -> None:
        assert word(answer) == expected, answer
        if isinstance(answer, Outcome):
            assert answer.rows["story"].version == self.the_model.story.version  # type: ignore[attr-defined]

    def edit(self, patch: Values, back: int, merging: bool) -> None:
        seen = self.seen(back)
        answer = told(lambda: self.authored.edit(seen, merge=merging, **patch))
        self.agree(answer, self.the_model.edit(seen, patch, merging=merging))

    def write(self, patch: Values, place: int, back: int, merging: bool) -> None:
        id_, seen = self.chapter(place, back)
        answer = told(lambda: self.authored.write(id_, seen, merge=merging, **patch))
        self.agree(answer, self.the_model.write(id_, seen, patch, merging=merging))

    def append(self, body: str) -> None:
        answer = self.authored.append("More", body)
        self.known.append(answer.rows["chapter"].pk)
        self.agree(answer, self.the_model.append(self.known[-1], "More", body))

    def drop(self, place: int, back: int) -> None:
        id_, seen = self.chapter(place, back)
        self.agree(told(lambda: self.authored.drop(id_, seen)), self.the_model.drop(id_, seen))

    def reorder(self, shuffled: int, back: int, whole: bool) -> None:
        order, seen = list(self.the_model.order if whole else self.known), self.seen(back)
        random.Random(shuffled).shuffle(order)
        self.agree(told(lambda: self.authored.reorder(order, seen)), self.the_model.reorder(order, seen))

    def publish(self, back: int) -> None:
        seen, everything = self.seen(back), list(self.the_model.story.stamps)
        self.agree(told(lambda: self.authored.publish(seen)), self.the_model.show(seen, "PUBLISHED", everything))

    def unpublish(self, back: int) -> None:
        seen = self.seen(back)
        self.agree(told(lambda: self.authored.unpublish(seen)), self.the_model.show(seen, "DRAFT", ["status"]))

    def restore(self, number: int, back: int) -> None:
        kept = self.the_model.kept[-1 - number % len(self.the_model.kept)]
        seen = self.seen(back) if kept.chapter is None else self.chapter(self.known.index(kept.chapter), back)[1]
        row = Revision.objects.get(story_id=self.authored.story, chapter_id=kept.chapter, version=kept.version)
        self.agree(told(lambda: self.authored.restore(row.pk, seen)), self.the_model.restore(kept, seen))

    def view(self, place: int) -> None:
        id_ = self.known[place % len(self.known)]
        answer = word(told(lambda: self.authored.view(self.reader, id_)))
        self.the_model.view(id_)
        is_published = self.the_model.story.values["status"] == "PUBLISHED"
        expected = ("WRITTEN", "NOOP") if id_ in self.the_model.order else ("INVALID",)
        assert answer in (expected if is_published else ("NOT_FOUND",))

    def undo(self) -> None:
        self.restore(0, 0)

    def delete(self, back: int) -> None:
        seen = self.seen(back)
        is_seen = self.the_model.story.is_unchanged(seen, list(self.the_model.story.stamps))
        assert word(told(lambda: self.authored.delete(seen))) == ("WRITTEN" if is_seen else "CONFLICT")
        if is_seen:
            self.model = None
            for late in (
                lambda: self.authored.edit(seen, title="Late"),
                self.authored.append,
                lambda: self.authored.delete(seen),
            ):
                assert word(told(late)) == "NOT_FOUND"
            assert_nothing_left(self.authored.story, *self.known)

    @invariant()
    def every_row_is_as_the_model_has_it(self) -> None:
        if self.model is None:
            return
        model, story = self.model, self.authored.row()
        check(story, model.story)
        chapters = list(Chapter.objects.filter(story_id=story.pk).order_by("position"))
        assert [(row.pk, row.position) for row in chapters] == [(id_, n) for n, id_ in enumerate(model.order, 1)]
        for row in chapters:
            check(row, model.chapters[row.pk])
            assert row.story_version == model.written_at[row.pk]
        assert [reading.chapter_id for reading in Reading.objects.filter(story_id=story.pk)] in ([model.place], [])

    def teardown(self) -> None:
        if self.model is not None:
            rows = Revision.objects.filter(story_id=self.authored.story)
            found = {(row.chapter_id, row.version): (row.values, row.since) for row in rows}
            assert found == {(kept.chapter, kept.version): (kept.values, kept.since) for kept in self.model.kept}
        if hasattr(self, "me"):
            stories = Story.objects.filter(author=self.me).count()
            assert stories == Shelf.objects.get(author=self.me).story_count == (self.model is not None)
        assert_verified()


def check(row: Any, thing: Thing) -> None:
    """A row is as the model has it."""
    assert row.version == thing.version
    assert {name: getattr(row, name) for name in thing.values} == thing.values
    assert {name: getattr(row, f"{name}_changed") for name in thing.stamps} == thing.stamps


def test_editing_is_as_the_model_has_it(transactional_db: None) -> None:
    """Any sequence of writes, from any versions: said, written and kept as the model says."""
    run_state_machine_as_test(
        Editing,
        settings=settings(
            max_examples=depth.rounds(25, at_least=6),
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
