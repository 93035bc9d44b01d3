"""What a person edits: the text as it came, the text as it is typed, and what others wrote meanwhile. No I/O, no clock.

Version and base belong together: both are replaced at once, or neither. One save is on its way at a time, under a key that stays
with it until it is answered. What is typed meanwhile is brought together with the answer, paragraph by paragraph, by the law that
the server merges by.
"""

import threading
import unicodedata
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from katha_client.generated.merge import Part, merged, three_way
from katha_client.writes import Write

Values = dict[str, str]


@dataclass(frozen=True)
class Form:
    """Which fields of a thing are edited together, and by which mutation they are saved."""

    thing: str
    """The type in the contract; in lower case the field of the success that has it."""
    fields: tuple[str, ...]
    texts: frozenset[str]
    """Those that are merged by paragraphs."""
    mutation: str

    def look(self) -> str:
        """The document that asks for the thing as it is now."""
        fields = " ".join(("id", "version", *self.fields))
        return f"query Look($id: ID!) {{ node(id: $id) {{ __typename ... on {self.thing} {{ {fields} }} }} }}"

    def save(self) -> str:
        """The document that saves it. What is asked of the thing is what its version is held for."""
        thing, fields = self.thing, " ".join(("id", "version", *self.fields))
        return f"""mutation Save($id: ID!, $patch: {thing}Patch!, $expect: Expect!, $key: UUID!) {{
  {self.mutation}(id: $id, patch: $patch, expect: $expect, onConflict: MERGE, key: $key) {{
    __typename
    ... on {thing}Success {{ applied {thing.lower()} {{ {fields} }} }}
    ... on ConflictError {{
      versionsBehind changedFields by {{ id handle name }} at
      current {{ id version ... on {thing} {{ {" ".join(self.fields)} }} }}
    }}
    ... on InvalidError {{ fields {{ path message code limit }} }}
    ... on NotFoundError {{ deletedAt }}
    ... on Failure {{ code message retry {{ kind afterMs }} }}
  }}
}}"""

    def values(self, thing: Mapping[str, Any]) -> Values:
        """The fields of a thing that are edited."""
        return {name: thing[name] for name in self.fields}

    def stored(self, name: str, value: str) -> str:
        """A value as the server stores it: in Unicode's form NFC, and of one line without blanks at its ends."""
        normal = unicodedata.normalize("NFC", value)
        return normal if name in self.texts else normal.strip()


CHAPTER = Form("Chapter", ("title", "body"), frozenset({"body"}), "updateChapter")
STORY = Form("Story", ("title", "summary"), frozenset(), "updateStory")
FORMS = {form.thing: form for form in (CHAPTER, STORY)}


@dataclass(frozen=True)
class Collision:
    """A field that both changed. `parts` are those of a text: show each CollidingPart with its three sides."""

    path: str
    base: str
    mine: str
    theirs: str
    parts: tuple[Part, ...] | None


@dataclass(frozen=True)
class Conflict:
    """What a person has to decide. `about`: what the server says of it (`versionsBehind`, `changedFields`, `by`, `at`)."""

    collisions: tuple[Collision, ...]
    current: dict[str, Any]
    about: dict[str, Any]


@dataclass
class Save:
    """One save on its way: all that is needed to send the very same again, also after a restart."""

    key: str
    patch: Values
    expect: dict[str, str]
    sent: Values
    """All fields as they were when it was sent."""


