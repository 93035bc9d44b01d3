"""Serves Katha with uvicorn, after checking the settings and the port."""

import fcntl
import socket
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connections

from backend import tracing
from backend.engine.transactions import unit_of_work
from backend.jobs.worker_process import worker_process
from backend.management.database import require_answer, require_migrated
from backend.monitoring.process import THREADS as THREADS_SERVING
from backend.people import demo
from backend.people.queries import names
from backend.processes import process_count, whole_number
from backend.production import NotForProduction, require_data, require_settings
from schema.execution.documents import trusted
from schema.server import static_files
from schema.server.protocol import max_connections
from schema.server.workers import BACKLOG, ShortLived, Workers

MAX_PORT = 65_535
UNSENT_BYTES = 64 * 1024
"""How much of an answer the system keeps that is not on its way yet: the rest shows whether the client reads (`protocol`)."""


class Command(BaseCommand):
    """manage.py serve [--migrate] [--demo] [--host H] [--port P] [--workers N] [--no-worker]."""

    help = "Serve GraphQL and the explorer over HTTP."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the address, the number of processes, and what to prepare first."""
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=port, default=8000)
        parser.add_argument(
            "--workers", type=process_count, default=2, help="Processes; each answers 4 requests at a time."
        )
        parser.add_argument(
            "--no-worker", action="store_true", help="Leave the jobs to a `manage.py worker` elsewhere."
        )
        parser.add_argument("--migrate", action="store_true", help="Bring the database up to date first.")
        parser.add_argument("--demo", action="store_true", help="Fill an empty database with demo data first.")

    def handle(self, **options: Any) -> None:
        """Prepare, print what to open, and serve until a stop signal."""
        require_fitness(require_settings)
        if options["demo"] and settings.PRODUCTION:
            raise CommandError("Demo data are not for production, because everybody can play the people in them.")
        trusted()  # before the first request needs them
        listener = listen(options["host"], options["port"])
        require_answer()
        if options["migrate"]:
            self._say("Bringing the database up to date")
            call_command("migrate", verbosity=0)
        require_migrated()
        if options["demo"]:
            call_command("demo", if_empty=True)
            unit_of_work(demo.renew_tokens)
        require_fitness(require_data)
        self._say("Collecting static files")
        collect_static_files()
        if tracing.is_wanted() and not tracing.is_installed():
            self._say("No spans are sent, because OpenTelemetry is not installed: make tracing")
        self._welcome(options["host"], options["port"])
        connections.close_all()
        max_connections()  # which raises the limit of open files, for the processes too
        others = settings.HASHES_AT_ONCE + settings.PAGES_AT_ONCE
        THREADS_SERVING.set(options["workers"] * (2 * settings.THREADS + others))  # there are as many fibers as threads
        workers = Workers(listener, options["workers"])
        with nullcontext() if options["no_worker"] else worker_process():
            serve(workers)

    def _welcome(self, host: str, port: int) -> None:
        base = f"http://{host}:{port}"
        shown = "the explorer: GraphiQL with prepared examples" if settings.EXPLORER else "GraphQL; the explorer is off"
        self.stdout.write(f"\nKatha serves {base}\n  {base}/graphql   {shown}\n")
        if settings.CORS_ALLOWED_ORIGIN_REGEXES:
            self.stdout.write("  Pages on http://localhost and http://127.0.0.1, any port, may call it (CORS).\n")
        people = names(demo.HANDLES) if demo.is_open() else []
        if people:
            self.stdout.write(f"  Demo people sign in with the password {demo.PASSWORD}, or with a token:")
            for handle, name in people[:3]:
                self.stdout.write(f"  {handle:8} {name:16} Authorization: Bearer {demo.token(handle)}")
        self.stdout.write("  Ctrl-C stops it.\n\n")
        self.stdout.flush()

    def _say(self, line: str) -> None:
        self.stdout.write(f"▸ {line}")
        self.stdout.flush()


def collect_static_files() -> None:
    """Copy, name and compress them, unless all are as they were when that was done; one server after another over one folder."""
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    with (settings.STATIC_ROOT.parent / "static.lock").open("a+") as done:
        fcntl.flock(done, fcntl.LOCK_EX)
        done.seek(0)
        sources = static_files.sources()
        if done.read() != sources or not any(settings.STATIC_ROOT.iterdir()):
            done.truncate(0)
            call_command("collectstatic", interactive=False, verbosity=0)
            done.write(sources)


def serve(workers: Workers) -> None:
    """Serve until a stop signal. Raises CommandError if the processes cannot live."""
    try:
        workers.serve()
    except ShortLived:
        raise CommandError(
            "The server's processes end as soon as they are started, so Katha ends. The log may say why; is the disk full?"
        ) from None


def require_fitness(require: Callable[[], None]) -> None:
    """Raise CommandError, with what to change, if this is production and not fit for it."""
    try:
        require()
    except NotForProduction as problem:
        raise CommandError(str(problem)) from None


def listen(host: str, port: int) -> socket.socket:
    """Take the port, before anything slow is done: connections wait until somebody accepts them. Raises CommandError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise CommandError(f"Cannot listen on {host}: {error}. HOST must be an address of this machine.") from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # its connections have it too
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CommandError(
            f"Cannot listen on {host} port {port}: {error}. If another program uses port {port}, choose another: "
            f"make run PORT={port + 1 if port < MAX_PORT else 8000}"
        ) from None
    return listener


def port(text: str) -> int:
    """Parse a port number."""
    return whole_number(text, 1, MAX_PORT)
