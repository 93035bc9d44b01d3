"""Serves Katha with granian, after checking the settings and the port."""

import os
import resource
import socket
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connections
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings

from backend.engine.transactions import unit_of_work
from backend.jobs.worker_process import worker_process
from backend.management.database import require_answer, require_migrated
from backend.monitoring.process import THREADS as THREADS_SERVING
from backend.people import demo
from backend.people.queries import names
from backend.processes import die_with_parent, process_count, whole_number
from backend.production import NotForProduction, require_data, require_settings, trust_data
from schema.execution.documents import trusted

STOP_TIMEOUT_SECONDS = 10
"""How long a worker process may take to finish its requests after a stop signal."""
MAX_HEAD_BYTES = 128 * 1024
"""The maximum size of a request's head, and of one read from a body, in bytes."""
BACKLOG = 4_096
"""The listen backlog: connections that wait to be accepted."""
OTHER_FILES = 256
"""File descriptors that a worker process needs besides its connections."""
MAX_PORT = 65_535


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
        require_free_port(options["host"], options["port"])
        require_answer()
        if options["migrate"]:
            self._say("Bringing the database up to date")
            call_command("migrate", verbosity=0)
        require_migrated()
        if options["demo"]:
            call_command("demo", if_empty=True)
            unit_of_work(demo.renew_tokens)
        require_fitness(require_data)
        trust_data()
        self._say("Collecting static files")
        call_command("collectstatic", interactive=False, verbosity=0)
        self._welcome(options["host"], options["port"])
        connections.close_all()
        os.register_at_fork(after_in_child=_as_worker)
        THREADS_SERVING.set(options["workers"] * settings.THREADS)
        server = Granian(
            "schema.server.rsgi:application",
            address=options["host"],
            port=options["port"],
            interface=Interfaces.RSGI,
            # HTTP/2 allows header compression bombs and idle connections without a timeout.
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(max_buffer_size=MAX_HEAD_BYTES),
            backpressure=_connections(),
            backlog=BACKLOG,
            workers=options["workers"],
            websockets=False,
            respawn_failed_workers=True,
            workers_kill_timeout=STOP_TIMEOUT_SECONDS,
            log_enabled=False,
        )
        with nullcontext() if options["no_worker"] else worker_process():
            serve(server)

    def _welcome(self, host: str, port: int) -> None:
        base = f"http://{host}:{port}"
        shown = "the explorer: GraphiQL with prepared examples" if settings.EXPLORER else "GraphQL; the explorer is off"
        self.stdout.write(f"\nKatha serves {base}\n  {base}/graphql   {shown}\n")
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


def serve(server: Any) -> None:
    """Serve until a stop signal. Raises CommandError if it ends without one, which granian itself says to nobody."""
    try:
        server.serve()
    except SystemExit as end:
        if server.interrupt_signal:
            raise
        raise CommandError(
            "The server's processes end as soon as they are started, so Katha ends. The log may say why; is the disk full?"
        ) from end


def _connections() -> int:
    """How many connections a worker process can have. Raises its limit of open files as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return (
        settings.CONNECTIONS
        if soft == resource.RLIM_INFINITY
        else max(min(settings.CONNECTIONS, soft - OTHER_FILES), 1)
    )


def _as_worker() -> None:
    """In a worker process: ignore the terminal's Ctrl-C, and end with the server process.

    Ctrl-C goes to the whole process group. A worker that gets it, and then the server's stop signal while it is stopping, may
    hang; so workers have their own group. Ending with the server keeps the port from staying in use.
    """
    os.setpgid(0, 0)
    die_with_parent()


def require_fitness(require: Callable[[], None]) -> None:
    """Raise CommandError, with what to change, if this is production and not fit for it."""
    try:
        require()
    except NotForProduction as problem:
        raise CommandError(str(problem)) from None


def require_free_port(host: str, port: int) -> None:
    """Raise CommandError if the port cannot be used, before anything slow is done."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise CommandError(f"Cannot listen on {host}: {error}. HOST must be an address of this machine.") from None
    try:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise CommandError(
            f"Cannot listen on {host} port {port}: {error}. If another program uses port {port}, choose another: "
            f"make run PORT={port + 1 if port < MAX_PORT else 8000}"
        ) from None


def port(text: str) -> int:
    """Parse a port number."""
    return whole_number(text, 1, MAX_PORT)
