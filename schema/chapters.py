"""Chapters in GraphQL: the type, appending, editing and deleting them."""

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
import strawberry_django
from strawberry import auto

from backend.engine.idempotency import Outcome
from backend.sources import Value
from backend.stories import models, queries, revisions
from backend.stories.actions import NewChapter
from resolvers import chapters
from schema.answers import (
    Applied,
    BusyError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    KeyReusedError,
    NotFoundError,
    applied_field,
    applied_of,
)
from schema.arguments import KEY_DESCRIPTION, ExpectArgument, Key, OnConflict, OnConflictArgument, given, parse_expect
from schema.context import Info
from schema.mutations import mutation
from schema.nodes import Versioned, key_of, paged, sourced, to_id

if TYPE_CHECKING:
    from schema.revisions import RevisionConnection
    from schema.stories import Story

LazyStory = Annotated["Story", strawberry.lazy("schema.stories")]


@strawberry_django.type(
    models.Chapter,
    description="One chapter of a story. Its version changes with every write to it; each is a write to the story too.",
)
class Chapter(Versioned):
    """A chapter."""

    look_up = queries.CHAPTER_BY_ID

    id: strawberry.ID = sourced(Value("$row.id"), "Names this chapter. Opaque.")
    story: LazyStory = sourced(queries.OF_CHAPTER, "The story that it belongs to.")
    position: auto = strawberry_django.field(description="1, 2, 3 … without gaps.")
    title: auto = strawberry_django.field(description="Its title: one line.")
    body: auto = strawberry_django.field(description="Its text. Blank lines separate paragraphs.")

    revisions: Annotated["RevisionConnection", strawberry.lazy("schema.revisions")] | None = paged(
        revisions.OF_CHAPTER,
        "What writes to the title and text replaced, newest first. Only for those who write the story, null for anybody else. "
        "The oldest are forgotten in time.",
    )


# --- Writes -----------------------------------------------------------------------------------------------------


@strawberry.input(description="A chapter to write.")
class ChapterInput:
    """A new chapter."""

    title: str = strawberry.field(description="Its title: one line, 1 to 200 characters.")
    body: str = strawberry.field(description="Its text: 1 to 200000 characters.")


@strawberry.input(description="The fields of a chapter to set; those left out stay as they are. None may be null.")
class ChapterPatch:
    """A patch."""

    title: str | None = strawberry.field(default=strawberry.UNSET, description="One line, 1 to 200 characters.")
    body: str | None = strawberry.field(default=strawberry.UNSET, description="Its text: 1 to 200000 characters.")


@strawberry.type(description="The chapter and its story as they are after the write.")
class ChapterSuccess:
    """A chapter was written."""

    chapter: Chapter = strawberry.field(description="The chapter, with the new version.")
    story: LazyStory = strawberry.field(
        description="Its story, with the new version, which covers what others wrote elsewhere in it too."
    )
    applied: Applied = applied_field()


@strawberry.type(description="A chapter was deleted, and the later ones moved up.")
class ChapterDeleted:
    """A chapter is gone."""

    id: strawberry.ID = strawberry.field(description="The id that it had. restoreRevision can bring it back.")
    story: LazyStory = strawberry.field(description="Its story, with the new version.")
    applied: Applied = applied_field()


AppendChapterResult = Annotated[
    ChapterSuccess | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("AppendChapterResult", description="What appendChapter can answer."),
]
UpdateChapterResult = Annotated[
    ChapterSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("UpdateChapterResult", description="What updateChapter can answer."),
]
DeleteChapterResult = Annotated[
    ChapterDeleted | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("DeleteChapterResult", description="What deleteChapter can answer."),
]
ChapterId = Annotated[strawberry.ID, strawberry.argument(description="The chapter's id.")]


@strawberry.type
class ChaptersMutation:
    """Writes to chapters."""

    @mutation(
        description="Add a chapter at the end. Appending commutes with every other write, so it carries no expectation; the "
        "key sees to it that a request which is sent twice adds one chapter."
    )
    def append_chapter(
        self,
        info: Info,
        story: Annotated[strawberry.ID, strawberry.argument(description="The story's id.")],
        chapter: Annotated[ChapterInput, strawberry.argument(description="The chapter.")],
        key: Annotated[uuid.UUID, strawberry.argument(description=KEY_DESCRIPTION)],
    ) -> AppendChapterResult:
        """Append a chapter."""
        me, new = info.context.me, NewChapter(chapter.title, chapter.body)
        return _success(chapters.append_chapter(me, story=key_of(story, "Story", "story"), new=new, key=key))

    @mutation(
        description="Change the title or text of a chapter; `expect` names the chapter's version. With MERGE, texts that were "
        "changed in different paragraphs are brought together (applied: MERGED); a paragraph that both changed or "
        "moved is a conflict, whose `suggestion` shows how far they could be."
    )
    def update_chapter(
        self,
        info: Info,
        id: ChapterId,
        patch: Annotated[ChapterPatch, strawberry.argument(description="What to change.")],
        expect: ExpectArgument,
        on_conflict: OnConflictArgument = OnConflict.FAIL,
        key: Key = None,
    ) -> UpdateChapterResult:
        """Edit a chapter."""
        outcome = chapters.update_chapter(
            info.context.me,
            chapter=key_of(id, "Chapter", "id"),
            patch=given(patch),
            expect=parse_expect(expect),
            merge=on_conflict is OnConflict.MERGE,
            key=key,
        )
        return _success(outcome)

    @mutation(
        description="Delete a chapter; `expect` names the chapter's version. Refused if its title or text has changed since; "
        "that it was moved does not matter. The last one of a published story is INVALID to delete: add another first, or "
        "unpublish. Its text stays in the story's `revisions`. Readers who were in it stand at the "
        "beginning of the next chapter then, or at the end of the last."
    )
    def delete_chapter(self, info: Info, id: ChapterId, expect: ExpectArgument, key: Key = None) -> DeleteChapterResult:
        """Delete a chapter."""
        me, chapter = info.context.me, key_of(id, "Chapter", "id")
        outcome = chapters.delete_chapter(me, chapter=chapter, expect=parse_expect(expect), key=key)
        story: Any = outcome.rows["story"]
        return ChapterDeleted(id=to_id("Chapter", chapter), story=story, applied=applied_of(outcome))


def _success(outcome: Outcome) -> ChapterSuccess:
    chapter: Any = outcome.rows["chapter"]
    story: Any = outcome.rows["story"]
    return ChapterSuccess(chapter=chapter, story=story, applied=applied_of(outcome))