@dataclass
class Draft:
    """One thing that is edited. Its parts are plain data, so that it can be kept and taken up again."""

    form: Form
    id: str
    version: str
    base: Values
    mine: Values
    pending: Save | None = None
    theirs: dict[str, Any] | None = None
    """The thing as others left it, where that cannot be brought together with `mine` without a person."""
    about: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, Any] | None = None
    """A refusal for good: the thing is gone, or the arguments are wrong."""
    key: str | None = None
    """Of an intention that met a conflict: it goes on under the same key."""
    after: str | None = None
    """The key of the save before, where that was written as sent and nothing else has been looked at since."""
    stale: bool = False
    """Whether the thing has to be looked at again."""
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    @classmethod
    def of(cls, form: Form, thing: Mapping[str, Any]) -> "Draft":
        """A draft of a thing as it was just read, with `id`, `version` and the form's fields."""
        return cls(form, thing["id"], thing["version"], form.values(thing), form.values(thing))

    # --- The person ---------------------------------------------------------------------------------------------

    def edit(self, **fields: str) -> None:
        """What the person has typed. Raises KeyError for a field that is not of the form."""
        with self.lock:
            for name in fields:
                self.mine[name]
            self.mine.update(fields)
            self.retry()

    def retry(self) -> None:
        """What was refused may be sent again: something else was typed, or somebody has signed in. What is gone stays gone."""
        with self.lock:
            if self.refused and self.refused.get("__typename") != "NotFoundError":
                self.refused = None

    @property
    def changed(self) -> Values:
        """The fields that differ from what is stored."""
        stored = self.form.stored
        return {
            name: value for name, value in self.mine.items() if stored(name, value) != stored(name, self.base[name])
        }

    @property
    def conflict(self) -> Conflict | None:
        """What others wrote and what is typed, where both changed the same; None where nothing is to be decided."""
        with self.lock:
            if self.theirs is None:
                return None
            _, collisions = self._together(self.base, self.theirs)
            return Conflict(tuple(collisions), dict(self.theirs), dict(self.about))

    def resolve(self, **choices: str) -> None:
        """The person has decided: what stands in each field of the conflict. Raises ValueError if one is left out."""
        with self.lock:
            if self.theirs is None:
                return
            together, collisions = self._together(self.base, self.theirs)
            missing = {one.path for one in collisions} - choices.keys()
            if missing:
                raise ValueError(f"not decided: {', '.join(sorted(missing))}")
            self._adopt(self.theirs, {**together, **choices})

    # --- The server ---------------------------------------------------------------------------------------------

    def take(self) -> Save | None:
        """The save to send now: the one without an answer again, or what has changed; None if there is nothing to send."""
        with self.lock:
            if self.pending or self.theirs or self.refused or not self.changed:
                return self.pending
            expect = {"after": self.after} if self.after else {"version": self.version}
            self.pending = Save(self.key or str(uuid.uuid4()), self.changed, expect, dict(self.mine))
            self.key = None
            return self.pending

    def write(self, save: Save) -> Write[Any]:
        """The mutation of a save."""
        return Write(self.form.mutation, self.form.save(), {"id": self.id, "patch": save.patch, "expect": save.expect})

    def answered(self, answer: Mapping[str, Any]) -> None:
        """What the server said to the pending save. A BusyError leaves it pending: it is sent again another time."""
        with self.lock:
            save = self.pending
            if save is None or (answer.get("retry") or {}).get("kind") == "SAME_REQUEST":
                return
            self.pending = self.after = None
            thing = answer.get(self.form.thing.lower())
            if thing:
                self.base = {name: self.form.stored(name, value) for name, value in save.sent.items()}
                self._bring_together(thing)
                self.after = save.key if answer.get("applied") == "WRITTEN" and not self.theirs else None
            elif answer.get("__typename") == "ConflictError":
                self.key = save.key
                self.about = {name: answer.get(name) for name in ("versionsBehind", "changedFields", "by", "at")}
                self._bring_together(answer["current"])
            elif answer.get("code") == "KEY_REUSED":
                self.stale = True
            else:
                self.refused = dict(answer)

    def noticed(self, version: str | None) -> None:
        """Somebody says that the thing is at this version. It may be older than what is known here, so it is looked at again."""
        with self.lock:
            self.stale = self.stale or version != self.version

    def looked(self, thing: Mapping[str, Any] | None) -> None:
        """The thing as a query found it when no save was on its way; None if it is gone."""
        with self.lock:
            if self.pending:
                return
            self.stale = False
            if thing is None:
                self.refused = {"__typename": "NotFoundError", "code": "NOT_FOUND", "message": "It is gone."}
            elif thing["version"] != self.version:
                self.after = None
                self._bring_together(thing)

    def _bring_together(self, thing: Mapping[str, Any]) -> None:
        together, collisions = self._together(self.base, thing)
        if collisions:
            self.theirs = dict(thing)
        else:
            self._adopt(thing, together)

    def _adopt(self, thing: Mapping[str, Any], mine: Values) -> None:
        self.version, self.base = thing["version"], self.form.values(thing)
        self.mine.update(mine)
        self.theirs, self.about = None, {}
        if not self.changed:
            self.key = None

    def _together(self, base: Values, thing: Mapping[str, Any]) -> tuple[Values, list[Collision]]:
        """Each field as both sides' changes make it, and the fields that a person has to decide."""
        together: Values = {}
        collisions: list[Collision] = []
        for name, theirs in self.form.values(thing).items():
            was, mine = base[name], self.mine[name]
            stored = self.form.stored(name, mine)
            if theirs in (was, stored):
                together[name] = (
                    mine  # as it is typed: a blank at the end of a title is stored without, and typed on from
                )
            elif stored == self.form.stored(name, was):
                together[name] = theirs
            else:
                parts = three_way(was, stored, theirs) if name in self.form.texts else None
                text = merged(parts) if parts else None
                if text is None:
                    collisions.append(Collision(name, was, mine, theirs, tuple(parts) if parts else None))
                else:
                    together[name] = text
        return together, collisions
