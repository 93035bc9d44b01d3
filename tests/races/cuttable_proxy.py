"""A proxy to PostgreSQL that can be cut at the worst moment: right before or right after a COMMIT. Or fall silent, or go away."""

import contextlib
import select
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

PORT = "5432"
COMMIT = b"COMMIT\0"
READY = b"Z\x00\x00\x00\x05I"
"""What the server sends when it is done with a statement and in no transaction: the COMMIT has happened."""

_ENDED = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
ENDED = b"E" + (len(_ENDED) + 4).to_bytes(4, "big") + _ENDED
"""What the server sends as the last when its process is told to end."""
GARBLED = b"?\x00\x00\x00\x00"
"""No message that a server sends: libpq gives the connection up, with an error that has no SQLSTATE."""


class CuttableProxy:
    """A socket that passes everything on to the tests' database, until it is told to cut."""

    def __init__(self) -> None:
        parameters = connection.get_connection_params()
        self._host, self._port = str(parameters.get("host") or "127.0.0.1"), int(parameters.get("port") or PORT)
        self.folder = Path(tempfile.mkdtemp(prefix="proxy"))
        self._listener = socket.socket(socket.AF_UNIX)
        self._path, self._hidden = self.folder / f".s.PGSQL.{PORT}", self.folder / "hidden"
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._clients: set[socket.socket] = set()
        self._cut_at: str | None = None
        self._command = COMMIT
        self._speaks = threading.Event()
        self._speaks.set()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self.speak()
        self._listener.close()
        shutil.rmtree(self.folder)

    def cut(self, moment: str, command: bytes = COMMIT) -> None:
        """Cut the connection that sends the next COMMIT: `before` the server hears of it or `after` it is done.

        `unanswered`: the server does it, and nothing is heard of that, or of anything. `last`: as `after`, and nobody gets to the
        server any more. `garbled`: as `after`, and what is heard is no answer. `ended`: it has answered, and is then told to end
        before it is ready for more.
        """
        self._cut_at, self._command = moment, command

    def fall_silent(self) -> None:
        """Keep all connections, and pass on nothing."""
        self._speaks.clear()

    def speak(self) -> None:
        """Pass on everything, and what has come meanwhile."""
        self._speaks.set()

    def go_away(self) -> None:
        """End all connections, and take no more: as a PostgreSQL that is stopped."""
        self._path.rename(self._hidden)
        for client in list(self._clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        """Take connections again."""
        self._hidden.rename(self._path)

    @property
    def is_away(self) -> bool:
        """Whether it takes no connections."""
        return self._hidden.exists()

    @property
    def is_whole(self) -> bool:
        """Whether no cut is left to be made."""
        return self._cut_at is None

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=[client], daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        self._clients.add(client)
        try:
            self._pass_on(client)
        finally:
            self._clients.discard(client)

    def _pass_on(self, client: socket.socket) -> None:
        with client, self._server() as server, contextlib.suppress(OSError):
            while True:
                readable, _, _ = select.select([client, server], [], [])
                for source in readable:
                    self._speaks.wait()
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is client and self._command in data and (moment := self._cut_at):
                        self._cut_at = None
                        if moment != "before":
                            server.sendall(data)
                            answer = _until_ready(server)
                        if moment == "unanswered":
                            self.fall_silent()
                            self._speaks.wait()
                        if moment == "last":
                            self.go_away()
                        if moment == "ended":
                            client.sendall(answer.removesuffix(READY) + ENDED)
                        if moment == "garbled":
                            client.sendall(GARBLED)
                        return
                    (server if source is client else client).sendall(data)

    def _server(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{self._host}/.s.PGSQL.{self._port}")
        return server


def _until_ready(server: socket.socket) -> bytes:
    answer = b""
    while not answer.endswith(READY):
        data = server.recv(65536)
        assert data, "the server went away before it had committed"
        answer += data
    return answer


@contextmanager
def through_proxy() -> Iterator[CuttableProxy]:
    """Lead the connection of this thread through a proxy of its own."""
    proxy, direct = CuttableProxy(), connection.settings_dict
    connection.close()
    connection.settings_dict = {**direct, "HOST": str(proxy.folder), "PORT": PORT}
    try:
        yield proxy
        assert proxy.is_whole, "nobody sent a COMMIT"
    finally:
        connection.close()
        connection.settings_dict = direct
        proxy.close()
