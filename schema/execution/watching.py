"""Makes a subscription: who subscribes, what is watched, by which statement it is read, and what in the log concerns it."""

import uuid
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from time import monotonic
from typing import Any, Final
from weakref import WeakValueDictionary

from django.conf import settings
from django.db.models import Model

from backend.changes.triggers import logs_of
from backend.engine.errors import Unauthenticated
from backend.engine.values import as_text
from backend.limits.addresses import address_of
from backend.limits.spending import learn
from backend.live.subscriptions import Thing, Viewer
from backend.postgresql.reads import Statement
from backend.social.models import PairSide, Relationship
from resolvers.access import DEAD_TOKEN, viewer_of
from schema.context import Context
from schema.execution.document_limits import too_many_values
from schema.execution.errors import LIMIT_EXCEEDED, RequestError
from schema.execution.fields import arguments_of, declared
from schema.execution.graphql_schema import GRAPHQL
from schema.execution.many import Extra, Many, live_of, plan_of
from schema.execution.operations import Operation, Selection
from schema.execution.plans import PLANS, Binding
from schema.execution.steps import IN_THREAD, Read, Steps
from schema.live import Live, Watched
from schema.nodes import node_types, row_of

ACCOUNT = Statement.of(
    "SELECT account.person_id, extract(epoch FROM token.expires_at - now()) FROM people_accesstoken AS token "
    "JOIN people_account AS account ON account.person_id = token.account_id AND account.is_active "
    "WHERE token.digest = $1::bytea AND token.expires_at > now()"
)
"""Whom a token signs in, and for how many seconds."""


@dataclass(frozen=True)
class Watching:
    """What a subscription is made of."""

    viewer: Viewer
    many: Many
    seen: Watched
    topics: Sequence[tuple[Hashable, Thing]]


def watching(
    operation: Operation, variables: dict[str, Any] | None, context: Context, extra: "Extra"
) -> Steps[Watching]:
    """What it takes to run this subscription for who asks. Raises `RequestError`, `RateLimited`, `Unauthenticated`, `Invalid`."""
    excess = too_many_values(variables) if variables else None
    if excess is not None:
        raise RequestError([excess], LIMIT_EXCEEDED)
    selection = Selection(operation, operation.values(variables or {}))
    values = selection.values.coerced
    cost = operation.cost(values, context.a_minute)
    context.spend(cost)
    yield IN_THREAD
    live, seen = live_of(selection), _seen(selection)
    viewer = yield from _viewer(context)
    if live.needs_viewer and viewer.id is None:
        raise Unauthenticated
    context.charge(cost * (len(seen) - 1))
    topics = yield from _topics(live, seen, viewer)
    yield IN_THREAD
    many = _many(selection, live, seen, context, cost, extra, signed_in=viewer.id is not None)
    return Watching(viewer, many, seen, topics)


def _seen(selection: Selection) -> Watched:
    """What its arguments name. Raises `Invalid` for what cannot be watched."""
    ((_, details),) = selection.root().items()
    assert GRAPHQL.subscription_type is not None
    definition = GRAPHQL.subscription_type.fields[details[0].node.name.value]
    arguments = arguments_of(definition, details[0].node, selection.values, is_text=False)
    found: Watched = declared(definition).base_resolver.wrapped_func(None, **arguments)
    return found


# --- Who subscribes ---------------------------------------------------------------------------------------------


def _viewer(context: Context) -> Steps[Viewer]:
    """Who subscribes. Raises `Unauthenticated` for a token that signs nobody in: it would hear of nothing, and not know why."""
    address = address_of(context.request)
    if context.token is not None:
        row = yield Read(ACCOUNT, [as_text(context.token)])
        if row is None:
            raise Unauthenticated(DEAD_TOKEN)
        assert row[0] is not None
        assert row[1] is not None
        person = row[0].decode()
        learn(context.token, person)
        return Viewer(uuid.UUID(person), address, person, context.token, ends_at=monotonic() + float(row[1]))
    yield IN_THREAD
    me = context.viewer
    if me is None:
        return Viewer(None, address, address)
    ends_at = monotonic() + context.request.session.seconds_left()  # type: ignore[attr-defined]
    return Viewer(me.pk, address, str(me.pk), is_signed_in=partial(_still_signed_in, context, me.pk), ends_at=ends_at)


