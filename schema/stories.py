"""Stories in GraphQL: shelf and story, lists of stories, and every write to a story."""

import enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
import strawberry_django
from strawberry import auto

from backend.coauthors import queries as coauthoring
from backend.engine.idempotency import Outcome
from backend.market import queries as market
from backend.moderation import queries as moderation
from backend.reading import queries as reading
from backend.sources import Bound, Value
from backend.stories import lists, models, queries, revisions
from backend.stories.actions import NewChapter, NewStory
from backend.stories.rights import VIEWER_RIGHT
from resolvers import stories
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
from schema.arguments import ExpectArgument, Key, OnConflict, OnConflictArgument, given, parse_expect
from schema.chapters import Chapter, ChapterInput
from schema.context import Info
from schema.mutations import mutation
from schema.nodes import SATURATED, PageInfo, Versioned, check_id_count, from_id, key_of, paged, query, sourced, to_id
from schema.scalars import BigInt

if TYPE_CHECKING:
    from schema.coauthors import Coauthor, CoauthorRight, Invitation
    from schema.decisions import Decision
    from schema.market import EditionConnection
    from schema.people import Person
    from schema.reading import Reading
    from schema.revisions import RevisionConnection


@strawberry.enum(description="Whether others can see a story.")
class StoryStatus(enum.Enum):
    """Draft or published."""

    DRAFT = strawberry.enum_value("DRAFT", description="Visible to its author and co-authors alone.")
    PUBLISHED = strawberry.enum_value("PUBLISHED", description="Visible to everybody, except across a block.")


@strawberry.enum(description="What readers may want to be warned of before they read.")
class ContentWarning(enum.Enum):
    """The content warnings."""

    ABUSE = strawberry.enum_value("ABUSE", description="Abuse of people or animals.")
    DEATH = strawberry.enum_value("DEATH", description="The death of somebody whom readers care for.")
    GORE = strawberry.enum_value("GORE", description="Blood and injury, described closely.")
    HATE = strawberry.enum_value("HATE", description="Hatred of people for what they are.")
    SELF_HARM = strawberry.enum_value("SELF_HARM", description="Self-harm or suicide.")
    SEXUAL_CONTENT = strawberry.enum_value("SEXUAL_CONTENT", description="Sexual acts.")
    STRONG_LANGUAGE = strawberry.enum_value("STRONG_LANGUAGE", description="Swearing and slurs.")
    SUBSTANCE_USE = strawberry.enum_value("SUBSTANCE_USE", description="Alcohol or other drugs.")
    VIOLENCE = strawberry.enum_value("VIOLENCE", description="Violence.")


@strawberry_django.type(
    models.Story,
    description="A story in chapters. `version` is one token for the whole story, chapters included: it changes with "
    "every write to the story or to a chapter of it. A write that names it is refused only if something that this write "
    "reads or sets has changed since: an edit of the title does not collide with an edit of a chapter, publishing "
    "collides with both.",
)
class Story(Versioned):
    """A story."""

    look_up = queries.BY_ID

    id: strawberry.ID = sourced(Value("$row.id"), "Names this story. Opaque.")
    created_at: auto = strawberry_django.field(description="When it was created.")
    published_at: auto = strawberry_django.field(
        description="When it was first published, which is its place in lists and feeds; null for a draft."
    )
    republished_at: auto = strawberry_django.field(
        description="When it was published last, if it had been a draft again before; null for a draft."
    )
    author: Annotated["Person", strawberry.lazy("schema.people")] = sourced(queries.AUTHOR, "Who writes it.")
    title: auto = strawberry_django.field(description="Its title: one line.")
    summary: auto = strawberry_django.field(description="What it is about; may be empty.")
    status: StoryStatus = strawberry_django.field(description="Whether others can see it.")
    mature: auto = strawberry_django.field(description="Whether it is meant for adults only.")
    warnings: list[ContentWarning] = sourced(
        Value("$row.warnings"),
        "Its content warnings, in alphabetical order.",
        most=len(ContentWarning),
    )
    chapter_count: int = sourced(queries.CHAPTER_COUNT, "How many chapters it has.")
    chapters: list[Chapter] = sourced(queries.OF_STORY, "Its chapters, in order.", most=models.MAX_CHAPTERS)
    view_count: int = sourced(
        queries.VIEW_COUNT,
        "How many views it has had: one for each reader and day (UTC), not those of its authors. Exact; "
        + SATURATED.format("viewTotal"),
    )
    view_total: BigInt = sourced(
        queries.VIEW_COUNT,
        "How many views it has had: one for each reader and day (UTC), not those of its authors. Exact.",
    )
    reading: Annotated["Reading", strawberry.lazy("schema.reading")] | None = sourced(
        reading.OF_STORY, "The viewer's own place in this story; null when signed out."
    )

    decisions: list[Annotated["Decision", strawberry.lazy("schema.decisions")]] = sourced(
        moderation.DECISIONS_OF_STORY,
        "The moderators' decisions about it that are in force, oldest first: REMOVED keeps it a draft, MARKED_NSFW keeps it "
        "mature. Only for the author, empty for anybody else.",
        most=moderation.MAX_IN_FORCE,
    )

    revisions: Annotated["RevisionConnection", strawberry.lazy("schema.revisions")] | None = paged(
        revisions.OF_STORY,
        "What writes to the title, summary, mature flag, warnings, status and list of chapters replaced, newest "
        "first; each chapter has its own. Only for those who write it, null for anybody else. The oldest are forgotten in time.",
    )

    coauthors: list[Annotated["Coauthor", strawberry.lazy("schema.coauthors")]] = sourced(
        coauthoring.OF_STORY,
        "Who writes it beside its author, longest first.",
        most=models.MAX_COAUTHORS,
    )
    viewer_right: Annotated["CoauthorRight", strawberry.lazy("schema.coauthors")] | None = sourced(
        Value(VIEWER_RIGHT), "What the viewer may do with it; null for a reader."
    )
    invitations: list[Annotated["Invitation", strawberry.lazy("schema.coauthors")]] = sourced(
        coauthoring.OPEN,
        "The open invitations to it, oldest first. Only for those who may invite, empty for anybody else.",
        most=coauthoring.MAX_OPEN,
    )

    editions: Annotated["EditionConnection", strawberry.lazy("schema.market")] = paged(
        market.OF_STORY, "Its limited print runs, newest first."
    )


