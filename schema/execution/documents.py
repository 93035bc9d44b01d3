"""Parses, checks, validates and caches documents; finds them by text, by hash or by id.

- Prepared documents are cached. The least frequently used are dropped first, so that one-off documents do not displace those
  in use.
- Automatic persisted queries (Apollo's protocol): a client sends the SHA-256 of a document, and its text only if the server
  does not know it. They are kept in the database for all processes; each asks it once for a document and then has it cached.
- Trusted documents: a manifest of the frontends' documents, which are sent by id. The server can be set to refuse all others.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import orjson
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    TokenKind,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from backend.persisted.documents import find, register
from schema.execution.document_limits import too_large, too_long
from schema.execution.errors import LIMIT_EXCEEDED, NOT_PERSISTED, PARSE_FAILED, TOO_DEEP, RequestError
from schema.execution.graphql_schema import GRAPHQL
from schema.execution.operations import Operation
from schema.execution.sites import sites_of

RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
MAX_DOCUMENTS = 1_000
MAX_CHARACTERS_IN_ALL = 1_000_000
MAX_CHARACTERS_REMEMBERED = 20_000
"""The maximum length of a cached document, in characters, to bound the cache's memory."""
CHARACTERS_QUICKLY_PREPARED = 2_000
"""Longer documents count as expensive to prepare. Most real documents are shorter."""
MAX_ERRORS = 5
"""The maximum number of validation errors in an answer; each may quote much of the document."""
ABORTED = "Validation aborted."
"""graphql-core's message when it gives up comparing fields."""
TOO_INTRICATE = "The document is too intricate: fields of the same name, or fragments within fragments, are too many."
NO_MANIFEST = "TRUSTED_DOCUMENTS: {} is no manifest of documents that can be read, as Relay or Apollo write it."
TOO_MANY_TOKENS = "tokens. Parsing aborted."
"""The end of graphql-core's message for too many tokens."""


@dataclass(frozen=True)
class Constant:
    """An answer that is always the same, as JSON, and what it costs."""

    answer: bytes
    cost: int


