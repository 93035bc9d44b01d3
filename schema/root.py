"""The schema object: every root field, every type, every refusal."""

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from schema import lookup, people, reading, social, stories
from schema.answers import HANDLERS
from schema.light import lighten
from schema.scalars import VERSION, Version

Query = merge_types("Query", (people.PeopleQuery, lookup.LookupQuery, social.SocialQuery, stories.StoriesQuery))
Mutation = merge_types(
    "Mutation",
    (people.PeopleMutation, social.SocialMutation, stories.StoriesMutation, reading.ReadingMutation),
)

schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    types=[
        people.Person,
        social.Relationship,
        stories.Story,
        stories.Chapter,
        stories.Shelf,
        reading.Reading,
    ],
    config=StrawberryConfig(scalar_map={Version: VERSION}),
    exception_handlers=HANDLERS,
)
lighten(schema._schema)
