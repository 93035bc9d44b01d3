"""Writes `katha_client/generated/`: types and mutations from the printed contract, and the merge that the server itself does.

Run by the build (hatch_build.py) and by `make client-python`; what it writes is not committed.
"""

import keyword
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
CONTRACT = REPOSITORY / "schema" / "schema.graphql"
STORIES = REPOSITORY / "backend" / "stories"
OUT = HERE / "src" / "katha_client" / "generated"

SCALARS = {"Boolean": "bool", "Int": "int", "BigInt": "int", "Float": "float", "JSON": "Any"}
"""All others are texts."""
ROOTS = {"Query", "Mutation", "Subscription"}
NAMES = ("position", "title", "handle", "name")
"""What a thing that is only led to is shown by, beside its id and version."""
SET_BY_THE_CLIENT = ("key",)
MERGE_IMPORTS = {
    "from rapidfuzz.distance import LCSseq": "from katha_client.lcs import LCSseq",
    "from backend.stories.merge_law import": "from katha_client.generated.merge_law import",
}
LONGEST_LINE = 120
NOTHING: Mapping[str, str] = {}


def main() -> None:
    """Write all of it. Raises OSError where the contract is not there."""
    schema = build_schema(CONTRACT.read_text(encoding="utf-8"))
    OUT.mkdir(exist_ok=True)
    written = {
        "__init__.py": '"""Made by generate.py."""\n',
        "types.py": types_module(schema),
        "mutations.py": mutations_module(schema),
        "merge.py": moved((STORIES / "merge.py").read_text(encoding="utf-8")),
        "merge_law.py": (STORIES / "merge_law.py").read_text(encoding="utf-8"),
    }
    for name, text in written.items():
        path = OUT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            # Whoever imports it at this moment finds the old one or the new one, whole.
            fresh = path.with_suffix(f".{os.getpid()}")
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(path)


def moved(text: str) -> str:
    """The server's module, with the imports that it has here. Raises ValueError if it does not import what is known."""
    for theirs, ours in MERGE_IMPORTS.items():
        if theirs not in text:
            raise ValueError(f"backend/stories/merge.py has no line {theirs!r}: mend MERGE_IMPORTS")
        text = text.replace(theirs, ours)
    return text


# --- Types ----------------------------------------------------------------------------------------------------


def types_module(schema: GraphQLSchema) -> str:
    """Each type of the contract as a TypedDict, a union or a Literal."""
    named = [one for name, one in schema.type_map.items() if not name.startswith("__") and name not in ROOTS]
    named.sort(
        key=lambda one: not isinstance(one, GraphQLScalarType | GraphQLEnumType)
    )  # annotations name these unquoted
    parts = [
        '"""The types of the contract. Of an answer only those members are there that were asked for. Made by generate.py."""',
        "from typing import Any, Literal, NotRequired, Required, TypeAlias, TypedDict, Union",
    ]
    return "\n\n".join([*parts, *(part for one in named for part in declared(schema, one))]) + "\n"


def declared(schema: GraphQLSchema, of: GraphQLNamedType) -> Iterator[str]:
    """The declaration of one type, with what the contract says of it."""
    if isinstance(of, GraphQLScalarType):
        if of.name not in SCALARS and of.name not in {"String"}:
            yield f"{of.name}: TypeAlias = str"
        return
    if isinstance(of, GraphQLEnumType):
        yield f"{of.name}: TypeAlias = Literal[{', '.join(repr(value) for value in of.values)}]"
    elif isinstance(of, GraphQLInputObjectType) and of.is_one_of:
        for name, field in of.fields.items():
            yield f'{of.name}By{name.title()} = TypedDict("{of.name}By{name.title()}", {{"{name}": {bare(field.type, False)}}})'
        yield f"{of.name}: TypeAlias = {' | '.join(f'{of.name}By{name.title()}' for name in of.fields)}"
    elif isinstance(of, GraphQLInputObjectType):
        members = {
            name: python(field.type, True)
            if is_required_input_field(field)
            else f"NotRequired[{python(field.type, True)}]"
            for name, field in of.fields.items()
        }
        yield typed_dict(of.name, members, total=True)
    elif isinstance(of, GraphQLObjectType):
        members = {"__typename": f'Required[Literal["{of.name}"]]'}
        members |= {name: python(field.type, True) for name, field in of.fields.items()}
        yield typed_dict(of.name, members, total=False)
    elif isinstance(of, GraphQLUnionType | GraphQLInterfaceType):
        possible = ", ".join(f'"{one.name}"' for one in schema.get_possible_types(of))
        yield f"{of.name}: TypeAlias = Union[{possible}]"
    if of.description:
        yield docstring(of.description)


