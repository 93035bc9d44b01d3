"""All metrics in Prometheus's text format, added up over all processes of this server."""

import logging
from collections.abc import Iterator

from django.db import DatabaseError, InterfaceError, connection
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from backend import VERSION
from backend.engine.metrics import REGISTRY
from backend.logs.causes import database_facts
from backend.monitoring import database, folder, process

log = logging.getLogger("katha")


def text() -> bytes:
    """The present metrics. If the database is unreachable, its part is only `katha_database_up 0`."""
    at_scrape = CollectorRegistry()
    at_scrape.register(_AtScrape())
    return generate_latest(at_scrape) + generate_latest(_processes())


def counted() -> Iterator[Metric]:
    """The metrics of the processes, without those of the database."""
    yield from _processes().collect()


def _processes() -> CollectorRegistry:
    """The metrics of all processes, or of this one if it is the only one."""
    if folder.folder() is None:
        return REGISTRY
    process.forget_the_dead()
    added_up = CollectorRegistry()
    MultiProcessCollector(added_up)
    return added_up


class _AtScrape:
    """A collector for metrics that are queried at each scrape."""

    def collect(self) -> Iterator[Metric]:
        """The metric families."""
        yield _gauge("katha_info", "Which version runs.", 1, version=VERSION)
        yield _gauge("katha_start_time_seconds", "When the server started.", process.started_at())
        try:
            seen = database.read()
        except (DatabaseError, InterfaceError) as error:
            connection.close()
            log.warning("metrics of the database are missing", extra=database_facts(error))
            yield _gauge("katha_database_up", "Whether the database answers.", 0)
            return
        yield _gauge("katha_database_up", "Whether the database answers.", 1)
        yield from _of_database(seen)


def _of_database(seen: database.DatabaseFigures) -> Iterator[Metric]:
    yield _gauge("katha_database_connections", "Sessions in this database.", seen.connections)
    yield _gauge("katha_database_connections_limit", "Sessions that PostgreSQL takes in all.", seen.connections_limit)
    yield _gauge("katha_lock_waits", "Sessions that wait for a lock now.", seen.lock_waits)
    yield _gauge(
        "katha_longest_lock_wait_seconds", "How long the first of them has waited.", seen.longest_lock_wait_seconds
    )
    yield CounterMetricFamily(
        "katha_database_deadlocks", "Deadlocks in this database, by PostgreSQL's count.", value=seen.deadlocks
    )
    jobs = GaugeMetricFamily("katha_jobs_by_status", "Background jobs in the queue, by status.", labels=["status"])
    for status, count in seen.jobs.items():
        jobs.add_metric([status], count)
    yield jobs
    yield _gauge(
        "katha_oldest_job_seconds",
        "How long the oldest job that is due has waited; 0 if none.",
        seen.oldest_job_seconds,
    )
    slots = GaugeMetricFamily("katha_tally_slots", "Rows of totals, by table; an estimate.", labels=["table"])
    for table, count in seen.tally_slots.items():
        slots.add_metric([table], count)
    yield slots


def _gauge(name: str, says: str, value: float, **labels: str) -> Metric:
    family = GaugeMetricFamily(name, says, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family
