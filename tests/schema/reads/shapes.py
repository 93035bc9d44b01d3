"""The shape of one document: which fields, through which fragments, under which names, on which conditions."""

import json
import re
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)

from schema.nodes import from_id
from schema.root import schema
from tests.schema.reads.values import DEFAULT_SIZE, Values

TYPES: dict[str, Any] = schema._schema.type_map
CONCRETE = sorted(one.name for one in schema._schema.get_possible_types(TYPES["Node"]))
ROOTS = {
    "viewer": 8,
    "person": 4,
    "node": 4,
    "nodes": 5,
    "relationships": 2,
    "story": 4,
    "stories": 6,
    "feed": 3,
    "whispers": 3,
    "reports": 5,
    "editions": 2,
    "orders": 3,
}
"""How often each root field is asked for."""
RARE = dict.fromkeys(
    ("notifications", "digest", "revisions", "tokens", "readings", "sales", "shelf", "by", "subject"), 3
) | dict.fromkeys(("chapters", "chapter", "lines", "claimedBy", "relationship"), 2)
"""Fields that are asked for more often, because they are null for most or lead to what is rarely met."""
ENUMS = {"status", "orderBy", "withWarnings", "withoutWarnings"}
LONG = "a" * 63
ALIASES = (
    "id",
    "a",
    "A",
    "b",
    "key",
    "value",
    "row",
    "data",
    "node",
    "edges",
    "_",
    "__x",
    f"{LONG}1",
    f"{LONG}2",
    "title",
)
MAX_LEVELS = 12
MAX_COST = 20_000
MAX_FIELDS = 90
MAX_ITEMS = 400
LISTED = 10
INTROSPECTION = (
    '__type(name: "Story") { name kind }',
    "__schema { queryType { name } }",
    '__type(name: "No") { name }',
)


