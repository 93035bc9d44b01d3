"""A switch that shows at once what the person wants, and goes back if the server refuses: to follow, or not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from katha_client.effects import Ask, Clock, Patience, Steps
from katha_client.generated import mutations
from katha_client.requests import write
from katha_client.writes import Write


@dataclass
class Switch:
    """One thing that is on or off. `shown` is what to draw; `stored` what the server has said, at `version`."""

    version: str
    stored: bool
    shown: bool
    on: Callable[[dict[str, str]], Write[Any]]
    off: Callable[[dict[str, str]], Write[Any]]
    read: Callable[[Mapping[str, Any]], bool]
    thing: str
    may: Callable[[Mapping[str, Any]], bool]
    """Whether, after a conflict, the thing as it is now still lets the person want it."""

    def switching(self, show: Callable[[bool], Any], patience: Patience, clock: Clock) -> Steps[Any]:
        """Bring the server to what is shown, and give its last answer; None if it is so already.

        Who clicks on meanwhile is followed: what was wanted last is what is sent. A refusal or nobody there puts back what is
        stored; the latter raises Unserved.
        """
        answer: Any = None
        while self.shown != self.stored:
            wanted = self.shown
            try:
                answer = yield from write(self._write(wanted), patience, clock, rebase=self._rebase(wanted))
            except Exception:
                yield from self._show(self.stored, show)
                raise
            thing = answer.get(self.thing) or answer.get("current")
            if thing is not None:
                self.version, self.stored = thing["version"], self.read(thing)
            if thing is None or self.stored != wanted:
                yield from self._show(self.stored, show)
        return answer

    def _rebase(self, wanted: bool) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
        """What was changed beside it does not matter to who only wants it on or off; what `may` looks at does."""

        def look(conflict: dict[str, Any]) -> dict[str, Any] | None:
            now = conflict["current"]
            return {} if self.read(now) != wanted and self.may(now) else None

        return look

    def want(self, wanted: bool) -> None:
        """The person has switched it."""
        self.shown = wanted

    def _write(self, wanted: bool) -> Write[Any]:
        return (self.on if wanted else self.off)({"version": self.version})

    def _show(self, value: bool, show: Callable[[bool], Any]) -> Steps[None]:
        if self.shown != value:
            self.shown = value
            yield Ask(show, (value,))


def following(person: str, relationship: Mapping[str, Any]) -> Switch:
    """The switch for following somebody, from the relationship as it was read: `version` and `following`.

    Who blocks them meanwhile on another device does not follow them from this one.
    """
    return Switch(
        version=relationship["version"],
        stored=relationship["following"],
        shown=relationship["following"],
        on=lambda expect: mutations.follow(person=person, expect=expect),  # type: ignore[arg-type]
        off=lambda expect: mutations.unfollow(person=person, expect=expect),  # type: ignore[arg-type]
        read=lambda thing: bool(thing["following"]),
        thing="relationship",
        may=lambda thing: not thing["blocking"],
    )
