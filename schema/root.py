"""The schema object: every root field, every type, every refusal."""

import uuid

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from schema import (
    chapters,
    lists,
    lookup,
    market,
    moderation,
    monitoring,
    notifications,
    people,
    reading,
    revisions,
    social,
    stories,
    tokens,
    whispers,
)
from schema.answers import HANDLERS
from schema.scalars import UUID, VERSION, Version


def _root(name: str, description: str, *parts: type) -> type:
    """A root type made of the root fields of each module."""
    root = merge_types(name, parts)
    root.__strawberry_definition__.description = description  # type: ignore[attr-defined]
    return root


Query = _root(
    "Query",
    "What can be read. One request sees one moment: its answer never mixes two.",
    people.PeopleQuery,
    lookup.LookupQuery,
    social.SocialQuery,
    stories.StoriesQuery,
    lists.ListsQuery,
    whispers.WhispersQuery,
    moderation.ModerationQuery,
    market.MarketQuery,
    monitoring.MonitoringQuery,
)
Mutation = _root(
    "Mutation",
    "What can be written. Each happens entirely or not at all, and answers with what it made or why it was refused.",
    people.PeopleMutation,
    tokens.TokensMutation,
    social.SocialMutation,
    stories.StoriesMutation,
    chapters.ChaptersMutation,
    revisions.RevisionsMutation,
    reading.ReadingMutation,
    whispers.WhispersMutation,
    moderation.ModerationMutation,
    market.MarketMutation,
    notifications.NotificationsMutation,
)

schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    types=[
        people.Person,
        tokens.AccessToken,
        social.Relationship,
        stories.Story,
        stories.Shelf,
        chapters.Chapter,
        revisions.Revision,
        reading.Reading,
        whispers.Whisper,
        moderation.Report,
        market.Edition,
        market.Order,
        notifications.Notification,
    ],
    config=StrawberryConfig(scalar_map={Version: VERSION, uuid.UUID: UUID}),
    exception_handlers=(*HANDLERS, market.OUT_OF_STOCK),
)