def typed_dict(name: str, members: dict[str, str], *, total: bool) -> str:
    """In the form of a call, because a class would take `__typename` for a private name."""
    lines = "\n".join(f"        {key!r}: {value}," for key, value in members.items())
    return f'{name} = TypedDict(\n    "{name}",\n    {{\n{lines}\n    }},\n    total={total},\n)'


def python(of: object, quoted: bool) -> str:
    """A type of the contract as an annotation."""
    if isinstance(of, GraphQLNonNull):
        return bare(of.of_type, quoted)
    return f"{bare(of, quoted)} | None" if not quoted else f"Union[{bare(of, quoted)}, None]"


def bare(of: object, quoted: bool) -> str:
    """The same, where it cannot be null."""
    if isinstance(of, GraphQLList):
        return f"list[{python(of.of_type, quoted)}]"
    assert isinstance(of, GraphQLNamedType)
    name = "str" if of.name == "String" else SCALARS.get(of.name, of.name)
    return f'"{name}"' if quoted and name == of.name else name


def docstring(text: str, indent: str = "") -> str:
    """A description as a docstring, in lines that are not too long."""
    escaped = text.replace("\\", "\\\\").replace('"""', "'''")
    lines, line = [], ""
    for word in escaped.split():
        if line and len(indent + line) + 1 + len(word) > LONGEST_LINE - 6:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return f'{indent}"""' + f"\n{indent}".join([*lines, line]) + ("\n" + indent if lines else "") + '"""'


# --- Mutations ------------------------------------------------------------------------------------------------


def mutations_module(schema: GraphQLSchema) -> str:
    """A function for each mutation, which makes the write that a client then sends."""
    mutation = schema.mutation_type
    assert mutation is not None
    fields = {name: one for name, one in mutation.fields.items() if one.deprecation_reason is None}
    used = sorted({found for one in fields.values() for found in names_in(one.args.values(), one.type)})
    parts = [
        '"""Every mutation as a function that makes a write, to be sent by a client. Made by generate.py."""',
        "from katha_client.writes import Write, given",
        f"from katha_client.generated.types import {', '.join(used)}" if used else "",
    ]
    for name, one in fields.items():
        parts.append(function(schema, name, one.args, one.type, one.description or name))
    return "\n\n".join(parts) + "\n"


def names_in(arguments: object, answer: object) -> Iterator[str]:
    """The types that a mutation's annotations name."""
    for of in (get_named_type(answer), *(get_named_type(one.type) for one in arguments)):  # type: ignore[attr-defined]
        if of.name not in SCALARS and of.name != "String":
            yield of.name


def function(
    schema: GraphQLSchema, name: str, arguments: dict[str, GraphQLArgument], answer: object, about: str
) -> str:
    """The function of one mutation."""
    asked = {key: one for key, one in arguments.items() if key not in SET_BY_THE_CLIENT}
    order = sorted(asked, key=lambda key: not is_required_argument(asked[key]))
    parameters = [parameter(key, asked[key]) for key in order]
    values = ", ".join(f"{key}={snake(key)}" for key in asked)
    returned = python(answer, False).removesuffix(" | None")
    constant = snake(name).upper()
    document = documented(schema, name, arguments, answer)
    keyed = "key" in arguments
    return (
        f'{constant} = """\\\n{document}\n"""\n\n'
        f"def {snake(name)}({', '.join(parameters)}) -> Write[{returned}]:\n{docstring(about, '    ')}\n"
        f'    return Write("{name}", {constant}, given({values}), keyed={keyed})'
    )


def parameter(name: str, of: GraphQLArgument) -> str:
    """One parameter of such a function."""
    annotation = bare(of.type.of_type if isinstance(of.type, GraphQLNonNull) else of.type, False)
    return f"{snake(name)}: {annotation}" + ("" if is_required_argument(of) else " | None = None")


