"""Starts the processes that serve, replaces those that end, and stops them all."""

import asyncio
import gc
import logging
import multiprocessing
import os
import signal
import socket
import time
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from types import FrameType

import uvicorn
from django.conf import settings

from backend import tracing
from backend.processes import die_with_parent
from schema.server.asgi import Application
from schema.server.live.websocket import PING_SECONDS, PONG_SECONDS, WebSocket
from schema.server.protocol import STOPS, Protocol

log = logging.getLogger("katha")

STOP_TIMEOUT_SECONDS = 10.0
"""How long a process may take to answer what it has begun after a stop signal; then it is killed."""
BACKLOG = 4_096
"""The listen backlog: how many connections wait to be accepted."""
COLLECT_AFTER = (10_000, 20, 50)
"""Python's thresholds of garbage collection. A request makes thousands of objects, and hardly a cycle."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
SHORT_LIFE_SECONDS, MAX_SHORT_LIVES = 3.0, 5
"""After so many processes in a row that did not live longer it is given up."""


class ShortLived(Exception):
    """The processes end as soon as they are started."""


class Server(uvicorn.Server):
    """uvicorn's server, which also looks after its connections."""

    def __init__(self, config: uvicorn.Config, application: Application) -> None:
        super().__init__(config)
        self._application = application

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take stop signals from now on, and those that have come since the fork: there is somebody who handles them."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take also those who have connected and were not accepted yet: the system would break them off."""
        self._application.streams.stop()
        self.lifespan.state[STOPS] = True  # for those that uvicorn has accepted, and does not know yet
        loop = asyncio.get_running_loop()
        for listener in sockets or []:
            with suppress(BlockingIOError):
                while True:
                    connection, _ = listener.accept()
                    connection.setblocking(False)
                    await loop.connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)
        await self._application.close()

    def _protocol(self) -> Protocol:
        return Protocol(self.config, self.server_state, self.lifespan.state, asyncio.get_running_loop())

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if counter % 10 == 0:
            now = time.monotonic()  # the time of uvloop and of asyncio's own loop
            for connection in list(self.server_state.connections):
                assert isinstance(connection, Protocol | WebSocket)
                connection.look(now)
            await self._application.streams.look(now)
        return await super().on_tick(counter)


class Workers:
    """The processes that serve on one socket. From the beginning a stop signal is for them."""

    def __init__(self, listener: socket.socket, number: int) -> None:
        self._listener, self._number = listener, number
        self._told, self._tell = os.pipe()
        self._processes: dict[ForkProcess, float] = {}
        """With the time at which each was started."""
        for one in STOP_SIGNALS:
            signal.signal(one, lambda *_: os.write(self._tell, b"."))

    def serve(self) -> None:
        """Serve until a stop signal. Raises `ShortLived`."""
        gc.collect()
        gc.freeze()  # what is there before the fork stays shared
        gc.set_threshold(*COLLECT_AFTER)
        try:
            for _ in range(self._number):
                self._start()
            self._replace_until_told()
        finally:
            self._listener.close()
            self._stop()

    def _replace_until_told(self) -> None:
        short_lives = 0
        while self._told not in (ended := wait([self._told, *(one.sentinel for one in self._processes)])):
            for process in [one for one in self._processes if one.sentinel in ended]:
                process.join()
                lived = time.monotonic() - self._processes.pop(process)
                short_lives = short_lives + 1 if lived < SHORT_LIFE_SECONDS else 0
                log.error("a process of the server has ended and is replaced: status %s", process.exitcode)
                if short_lives >= MAX_SHORT_LIVES:
                    raise ShortLived
                self._start()

    def _start(self) -> None:
        started = time.monotonic()
        self._processes[fork(self._listener)] = started

    def _stop(self) -> None:
        for process in self._processes:
            process.terminate()
        until = time.monotonic() + STOP_TIMEOUT_SECONDS
        for process in self._processes:
            process.join(max(0.0, until - time.monotonic()))
        for process in self._processes:
            process.kill()
            process.join()


def fork(listener: socket.socket) -> ForkProcess:
    """Start a process that serves. Stop signals wait until it can handle them: if one were lost, it would be killed at work."""
    process = multiprocessing.get_context("fork").Process(target=work, args=[listener, os.getpid()])
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def work(listener: socket.socket, parent: int) -> None:
    """Serve in this process until SIGTERM, and end with the parent. Stop signals are blocked until the server has started.

    Ctrl-C in a terminal goes to the whole process group. A process that got it, and then the server's stop signal while it is
    stopping, would break off what it has begun; so each has its own group.
    """
    os.setpgid(0, 0)
    die_with_parent()
    if os.getppid() != parent:
        return
    for one in STOP_SIGNALS:  # uvicorn takes them while it serves, and raises them again in the end
        signal.signal(one, _nothing)  # not SIG_IGN, which would discard one that waits
    application = Application()
    config = uvicorn.Config(
        application,
        http=Protocol,
        ws=WebSocket,
        ws_max_size=settings.MAX_MESSAGE_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PONG_SECONDS,
        ws_per_message_deflate=False,  # it takes more memory than all else of a connection
        lifespan="off",
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whom to trust is decided in `backend.limits.addresses`
        timeout_graceful_shutdown=int(STOP_TIMEOUT_SECONDS) - 1,
    )
    tracing.begin()
    try:
        Server(config, application).run(sockets=[listener])
    finally:
        tracing.end()


def _nothing(_signal: int, _frame: FrameType | None) -> None:
    """The server has stopped, or is going to."""