@strawberry.type(description="A story in a list, with the place where the list can go on.")
class StoryEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Where this story stands in the list.")
    node: Story = strawberry.field(description="The story.")


@strawberry.type(description="A page of stories.")
class StoryConnection:
    """Relay's connection."""

    edges: list[StoryEdge] = strawberry.field(description="The stories of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")


@strawberry_django.type(
    models.Shelf,
    description="An author's list of stories. Creating or deleting a story is a write to it; version 0 until the first.",
)
class Shelf(Versioned):
    """A shelf."""

    look_up = queries.SHELF_BY_ID

    id: strawberry.ID = sourced(Value("$row.author_id"), "Names this shelf. Opaque.")
    story_count: auto = strawberry_django.field(description="How many stories are on it, drafts included. Exact.")

    stories: StoryConnection = paged(
        lists.SHELF_PAGE, "Drafts included, newest first; in a replay too as they are now."
    )


# --- Writes -----------------------------------------------------------------------------------------------------


@strawberry.input(description="A story to create, with its chapters in order.")
class CreateStoryInput:
    """A new story."""

    title: str = strawberry.field(description="Its title: one line, 1 to 200 characters.")
    summary: str = strawberry.field(default="", description="What it is about: at most 2000 characters.")
    mature: bool = strawberry.field(default=False, description="Whether it is meant for adults only.")
    warnings: list[ContentWarning] = strawberry.field(
        default_factory=list, description="Its content warnings, in any order."
    )
    chapters: list[ChapterInput] = strawberry.field(
        default_factory=list, description="Its chapters in order, at most 200."
    )


@strawberry.type(description="The story and the shelf as they are after the write.")
class StorySuccess:
    """A story was written."""

    story: Story = strawberry.field(
        description="The story, with the new version, which covers what others wrote elsewhere in it too: publish or delete "
        "with the version of your last look."
    )
    shelf: Shelf = strawberry.field(description="Your own shelf, with its version.")
    applied: Applied = applied_field()


@strawberry.input(description="The fields of a story to set; those left out stay as they are. None may be null.")
class StoryPatch:
    """A patch."""

    title: str | None = strawberry.field(default=strawberry.UNSET, description="One line, 1 to 200 characters.")
    summary: str | None = strawberry.field(
        default=strawberry.UNSET, description="What it is about: at most 2000 characters, may be empty."
    )
    mature: bool | None = strawberry.field(default=strawberry.UNSET, description="Whether it is meant for adults only.")
    warnings: list[ContentWarning] | None = strawberry.field(
        default=strawberry.UNSET, description="All its content warnings: the list replaces the one before."
    )


@strawberry.type(description="A story was deleted with everything that belongs to it; nobody finds it any more.")
class StoryDeleted:
    """A story is gone."""

    id: strawberry.ID = strawberry.field(description="The id that it had. It is never used again.")
    shelf: Shelf = strawberry.field(description="The author's shelf, with its new version.")
    applied: Applied = applied_field()


CreateStoryResult = Annotated[
    StorySuccess | ConflictError | NotFoundError | InvalidError | ForbiddenError | KeyReusedError | BusyError,
    strawberry.union("CreateStoryResult", description="What createStory can answer."),
]
PublishStoryResult = Annotated[
    StorySuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("PublishStoryResult", description="What publishStory can answer."),
]

UpdateStoryResult = Annotated[
    StorySuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("UpdateStoryResult", description="What updateStory can answer."),
]

UnpublishStoryResult = Annotated[
    StorySuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("UnpublishStoryResult", description="What unpublishStory can answer."),
]

ReorderChaptersResult = Annotated[
    StorySuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("ReorderChaptersResult", description="What reorderChapters can answer."),
]

DeleteStoryResult = Annotated[
    StoryDeleted | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("DeleteStoryResult", description="What deleteStory can answer."),
]


