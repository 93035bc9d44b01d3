"""Saving a draft, one request at a time, and keeping it where it survives a restart."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal

from katha_client.drafts import FORMS, Draft, Save
from katha_client.effects import Ask, Clock, Patience, Steps
from katha_client.errors import RequestError, Unserved
from katha_client.requests import query, write

Status = Literal["SAVED", "UNSAVED", "CONFLICT", "GONE", "REFUSED"]
"""UNSAVED: there is something to send, or something was sent and no answer came yet."""
KEPT = ("id", "version", "base", "mine", "theirs", "about", "refused", "key")


def status(draft: Draft) -> Status:
    """How it stands with a draft."""
    if draft.refused:
        return "GONE" if draft.refused.get("__typename") == "NotFoundError" else "REFUSED"
    if draft.theirs:
        return "CONFLICT"
    return "UNSAVED" if draft.pending or draft.changed else "SAVED"


def saving(draft: Draft, keep: Callable[[], Any], patience: Patience, clock: Clock) -> Steps[Status]:
    """Send what is to be sent until nothing is left, or a person is needed. The draft is kept before and after each request.

    Raises Unserved and RequestError.
    """
    draft.retry()
    while True:
        if draft.stale and not draft.pending:
            yield from looking(draft, patience, clock)
        save = draft.take()
        yield Ask(keep, ())
        if save is None:
            return status(draft)
        answer = yield from write(draft.write(save), patience, clock, key=save.key)
        draft.answered(answer)
        yield Ask(keep, ())
        if draft.pending:
            raise Unserved(str(answer["message"]), answer["retry"]["afterMs"] / 1000, answer=answer)


def looking(draft: Draft, patience: Patience, clock: Clock) -> Steps[None]:
    """Ask how the thing is now. The draft takes it in, unless a save has gone out meanwhile."""
    found = (yield from query(draft.form.look(), {"id": draft.id}, patience, clock))["node"]
    draft.looked(found if found and "version" in found else None)


# --- Keeping --------------------------------------------------------------------------------------------------


def kept(draft: Draft) -> str:
    """A draft as text. The save on its way is in it, with its key."""
    with draft.lock:
        plain = {name: getattr(draft, name) for name in KEPT}
        return json.dumps(plain | {"form": draft.form.thing, "pending": draft.pending and asdict(draft.pending)})


def taken_up(text: str) -> Draft:
    """The draft that was kept. What is behind it now is looked at before anything new is sent."""
    plain = json.loads(text)
    form, pending = FORMS[plain.pop("form")], plain.pop("pending")
    return Draft(form, **plain, pending=Save(**pending) if pending else None, stale=True)


TROUBLE = (Unserved, RequestError)
"""What a save may raise."""
