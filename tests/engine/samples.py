"""A row of each versioned model, for the tests of the guard."""

from collections.abc import Iterator

from django.db import models

from backend.market.models import Edition, Order
from backend.moderation.models import Report
from backend.notifications.models import Notification
from backend.people.models import Person
from backend.reading.models import Reading
from backend.social.models import Relationship
from backend.stories.models import Chapter, Story
from backend.whispers.models import Whisper
from tests.nouns import collect


def samples(one: Person, other: Person) -> Iterator[models.Model]:
    """Unsaved, each after what it refers to; these two people are there already, the one with the lower id first."""
    story, whisper = Story(author=one, title="A story"), Whisper(author=one, text="Psst.")
    yield story
    yield Chapter(story=story, position=1, title="One", body=".")
    yield Reading(story=story, reader=other)
    yield Relationship(low=one, high=other)
    yield whisper
    yield Report(about=one, reporter=other, whisper=whisper, reason="Look.")
    yield Edition(story=story, author=one, title="An edition", price_cents=5, stock=9, initial=9)
    yield Order(author=one, buyer=other, total_cents=5)
    yield Notification(person=other, kind="STORY_PUBLISHED", story=story)
    for guarded in collect("guarded"):
        yield from guarded(one, other, story)
