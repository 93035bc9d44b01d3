"""The client of an asyncio program: the same as `client`, with the same core, for those who await."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, suppress
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


class AsyncClient:
    """Talks to one server as one person. Functions that it is given may be coroutines."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        patience: Patience | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.address = Address(url, token, patience=patience or Patience())
        self._http = http or httpx.AsyncClient()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def sign_in(self, handle: str, password: str) -> Any:
        """As `Client.sign_in`."""
        answer: Any = await self.write(mutations.sign_in(handle=handle, password=password))
        self.address.token = answer.get("token", self.address.token)
        return answer

    async def query(self, document: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """As `Client.query`."""
        return await self.run(query(document, variables, self.address.patience, self.address.clock))

    async def write(self, of: Write[AnswerT], *, key: str | None = None, rebase: Rebase | None = None) -> AnswerT:
        """As `Client.write`."""
        return await self.run(write(of, self.address.patience, self.address.clock, key=key, rebase=rebase))

    def watch(
        self, things: Mapping[str, str | None], selection: str = "", *, interval: float = 5.0
    ) -> AsyncGenerator[live.Change, None]:
        """As `Client.watch`. Ends when its task is cancelled, too."""
        return self.each(live.watching(things, selection, interval, self.address.patience, self.address.clock))

    def presence(self, story: str, chapter: str | None = None) -> AsyncGenerator[list[dict[str, Any]], None]:
        """As `Client.presence`."""
        given, (patience, clock) = {"story": story, "chapter": chapter}, (self.address.patience, self.address.clock)
        return self.each(live.subscribing(live.PRESENCE, lambda: given, live.people, patience, clock))

    def subscribe(
        self, document: str, variables: Mapping[str, Any] | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """As `Client.subscribe`."""
        given = dict(variables or {})
        steps = live.subscribing(document, lambda: given, dict, self.address.patience, self.address.clock)
        return self.each(steps)

    def changes(self, since: str | None = None, selection: str = "") -> AsyncGenerator[live.ChangePage, None]:
        """As `Client.changes`."""
        return self.each(live.catching_up(since, selection, self.address.patience, self.address.clock))

    async def edit(
        self,
        form: Form,
        id: str,
        *,
        store: Store | None = None,
        autosave: float | None = None,
        watch: bool = False,
        interval: float = 5.0,
        listen: Listener | None = None,
    ) -> "AsyncEditing":
        """As `Client.edit`."""
        store = store or MemoryStore()
        text = store.get(KIND, id)
        if text is None:
            found = (await self.query(form.look(), {"id": id}))["node"]
            if not found or "version" not in found:
                raise NotFound(id)
        draft = Draft.of(form, found) if text is None else taken_up(text)
        return AsyncEditing(self, draft, store, autosave, interval if watch else None, listen)

    def outbox(self, store: Store, listen: Callable[[Entry, Any], Any] | None = None) -> "AsyncOutbox":
        """As `Client.outbox`."""
        return AsyncOutbox(self, Queue(store), listen)

    def following(self, person: str, relationship: Mapping[str, Any], show: Callable[[bool], Any]) -> "AsyncToggle":
        """As `Client.following`."""
        return AsyncToggle(self, following(person, relationship), show)

    # --- Doing what the core asks ---------------------------------------------------------------------------------

    async def run(self, steps: Steps[ResultT]) -> ResultT:
        """The result of some steps of the core, none of which emits. Whoever signs in meanwhile did not mean them."""
        async with aclosing(self._steps(steps, replace(self.address))) as values:
            return cast(ResultT, await anext(values))

    async def each(self, steps: Steps[None]) -> AsyncGenerator[Any, None]:
        """What some steps of the core emit. Whoever stops before the end closes it (`contextlib.aclosing`)."""
        async with aclosing(self._steps(steps, self.address)) as values:
            async for value in values:
                if isinstance(value, Emit):
                    yield value.value

    async def _steps(self, steps: Steps[Any], address: Address) -> AsyncGenerator[Any, None]:
        """What is emitted, and at the end the result."""
        result: Any = None
        problem: Exception | None = None
        async with AsyncStream(self._http, address) as stream:
            while True:
                try:
                    effect = steps.throw(problem) if problem else steps.send(result)
                except StopIteration as end:
                    yield end.value
                    return
                result, problem = None, None
                if isinstance(effect, Emit):
                    yield effect
                    continue
                try:
                    result = await self._do(effect, address, stream)
                except Exception as raised:
                    problem = raised

    async def _do(self, effect: Effect, address: Address, stream: "AsyncStream") -> Any:
        match effect:
            case Send(body):
                with unserved():
                    return reply(await self._http.post(**address.request(body)))
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Ask(call, arguments):
                answer = call(*arguments)
                return await answer if inspect.isawaitable(answer) else answer
            case Listen(body):
                return await stream.open(body)
            case NextLine():
                return await stream.line()
        return None


class AsyncStream:
    """At most one stream of events; another one ends it."""

    def __init__(self, http: httpx.AsyncClient, address: Address) -> None:
        self._http, self._address = http, address
        self._opened = AsyncExitStack()
        self._lines: AsyncIterator[str] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def open(self, body: Mapping[str, Any]) -> Reply:
        """Open one. Raises Unserved."""
        await self._opened.aclose()
        with unserved():
            request = self._address.request(body, stream=True)
            response = await self._opened.enter_async_context(self._http.stream("POST", **request))
            if is_stream(response):
                self._lines = response.aiter_lines()
            else:
                await response.aread()
            return reply(response)

    async def line(self) -> str | None:
        """The next line; None at its end. Raises Unserved."""
        with unserved():
            return await anext(self._lines, None) if self._lines else None


class AsyncEditing(Edited):
    """As `Editing`."""

    def __init__(
        self,
        client: AsyncClient,
        draft: Draft,
        store: Store,
        autosave: float | None,
        watch: float | None,
        listen: Listener | None,
    ) -> None:
        super().__init__(draft, store, listen)
        self._client = client
        self._one_at_a_time = asyncio.Lock()
        self._due = asyncio.Event()
        self._autosave, self._interval = autosave, watch or 0.0
        works = [self._save_when_due] * (autosave is not None) + [self._watch] * (None not in (autosave, watch))
        self._tasks = [asyncio.create_task(work()) for work in works]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def save(self) -> Status:
        """As `Editing.save`."""
        address = self._client.address
        async with self._one_at_a_time:
            self.trouble = None
            return await self._client.run(saving(self.draft, self._told, address.patience, address.clock))

    async def close(self) -> None:
        """As `Editing.close`. A save that is on its way is broken off and sent again, with its key."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self.save()

    def _wake(self) -> None:
        self._due.set()

    async def _save_when_due(self) -> None:
        while await self._due.wait():
            await asyncio.sleep(self._autosave or 0)
            self._due.clear()
            try:
                await self.save()
            except TROUBLE as problem:
                self.trouble = problem
                self._due.set()
                self._told()

    async def _watch(self) -> None:
        try:
            async with aclosing(self._client.watch({self.id: self.version}, interval=self._interval)) as changes:
                async for change in changes:
                    self.noticed(change.version)
        except KathaError as problem:
            self.trouble = problem
            self._told()


class AsyncOutbox(Queue):
    """As `Outbox`."""

    def __init__(self, client: AsyncClient, queue: Queue, listen: Callable[[Entry, Any], Any] | None) -> None:
        super().__init__(queue.store)
        self._client = client
        self._listen = listen or (lambda _entry, _answer: None)
        self._one_at_a_time = asyncio.Lock()

    async def send(self) -> int:
        """As `Outbox.send`."""
        address = self._client.address
        async with self._one_at_a_time:
            return await self._client.run(self.sending(self._listen, address.patience, address.clock))


class AsyncToggle:
    """As `Toggle`."""

    def __init__(self, client: AsyncClient, switch: Switch, show: Callable[[bool], Any]) -> None:
        self._client = client
        self._switch = switch
        self._show = show
        self._one_at_a_time = asyncio.Lock()

    @property
    def shown(self) -> bool:
        """What to draw."""
        return self._switch.shown

    async def set(self, wanted: bool) -> Any:
        """As `Toggle.set`."""
        self._switch.want(wanted)
        self._show(wanted)
        address = self._client.address
        async with self._one_at_a_time:
            return await self._client.run(self._switch.switching(self._show, address.patience, address.clock))
