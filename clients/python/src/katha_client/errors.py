"""What is raised. A refusal of a mutation is no exception but an answer: see `answers`."""

from typing import Any


class KathaError(Exception):
    """Anything that this package raises."""


class Unserved(KathaError):
    """Nothing is known to be wrong with the request: nobody answered, or the server had no time. The same can be sent again.

    `after`: how many seconds to wait first, where somebody said so. `unwritten`: whether the server said that it has done
    nothing; otherwise a write may have happened, and only its key makes it safe to send again. `answer`: the refusal, if it was
    a mutation's.
    """

    def __init__(
        self, message: str, after: float | None = None, *, unwritten: bool = False, answer: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.after = after
        self.unwritten = unwritten
        self.answer = answer


class RequestError(KathaError):
    """The request cannot be executed, or what it asks for may not be had. To send it again is of no use.

    `code` is `extensions.code` of the first error; `errors` are all of them; `data` is what could be answered all the same.
    """

    def __init__(self, errors: list[dict[str, Any]], data: dict[str, Any] | None = None) -> None:
        super().__init__("; ".join(str(error.get("message")) for error in errors))
        self.errors = errors
        self.data = data
        self.code: str | None = (errors[0].get("extensions") or {}).get("code") if errors else None


class NotFound(KathaError):
    """There is no such thing to edit, or none that this viewer may see."""


class CursorExpired(KathaError):
    """Changes are not kept from so long ago: load what you show, and begin anew with `changes(None)`."""


class NotListening(KathaError):
    """The server gives no stream here, so that it has to be asked from time to time."""