def _still_signed_in(context: Context, person: uuid.UUID) -> bool:
    """Whether the session signs this person in, as another request with the same cookie would find."""
    request: Any = context.request
    request = request.again()
    viewer = viewer_of(request)
    return viewer is not None and viewer.pk == person


# --- What concerns it -------------------------------------------------------------------------------------------


def _topics(live: Live, seen: Watched, viewer: Viewer) -> Steps[list[tuple[Hashable, Thing]]]:
    """What in the change log concerns which thing (`Hub.note`)."""
    if live.topic is not None:
        return [(topic, thing) for thing in seen for topic in live.topic(viewer.id, thing)]
    found: list[tuple[Hashable, Thing]] = []
    stories = yield from _stories_of(seen)
    for thing in seen:
        kind = kind_of(thing.type)
        found.append(((kind, thing.owner, thing.key) if thing.owner else (kind, thing.key), thing))
        story = stories.get((thing.type, thing.key))
        if story is not None:
            found.append((story, thing))
    return found


def _stories_of(seen: Watched) -> Steps[dict[tuple[str, uuid.UUID | None], uuid.UUID]]:
    """The story that each of these things hangs on. Whoever may not see a thing is not told of it: it only says when to look."""
    types = sorted({one.type for one in seen if _story_column(one.type)})
    found: dict[tuple[str, uuid.UUID | None], uuid.UUID] = {}
    for name in types:
        keys = [one.key for one in seen if one.type == name]
        row = yield Read(_stories_statement(name), [as_text(keys)])
        for pair in (row[0] or b"").decode().split() if row else ():
            key, story = pair.split(":")
            found[name, uuid.UUID(key)] = uuid.UUID(story)
    for one in seen:
        if one.type == "Reading" and one.key is not None:
            found[one.type, one.key] = one.key
    return found


@cache
def _story_column(type_name: str) -> str | None:
    model: Any = row_of(node_types()[type_name])
    if not issubclass(model, Model) or node_types()[type_name].belongs_to_viewer:
        return None
    return next((str(one.column) for one in model._meta.concrete_fields if one.name == "story"), None)


@cache
def _stories_statement(type_name: str) -> Statement:
    model: Any = row_of(node_types()[type_name])
    column = _story_column(type_name)
    return Statement.of(
        f"SELECT string_agg(id || ':' || {column}, ' ') FROM {model._meta.db_table} "
        f"WHERE id = ANY($1::uuid[]) AND {column} IS NOT NULL"
    )


@cache
def kind_of(type_name: str) -> str:
    """What the change log calls things of this type."""
    model: Any = row_of(node_types()[type_name])
    return logs_of(Relationship if model is PairSide else model)[0].kind


# --- By which statement -----------------------------------------------------------------------------------------


def _many(
    selection: Selection, live: Live, seen: Watched, context: Context, cost: int, extra: "Extra", *, signed_in: bool
) -> Many:
    """The same for all that can be read together."""
    operation, values = selection.operation, selection.values.coerced
    characters = operation.costs.characters(values)
    is_measured = characters > settings.MAX_ANSWER_CHARACTERS
    types = () if live.source is not None else tuple(sorted({one.type for one in seen}))
    binding = Binding(selection)
    key = (operation.sites, id(operation.node), binding.shape, is_measured, signed_in, types)
    plan = PLANS.get(key)
    if plan is None:
        plan = plan_of(selection, types, signed_in=signed_in, is_measured=is_measured)
        context.charge(plan.price)
        PLANS.keep(key, plan, operation.sites)
    shared = (*key, binding.fixed(plan), cost, context.a_minute)
    many = _MANY.get(shared)
    if many is None:
        many = _MANY[shared] = Many(
            selection, plan, live, cost=cost, characters=characters, a_minute=context.a_minute, extra=extra
        )
    return many


_MANY: "Final[WeakValueDictionary[Hashable, Many]]" = WeakValueDictionary()
"""Those of this process that somebody subscribes by. A key holds its document, so the ids in it are of no other nodes."""
