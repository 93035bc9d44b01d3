"""A wire to a server that can be cut: a proxy on a port of its own, which hangs up where a test says so."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class Wire:
    """Carries connections to one server, and counts the requests that begin."""

    def __init__(self, server: str) -> None:
        at = urlsplit(server)
        self._server = (at.hostname or "127.0.0.1", at.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/graphql"
        self.requests = 0
        self.cuts: list[str] = []
        """What to cut, one after the other: `request` (the server never hears of it) or `reply` (it has done it)."""
        self.is_down = False
        self.refused = 0
        """How many connections nobody took."""
        self.streams_asked = 0
        """How many of the requests asked for a stream."""
        self.streams = True
        """Whether streams get through; a proxy may refuse them."""
        self.held: threading.Event | None = None
        """While it is there and not set, replies wait."""
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Listen no more, and hang up."""
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Cut all connections, without a word."""
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Nobody gets through: as in a tunnel."""
        self.is_down = True
        self.hang_up()
        yield
        self.is_down = False

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=[client], daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            if self.is_down:
                self.refused += 1
                return
            with socket.create_connection(self._server) as server:
                self._open |= {client, server}
                back = threading.Thread(target=self._back, args=[server, client], daemon=True)
                back.start()
                while data := client.recv(65536):
                    if data.startswith(b"POST"):
                        self.requests += 1
                        self.streams_asked += b"text/event-stream" in data
                        if b"text/event-stream" in data and not self.streams:
                            client.sendall(
                                b"HTTP/1.1 406 Not Acceptable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                            )
                            break
                        if self.cuts[:1] == ["request"]:
                            self.cuts.pop(0)
                            break
                    server.sendall(data)
                server.shutdown(socket.SHUT_RDWR)
                back.join()
                self._open -= {client, server}

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if self.held:
                    self.held.wait()
                if self.cuts[:1] == ["reply"]:
                    self.cuts.pop(0)
                    break
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
