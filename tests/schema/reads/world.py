"""A database with everything in it that reads distinguish, and what a reader needs to ask for it: ids, cursors, tokens."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from graphql import get_named_type, is_object_type

from backend.engine.transactions import unit_of_work
from backend.market.models import Edition, Order
from backend.moderation.models import Report
from backend.notifications.models import Notification
from backend.people import actions
from backend.people.models import AccessToken, Account, Person
from backend.reading.models import Reading
from backend.social.models import Relationship
from backend.stories.models import Chapter, Revision, Story
from backend.whispers.models import Whisper
from schema.nodes import to_id
from schema.root import schema
from tests.api import ApiClient
from tests.schema.reads.life import Life

KINDS: dict[str, Any] = {
    "Person": Person,
    "Story": Story,
    "Chapter": Chapter,
    "Revision": Revision,
    "Whisper": Whisper,
    "Report": Report,
    "Edition": Edition,
    "Order": Order,
    "Notification": Notification,
}
"""Types whose ids have the key of a row."""
PAGE = "{ edges { cursor } }"
OWNERS = ("Person", "Story", "Chapter", "Shelf")
"""Types with lists of their own."""
WRITTEN = ("Story", "Chapter")
"""Types whose revisions only the author sees."""
PRIVATE = ("Revision", "Order", "Notification", "Reading", "AccessToken", "Relationship", "Shelf")
"""Types that only those find whom they are about."""
SIGNED_OUT, DEAD = "nobody", "dead"


@dataclass
class World:
    """What is in the database. All of it is text, so that it can be kept in a file."""

    tokens: dict[str, str | None]
    """The bearer token of each viewer by handle; None of who is signed out. One of them signs nobody in."""
    handles: list[str]
    ids: dict[str, list[str]]
    """By type, also of what is deleted or hidden."""
    gone: list[str]
    """Ids of things that are deleted."""
    own: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """By viewer and type, what only they can look up, and the texts that they wrote."""
    cursors: dict[str, list[str]] = field(default_factory=dict)
    """By type and field, such as `Story.editions`."""

    def to_json(self) -> str:
        """For a file."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def of_json(cls, text: str) -> "World":
        """From a file."""
        return cls(**json.loads(text))


def make_world() -> World:
    """Fill the database."""
    life = Life()
    tokens = {handle: person.token for handle, person in life.people.items()}
    del tokens["lena"]
    named = {**life.story, **life.whisper, **life.edition, **life.report}
    world = World(
        tokens={**tokens, SIGNED_OUT: None, DEAD: _dead(life)},
        handles=sorted(Person.objects.values_list("handle", flat=True)),
        ids=_ids(),
        gone=[],
    )
    there = set(itertools.chain.from_iterable(world.ids.values()))
    world.gone = [*(one for one in named.values() if one not in there), life.chapter_deleted, life.lena.id]
    world.own = {viewer: _own(world, viewer) for viewer in tokens}
    world.cursors = {name: found for name, found in _cursors(world) if found}
    return world


def _dead(life: Life) -> str:
    """A token that signed in once."""
    account = Account.objects.get(pk=life.asha.person.pk)
    token = unit_of_work(lambda: actions.new_token(account, client="A client <b>"))
    (row,) = AccessToken.objects.filter(digest=actions.digest(token))
    life.asha.revoke_token(to_id("AccessToken", row.public_id))
    unit_of_work(lambda: actions.new_token(account, client='Mozilla/5.0 "quoted" \\ é'))
    return token


def _ids() -> dict[str, list[str]]:
    """The ids of all rows, in the order in which they were made."""
    ids = {kind: [str(to_id(kind, pk)) for pk in _keys(model)] for kind, model in KINDS.items()}
    people = Person.objects.exclude(handle__contains="-").order_by("pk").values_list("pk", flat=True)
    ids["Shelf"] = [to_id("Shelf", pk) for pk in people]
    ids["AccessToken"] = [to_id("AccessToken", row.public_id) for row in AccessToken.objects.order_by("created_at")]
    pairs = Relationship.objects.order_by("low_id", "high_id").values_list("low_id", "high_id")
    ids["Relationship"] = [to_id("Relationship", *pair) for low, high in pairs for pair in ((low, high), (high, low))]
    read = Reading.objects.order_by("pk").values_list("reader_id", "story_id")
    ids["Reading"] = [to_id("Reading", *pair) for pair in read]
    return ids


def _own(world: World, viewer: str) -> dict[str, list[str]]:
    """What belongs to somebody."""
    asker = ApiClient(world.tokens[viewer])
    found: dict[str, list[str]] = {}
    for kind in (*WRITTEN, *PRIVATE):
        shown = "revisions(first: 0) { edges { cursor } }" if kind in WRITTEN else "id"
        query = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {kind} {{ mine: {shown} }} }} }}"
        nodes = asker.ask(query, ids=world.ids[kind])["nodes"]
        mine = [id_ for id_, node in zip(world.ids[kind], nodes, strict=True) if node and node["mine"] is not None]
        found |= {kind: mine} if mine else {}
    return found


def _keys(model: Any) -> Any:
    return model.objects.order_by("pk").values_list("pk", flat=True)


def lists() -> Iterator[tuple[str, str]]:
    """Each list that has pages: the type and the field."""
    for name, type_ in schema._schema.type_map.items():
        if is_object_type(type_) and name != "Mutation":
            for field_name, one in type_.fields.items():
                if get_named_type(one.type).name.endswith("Connection"):
                    yield name, field_name


def _cursors(world: World) -> Iterator[tuple[str, list[str]]]:
    """All cursors that somebody is handed out, by list."""
    viewers = [ApiClient(world.tokens[name]) for name in ("asha", "bilal", "chitra", "dev", "kavi", SIGNED_OUT)]
    for kind, name in lists():
        if kind == "Query":
            yield f"{kind}.{name}", _handed_out(viewers, f"{{ {name}(first: 100) {PAGE} }}")
        if kind in OWNERS:
            ids = world.ids[kind][:40]
            query = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {kind} {{ {name}(first: 30) {PAGE} }} }} }}"
            yield f"{kind}.{name}", _handed_out(viewers, query, ids=ids)
    ordered = "{ stories(orderBy: MOST_READ, first: 100) { edges { cursor } } }"
    yield "MOST_READ", _handed_out(viewers, ordered)
    yield "DRAFT", _handed_out(viewers, f"{{ stories(filter: {{status: DRAFT}}, first: 100) {PAGE} }}")


def _handed_out(viewers: list[ApiClient], query: str, **variables: Any) -> list[str]:
    found: dict[str, None] = {}
    for viewer in viewers:
        found |= dict.fromkeys(_within(viewer.post(query, **variables).get("data")))
    return list(found)


def _within(value: Any) -> Iterator[str]:
    for name, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if name == "cursor":
            yield one
        else:
            yield from _within(one)