class Shape:
    """Makes one document."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self.often, self.one = values.often, values.one
        self.declared: list[str] = []
        self.given: dict[str, Any] = {}
        self.fragments: dict[str, tuple[str, str]] = {}
        """By name: the type and the text."""
        self.fields = self.cost = self.directives = 0
        self.reckless = self.often(0.015)
        """Whether it may cost too much."""
        self.plain = self.often(0.3)
        """Whether it has no fragments, variables and other names."""
        self.kinds: list[str] = []
        """The types of the things that the last field named."""
        self.operation: str | None = None

    def document(self) -> tuple[str, dict[str, Any]]:
        """The text and the variables."""
        chosen = self.values.chance.choices(list(ROOTS), list(ROOTS.values()), k=self.one((1, 1, 1, 2, 2, 3)))
        query = TYPES["Query"]
        parts = [self.field(query, name, 1, 1, (), {}) for name in dict.fromkeys(chosen)]
        if len(chosen) > 1 and self.often(0.2):
            parts.append(f"twice: {self.field(query, chosen[0], 1, 1, ('twice',), {}, alias=False)}")
        if self.often(0.1):
            parts.append(self.one(("__typename", "kind: __typename", "... on Query { __typename }")))
        if self.often(0.03):
            parts.append(self.one(INTROSPECTION))
        head = f"query Asked({', '.join(self.declared)})" if self.declared else self.one(("query Asked", "", "query"))
        text = f"{head} {{ {' '.join(parts)} }}"
        text += "".join(f" fragment {name} on {on} {inside}" for name, (on, inside) in self.fragments.items())
        if "Asked" in head and self.often(0.05):
            text += " query Other { viewer { id } }"
            self.operation = self.one(("Asked", "Asked", "Asked", "Other"))
        return text, self.given

    # --- Selections

    def selection(self, name: str, levels: int, items: int, path: tuple[str, ...]) -> str:
        """What is selected of a type."""
        type_ = TYPES[name]
        taken: dict[str, str] = {}
        parts = [] if isinstance(type_, GraphQLInterfaceType) else self.selected(type_, levels, items, path, taken)
        if isinstance(type_, GraphQLInterfaceType):
            parts = self.of_interface(type_, levels, items, path, taken)
        elif not self.plain and self.often(0.15):
            parts.append(self.fragment(type_, levels, items, path, taken))
        if self.often(0.12) or not parts:
            parts.append("__typename")
        return f"{{ {' '.join(parts)} }}"

    def selected(
        self, type_: Any, levels: int, items: int, path: tuple[str, ...], taken: dict[str, str], most: int = 5
    ) -> list[str]:
        """Some fields."""
        leaves = [name for name, one in type_.fields.items() if not is_composite_type(get_named_type(one.type))]
        deeper = [name for name, one in type_.fields.items() if name not in leaves and self.fits(one, levels)]
        enough = not self.reckless and (self.cost > MAX_COST or self.fields > MAX_FIELDS)
        most = 4 if type_.name == "PageInfo" else self.one(range(1, most + 1))
        names = self.values.chance.sample(leaves, min(len(leaves), most)) if leaves else []
        if type_.name.endswith(("Connection", "Edge")):
            names = [
                *names[: self.one((0, 1, 2))],
                *(one for one in deeper if self.often(0.9 if one != "pageInfo" else 0.6)),
            ]
        elif deeper and not enough and items <= MAX_ITEMS:
            most = self.one((0, 1, 1, 2, 2) if levels < 7 else (0, 1))
            likely = [name for name in deeper for _ in range(RARE.get(name, 1))]
            names += dict.fromkeys(self.values.chance.choices(likely, k=most))
        self.values.chance.shuffle(names)
        parts = [self.field(type_, name, levels, items, path, taken) for name in names]
        again = [name for name in names if name in deeper]
        if again and not self.plain and not enough and self.often(0.1):
            parts.append(self.field(type_, self.one(again), levels, items, path, taken))
        return parts

    def fits(self, one: GraphQLField, levels: int) -> bool:
        """Whether what is within still finds room below."""
        return (
            levels + (3 if get_named_type(one.type).name.endswith("Connection") else 1) <= MAX_LEVELS or self.reckless
        )

    def of_interface(
        self, type_: Any, levels: int, items: int, path: tuple[str, ...], taken: dict[str, str]
    ) -> list[str]:
        """Fields of an interface, and of some of the types that have it."""
        parts = self.selected(type_, levels, items, path, taken, most=2) if self.often(0.6) else []
        if self.often(0.5):
            parts.append("__typename")
        if self.often(0.2):
            versioned = self.selected(TYPES["Versioned"], levels, items, path, taken)
            parts.append(f"... on Versioned {{ {' '.join(versioned)} }}")
        likely = ("Story", "Chapter", "Person", "Whisper") if path and path[-1] == "subject" else CONCRETE
        names = self.values.chance.sample(likely, self.one((1, 2, 3, 4)))
        for name in dict.fromkeys([*names, *(one for one in self.kinds if levels == 2 and self.often(0.7))]):
            if self.often(0.2):
                parts.append(self.fragment(TYPES[name], levels, items, path, taken))
            else:
                inside = " ".join(self.selected(TYPES[name], levels, items, path, taken)) or "__typename"
                parts.append(f"... on {name}{self.condition()} {{ {inside} }}")
        return parts

    def fragment(self, type_: Any, levels: int, items: int, path: tuple[str, ...], taken: dict[str, str]) -> str:
        """A fragment on the type, on an interface of it, or on none; with a name or without."""
        interfaces = [one.name for one in getattr(type_, "interfaces", ())]
        on = self.one([type_.name, type_.name, *interfaces])
        known = [name for name, (of, _) in self.fragments.items() if of in (type_.name, *interfaces)]
        if known and levels < 5 and items <= 50 and self.often(0.5):
            return f"...{self.one(known)}{self.condition()}"
        inside = " ".join(self.selected(TYPES[on], levels, items, path, taken, most=3)) or "__typename"
        if self.often(0.5):
            named = "" if self.often(0.3) and on == type_.name else f" on {on}"
            return f"...{named}{self.condition()} {{ {inside} }}"
        name = f"F{len(self.fragments)}"
        self.fragments[name] = (on, f"{{ {inside} }}")
        return f"...{name}{self.condition()}"

    # --- Fields

    def field(
        self,
        type_: GraphQLObjectType | GraphQLInterfaceType,
        name: str,
        levels: int,
        items: int,
        path: tuple[str, ...],
        taken: dict[str, str],
        *,
        alias: bool = True,
    ) -> str:
        """A field with its arguments and what is within; `taken` has what stands behind each name used here."""
        one = type_.fields[name]
        arguments, size = self.arguments(type_.name, name, one, 10_000 if self.reckless else max(1, MAX_ITEMS // items))
        call, shown = f"{name}{arguments}", name
        if alias and not self.plain and self.often(0.15):
            shown = self.one(ALIASES)
        same = f"{call}: {one.type}"
        while alias and taken.setdefault(shown, same) != same:
            shown = f"{name}{len(taken)}"
        self.fields += 1
        self.cost += items
        if name == "edges":
            inner = items
        elif is_list_type(one.type.of_type if is_non_null_type(one.type) else one.type):
            inner = items * max(1, size if size is not None else LISTED)
        else:
            inner = items * max(1, size if size is not None else 1)
        text = call if shown == name else f"{shown}: {call}"
        text += self.condition()
        inside = get_named_type(one.type)
        if is_composite_type(inside):
            text += " " + self.selection(inside.name, levels + 1, inner, (*path, shown))
        return text

    def arguments(self, on: str, name: str, one: GraphQLField, room: int) -> tuple[str, int | None]:
        """Arguments, and how many items they ask for; None if it is no list."""
        chosen: dict[str, Any] = {}
        size = None
        if "first" in one.args:
            chosen = self.values.window(f"{on}.{name}", room)
        if name == "stories" and on == "Query":
            chosen |= self.of_stories(chosen)
        if "status" in one.args and self.often(0.4):
            chosen["status"] = self.one(("OPEN", "CLAIMED", "RESOLVED", None))
        if "unread" in one.args and self.often(0.4):
            chosen["unread"] = self.one((True, False, None))
        if name == "node" and "id" in one.args:
            chosen["id"] = self.values.id()
        if name == "story" and "id" in one.args:
            chosen["id"] = self.values.id("Story")
        if name == "nodes":
            chosen["ids"] = self.values.ids()
        if name == "relationships":
            chosen["people"] = self.values.ids("Person")
        if name == "person" and on == "Query":
            chosen["handle"] = self.values.handle()
        if name in ("node", "nodes") and on == "Query":
            found = map(from_id, chosen["ids"] if "ids" in chosen else [chosen["id"]])
            self.kinds = sorted({one[0] for one in found if one and one[0] in CONCRETE})
        for key in ("ids", "people"):
            size = len(chosen[key]) if key in chosen else size
        if "first" in one.args:
            asked = [chosen[key] for key in ("first", "last") if chosen.get(key) is not None]
            size = min(100, max([*asked, 0])) if asked else DEFAULT_SIZE
        parts = [f"{key}: {self.passed(value, str(one.args[key].type), key)}" for key, value in chosen.items()]
        return (f"({', '.join(parts)})" if parts else ""), size

    def of_stories(self, window: dict[str, Any]) -> dict[str, Any]:
        """Which stories in which order; cursors fit the order more often than not."""
        found: dict[str, Any] = {}
        if self.often(0.5):
            found["filter"] = self.values.filter()
        if self.often(0.4):
            found["orderBy"] = self.one(("MOST_READ", "MOST_READ", "NEWEST"))
        list_ = "MOST_READ" if found.get("orderBy") == "MOST_READ" else None
        if (found.get("filter") or {}).get("status") == "DRAFT" and list_ is None:
            list_ = "DRAFT"
        for key in ("after", "before"):
            if list_ and window.get(key) and self.often(0.9):
                found[key] = self.values.cursor(list_)
        return found

    def passed(self, value: Any, type_: str, name: str) -> str:
        """A value as a literal, or as a variable, given or by default."""
        odd = _odd(value)
        if not odd and (self.plain or self.often(0.6)):
            if type_ == "[ID!]!" and value and self.often(0.3):
                inner = [self.passed(one, "ID!", "id") if self.often(0.3) else literal(one) for one in value]
                return f"[{', '.join(inner)}]"
            return literal(value, name)
        variable = f"v{len(self.declared)}"
        nullable = type_.rstrip("!")
        way = 0 if odd else self.one(range(6))
        if way == 1 and value is not None:  # by its default
            self.declared.append(f"${variable}: {self.one((nullable, type_))} = {literal(value, name)}")
        elif way == 2 and value is not None:  # instead of a default
            self.declared.append(f"${variable}: {nullable} = {literal(value, name)}")
            self.given[variable] = value
        elif way == 3 and type_ == nullable and self.often(0.5):  # left out
            self.declared.append(f"${variable}: {type_}")
        else:
            self.declared.append(f"${variable}: {nullable if value is None else self.one((type_, f'{nullable}!'))}")
            self.given[variable] = value
        return f"${variable}"

    def condition(self) -> str:
        """A directive, now and then."""
        if self.plain or self.directives > 20 or not self.often(0.05):
            return ""
        self.directives += 1
        value = self.often(0.6)
        if self.often(0.5):
            if_ = str(value).lower()
        else:
            if_ = f"$v{len(self.declared)}"
            if self.often(0.3):
                self.declared.append(f"{if_}: Boolean = {str(value).lower()}")
            else:
                self.declared.append(f"{if_}: Boolean!")
                self.given[if_[1:]] = value
        first = f" @{self.one(('include', 'skip'))}(if: {if_})"
        return first + (" @skip(if: false)" if "include" in first and self.often(0.1) else "")


def literal(value: Any, name: str = "") -> str:
    """A value in GraphQL's notation."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {literal(one, key)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(literal(one, name) for one in value) + "]"
    if isinstance(value, str) and name in ENUMS:
        return value
    return json.dumps(value, ensure_ascii=False)


def _odd(value: Any) -> bool:
    """Whether a text in it cannot stand in a document."""
    if isinstance(value, dict):
        return any(map(_odd, value.values()))
    if isinstance(value, list):
        return any(map(_odd, value))
    return isinstance(value, str) and re.search("[\0\ud800-\udfff]", value) is not None