@dataclass(frozen=True)
class Prepared:
    """A document that has been parsed and validated, with its operations by name."""

    document: DocumentNode
    operations: Mapping[str | None, Operation]
    constants: Mapping[str | None, "Constant"]
    """The operations whose answer is always the same."""

    @property
    def writes_literal_texts(self) -> bool:
        """Whether it holds mutations and texts. Such a text may be a password or what somebody writes, so it is never stored."""
        token = self.document.loc.start_token if self.document.loc else None
        writes = any(one.node.operation is OperationType.MUTATION for one in self.operations.values())
        while writes and token is not None:
            if token.kind in (TokenKind.STRING, TokenKind.BLOCK_STRING):
                return True
            token = token.next
        return False

    def operation(self, name: str | None) -> Operation:
        """The operation to run. Raises `RequestError` if `name` does not select exactly one."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name is None:
            problem = "The document holds several operations: say which one with operationName."
        elif name in self.operations:
            return self.operations[name]
        else:
            problem = "The document holds no operation with this operationName."
        raise RequestError([GraphQLError(problem)], "OPERATION_RESOLUTION_FAILURE")


@dataclass(frozen=True)
class _Rejected:
    """A document that cannot be executed, with its errors; cached too."""

    errors: list[GraphQLError]
    code: str


@dataclass(frozen=True)
class Sent:
    """The document of a request, as text, and the SHA-256 by which the client wants to send it."""

    text: str
    sha256: str | None = None
    is_registered: bool = False
    """Whether the database has it already."""

    @property
    def is_expensive(self) -> bool:
        """Whether it is not in the cache and takes long to prepare."""
        return len(self.text) > CHARACTERS_QUICKLY_PREPARED and not _REMEMBERED.holds(self.text)


def prepare(sent: Sent) -> Prepared:
    """Parse, check and validate a document, or take it from the cache. Raises `RequestError`."""
    text = sent.text
    prepared = _REMEMBERED.prepared(text) if len(text) <= MAX_CHARACTERS_REMEMBERED else _prepare(text)
    if isinstance(prepared, _Rejected):
        raise RequestError(prepared.errors, prepared.code)
    if sent.sha256 is not None and _REMEMBERED.named(sent.sha256) is None:
        _remember(sent, sent.sha256, prepared)
    return prepared


def at_hand(query: str | None, document_id: str | None, persisted: str | None) -> Prepared | None:
    """The document of a request, if it is in the cache and can be executed."""
    sha256 = None if persisted is None or (query is None and document_id is not None) else persisted.lower()
    try:
        text = sent(query, document_id, None).text if sha256 is None else _text_by_hash(sha256)
    except RequestError:
        return None
    if sha256 is not None and query not in (None, text):
        return None  # the hash is wrong, or is still to be remembered
    prepared = None if text is None else _REMEMBERED.known(text)
    return prepared if isinstance(prepared, Prepared) else None


def constant(text: str, name: str | None) -> Constant | None:
    """What is always answered to the operation of this name; None unless there is that, and the document is in the cache."""
    prepared = _REMEMBERED.known(text)
    return prepared.constants.get(name) if isinstance(prepared, Prepared) else None


def _prepare(text: str) -> Prepared | _Rejected:
    excess = too_long(text)
    if excess is not None:
        return _Rejected([excess], LIMIT_EXCEEDED)
    try:
        document = parse(text, allow_empty_selection_sets=False, max_tokens=settings.MAX_TOKENS)
        excess = too_large(document)
        if excess is not None:
            return _Rejected([excess], LIMIT_EXCEEDED)
        problems = validate(GRAPHQL, document, RULES, max_errors=MAX_ERRORS, hide_suggestions=True)
    except GraphQLError as error:
        if error.message.endswith(TOO_MANY_TOKENS):
            return _Rejected([_too_many_tokens()], LIMIT_EXCEEDED)
        return _Rejected([error], PARSE_FAILED)
    except RecursionError:
        return _Rejected([GraphQLError(TOO_DEEP)], PARSE_FAILED)
    if problems and problems[-1].message == ABORTED:
        return _Rejected([GraphQLError(TOO_INTRICATE, extensions={"limit": "validation"})], LIMIT_EXCEEDED)
    if problems:
        return _Rejected(problems, "GRAPHQL_VALIDATION_FAILED")
    nodes = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    operations = [Operation(document, node, sites) for node, sites in zip(nodes, sites_of(document), strict=True)]
    return Prepared(document, {one.name: one for one in operations}, _constants(operations))


def _constants(operations: Sequence[Operation]) -> dict[str | None, Constant]:
    """Of the queries that ask for nothing but `__typename`, as a monitor or a balancer does. An only one needs no name."""
    found: dict[str | None, Constant] = {}
    for operation in operations:
        answer = _typenames(operation.node)
        if answer is not None:
            found[operation.name] = Constant(answer, operation.costs.of({}))
            if len(operations) == 1:
                found[None] = found[operation.name]
    return found


def _typenames(operation: OperationDefinitionNode) -> bytes | None:
    fields = operation.selection_set.selections
    plain = (
        operation.operation is OperationType.QUERY and not operation.directives and not operation.variable_definitions
    )
    if not plain or not all(isinstance(one, FieldNode) and one.name.value == "__typename" for one in fields):
        return None
    if any(one.directives for one in fields):
        return None
    names = [(one.alias or one.name).value for one in fields if isinstance(one, FieldNode)]
    return orjson.dumps({"data": dict.fromkeys(names, GRAPHQL.query_type and GRAPHQL.query_type.name)})


def _too_many_tokens() -> GraphQLError:
    most = settings.MAX_TOKENS
    facts = {"limit": "tokens", "most": most, "found": most + 1}  # the parser stops there
    return GraphQLError(f"There are too many words and signs: more than {most} tokens.", extensions=facts)


class _Remembered:
    """A cache of prepared documents by text, which drops the least frequently used."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._characters = 0
        """The characters of all texts. A prepared document takes about 100 bytes of memory for each."""
        self._prepared: dict[str, Prepared | _Rejected] = {}
        self._uses: dict[str, int] = {}
        self._texts: dict[str, str] = {}
        """Texts by SHA-256, for automatic persisted queries."""
        self._lock = threading.Lock()

    def holds(self, text: str) -> bool:
        """Whether the document is in the cache."""
        return text in self._prepared

    def known(self, text: str) -> Prepared | _Rejected | None:
        """The document, if it is in the cache."""
        known = self._prepared.get(text)
        if known is not None:
            self._uses[text] = self._uses.get(text, 0) + 1  # not thread-safe, but an approximate count is enough
        return known

    def prepared(self, text: str) -> Prepared | _Rejected:
        """The document from the cache, or prepared now."""
        known = self.known(text)
        if known is None:
            known = _prepare(text)
            with self._lock:
                full = self._characters + len(text) > MAX_CHARACTERS_IN_ALL
                if full or len(self._prepared) >= self._limit:
                    self._make_room()
                self._prepared[text] = known
                self._characters += len(text)
            self._uses[text] = self._uses.get(text, 0) + 1
        return known

    def name(self, sha256: str, text: str) -> None:
        """Make a cached document available by its hash."""
        with self._lock:
            if text in self._prepared:
                self._texts[sha256] = text

    def named(self, sha256: str) -> str | None:
        """The text with this hash."""
        return self._texts.get(sha256)

    def _make_room(self) -> None:
        """Drop the less used half, and halve the counts, so that old use counts less."""
        ranked = sorted(self._prepared, key=lambda text: self._uses.get(text, 0), reverse=True)
        kept: list[str] = []
        self._characters = 0
        for text in ranked[: self._limit // 2]:
            if self._characters + len(text) > MAX_CHARACTERS_IN_ALL // 2:
                break
            self._characters += len(text)
            kept.append(text)
        self._prepared = {text: self._prepared[text] for text in kept}
        self._uses = {text: self._uses.get(text, 0) // 2 for text in kept}
        self._texts = {sha256: text for sha256, text in self._texts.items() if text in self._prepared}


_REMEMBERED = _Remembered(MAX_DOCUMENTS)


# --- By hash or id ----------------------------------------------------------------------------------------------


def sent(query: str | None, document_id: str | None, persisted: str | None) -> Sent:
    """A request's document, given as text, by id, or by SHA-256 (`persisted`).

    Raises `RequestError` if it is unknown, does not match the hash, or is not a trusted document while only those are
    allowed.
    """
    if document_id is not None and query is None:
        known = trusted().get(document_id)
        if known is None:
            raise _refused("There is no document with this `documentId`.", "DOCUMENT_NOT_FOUND")
        return Sent(known)
    if persisted is not None:
        return _persisted(query, persisted.lower())
    assert query is not None
    if settings.TRUSTED_DOCUMENTS_ONLY and query not in trusted().values():
        raise _refused("This server only serves the documents that it knows.", "DOCUMENT_NOT_TRUSTED")
    return Sent(query)


def _persisted(query: str | None, sha256: str) -> Sent:
    """Apollo's automatic persisted queries: a hash alone, or text and hash if the server does not know it."""
    if query is None:
        text = _trusted_text(sha256)
        if text is not None:
            return Sent(text)
        text = _known(sha256)
        if text is None:
            raise _refused("PersistedQueryNotFound", NOT_PERSISTED)  # the message that clients expect
        return Sent(text, sha256, is_registered=True)
    if _sha256(query) != sha256:
        raise _refused("The document does not have the SHA-256 that was sent.", "PERSISTED_QUERY_HASH_MISMATCH")
    return Sent(sent(query, None, None).text, sha256)


def _trusted_text(sha256: str) -> str | None:
    return trusted().get(sha256) or trusted().get(f"sha256:{sha256}") or _trusted_by_hash().get(sha256)


def _text_by_hash(sha256: str) -> str | None:
    """The text with this hash, without asking the database."""
    return _trusted_text(sha256) or (None if settings.TRUSTED_DOCUMENTS_ONLY else _REMEMBERED.named(sha256))


def _known(sha256: str) -> str | None:
    """The text that was registered with this hash, in this process or another; None while only trusted ones are served."""
    if settings.TRUSTED_DOCUMENTS_ONLY:
        return None
    return _REMEMBERED.named(sha256) or find(sha256)


def _remember(sent: Sent, sha256: str, prepared: Prepared) -> None:
    """Remember a valid document by its hash, for all processes."""
    if len(sent.text) <= MAX_CHARACTERS_REMEMBERED and not prepared.writes_literal_texts:
        _REMEMBERED.name(sha256, sent.text)
        if not sent.is_registered and sha256 not in _trusted_by_hash():
            register(sent.text)


@cache
def _trusted_by_hash() -> Mapping[str, str]:
    """The trusted documents by their own SHA-256, whatever ids the manifest gives them."""
    return {_sha256(text): text for text in trusted().values()}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@cache
def trusted() -> Mapping[str, str]:
    """The documents in the manifest `TRUSTED_DOCUMENTS` (Relay's or Apollo's format), by id. Read once.

    Raises `ImproperlyConfigured` if there is no such manifest.
    """
    if settings.TRUSTED_DOCUMENTS is None:
        return {}
    try:
        manifest = orjson.loads(Path(settings.TRUSTED_DOCUMENTS).read_bytes())
        listed = manifest.get("operations")
        found = {one["id"]: one["body"] for one in listed} if isinstance(listed, list) else dict(manifest)
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise ImproperlyConfigured(NO_MANIFEST.format(settings.TRUSTED_DOCUMENTS)) from error
    if not all(isinstance(one, str) for one in (*found, *found.values())):
        raise ImproperlyConfigured(NO_MANIFEST.format(settings.TRUSTED_DOCUMENTS))
    return found


def _refused(message: str, code: str) -> RequestError:
    return RequestError([GraphQLError(message)], code)
