"""Metrics of live updates."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from backend.engine.metrics import REGISTRY

SSE, WEBSOCKET = TRANSPORTS = "sse", "websocket"

SUBSCRIBERS: Final = Gauge(
    "katha_live_subscriptions",
    "Subscriptions that run now, by field.",
    ["field"],
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
STREAMS: Final = Gauge(
    "katha_live_streams",
    "Connections that are open for live updates now, by transport.",
    ["transport"],
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
DELIVERIES: Final = Counter(
    "katha_live_deliveries", "What was sent to subscribers, by the subscription's field.", ["field"], registry=REGISTRY
)
SKIPPED: Final = Counter(
    "katha_live_skipped", "Things that were looked at for a subscriber who had seen them so.", registry=REGISTRY
)
ENTRIES: Final = Counter("katha_live_entries", "Entries of the change log that a poll has read.", registry=REGISTRY)
POLLS: Final = Counter(
    "katha_live_polls", "Polls of the change log, by how they ended.", ["outcome"], registry=REGISTRY
)
OK, FAILED, EXPIRED = OUTCOMES = "ok", "failed", "expired"
LAG_SECONDS: Final = Histogram(
    "katha_live_lag_seconds",
    "How long it took from the poll that found a change until all who could be told were.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
    registry=REGISTRY,
)
ENDINGS: Final = Counter("katha_live_endings", "Subscriptions that ended, by why.", ["reason"], registry=REGISTRY)

for _outcome in OUTCOMES:
    POLLS.labels(_outcome)
for _transport in TRANSPORTS:
    STREAMS.labels(_transport)
