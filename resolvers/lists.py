"""Lists of stories: by a filter, and the viewer's feed."""

from backend.pages import Page, Window
from backend.people.models import Person
from backend.stories import lists
from backend.stories.lists import StoryOrder, Wanted
from backend.stories.models import Story
from resolvers.access import shows_mature, signed_in, the_id
from resolvers.batches import gather


def stories(wanted: Wanted, order: StoryOrder, window: Window, *, viewer: Person | None) -> Page[Story]:
    """The stories that match the filter and that the viewer may see and wants to see."""
    page = lists.stories(wanted, order, window, viewer=the_id(viewer), mature=shows_mature(viewer))
    gather(page.rows, viewer)
    return page


def feed(window: Window, *, viewer: Person | None) -> Page[Story]:
    """Published stories of the people whom the viewer follows, newest first."""
    me = signed_in(viewer)
    page = lists.feed(window, viewer=me.pk, mature=me.show_mature)
    gather(page.rows, me)
    return page
