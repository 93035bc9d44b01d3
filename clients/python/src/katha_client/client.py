"""The client of a program that waits: each call returns when it is done."""

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, cast

import httpx

from katha_client import live
from katha_client.connection import Address, Listener, is_stream, reply, unserved
from katha_client.drafts import Draft, Form
from katha_client.edited import KIND, Edited
from katha_client.effects import Ask, Effect, Emit, Listen, NextLine, Patience, Reply, ResultT, Send, Steps, Wait
from katha_client.errors import KathaError, NotFound
from katha_client.generated import mutations
from katha_client.outbox import Entry, Queue
from katha_client.requests import Rebase, query, write
from katha_client.saving import TROUBLE, Status, saving, taken_up
from katha_client.stores import MemoryStore, Store
from katha_client.toggles import Switch, following
from katha_client.writes import AnswerT, Write


class Client:
    """Talks to one server as one person. May be used from several threads."""

    def __init__(
        self, url: str, token: str | None = None, *, patience: Patience | None = None, http: httpx.Client | None = None
    ) -> None:
        self.address = Address(url, token, patience=patience or Patience())
        self._http = http or httpx.Client()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def sign_in(self, handle: str, password: str) -> Any:
        """Sign in; from now on every request does. Gives the SignSuccess, or why not."""
        answer: Any = self.write(mutations.sign_in(handle=handle, password=password))
        self.address.token = answer.get("token", self.address.token)
        return answer

    def query(self, document: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The `data` of a query, sent again until it is served. Raises RequestError, and Unserved once the patience ends."""
        return self.run(query(document, variables, self.address.patience, self.address.clock))

    def write(self, of: Write[AnswerT], *, key: str | None = None, rebase: Rebase | None = None) -> AnswerT:
        """The answer to a write, refusals included; one key for all that is sent. Raises as `query` does.

        `rebase` is given a conflict, and gives the variables that are right on top of its `current`, or None to give up.
        """
        return self.run(write(of, self.address.patience, self.address.clock, key=key, rebase=rebase))

    def watch(
        self,
        things: Mapping[str, str | None],
        selection: str = "",
        *,
        interval: float = 5.0,
        stop: threading.Event | None = None,
    ) -> Generator[live.Change, None, None]:
        """Each change to these things, from the versions that were seen (None: tell at once). Without end: break when done.

        `selection`: what to ask of a thing, such as `... on Story { title }`. `interval`: how many seconds lie between two
        questions where the server or a proxy gives no streams. `stop`: ends it from another thread, when the next line comes;
        the server sends one every 15 seconds.
        """
        steps = live.watching(things, selection, interval, self.address.patience, self.address.clock)
        return self.each(steps, stop)

    def presence(self, story: str, chapter: str | None = None) -> Generator[list[dict[str, Any]], None, None]:
        """Who has a story open, whenever that changes: `person`, `chapter`, `since`. As long as this runs, the viewer has."""
        given, (patience, clock) = {"story": story, "chapter": chapter}, (self.address.patience, self.address.clock)
        return self.each(live.subscribing(live.PRESENCE, lambda: given, live.people, patience, clock))

    def subscribe(
        self, document: str, variables: Mapping[str, Any] | None = None
    ) -> Generator[dict[str, Any], None, None]:
        """The `data` of each event of a subscription of your own. Raises NotListening where there are no streams."""
        given = dict(variables or {})
        steps = live.subscribing(document, lambda: given, dict, self.address.patience, self.address.clock)
        return self.each(steps)

    def changes(self, since: str | None = None, selection: str = "") -> Generator[live.ChangePage, None, None]:
        """What changed in the viewer's world since a cursor, in pages; None begins now. Raises CursorExpired."""
        return self.each(live.catching_up(since, selection, self.address.patience, self.address.clock))

    def edit(
        self,
        form: Form,
        id: str,
        *,
        store: Store | None = None,
        autosave: float | None = None,
        watch: bool = False,
        interval: float = 5.0,
        listen: Listener | None = None,
    ) -> "Editing":
        """Begin to edit a thing, or go on from what the store has kept of it. Raises NotFound, and as `query` does.

        `autosave`: after how many seconds what is typed is sent; without it `save` does that. `watch`: with autosave, also take
        in what others write as they write it; where there are no streams, it is looked for each `interval` seconds. `listen`
        is called with the Editing after each answer.
        """
        store = store or MemoryStore()
        text = store.get(KIND, id)
        if text is None:
            found = self.query(form.look(), {"id": id})["node"]
            if not found or "version" not in found:
                raise NotFound(id)
        draft = Draft.of(form, found) if text is None else taken_up(text)
        return Editing(self, draft, store, autosave, interval if watch else None, listen)

    def outbox(self, store: Store, listen: Callable[[Entry, Any], Any] | None = None) -> "Outbox":
        """The writes that are kept in a store until they are answered. `listen` is called with each answer."""
        return Outbox(self, Queue(store), listen)

    def following(self, person: str, relationship: Mapping[str, Any], show: Callable[[bool], Any]) -> "Toggle":
        """A switch for following somebody. `relationship`: `version` and `following`, as they were read. `show` draws it."""
        return Toggle(self, following(person, relationship), show)

    # --- Doing what the core asks ---------------------------------------------------------------------------------

    def run(self, steps: Steps[ResultT]) -> ResultT:
        """The result of some steps of the core, none of which emits. Whoever signs in meanwhile did not mean them."""
        with closing(self._steps(steps, replace(self.address))) as values:
            return cast(ResultT, next(values))

    def each(self, steps: Steps[None], stop: threading.Event | None = None) -> Generator[Any, None, None]:
        """What some steps of the core emit. It ends once `stop` is set, at the next thing to do."""
        with closing(self._steps(steps, self.address, stop)) as values:
            for value in values:
                if isinstance(value, Emit):
                    yield value.value

    def _steps(
        self, steps: Steps[Any], address: Address, stop: threading.Event | None = None
    ) -> Generator[Any, None, None]:
        """What is emitted, and at the end the result."""
        result: Any = None
        problem: Exception | None = None
        with Stream(self._http, address) as stream:
            while True:
                try:
                    effect = steps.throw(problem) if problem else steps.send(result)
                except StopIteration as end:
                    yield end.value
                    return
                result, problem = None, None
                if stop and (stop.wait(effect.seconds) if isinstance(effect, Wait) else stop.is_set()):
                    return
                if isinstance(effect, Emit):
                    yield effect
                    continue
                try:
                    result = None if stop and isinstance(effect, Wait) else self._do(effect, address, stream)
                except Exception as raised:
                    problem = raised

    def _do(self, effect: Effect, address: Address, stream: "Stream") -> Any:
        match effect:
            case Send(body):
                with unserved():
                    return reply(self._http.post(**address.request(body)))
            case Wait(seconds):
                time.sleep(seconds)
            case Ask(call, arguments):
                return call(*arguments)
            case Listen(body):
                return stream.open(body)
            case NextLine():
                return stream.line()
        return None


class Stream:
    """At most one stream of events; another one ends it."""

    def __init__(self, http: httpx.Client, address: Address) -> None:
        self._http, self._address = http, address
        self._opened = ExitStack()
        self._lines: Iterator[str] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, at: TracebackType | None
    ) -> None:
        self._opened.close()

    def open(self, body: Mapping[str, Any]) -> Reply:
        """Open one. Raises Unserved."""
        self._opened.close()
        with unserved():
            request = self._address.request(body, stream=True)
            response = self._opened.enter_context(self._http.stream("POST", **request))
            if is_stream(response):
                self._lines = response.iter_lines()
            else:
                response.read()
            return reply(response)

    def line(self) -> str | None:
        """The next line; None at its end. Raises Unserved."""
        with unserved():
            return next(self._lines, None)