@strawberry.type
class StoriesQuery:
    """Reads of stories."""

    @query(
        description="A story by its id; null if there is none that you may see. Drafts are visible to those who write them alone."
    )
    def story(self, id: Annotated[strawberry.ID, strawberry.argument(description="The story's id.")]) -> Story | None:
        """A story."""
        found = from_id(id)
        if found is None or found[0] != "Story":
            return Bound(None)  # type: ignore[return-value]
        return Bound(queries.BY_ID, {"key": found[1][0]})  # type: ignore[return-value]


StoryId = Annotated[strawberry.ID, strawberry.argument(description="The story's id.")]


@strawberry.type
class StoriesMutation:
    """Writes to stories."""

    @mutation(
        description="Create a draft. Conditioned on the author's shelf: `expect` names the shelf's version. The story and "
        "all its chapters, or nothing."
    )
    def create_story(
        self,
        info: Info,
        input: Annotated[CreateStoryInput, strawberry.argument(description="The story and its chapters.")],
        expect: ExpectArgument,
        key: Key = None,
    ) -> CreateStoryResult:
        """Create a story."""
        me = info.context.me
        chapters = [NewChapter(chapter.title, chapter.body) for chapter in input.chapters]
        warnings = [warning.name for warning in input.warnings]
        new = NewStory(input.title, input.summary, input.mature, chapters, warnings)
        return _success(stories.create_story(me, new=new, expect=parse_expect(expect), key=key))

    @mutation(
        description="Change the title, summary, mature flag or warnings. An edit of a chapter does not collide with this."
    )
    def update_story(
        self,
        info: Info,
        id: StoryId,
        patch: Annotated[StoryPatch, strawberry.argument(description="What to change.")],
        expect: ExpectArgument,
        on_conflict: OnConflictArgument = OnConflict.FAIL,
        key: Key = None,
    ) -> UpdateStoryResult:
        """Edit a story."""
        outcome = stories.update_story(
            info.context.me,
            story=key_of(id, "Story", "id"),
            patch=given(patch),
            expect=parse_expect(expect),
            merge=on_conflict is OnConflict.MERGE,
            key=key,
        )
        return _success(outcome)

    @mutation(
        description="Let everybody see a draft. Refused if anything in the story, any chapter included, changed since "
        "`expect`: what is published is what the publisher saw. A story that was published before keeps its place: publishedAt "
        "stays, and republishedAt is now. The conflict's `overlaps` name all that has changed."
    )
    def publish_story(self, info: Info, id: StoryId, expect: ExpectArgument, key: Key = None) -> PublishStoryResult:
        """Publish a story."""
        me, story = info.context.me, key_of(id, "Story", "id")
        return _success(stories.publish_story(me, story=story, expect=parse_expect(expect), key=key))

    @mutation(
        description="Make a published story a draft again, visible to its author and co-authors alone. Its views stay, edits do "
        "not collide with this; only publishing or unpublishing it elsewhere does."
    )
    def unpublish_story(self, info: Info, id: StoryId, expect: ExpectArgument, key: Key = None) -> UnpublishStoryResult:
        """Make a story a draft again."""
        me, story = info.context.me, key_of(id, "Story", "id")
        return _success(stories.unpublish_story(me, story=story, expect=parse_expect(expect), key=key))

    @mutation(
        description="Delete a story with its chapters, history, views, editions and readers' places. Refused if anything in the "
        "story, any chapter included, changed since `expect`. Whoever edits it late is told NOT_FOUND and when it went. A "
        "story of which an edition was ever ordered is INVALID to delete, because orders are kept: unpublish it instead."
    )
    def delete_story(self, info: Info, id: StoryId, expect: ExpectArgument, key: Key = None) -> DeleteStoryResult:
        """Delete a story."""
        me, story = info.context.me, key_of(id, "Story", "id")
        outcome = stories.delete_story(me, story=story, expect=parse_expect(expect), key=key)
        shelf: Any = outcome.rows["shelf"]
        return StoryDeleted(id=to_id("Story", story), shelf=shelf, applied=applied_of(outcome))

    @mutation(
        description="Put the chapters in another order. `expect` names the story's version; collides only with changes to "
        "the list of chapters, not with what is written in them."
    )
    def reorder_chapters(
        self,
        info: Info,
        story: StoryId,
        order: Annotated[
            list[strawberry.ID],
            strawberry.argument(description="The ids of all its chapters, each once, as they shall be."),
        ],
        expect: ExpectArgument,
        key: Key = None,
    ) -> ReorderChaptersResult:
        """Reorder chapters."""
        outcome = stories.reorder_chapters(
            info.context.me,
            story=key_of(story, "Story", "story"),
            order=[
                key_of(one, "Chapter", f"order.{index}") for index, one in enumerate(check_id_count(order, "order"))
            ],
            expect=parse_expect(expect),
            key=key,
        )
        return _success(outcome)


def _success(outcome: Outcome) -> StorySuccess:
    story: Any = outcome.rows["story"]
    shelf: Any = outcome.rows["shelf"]
    return StorySuccess(story=story, shelf=shelf, applied=applied_of(outcome))
