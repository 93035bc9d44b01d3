"""Lists of stories in GraphQL: all that match a filter, in the order asked for, and the viewer's feed."""

import enum
from typing import Annotated, Any

import strawberry

from backend.sources import Bound
from backend.stories import lists as story_lists
from backend.stories.lists import Wanted
from schema.nodes import After, Before, First, Last, key_of, query, window
from schema.stories import ContentWarning, StoryConnection, StoryStatus


@strawberry.input(
    description="Which stories to list: those of which everything holds that is given. A member that is left out or "
    "null holds of all."
)
class StoryFilter:
    """A filter."""

    author: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="Only stories of the person with this id. None at all if you cannot see that person's stories.",
    )
    with_warnings: list[ContentWarning] | None = strawberry.field(
        default=strawberry.UNSET, description="Only stories that carry all of these content warnings."
    )
    without_warnings: list[ContentWarning] | None = strawberry.field(
        default=strawberry.UNSET, description="Only stories that carry none of these content warnings."
    )
    status: StoryStatus | None = strawberry.field(
        default=strawberry.UNSET,
        description="PUBLISHED unless you say otherwise. DRAFT lists your own drafts, and never anybody else's.",
    )
    text: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Only stories with these words in title, summary or titles of chapters: beginnings of words, in any case, "
        'order and script, with or without accents; at most 200 characters and 40 words, not blank. "Quotation marks" keep '
        "whole words together, OR between words allows either, a - before a word forbids it.",
    )


@strawberry.enum(description="Which stories of a list come first.")
class StoryOrder(enum.Enum):
    """One for each order."""

    NEWEST = strawberry.enum_value("NEWEST", description="Those published last; of drafts, those created last.")
    MOST_READ = strawberry.enum_value(
        "MOST_READ",
        description="Those with most views. Exact among stories with few views; among those with hundreds the last views "
        "are counted in a little later. A story whose views grow while you page may be met twice, or not.",
    )


def _wanted(asked: StoryFilter | None) -> Wanted:
    """Convert the filter; null means the same as left out."""
    given: dict[str, Any] = {
        name: value for name, value in vars(asked or StoryFilter()).items() if value not in (None, strawberry.UNSET)
    }
    if "author" in given:
        given["author"] = key_of(given["author"], "Person", "filter.author")
    for name in ("with_warnings", "without_warnings"):
        given[name] = [warning.name for warning in given.get(name, ())]
    return Wanted(drafts=given.pop("status", None) is StoryStatus.DRAFT, **given)


@strawberry.type
class ListsQuery:
    """Reads of lists of stories."""

    @query(
        description="Published stories, or your own drafts: those that the filter asks for, in the order asked for. Stories "
        "for adults are left out, but your own, unless you have set showMature in your profile."
    )
    def stories(
        self,
        filter: Annotated[
            StoryFilter | None, strawberry.argument(description="Which stories; all published ones if left out.")
        ] = None,
        order_by: Annotated[StoryOrder, strawberry.argument(description="Which come first.")] = StoryOrder.NEWEST,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> StoryConnection:
        """Stories that match a filter."""
        order = story_lists.StoryOrder[order_by.name]
        part = window(first, after, last, before, by=order.by)
        return story_lists.listed(_wanted(filter), order, part)  # type: ignore[return-value]

    @query(
        description="Published stories of the people that the viewer follows, newest first. Stories for adults are left out, "
        "unless the viewer has set showMature in their profile. Empty when signed out."
    )
    def feed(
        self, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> StoryConnection:
        """The viewer's feed."""
        return Bound(story_lists.FEED_PAGE, {}, window(first, after, last, before))  # type: ignore[return-value]
