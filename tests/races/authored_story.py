"""A story and its author, and every write to it by the version or the key that the author says they have seen."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from backend.engine.errors import Refusal
from backend.engine.idempotency import Outcome
from backend.engine.transactions import unit_of_work
from backend.engine.versions import Expected
from backend.people.models import Person
from backend.reading.places import ReadingPlace
from backend.stories import actions
from backend.stories.actions import NewChapter, NewStory
from backend.stories.models import Chapter, Revision, Story
from resolvers import chapters, reading, revisions, stories

Seen = int | uuid.UUID
"""A version, or the key of the mutation that made it."""
Answer = Outcome | Refusal


@dataclass(frozen=True)
class AuthoredStory:
    """A story and its author."""

    me: Person
    story: uuid.UUID

    @classmethod
    def of(cls, me: Person, *bodies: str) -> "AuthoredStory":
        """A new draft with a chapter for each body."""
        return authored_stories(me, 1, *bodies)[0]

    def row(self) -> Story:
        """The story as it is now."""
        return Story.objects.get(pk=self.story)

    def chapters(self) -> list[Chapter]:
        """Its chapters as they are now, in order."""
        return list(Chapter.objects.filter(story_id=self.story).order_by("position"))

    def order(self) -> list[uuid.UUID]:
        """The ids of its chapters as they are now, in order."""
        return [chapter.pk for chapter in self.chapters()]

    def revisions(self) -> list[Revision]:
        """What has been replaced in the story itself, oldest first."""
        return list(Revision.objects.filter(story_id=self.story, chapter_id=None).order_by("version"))

    def edit(self, seen: Seen, *, merge: bool = False, key: uuid.UUID | None = None, **patch: Any) -> Outcome:
        return stories.update_story(self.me, story=self.story, patch=patch, expect=expected(seen), merge=merge, key=key)

    def write(
        self, chapter: uuid.UUID, seen: Seen, *, merge: bool = False, key: uuid.UUID | None = None, **patch: Any
    ) -> Outcome:
        return chapters.update_chapter(
            self.me, chapter=chapter, patch=patch, expect=expected(seen), merge=merge, key=key
        )

    def append(self, title: str = "One more", body: str = "More.", key: uuid.UUID | None = None) -> Outcome:
        return chapters.append_chapter(self.me, story=self.story, new=NewChapter(title, body), key=key or uuid.uuid4())

    def drop(self, chapter: uuid.UUID, seen: Seen, key: uuid.UUID | None = None) -> Outcome:
        return chapters.delete_chapter(self.me, chapter=chapter, expect=expected(seen), key=key)

    def reorder(self, order: Sequence[uuid.UUID], seen: Seen, key: uuid.UUID | None = None) -> Outcome:
        return stories.reorder_chapters(self.me, story=self.story, order=order, expect=expected(seen), key=key)

    def publish(self, seen: Seen, key: uuid.UUID | None = None) -> Outcome:
        return stories.publish_story(self.me, story=self.story, expect=expected(seen), key=key)

    def unpublish(self, seen: Seen, key: uuid.UUID | None = None) -> Outcome:
        return stories.unpublish_story(self.me, story=self.story, expect=expected(seen), key=key)

    def restore(self, revision: uuid.UUID, seen: Seen, key: uuid.UUID | None = None) -> Outcome:
        return revisions.restore_revision(self.me, revision=revision, expect=expected(seen), key=key)

    def delete(self, seen: Seen, key: uuid.UUID | None = None) -> Outcome:
        return stories.delete_story(self.me, story=self.story, expect=expected(seen), key=key)

    def view(self, reader: Person, chapter: uuid.UUID | None) -> Outcome:
        """A reader opens it, wherever they have been."""
        place = None if chapter is None else ReadingPlace(chapter, 0)
        return reading.record_view(
            reader, story=self.story, place=place, expect=Expected(None), furthest=True, key=None
        )


def authored_stories(me: Person, count: int, *bodies: str) -> list[AuthoredStory]:
    """So many drafts of one author, each with a chapter for each body."""
    new = NewStory("A story", "", False, [NewChapter(f"Chapter {n}", body) for n, body in enumerate(bodies, 1)])
    make = lambda: [actions.create_story(me.pk, new, Expected(None))[0] for _ in range(count)]  # noqa: E731
    return [AuthoredStory(me, story.pk) for story in unit_of_work(make)]


def expected(seen: Seen) -> Expected:
    """What a client says that it has seen."""
    return Expected(seen) if isinstance(seen, int) else Expected(None, after=seen)


def told(work: Callable[[], Outcome]) -> Answer:
    """What became of a mutation: its outcome, or its refusal."""
    try:
        return work()
    except Refusal as refusal:
        return refusal


def word(answer: Answer) -> str:
    """What an answer says in one word."""
    return answer.code if isinstance(answer, Refusal) else answer.applied.value


def words(answers: Iterable[Answer]) -> list[str]:
    """What they say, in the order of the alphabet."""
    return sorted(map(word, answers))


def fields(row: Model) -> dict[str, Any]:
    """The columns of a row in memory."""
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
