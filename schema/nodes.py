"""The base of all object types: global ids, versions, and Relay's pages."""

import binascii
import re
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Annotated, Any, ClassVar

import strawberry
from strawberry_django.utils.typing import get_django_definition

from backend.engine.errors import Invalid, Wrong
from backend.pages import Window
from backend.sources import Page, Row, Source
from schema.scalars import MAX_INT, Version

KEY = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""A key as `to_id` writes it."""
MAX_IDS = 1_000
"""The maximum number of ids in one lookup."""
SOURCE = "source"
"""The key under which a field's metadata has its source."""
TEXTS = "texts"
"""The key under which it says that its arguments hold texts, which are normalised and checked."""
MAX_ITEMS = "max_items"
"""The key of a list's metadata: see `at_most`."""
SATURATED = f"{MAX_INT} stands for so many or more, which `{{}}` tells."
"""What is said of an Int whose number may be greater than any Int: which field has all of it, as a BigInt."""


@strawberry.interface(description="Anything that can be found again by its id.")
class Node:
    """Relay's Node: an id that is unique across all types.

    Each type declares the model of its rows, and how they are looked up by key. An object that belongs to the viewer and
    another row has an id of two keys. The first is the viewer's, so nobody else can look it up.
    """

    row: ClassVar[type]
    """The class of the rows that this type shows, where they are of no model."""
    look_up: ClassVar[Row]
    """Finds the row with this key, if the viewer may see it."""
    belongs_to_viewer: ClassVar[bool] = False

    id: strawberry.ID = strawberry.field(description="Names this thing among all things. Opaque.")


@strawberry.interface(description="A thing whose writes are conditioned on the version that the client last saw.")
class Versioned(Node):
    """A node with a version."""

    version: Version = strawberry.field(
        description="Changes with every write. Send it back in `expect` to write only if nobody else has."
    )
    updated_at: datetime = strawberry.field(description="When the last write happened.")


@cache
def node_types() -> dict[str, type[Node]]:
    """All node types by name."""
    return {one.__name__: one for base in (Node, Versioned) for one in base.__subclasses__() if "look_up" in vars(one)}


def row_of(node_type: type[Node]) -> type:
    """The class of the rows that a type shows."""
    definition = get_django_definition(node_type)
    return node_type.row if definition is None else definition.model


def type_name_of(row: object) -> str:
    """The name of the type that shows this row. Raises LookupError if there is none."""
    class_: Any = type(row)
    return _type_name_of(class_)


@cache
def _type_name_of(class_: type) -> str:
    for name, node_type in node_types().items():
        if issubclass(class_, row_of(node_type)):
            return name
    raise LookupError(f"No type shows a {class_.__name__}.")


def to_id(type_name: str, *keys: uuid.UUID) -> strawberry.ID:
    """A global id: type and key in base64, as in Relay. Two keys for an object that belongs to a pair."""
    return strawberry.ID(binascii.b2a_base64(":".join([type_name, *map(str, keys)]).encode(), newline=False).decode())


def from_id(global_id: str) -> tuple[str, list[uuid.UUID]] | None:
    """The type and keys in a global id, or None for text that `to_id` did not make."""
    try:
        named = binascii.a2b_base64(global_id, strict_mode=True)
        type_name, *keys = named.decode("ascii").split(":")
    except (ValueError, binascii.Error):
        return None
    if not keys or not all(map(KEY.fullmatch, keys)) or binascii.b2a_base64(named, newline=False).decode() != global_id:
        return None
    return type_name, list(map(uuid.UUID, keys))


def key_of(global_id: str, type_name: str, path: str) -> uuid.UUID:
    """The key in a global id of this type. Raises `Invalid` for any other id."""
    found = from_id(global_id)
    if found is None:
        raise Invalid.one(path, "is not an id that this server handed out.", Wrong.NOT_HANDED_OUT)
    if found[0] != type_name or len(found[1]) != 1:
        raise Invalid.one(path, f"must be the id of a {type_name}.", Wrong.WRONG_KIND)
    return found[1][0]


def keys_of(ids: Sequence[str], type_name: str) -> list[uuid.UUID | None]:
    """The key in each global id of this type, None for any other id."""
    found = map(from_id, ids)
    return [one[1][0] if one and one[0] == type_name and len(one[1]) == 1 else None for one in found]


def check_id_count(ids: Sequence[str], path: str) -> Sequence[str]:
    """`ids` itself. Raises `Invalid` if there are too many."""
    if len(ids) > MAX_IDS:
        raise Invalid.one(path, f"are too many: {len(ids)}, at most {MAX_IDS}.", Wrong.TOO_MANY, MAX_IDS)
    return ids


def asked(found: Sequence[tuple[str | None, Sequence[uuid.UUID | None]]]) -> dict[str, Any]:
    """The values of a `ByIds` source: for each id the type and the keys in it; no type for an id that names nothing."""
    return {
        "types": [type_name for type_name, _ in found],
        "keys": [keys[-1] for _, keys in found],
        "owners": [keys[0] if len(keys) > 1 else None for _, keys in found],
    }


def at_most(items: int) -> dict[str, int]:
    """The metadata of a list: how many items it can hold. Every list that is no page says so, for the cost of a request."""
    return {MAX_ITEMS: items}


def sourced(source: Source, description: str, *, most: int | None = None) -> Any:
    """A field with a source; its type is the annotation's. A list says how many items it can hold."""
    return strawberry.field(
        description=description, metadata={SOURCE: source, **({} if most is None else at_most(most))}
    )


def computed(load: Callable[[Any], Any], description: str, *, most: int | None = None) -> Any:
    """A field that is computed from an object that is no row; its type is the annotation's."""

    def resolve(root: Any) -> Any:
        return load(root)

    metadata = None if most is None else at_most(most)
    return strawberry.field(resolver=resolve, description=description, metadata=metadata)


look_up = partial(strawberry.field, metadata={SOURCE: None})
"""As `query`, for a field that takes nothing but ids: one that is no text at all is one that names nothing."""
query = partial(strawberry.field, metadata={SOURCE: None, TEXTS: True})
"""A field whose resolver says where it comes from for these arguments: it returns a `Bound`. Raises what refuses them."""


# --- Pages ------------------------------------------------------------------------------------------------------

First = Annotated[
    int | None,
    strawberry.argument(description="The first so many, from 0 to 100; 20 if neither first nor last is given."),
]
After = Annotated[
    str | None, strawberry.argument(description="Only what comes after this cursor, which must be of this list.")
]
Last = Annotated[
    int | None, strawberry.argument(description="The last so many, from 0 to 100. Not together with first.")
]
Before = Annotated[
    str | None, strawberry.argument(description="Only what comes before this cursor, which must be of this list.")
]


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """Relay's PageInfo."""

    has_next_page: bool = strawberry.field(description="Whether there is more after this page.")
    has_previous_page: bool = strawberry.field(description="Whether there is more before this page.")
    start_cursor: str | None = strawberry.field(description="The first cursor of the page; null if it is empty.")
    end_cursor: str | None = strawberry.field(description="The last cursor of the page; null if it is empty.")


def _part(first: First = None, after: After = None, last: Last = None, before: Before = None) -> Any:
    """Which part of the list."""


def paged(source: Page, description: str) -> Any:
    """A connection with a source; its type is the annotation's."""
    return strawberry.field(resolver=_part, description=description, metadata={SOURCE: source})


window = Window.of