class Editing(Edited):
    """A thing that somebody edits, saved one request at a time. Close it when they are done: that saves what is left."""

    def __init__(
        self,
        client: Client,
        draft: Draft,
        store: Store,
        autosave: float | None,
        watch: float | None,
        listen: Listener | None,
    ) -> None:
        super().__init__(draft, store, listen)
        self._client = client
        self._one_at_a_time = threading.Lock()
        self._due, self._closed = threading.Event(), threading.Event()
        self._autosave, self._interval = autosave, watch or 0.0
        works = [self._save_when_due] * (autosave is not None) + [self._watch] * (None not in (autosave, watch))
        self._threads = [threading.Thread(target=work, daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def save(self) -> Status:
        """Send what is to be sent, and say how it stands then. Raises Unserved and RequestError; what is typed stays kept."""
        address = self._client.address
        # One save at a time is what is promised, so this is held over I/O.
        with self._one_at_a_time:
            self.trouble = None
            return self._client.run(saving(self.draft, self._told, address.patience, address.clock))

    def close(self) -> None:
        """Save what is left, and end. Raises as `save` does."""
        self._closed.set()
        self._due.set()
        for thread in self._threads[:1]:
            thread.join()
        self.save()

    def _wake(self) -> None:
        self._due.set()

    def _save_when_due(self) -> None:
        while self._due.wait() and not self._closed.wait(self._autosave):
            self._due.clear()
            try:
                self.save()
            except TROUBLE as problem:
                self.trouble = problem
                self._due.set()
                self._told()

    def _watch(self) -> None:
        things: dict[str, str | None] = {self.id: self.version}
        try:
            for change in self._client.watch(things, interval=self._interval, stop=self._closed):
                self.noticed(change.version)
        except KathaError as problem:
            self.trouble = problem
            self._told()


class Outbox(Queue):
    """The offline queue."""

    def __init__(self, client: Client, queue: Queue, listen: Callable[[Entry, Any], Any] | None) -> None:
        super().__init__(queue.store)
        self._client = client
        self._listen = listen or (lambda _entry, _answer: None)
        self._one_at_a_time = threading.Lock()

    def send(self) -> int:
        """Send all in order, and give how many are left. Raises Unserved where nobody answers, and RequestError."""
        address = self._client.address
        # In order is what is promised, so this is held over I/O.
        with self._one_at_a_time:
            return self._client.run(self.sending(self._listen, address.patience, address.clock))


class Toggle:
    """A switch that shows at once what is wanted."""

    def __init__(self, client: Client, switch: Switch, show: Callable[[bool], Any]) -> None:
        self._client = client
        self._switch = switch
        self._show = show
        self._one_at_a_time = threading.Lock()

    @property
    def shown(self) -> bool:
        """What to draw."""
        return self._switch.shown

    def set(self, wanted: bool) -> Any:
        """Show it, and bring the server to it. Gives the last answer, None if it was so. Raises Unserved, RequestError."""
        self._switch.want(wanted)
        self._show(wanted)
        address = self._client.address
        # Whoever clicks twice has the last word, after the first: held over I/O.
        with self._one_at_a_time:
            return self._client.run(self._switch.switching(self._show, address.patience, address.clock))
