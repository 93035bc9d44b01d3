"""Stories in GraphQL: shelf, story and chapter, lists of stories, creating and publishing them."""

import enum
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from backend.engine.idempotency import Outcome
from backend.stories import models
from backend.stories.actions import NewChapter, NewStory
from resolvers import people, stories
from schema.answers import (
    Applied,
    BusyError,
    ConflictError,
    ExpectArgument,
    ForbiddenError,
    InvalidError,
    Key,
    KeyReusedError,
    NotFoundError,
    applied_field,
    applied_of,
    mutation,
    query,
    what_is_expected,
)
from schema.context import Info
from schema.nodes import (
    After,
    Before,
    First,
    Last,
    PageInfo,
    Versioned,
    computed,
    cursor,
    from_id,
    key_of,
    page_info,
    to_id,
    window,
)

if TYPE_CHECKING:
    from schema.people import Person
    from schema.reading import Reading


@strawberry.enum(description="Whether others can see a story.")
class StoryStatus(enum.Enum):
    """Draft or published."""

    DRAFT = strawberry.enum_value("DRAFT", description="Visible to its author alone.")
    PUBLISHED = strawberry.enum_value("PUBLISHED", description="Visible to everybody, except across a block.")


@strawberry.type(
    description="A story in chapters. `version` is one token for the whole story, chapters included: it changes with "
    "every write to the story or to a chapter of it. A write that names it is refused only if something that this write "
    "reads or sets has changed since: an edit of the title does not collide with an edit of a chapter, publishing "
    "collides with both."
)
class Story(Versioned):
    """A story."""

    id: strawberry.ID = computed(lambda story: to_id("Story", story.pk), "Names this story. Opaque.")
    created_at: datetime = strawberry.field(description="When it was created.")
    published_at: datetime | None = strawberry.field(description="When it was published; null for a draft.")
    author: Annotated["Person", strawberry.lazy("schema.people")] = computed(stories.author, "Who writes it.")
    title: str = strawberry.field(description="Its title: one line.")
    summary: str = strawberry.field(description="What it is about; may be empty.")
    status: StoryStatus = strawberry.field(description="Whether others can see it.")
    mature: bool = strawberry.field(description="Whether it is meant for adults only.")
    chapter_count: int = computed(stories.chapter_count, "How many chapters it has.")
    chapters: list["Chapter"] = computed(stories.chapters, "Its chapters, in order.")
    view_count: int = computed(
        stories.view_count,
        "How many views it has had: one for each reader and day (UTC), not the author's own. Exact.",
    )
    reading: Annotated["Reading", strawberry.lazy("schema.reading")] | None = computed(
        stories.place, "The viewer's own place in this story; null when signed out."
    )

    @classmethod
    def is_type_of(cls, value: object, _info: Any) -> bool:
        """Rows of stories are what this type shows."""
        return isinstance(value, models.Story)


@strawberry.type(description="One chapter of a story.")
class Chapter(Versioned):
    """A chapter."""

    id: strawberry.ID = computed(lambda chapter: to_id("Chapter", chapter.pk), "Names this chapter. Opaque.")
    story: Story = computed(stories.story_of, "The story that it belongs to.")
    position: int = strawberry.field(description="1, 2, 3 … without gaps.")
    title: str = strawberry.field(description="Its title: one line.")
    body: str = strawberry.field(description="Its text.")

    @classmethod
    def is_type_of(cls, value: object, _info: Any) -> bool:
        """Rows of chapters are what this type shows."""
        return isinstance(value, models.Chapter)


@strawberry.type(description="A story in a list, with the place where the list can go on.")
class StoryEdge:
    """Relay's edge."""

    cursor: str = computed(cursor, "Where this story stands in the list.")
    node: Story = computed(lambda row: row, "The story.")


@strawberry.type(description="A page of stories.")
class StoryConnection:
    """Relay's connection."""

    edges: list[StoryEdge] = computed(lambda page: page.rows, "The stories of this page.")
    page_info: PageInfo = computed(page_info, "Where this page stands in the list.")