def snake(name: str) -> str:
    """A name as Python writes it."""
    found = re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), name)
    return f"{found}_" if keyword.iskeyword(found) else found


def documented(schema: GraphQLSchema, name: str, arguments: dict[str, GraphQLArgument], answer: object) -> str:
    """The document: what came of it with everything that is told of it itself, and every refusal whole."""
    title = name[0].upper() + name[1:]
    declarations = ", ".join(f"${key}: {declaration(one)}" for key, one in arguments.items())
    passed = ", ".join(f"{key}: ${key}" for key in arguments)
    union = get_named_type(answer)
    head = f"mutation {title}({declarations}) {{ {name}({passed})" if arguments else f"mutation {title} {{ {name}"
    if not isinstance(union, GraphQLUnionType):
        return head + " }"
    (success, *refusals) = union.types
    shown = [get_named_type(field.type) for field in success.fields.values()]
    lines = [f"  ... on {success.name} {{ {selection(schema, success, shown)} }}"]
    taken = {key: str(field.type) for key, field in success.fields.items()}
    lines += [f"  ... on {one.name} {{ {selection(schema, one, shown, taken)} }}" for one in refusals]
    lines += ["  ... on Failure { code message retry { kind afterMs } }"]
    return "\n".join([head + " { __typename", *lines, "} }"])


def declaration(of: GraphQLArgument) -> str:
    """The type of a variable. One with a default may be left out, so that the server's default holds."""
    text = str(of.type)
    return text if is_required_argument(of) else text.removesuffix("!")


def selection(
    schema: GraphQLSchema, of: GraphQLObjectType, shown: list[GraphQLNamedType], taken: Mapping[str, str] = NOTHING
) -> str:
    """What is asked of an answer. `shown`: the types whose things are shown whole, wherever they come. `taken`: fields of another
    answer; one of the same name and another type cannot be asked for beside it.
    """
    parts = []
    for name, field in of.fields.items():
        inner = get_named_type(field.type)
        if any(is_required_argument(one) for one in field.args.values()) or field.deprecation_reason:
            continue
        if taken.get(name, str(field.type)) != str(field.type):
            continue
        if is_leaf_type(inner):
            parts.append(name)
        elif isinstance(inner, GraphQLInterfaceType):
            asked: dict[str, str] = {}
            things = [one for one in schema.get_possible_types(inner) if one in shown]
            fragments = " ".join(f"... on {one.name} {{ {whole(one, asked)} }}" for one in things)
            parts.append(f"{name} {{ __typename id version {fragments} }}")
        elif isinstance(inner, GraphQLObjectType) and not name.startswith("suggested") and not name.endswith("Value"):
            parts.append(f"{name} {{ {whole(inner) if inner in shown else brief(inner)} }}")
    return " ".join(parts)


def whole(of: GraphQLObjectType, asked: dict[str, str] | None = None) -> str:
    """Everything that a thing says of itself, and briefly what it leads to; no lists that have pages. `asked`: what is asked of
    things of other types in its place, by name: a field that has another type there cannot be asked for beside it.
    """
    parts = ["__typename"]
    asked = {} if asked is None else asked
    for name, field in of.fields.items():
        inner = get_named_type(field.type)
        if field.args or field.deprecation_reason or asked.setdefault(name, str(field.type)) != str(field.type):
            continue
        if is_leaf_type(inner):
            parts.append(name)
        elif isinstance(inner, GraphQLObjectType) and "id" in inner.fields and "decision" not in inner.name.lower():
            parts.append(f"{name} {{ {brief(inner)} }}")
    return " ".join(parts)


def brief(of: GraphQLObjectType) -> str:
    """What names a thing; of what has no id all that it says."""
    if "id" in of.fields:
        return " ".join(["__typename", *(name for name in ("id", "version", *NAMES) if name in of.fields)])
    return " ".join(
        ["__typename", *(name for name, field in of.fields.items() if is_leaf_type(get_named_type(field.type)))]
    )


if __name__ == "__main__":
    main()
    sys.stdout.write(f"{OUT.relative_to(HERE)}\n")
