"""The base of all object types: global ids, versions, and Relay's pages."""

import base64
import binascii
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Annotated, Any, ClassVar, Protocol

import strawberry

from backend.engine.errors import Invalid
from backend.pages import Page, Window, to_cursor
from backend.people.models import Person
from schema.scalars import Version

MAX_IDS = 1_000
"""The maximum number of ids in one lookup."""
MAX_ITEMS = "max_items"
"""The key of a list's metadata: see `at_most`."""


class LookUp(Protocol):
    """Finds the rows with these keys that the viewer may see, in a constant number of queries."""

    def __call__(self, ids: Iterable[uuid.UUID], *, viewer: Person | None) -> Mapping[uuid.UUID, Any]:
        """The rows that were found, by key."""


@strawberry.interface(description="Anything that can be found again by its id.")
class Node:
    """Relay's Node: an id that is unique across all types.

    Each type declares the class of its rows, and how they are looked up by key. An object that belongs to the viewer and
    another row has an id of two keys. The first is the viewer's, so nobody else can look it up.
    """

    row: ClassVar[type]
    """The class of the rows that this type shows."""
    look_up: ClassVar[LookUp]
    """Finds those of these keys that the viewer may see."""
    belongs_to_viewer: ClassVar[bool] = False

    @classmethod
    def is_type_of(cls, value: object, _info: Any) -> bool:
        """Whether a value is a row of this type; GraphQL uses it to resolve interfaces and unions."""
        return isinstance(value, cls.row)

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
    return {one.__name__: one for base in (Node, Versioned) for one in base.__subclasses__() if "row" in vars(one)}


def type_name_of(value: object) -> str:
    """The name of the type that shows this row. Raises LookupError if there is none."""
    for name, node_type in node_types().items():
        if isinstance(value, node_type.row):
            return name
    raise LookupError(f"No type shows a {type(value).__name__}.")


def to_id(type_name: str, *keys: uuid.UUID) -> strawberry.ID:
    """A global id: type and key in base64, as in Relay. Two keys for an object that belongs to a pair."""
    return strawberry.ID(base64.b64encode(":".join([type_name, *map(str, keys)]).encode()).decode())


def from_id(global_id: str) -> tuple[str, list[uuid.UUID]] | None:
    """The type and keys in a global id, or None for text that `to_id` did not make."""
    try:
        type_name, *keys = base64.b64decode(global_id.encode("ascii"), validate=True).decode("ascii").split(":")
        found = [uuid.UUID(key) for key in keys]
    except (ValueError, binascii.Error):
        return None
    return (type_name, found) if found and to_id(type_name, *found) == global_id else None


def key_of(global_id: str, type_name: str, path: str) -> uuid.UUID:
    """The key in a global id of this type. Raises `Invalid` for any other id."""
    found = from_id(global_id)
    if found is None:
        raise Invalid.one(path, "is not an id that this server handed out.")
    if found[0] != type_name or len(found[1]) != 1:
        raise Invalid.one(path, f"must be the id of a {type_name}.")
    return found[1][0]


def keys_of(ids: Sequence[str], type_name: str) -> list[uuid.UUID | None]:
    """The key in each global id of this type, None for any other id."""
    found = map(from_id, ids)
    return [one[1][0] if one and one[0] == type_name and len(one[1]) == 1 else None for one in found]


def check_id_count(ids: Sequence[str], path: str) -> Sequence[str]:
    """`ids` itself. Raises `Invalid` if there are too many."""
    if len(ids) > MAX_IDS:
        raise Invalid.one(path, f"are too many: {len(ids)}, at most {MAX_IDS}.")
    return ids


def at_most(items: int) -> dict[str, int]:
    """The metadata of a list: how many items it can hold. Every list that is no page says so, for the cost of a request."""
    return {MAX_ITEMS: items}


def computed(load: Callable[[Any], Any], description: str, *, most: int | None = None) -> Any:
    """A field that is computed from its object alone; its type is the annotation's. A list says how many items it can hold."""

    def resolve(root: Any) -> Any:
        return load(root)

    resolve.load = load  # type: ignore[attr-defined]  # for `light.lighten`
    metadata = None if most is None else at_most(most)
    return strawberry.field(resolver=resolve, description=description, metadata=metadata)


# --- Pages ------------------------------------------------------------------------------------------------------

First = Annotated[
    int | None,
    strawberry.argument(description="The first so many, from 0 to 100; 20 if neither first nor last is given."),
]
After = Annotated[str | None, strawberry.argument(description="Only what comes after this cursor.")]
Last = Annotated[
    int | None, strawberry.argument(description="The last so many, from 0 to 100. Not together with first.")
]
Before = Annotated[str | None, strawberry.argument(description="Only what comes before this cursor.")]


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """Relay's PageInfo."""

    has_next_page: bool = strawberry.field(description="Whether there is more after this page.")
    has_previous_page: bool = strawberry.field(description="Whether there is more before this page.")
    start_cursor: str | None = strawberry.field(description="The first cursor of the page; null if it is empty.")
    end_cursor: str | None = strawberry.field(description="The last cursor of the page; null if it is empty.")


def page_info(page: Page[Any]) -> PageInfo:
    """A page's PageInfo."""
    return PageInfo(
        has_next_page=page.has_next,
        has_previous_page=page.has_previous,
        start_cursor=cursor(page.rows[0]) if page.rows else None,
        end_cursor=cursor(page.rows[-1]) if page.rows else None,
    )


def cursor(row: Any) -> str:
    """The cursor of a row in its page."""
    return to_cursor((row.place_at, row.id))


window = Window.of
