"""What an `Editing` says of its draft, in a sync program as in an async one."""

from collections.abc import Callable
from typing import Any

from katha_client.drafts import Conflict, Draft, Values
from katha_client.saving import Status, kept, status
from katha_client.stores import Store

KIND = "draft"


class Edited:
    """A thing that somebody edits. Nothing of it waits for the server."""

    def __init__(self, draft: Draft, store: Store, listen: Callable[[Any], Any] | None) -> None:
        self.draft = draft
        self.trouble: Exception | None = None
        """Why the last save came to nothing; it is tried again."""
        self._store = store
        self._listen = listen

    @property
    def id(self) -> str:
        """Of the thing."""
        return self.draft.id

    @property
    def values(self) -> Values:
        """The fields as they are to be shown: what is typed, with what others wrote beside it."""
        return dict(self.draft.mine)

    @property
    def version(self) -> str:
        """The version that the base of what is typed has."""
        return self.draft.version

    @property
    def status(self) -> Status:
        """How it stands."""
        return status(self.draft)

    @property
    def conflict(self) -> Conflict | None:
        """What the person has to decide, with base, mine and theirs; None if nothing."""
        return self.draft.conflict

    @property
    def refused(self) -> dict[str, Any] | None:
        """A refusal for good: an InvalidError, until something else is typed, or that the thing is gone."""
        return self.draft.refused

    def edit(self, **fields: str) -> None:
        """The person has typed: these fields now hold that. It is kept in the store when this returns."""
        self.draft.edit(**fields)
        self._keep()
        self._wake()

    def resolve(self, **choices: str) -> None:
        """The person has decided what stands in each field of the conflict. The next save sends it."""
        self.draft.resolve(**choices)
        self._keep()
        self._wake()

    def noticed(self, version: str | None) -> None:
        """Somebody says that the thing is at this version: the next save looks first."""
        self.draft.noticed(version)
        if self.draft.stale:
            self._wake()

    def discard(self) -> None:
        """Keep nothing of it."""
        self._store.drop(KIND, self.id)

    def _wake(self) -> None:
        """There is something to save."""

    def _keep(self) -> None:
        if self.status == "SAVED":
            self._store.drop(KIND, self.id)
        else:
            self._store.put(KIND, self.id, kept(self.draft))

    def _told(self) -> Any:
        """After an answer: keep it, and tell whoever listens."""
        self._keep()
        return self._listen(self) if self._listen else None