@strawberry.type(
    description="An author's list of stories. Creating or deleting a story is a write to it; version 0 until the first."
)
class Shelf(Versioned):
    """A shelf."""

    id: strawberry.ID = computed(lambda shelf: to_id("Shelf", shelf.pk), "Names this shelf. Opaque.")
    story_count: int = strawberry.field(description="How many stories are on it, drafts included. Exact.")

    @classmethod
    def is_type_of(cls, value: object, _info: Any) -> bool:
        """Rows of shelves are what this type shows."""
        return isinstance(value, models.Shelf)

    @strawberry.field(description="Drafts included, newest first.")
    def stories(
        self, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> StoryConnection:
        """A page of the shelf."""
        shelf: Any = self
        return people.shelf_stories(shelf, window(first, after, last, before))  # type: ignore[return-value]


# --- Writes -----------------------------------------------------------------------------------------------------


@strawberry.input(description="A chapter to write.")
class ChapterInput:
    """A new chapter."""

    title: str = strawberry.field(description="Its title: one line, 1 to 200 characters.")
    body: str = strawberry.field(description="Its text: 1 to 200000 characters.")


@strawberry.input(description="A story to create, with its chapters in order.")
class CreateStoryInput:
    """A new story."""

    title: str = strawberry.field(description="Its title: one line, 1 to 200 characters.")
    summary: str = strawberry.field(default="", description="What it is about: at most 2000 characters.")
    mature: bool = strawberry.field(default=False, description="Whether it is meant for adults only.")
    chapters: list[ChapterInput] = strawberry.field(
        default_factory=list, description="Its chapters in order, at most 200."
    )


@strawberry.type(description="The story and the shelf as they are after the write.")
class StorySuccess:
    """A story was written."""

    story: Story = strawberry.field(description="The story, with the new version.")
    shelf: Shelf = strawberry.field(description="The author's shelf, with its version.")
    applied: Applied = applied_field()


CreateStoryResult = Annotated[
    StorySuccess | ConflictError | InvalidError | ForbiddenError | KeyReusedError | BusyError,
    strawberry.union("CreateStoryResult", description="What createStory can answer."),
]
PublishStoryResult = Annotated[
    StorySuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("PublishStoryResult", description="What publishStory can answer."),
]


@strawberry.type
class StoriesQuery:
    """Reads of stories."""

    @query(
        description="A story by its id; null if there is none that you may see. Drafts are visible to their author alone."
    )
    def story(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The story's id.")]
    ) -> Story | None:
        """A story."""
        found = from_id(id)
        if found is None or found[0] != "Story":
            return None
        key = found[1][0]
        return stories.by_ids([key], viewer=info.context.viewer).get(key)  # type: ignore[return-value]

    @query(description="Published stories, newest first.")
    def stories(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> StoryConnection:
        """All published stories."""
        return stories.published(window(first, after, last, before), viewer=info.context.viewer)  # type: ignore[return-value]

    @query(description="Published stories of the people that the viewer follows, newest first.")
    def feed(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> StoryConnection:
        """The viewer's feed."""
        return stories.feed(window(first, after, last, before), viewer=info.context.viewer)  # type: ignore[return-value]


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
        new = NewStory(input.title, input.summary, input.mature, chapters)
        return _success(stories.create_story(me, new=new, expect=what_is_expected(expect), key=key))

    @mutation(
        description="Let everybody see a draft. Refused if anything in the story, any chapter included, changed since "
        "`expect`: what is published is what the publisher saw."
    )
    def publish_story(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The story's id.")],
        expect: ExpectArgument,
        key: Key = None,
    ) -> PublishStoryResult:
        """Publish a story."""
        me = info.context.me
        story = key_of(id, "Story", "id")
        return _success(stories.publish_story(me, story=story, expect=what_is_expected(expect), key=key))


def _success(outcome: Outcome) -> StorySuccess:
    story: Any = outcome.rows["story"]
    shelf: Any = outcome.rows["shelf"]
    return StorySuccess(story=story, shelf=shelf, applied=applied_of(outcome))
