"""A proxy that ends TLS in front of a server, as docs/operations.md asks of one; with what each request brought to it."""

import contextlib
import select
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on this machine")
CERTIFICATE = (
    *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
    *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
)
BLANK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\nConnection: close\r\n\r\n<!doctype html>"


class TlsProxy:
    """Passes on one request a connection, and whatever comes after its head. Pages of other hosts than `ours` are blank."""

    def __init__(self, place: tuple[str, int], ours: str, told: str, folder: Path | None) -> None:
        self._place, self._ours, self._told = place, ours, told
        self.requests: list[Mapping[str, str]] = []
        """The heads of all requests to the server: their headers in lower case, and the first line as ``."""
        self._context = None if folder is None else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self._context is not None and folder is not None:
            self._context.load_cert_chain(*_certificate(folder))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._carry, args=[self._listener.accept()[0]], daemon=True).start()

    def _carry(self, raw: socket.socket) -> None:
        with contextlib.suppress(OSError), raw, self._spoken(raw) as client:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = client.recv(65536)
                if not piece:
                    return
                head += piece
            head, _, rest = head.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            if headers["host"].partition(":")[0] != self._ours:
                client.sendall(BLANK)
                return
            self.requests.append({**headers, "": first})
            if "upgrade" not in headers:
                headers["connection"] = "close"
            before = headers.get("x-forwarded-for", "192.0.2.8")
            headers |= {"x-forwarded-proto": self._told, "x-forwarded-for": f"{before}, 192.0.2.7"}
            with socket.create_connection(self._place) as server:
                sent = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                server.sendall(f"{first}\r\n{sent}\r\n".encode("latin-1") + rest)
                _pass_on(client, server)

    def _spoken(self, raw: socket.socket) -> socket.socket:
        return raw if self._context is None else self._context.wrap_socket(raw, server_side=True)


@contextmanager
def behind_tls(
    place: tuple[str, int], ours: str, *, told: str = "https", folder: Path | None = None
) -> Iterator[TlsProxy]:
    """A proxy in front of this server, which is called `ours`; `told` is what it says of the scheme. With a folder, where its
    certificate may lie, TLS is spoken; without one it only says so, which is the same to the server.
    """
    proxy = TlsProxy(place, ours, told, folder)
    try:
        yield proxy
    finally:
        proxy.close()


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that nobody trusts, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if not key.exists():
        command = [*CERTIFICATE, "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def _pass_on(client: socket.socket, server: socket.socket) -> None:
    """Both ways, in one thread: what is ended by TLS must not be read and written at a time."""
    while True:
        has_more = isinstance(client, ssl.SSLSocket) and client.pending()
        readable = [client] if has_more else select.select([client, server], [], [])[0]
        for source in readable:
            data = source.recv(65536)
            if not data:
                return
            (server if source is client else client).sendall(data)
