"""Documents: measured, validated and remembered, sent whole or by the hash of their text.

- A document that is in use stays prepared, whoever sends however many others: what was used least is forgotten first.
- Automatic persisted queries (Apollo's protocol): a client sends the SHA-256 of a document, and the text only when asked.
- Trusted documents: a manifest of those that the frontends were built with, of which an id is enough. The server can be
  told to serve no others.
"""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from backend.limits.turns import wait_for_turn
from schema.execution.cost import Costs
from schema.execution.document_limits import exceeded, too_large, too_long
from schema.execution.errors import PARSE_FAILED, TOO_DEEP, RequestError
from schema.execution.graphql_schema import GRAPHQL

RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
MAX_DOCUMENTS = 1_000
MAX_CHARACTERS_IN_ALL = 1_000_000
MAX_CHARACTERS_REMEMBERED = 20_000
"""A longer document is prepared each time, so that nobody can fill the memory with documents."""
CHARACTERS_QUICKLY_PREPARED = 2_000
"""What tools and apps ask is mostly shorter."""
MAX_ERRORS = 5
"""That are told of a document; each may quote much of it."""
LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
ABORTED = "Validation aborted."
"""The library's last word when comparing fields took too many steps."""
TOO_INTRICATE = "The document is too intricate: fields of the same name, or fragments within fragments, are too many."
TOO_MANY_TOKENS = "tokens. Parsing aborted."
"""How the parser's message ends when it stops for that."""


@dataclass(frozen=True)
class Prepared:
    """A document that has been parsed and validated, with its operations by name."""

    document: DocumentNode
    operations: Mapping[str | None, OperationDefinitionNode]
    costs: Mapping[str | None, Costs]

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation to run; raises `RequestError` if `name` does not name exactly one."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name is None:
            problem = "The document holds several operations: say which one with operationName."
        elif name in self.operations:
            return self.operations[name]
        else:
            problem = "The document holds no operation with this operationName."
        raise RequestError([GraphQLError(problem)], "OPERATION_RESOLUTION_FAILURE")

    def cost(self, name: str | None, variables: Mapping[str, Any] | None) -> int:
        """What the operation of this name costs. Raises `RequestError` if that is more than `MAX_COST`."""
        cost = self.costs[name].of(variables)
        if cost > settings.MAX_COST:
            error = exceeded("cost", "fields in the answer that this can have", cost, settings.MAX_COST)
            raise RequestError([error], LIMIT_EXCEEDED)
        return cost


@dataclass(frozen=True)
class _Unfit:
    """A document that cannot be executed, and why."""

    errors: list[GraphQLError]
    code: str


def prepare(text: str) -> Prepared:
    """Parse, measure and validate a document, once: the result is remembered. Raises `RequestError`."""
    prepared = _REMEMBERED.prepared(text) if len(text) <= MAX_CHARACTERS_REMEMBERED else _prepare_in_turn(text)
    if isinstance(prepared, _Unfit):
        raise RequestError(prepared.errors, prepared.code)
    return prepared


def _prepare_in_turn(text: str) -> Prepared | _Unfit:
    """A long document asks for much, whatever is in it. Raises `Postponed`."""
    if len(text) > CHARACTERS_QUICKLY_PREPARED:
        wait_for_turn()
    return _prepare(text)


def _prepare(text: str) -> Prepared | _Unfit:
    excess = too_long(text)
    if excess is not None:
        return _Unfit([excess], LIMIT_EXCEEDED)
    try:
        document = parse(text, allow_empty_selection_sets=False, max_tokens=settings.MAX_TOKENS)
        excess = too_large(document)
        if excess is not None:
            return _Unfit([excess], LIMIT_EXCEEDED)
        problems = validate(GRAPHQL, document, RULES, max_errors=MAX_ERRORS, hide_suggestions=True)
    except GraphQLError as error:
        if error.message.endswith(TOO_MANY_TOKENS):
            return _Unfit([_too_many_tokens()], LIMIT_EXCEEDED)
        return _Unfit([error], PARSE_FAILED)
    except RecursionError:
        return _Unfit([GraphQLError(TOO_DEEP)], PARSE_FAILED)
    if problems and problems[-1].message == ABORTED:
        return _Unfit([GraphQLError(TOO_INTRICATE, extensions={"limit": "validation"})], LIMIT_EXCEEDED)
    if problems:
        return _Unfit(problems, "GRAPHQL_VALIDATION_FAILED")
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    named = {node.name.value if node.name else None: node for node in operations}
    return Prepared(document, named, {name: Costs(GRAPHQL, document, node) for name, node in named.items()})


