"""Invalid arguments in GraphQL: which, and what is wrong with each, in a code and in words."""

import enum

import strawberry

from backend.engine import errors


@strawberry.enum(description="What is wrong with an argument.")
class InvalidFieldCode(enum.Enum):
    """The codes of invalid arguments, one for each of `errors.Wrong`."""

    REQUIRED = strawberry.enum_value("REQUIRED", description="It is null, empty or left out, and may not be.")
    BLANK = strawberry.enum_value("BLANK", description="A text without anything that can be seen.")
    TOO_SHORT = strawberry.enum_value("TOO_SHORT", description="A text of fewer characters than `limit`.")
    TOO_LONG = strawberry.enum_value("TOO_LONG", description="A text of more characters than `limit`.")
    TOO_SMALL = strawberry.enum_value("TOO_SMALL", description="A number below `limit`.")
    TOO_GREAT = strawberry.enum_value(
        "TOO_GREAT", description="A number above `limit`; without one, above what would be too much in all."
    )
    TOO_FEW = strawberry.enum_value("TOO_FEW", description="A list of fewer than `limit`.")
    TOO_MANY = strawberry.enum_value(
        "TOO_MANY", description="A list of more than `limit`, or one that would become so."
    )
    BAD_CHARACTERS = strawberry.enum_value("BAD_CHARACTERS", description="A text with characters that it may not have.")
    NOT_HANDED_OUT = strawberry.enum_value(
        "NOT_HANDED_OUT", description="An id, version or cursor that this server has never made."
    )
    WRONG_KIND = strawberry.enum_value("WRONG_KIND", description="An id of another type, or a cursor of another list.")
    TAKEN = strawberry.enum_value("TAKEN", description="Somebody else has it, or had it.")
    RESERVED = strawberry.enum_value("RESERVED", description="Nobody can have it: it would speak for the platform.")
    TOO_COMMON = strawberry.enum_value("TOO_COMMON", description="A password that many people have.")
    TOO_SIMILAR = strawberry.enum_value("TOO_SIMILAR", description="A password that is nearly the handle.")
    ONLY_DIGITS = strawberry.enum_value("ONLY_DIGITS", description="A password of nothing but digits.")
    ONESELF = strawberry.enum_value("ONESELF", description="Oneself, where somebody else is needed.")
    LAST_CHAPTER = strawberry.enum_value("LAST_CHAPTER", description="The last chapter of a published story.")
    NOT_APPLICABLE = strawberry.enum_value(
        "NOT_APPLICABLE",
        description="It does not go with this thing, or not with its present state: `message` says why.",
    )


@strawberry.type(description="One argument that does not make sense.")
class InvalidField:
    """An invalid argument."""

    path: str = strawberry.field(description="Which: names and list indexes, joined by dots.")
    message: str = strawberry.field(description="What is wrong with it, in words for developers.")
    code: InvalidFieldCode = strawberry.field(
        description="What is wrong with it, for apps, which say it in their own words."
    )
    limit: int | None = strawberry.field(
        description="What its length, number or count has to keep to, where the code speaks of a `limit`; null otherwise."
    )


def shown(field: errors.InvalidField) -> InvalidField:
    """An invalid argument, as a client is told of it."""
    return InvalidField(
        path=field.path, message=field.message, code=InvalidFieldCode[field.code.name], limit=field.limit
    )
