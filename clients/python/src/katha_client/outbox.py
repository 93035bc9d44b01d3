"""The offline queue: writes are kept in order, sent when somebody answers, and stay until each is answered."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from katha_client.effects import Ask, Clock, Patience, Steps
from katha_client.requests import write
from katha_client.stores import Store
from katha_client.writes import Write

KIND = "write"


@dataclass(frozen=True)
class Entry:
    """One write in the queue. `thing`: what it writes to, if that matters to others. `answer`: the refusal that it met."""

    key: str
    write: Write[Any]
    thing: str | None = None
    answer: dict[str, Any] | None = None

    def text(self) -> str:
        """As it is kept."""
        return json.dumps(
            {
                "mutation": self.write.mutation,
                "document": self.write.document,
                "variables": self.write.variables,
                "thing": self.thing,
                "answer": self.answer,
            }
        )

    @classmethod
    def of(cls, key: str, text: str) -> "Entry":
        """As it was kept."""
        kept = json.loads(text)
        return cls(key, Write(kept["mutation"], kept["document"], kept["variables"]), kept["thing"], kept["answer"])


class Queue:
    """The kept writes. Each has its key from the moment at which the person acted, so none happens twice."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @property
    def entries(self) -> list[Entry]:
        """All that is not done, in order."""
        return [Entry.of(key, text) for key, text in self.store.all(KIND)]

    @property
    def refused(self) -> list[Entry]:
        """Those that a person has to decide about: each has its `answer`. Then `redo` or `drop` them."""
        return [entry for entry in self.entries if entry.answer]

    def add(self, of: Write[Any], thing: str | None = None) -> str:
        """Keep a write, and give its key. Raises ValueError if the mutation takes no key.

        If one to the same `thing` waits before it, this one expects the thing as that one leaves it, because nobody knows yet
        which version that will be.
        """
        if not of.keyed:
            raise ValueError(f"{of.mutation} takes no key, so it cannot be sent twice")
        key, before = str(uuid4()), [entry for entry in self.entries if thing and entry.thing == thing]
        if before and "expect" in of.variables:
            of = Write(of.mutation, of.document, {**of.variables, "expect": {"after": before[-1].key}})
        self._put(Entry(key, of, thing))
        return key

    def redo(self, key: str, changed: Mapping[str, Any]) -> None:
        """Send a refused write again with other variables: after a conflict with the version of `current`. Same key."""
        entry = self._entry(key)
        variables = {**entry.write.variables, **changed}
        self._put(Entry(key, Write(entry.write.mutation, entry.write.document, variables), entry.thing))

    def drop(self, key: str) -> None:
        """The person gives a write up. What was to come after it then expects what this one expected."""
        entry = self._entry(key)
        for other in self.entries:
            if other.write.variables.get("expect") == {"after": key}:
                variables = {**other.write.variables, "expect": entry.write.variables["expect"]}
                self._put(Entry(other.key, Write(other.write.mutation, other.write.document, variables), other.thing))
        self.store.drop(KIND, key)

    def sending(self, told: Callable[[Entry, Any], Any], patience: Patience, clock: Clock) -> Steps[int]:
        """Send all in order, and give how many are left. `told` hears of each answer.

        A refused one stays, and so does what was to come after it on the same thing. Raises Unserved where nobody answers:
        everything from there on is kept.
        """
        held: set[str] = set()
        for entry in self.entries:
            if entry.answer or (entry.thing and entry.thing in held):
                held |= {entry.thing} if entry.thing else set()
                continue
            answer = yield from write(entry.write, patience, clock, key=entry.key)
            if "retry" in answer:
                self._put(Entry(entry.key, entry.write, entry.thing, answer if _is_final(answer) else None))
                held |= {entry.thing} if entry.thing else set()
            else:
                self.store.drop(KIND, entry.key)
            yield Ask(told, (entry, answer))
        return len(self.entries)

    def _entry(self, key: str) -> Entry:
        text = self.store.get(KIND, key)
        if text is None:
            raise KeyError(key)
        return Entry.of(key, text)

    def _put(self, entry: Entry) -> None:
        self.store.put(KIND, entry.key, entry.text())


def _is_final(answer: Mapping[str, Any]) -> bool:
    return bool(answer["retry"]["kind"] != "SAME_REQUEST")