def _too_many_tokens() -> GraphQLError:
    most = settings.MAX_TOKENS
    facts = {"limit": "tokens", "most": most, "found": most + 1}  # nobody has counted further
    return GraphQLError(f"There are too many words and signs: more than {most} tokens.", extensions=facts)


class _Remembered:
    """Prepared documents by their text. What was used least makes room, so documents sent once push out no others."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._characters = 0
        """Of all texts: a document takes memory by its length, some 100 bytes for each."""
        self._prepared: dict[str, Prepared | _Unfit] = {}
        self._uses: dict[str, int] = {}
        self._texts: dict[str, str] = {}
        """By SHA-256, where a client has asked for that."""
        self._lock = threading.Lock()

    def prepared(self, text: str) -> Prepared | _Unfit:
        """The document, prepared now unless it is remembered."""
        known = self._prepared.get(text)
        if known is None:
            known = _prepare_in_turn(text)
            with self._lock:
                full = self._characters + len(text) > MAX_CHARACTERS_IN_ALL
                if full or len(self._prepared) >= self._most:
                    self._make_room()
                self._prepared[text] = known
                self._characters += len(text)
        self._uses[text] = self._uses.get(text, 0) + 1  # two threads may count as one: it is only a rank
        return known

    def name(self, sha256: str, text: str) -> None:
        """Let a document that is remembered be found by its hash."""
        with self._lock:
            if text in self._prepared:
                self._texts[sha256] = text

    def named(self, sha256: str) -> str | None:
        """The text with this hash."""
        return self._texts.get(sha256)

    def _make_room(self) -> None:
        """Forget the half that was used least, and let what was used long ago count for less."""
        ranked = sorted(self._prepared, key=lambda text: self._uses.get(text, 0), reverse=True)
        kept: list[str] = []
        self._characters = 0
        for text in ranked[: self._most // 2]:
            if self._characters + len(text) > MAX_CHARACTERS_IN_ALL // 2:
                break
            self._characters += len(text)
            kept.append(text)
        self._prepared = {text: self._prepared[text] for text in kept}
        self._uses = {text: self._uses.get(text, 0) // 2 for text in kept}
        self._texts = {sha256: text for sha256, text in self._texts.items() if text in self._prepared}


_REMEMBERED = _Remembered(MAX_DOCUMENTS)


# --- By hash or id ----------------------------------------------------------------------------------------------


def sent(query: str | None, document_id: str | None, persisted: str | None) -> str:
    """The text of the document that a request means: sent itself, by its id, or by its SHA-256 (`persisted`).

    Raises `RequestError` where it is not known, not what the hash says, or not one of the only documents that are served.
    """
    if document_id is not None and query is None:
        known = trusted().get(document_id)
        if known is None:
            raise _refused("There is no document with this `documentId`.", "DOCUMENT_NOT_FOUND")
        return known
    if persisted is not None:
        return _persisted(query, persisted.lower())
    assert query is not None
    if settings.TRUSTED_DOCUMENTS_ONLY and query not in trusted().values():
        raise _refused("This server only serves the documents that it knows.", "DOCUMENT_NOT_TRUSTED")
    return query


def _persisted(query: str | None, sha256: str) -> str:
    """Apollo's automatic persisted queries: by hash; where that is not known, the client sends both."""
    if query is None:
        text = trusted().get(sha256) or trusted().get(f"sha256:{sha256}") or _REMEMBERED.named(sha256)
        if text is None:
            raise _refused("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")  # the words that clients look for
        return text
    if hashlib.sha256(query.encode("utf-8", "surrogatepass")).hexdigest() != sha256:
        raise _refused("The document does not have the SHA-256 that was sent.", "PERSISTED_QUERY_HASH_MISMATCH")
    text = sent(query, None, None)
    prepare(text)  # only what can be run is remembered under its hash
    _REMEMBERED.name(sha256, text)
    return text


@cache
def trusted() -> Mapping[str, str]:
    """The documents of the manifest `TRUSTED_DOCUMENTS`, by id: as Relay writes it, or as Apollo does. Read once."""
    if settings.TRUSTED_DOCUMENTS is None:
        return {}
    manifest = orjson.loads(Path(settings.TRUSTED_DOCUMENTS).read_bytes())
    if isinstance(manifest.get("operations"), list):
        return {one["id"]: one["body"] for one in manifest["operations"]}
    return dict(manifest)


def _refused(message: str, code: str) -> RequestError:
    return RequestError([GraphQLError(message)], code)
