"""Metrics of the server's processes: requests, threads, start time."""

import os
import time
from contextlib import suppress

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.multiprocess import mark_process_dead

from backend.engine.metrics import REGISTRY
from backend.monitoring import folder

REQUESTS = Counter("katha_http_requests", "HTTP requests, by class of status.", ["status"], registry=REGISTRY)
LEFT = Counter(
    "katha_http_clients_left", "Clients that closed the connection before they were answered.", registry=REGISTRY
)
CLOSED = Counter(
    "katha_http_connections_closed", "Connections that were closed without an answer.", ["cause"], registry=REGISTRY
)
FULL, IDLE, SILENT, UNREAD, VANISHED = CLOSED_CAUSES = "full", "idle", "silent", "unread", "vanished"
for _cause in CLOSED_CAUSES:
    CLOSED.labels(_cause)
REQUEST_SECONDS = Histogram(
    "katha_http_request_seconds",
    "How long HTTP requests took in the server.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    registry=REGISTRY,
)
BY_STATUS = {hundreds: REQUESTS.labels(f"{hundreds}xx") for hundreds in range(1, 6)}
THREADS_BUSY = Gauge(
    "katha_threads_busy",
    "Threads and fibers that answer a request now.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
THREADS = Gauge(
    "katha_threads",
    "Threads and fibers that can answer requests at once; 0 if unknown.",
    multiprocess_mode="max",
    registry=REGISTRY,
)

_IMPORTED = time.time()


def started_at() -> float:
    """When the server started (Unix time in seconds)."""
    shared = folder.folder()
    return _IMPORTED if shared is None else (shared / folder.LOCK).stat().st_mtime


def forget_the_dead() -> None:
    """Drop the busy threads of processes that have ended. Their counters are kept."""
    shared = folder.folder()
    if shared is None:
        return
    for file in shared.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not _lives(pid):
            with suppress(FileNotFoundError):  # a concurrent scrape has removed it
                mark_process_dead(pid, str(shared))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
