"""The views /healthz, /readyz, /metrics and /schema.graphql."""

import logging
from hmac import compare_digest
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST

from backend.engine.errors import after_busy_ms
from backend.engine.outage import OUTAGE
from backend.engine.transactions import refusal_for
from backend.logs.causes import database_facts
from backend.management.database import missing_migrations
from backend.monitoring import exposition
from resolvers.access import bearer_token
from schema.execution.problems import retry_after
from schema.server.refusals import for_developers, not_found, reading, refusal

log = logging.getLogger("katha")

CONTRACT = Path(__file__).parents[1] / "schema.graphql"


@reading
def healthz(_request: HttpRequest) -> HttpResponse:
    """Liveness: the process answers."""
    return JsonResponse({"status": "ok"})


@reading
def readyz(_request: HttpRequest) -> HttpResponse:
    """Readiness: the database answers and has all migrations; otherwise 503 with the reason."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        pending = missing_migrations()
    except (DatabaseError, InterfaceError) as error:
        connection.close()
        log.warning("not ready", extra=database_facts(error))
        headers = retry_after(_after_ms(error))
        return JsonResponse({"status": "unavailable", "database": "unreachable"}, status=503, headers=headers)
    OUTAGE.served()
    if pending:
        return JsonResponse({"status": "unavailable", "database": "ok", "migrations": "pending"}, status=503)
    return JsonResponse({"status": "ok", "database": "ok", "migrations": "ok"})


def _after_ms(error: Exception) -> int:
    refusal = refusal_for(error)
    return after_busy_ms() if refusal is None else refusal.after_ms


@reading
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics of all processes, for Prometheus, without personal data.

    In production they require the `METRICS_TOKEN`, because they reveal the load of the server.
    """
    token = settings.METRICS_TOKEN
    if token is None and settings.PRODUCTION:
        return not_found(request)
    if token is not None and not compare_digest((bearer_token(request) or "").encode(), token.encode()):
        response = refusal(401, "UNAUTHENTICATED", "This is for whoever has the token.")
        response["WWW-Authenticate"] = "Bearer"
        return response
    return HttpResponse(exposition.text(), content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


@reading
@for_developers
def contract(_request: HttpRequest) -> HttpResponse:
    """The printed schema, for tools that generate code."""
    return HttpResponse(CONTRACT.read_bytes(), content_type="text/plain; charset=utf-8")
