"""All settings of Katha, and the environment variables that they read.

DATABASE_URL   an external PostgreSQL (16 to 18); without it an embedded one keeps its data under .katha/
KATHA_DATA     where the embedded PostgreSQL and the collected static files are kept, instead of .katha/
SECRET_KEY     signs cookies; without it the well-known demo key is used
PRODUCTION     "1" for the internet: HTTPS only; refuses to start with settings or data that are only fit for a demo
DEBUG          "1" shows Django's error pages; never on the internet
ALLOWED_HOSTS  comma-separated host names that the server answers to
TRUSTED_PROXIES  comma-separated addresses and networks of reverse proxies whose X-Forwarded-… headers are trusted
CORS_ALLOWED_ORIGINS  comma-separated origins of other sites whose scripts may send requests; without it none, but for pages on
               this very machine (http://localhost and http://127.0.0.1, any port) while this is not production
EXPLORER       "0" serves no pages for developers: GraphiQL, the start page, `/docs/`, `/schema.graphql`
TRUSTED_DOCUMENTS  the path of a manifest with the frontends' documents; clients then send their ids
TRUSTED_DOCUMENTS_ONLY  "1" refuses all other documents
DRAFT_STATUSES  "1" answers with the statuses that the draft of GraphQL over HTTP recommends: 422 and 294
METRICS_TOKEN  the bearer token that /metrics requires; without it everybody may read it, in production nobody
OTEL_…         where spans are sent (OTEL_EXPORTER_OTLP_ENDPOINT), and all else that OpenTelemetry reads

`docs/security.md` has a table of all limits, with the names by which the environment sets some of them.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from backend import logs
from backend.embedded import socket_folder
from backend.limits.rates import Rate, allowance, seconds, whole

BASE = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("KATHA_DATA") or BASE / ".katha")


def listed(name: str) -> list[str]:
    """The comma-separated values of an environment variable."""
    return [one.strip() for one in (os.environ.get(name) or "").split(",") if one.strip()]


ValueT = TypeVar("ValueT")


def checked(name: str, read: Callable[[str], ValueT], text: str) -> ValueT:
    """The value of a setting. Raises `ImproperlyConfigured`, which names it, if nothing can work with it."""
    try:
        return read(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from None


PRODUCTION = os.environ.get("PRODUCTION") == "1"
DEMO_SECRET = "demo-secret-that-everybody-knows-set-SECRET_KEY-instead"
SECRET_KEY = os.environ.get("SECRET_KEY") or DEMO_SECRET
DEBUG = os.environ.get("DEBUG") == "1"
ALLOWED_HOSTS = listed("ALLOWED_HOSTS") or ["*"]
CORS_ALLOWED_ORIGINS = listed("CORS_ALLOWED_ORIGINS")
TRUSTED_PROXIES = listed("TRUSTED_PROXIES")
"""Addresses and networks of proxies whose X-Forwarded-For is trusted."""

ROOT_URLCONF = "schema.server.urls"

INSTALLED_APPS = [
    "backend",  # first, because its commands replace Django's of the same name
    "backend.people.admin_app.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "procrastinate.contrib.django",
    "backend.engine",
    "backend.changes",
    "backend.people",
    "backend.social",
    "backend.stories",
    "backend.coauthors",
    "backend.reading",
    "backend.whispers",
    "backend.moderation",
    "backend.market",
    "backend.notifications",
    "backend.jobs",
    "backend.limits",
    "backend.persisted",
    "backend.live",
    "schema",
    "schema.server.explorer",
    "schema.server.together",
]

# For Django's pages. /graphql does not pass through them: what it needs stands in `schema/server/http.py`, in its order.
MIDDLEWARE = [
    "schema.server.threads.watched",
    "schema.server.safety.safe",
    "schema.server.compression.compressing",
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "schema.server.static_files.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- Database ---------------------------------------------------------------------------------------------------

EMBEDDED = None if os.environ.get("DATABASE_URL") else DATA / "postgres"
"""The data folder of the embedded PostgreSQL; None if DATABASE_URL names another server."""

if EMBEDDED is None:
    try:
        _database = dj_database_url.parse(os.environ["DATABASE_URL"], engine="backend.postgresql")
    except ValueError:
        raise ImproperlyConfigured(
            "DATABASE_URL cannot be read. It looks like postgres://ROLE:PASSWORD@HOST:5432/NAME, special characters in %XX."
        ) from None
else:
    _database = {
        "ENGINE": "backend.postgresql",
        "HOST": str(socket_folder(EMBEDDED)),
        "NAME": "katha",
        "USER": "katha",
    }

_database["CONN_MAX_AGE"] = None
_database["OPTIONS"] = {
    **_database.get("OPTIONS", {}),
    "server_side_binding": True,
    "prepare_threshold": 2,
    "connect_timeout": 5,
    # An unreachable database is given up after 15 s instead of the kernel's default. Has no effect on Unix sockets.
    "tcp_user_timeout": 15_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # A longer lock wait or statement ends as BUSY: nothing is written, and the client may retry. To compile a statement (jit)
    # takes longer than any of ours runs, and to plan one for its values takes about as long: it is planned once.
    "options": "-c statement_timeout=15s -c lock_timeout=8s -c idle_in_transaction_session_timeout=30s -c jit=off"
    " -c plan_cache_mode=force_generic_plan",
}
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- People -----------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "people.Account"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("login",)},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
TOKEN_DAYS = 90
"""How many days a bearer token is valid."""

SESSION_ENGINE = "backend.people.sessions"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION

# --- Browsers ---------------------------------------------------------------------------------------------------

X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "schema.server.refusals.unproven"
SECURE_REFERRER_POLICY = "same-origin"

# TLS ends at a proxy, which sets this header; it is removed from other requests (`schema/server/safety.py`).
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_SSL_REDIRECT = PRODUCTION
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$", "^metrics$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION

CORS_ALLOWED_ORIGIN_REGEXES = [] if PRODUCTION else [r"http://(localhost|127\.0\.0\.1)(:\d+)?\Z"]
"""In development a frontend is served by its own tool, at any port of this machine."""
CORS_URLS_REGEX = r"^/(graphql/?|schema\.graphql)$"
CORS_ALLOW_METHODS = ("GET", "POST", "OPTIONS")
CORS_ALLOW_HEADERS = (
    *("accept", "authorization", "content-type", "idempotency-key"),
    *("traceparent", "tracestate", "x-csrftoken", "x-request-id"),
)
CORS_EXPOSE_HEADERS = ("retry-after", "traceresponse", "x-request-id")
CORS_ALLOW_CREDENTIALS = False
"""Other sites use bearer tokens; the session cookie is for this server's own pages."""

METRICS_TOKEN = os.environ.get("METRICS_TOKEN")

# --- Requests ---------------------------------------------------------------------------------------------------

DRAFT_STATUSES = os.environ.get("DRAFT_STATUSES") == "1"
"""Whether answers of type application/graphql-response+json use the status codes that the GraphQL-over-HTTP draft
recommends since 2025: 422 if a request cannot be executed (400 if its JSON or document cannot be parsed), 294 for
errors beside data. Otherwise 400 and 200, which the published audit and most clients expect.
"""
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
"""The maximum size of a request body in bytes; a larger one is answered 413."""
CONNECTIONS = 8_000
"""The maximum number of open connections of a process, if the system allows as many open files. Beyond it a new one
takes the place of the one that has waited longest for a request; if none waits, it gets 503.
"""
MAX_BODY_MEMORY = 256 * 1024 * 1024
"""The maximum size in bytes of all request bodies in a process together, small ones not counted; beyond it, 503."""
MAX_HEAD_BYTES = 128 * 1024
"""The maximum size of a request's head in bytes; a larger one is answered 431."""
MAX_TARGET_BYTES = 64 * 1024
"""The maximum size in bytes of the path and query string in it; longer ones are answered 414."""
HEAD_SECONDS = checked("HEAD_SECONDS", seconds, os.environ.get("HEAD_SECONDS") or "20")
"""How many seconds a request's head may take to arrive, the first one of a connection from its beginning; then 408."""
IDLE_SECONDS = checked("IDLE_SECONDS", seconds, os.environ.get("IDLE_SECONDS") or "75")
"""How many seconds a connection may be idle between two requests. More than nginx keeps one to a server behind it (60)."""
UNREAD_SECONDS = checked("UNREAD_SECONDS", seconds, os.environ.get("UNREAD_SECONDS") or "30")
"""In how many seconds a client has to read 16 kB of its answer, or the rest of it; otherwise the connection is closed."""
DRAINED_BYTES = 64 * 1024 * 1024
"""How much of a body is read and dropped before its refusal is sent: clients do not look for one while they are sending."""
THREADS = 4
"""How many GraphQL requests a process handles at a time in the event loop and in threads, and how many mutations besides, in
fibers (`backend/limits/admission.py`); loop, threads and fibers each have up to as many connections to the database.
"""
PAGES_AT_ONCE = 2
"""How many of Django's pages a process handles at a time, in threads beyond `THREADS`."""
BODY_SECONDS = checked("BODY_SECONDS", seconds, os.environ.get("BODY_SECONDS") or "20")
"""How many seconds a request body may take to arrive; a slower one is answered 408."""
REQUEST_SECONDS = checked("REQUEST_SECONDS", seconds, os.environ.get("REQUEST_SECONDS") or "10")
"""How many seconds a request may take; then it is cancelled, in the database too."""

# Limits of GraphQL documents. GraphiQL, Relay and the examples in docs/ stay far below each.
MAX_TOKENS = 4_000
"""Lexical tokens of the document."""
MAX_CHARACTERS = 300_000
"""Characters of a document, with its string literals; longer texts are sent as variables."""
MAX_LINES = 10_000
"""Lines of a document: finding the line of an error takes time proportional to them."""
MAX_OPERATIONS = 50
MAX_FRAGMENTS = 100
MAX_VARIABLES = 250
"""Variables of an operation."""
MAX_VALUES = 20_000
"""Values within the variables; each member of a list or object counts."""
MAX_DEPTH = 12
"""Levels of nested fields; introspection has its own limits."""
MAX_FIELDS = 5_000
"""Fields of an operation; those of a fragment count once for each spread."""
MAX_ALIASES = 100
MAX_DIRECTIVES = 50
MAX_ROOT_FIELDS = 50
MAX_SAME_FIELDS = 200
"""Fields of the same response name in one selection set: validation compares all pairs."""
MAX_REPEATED_FIELDS = 64
"""Fields of the same response name that have subfields: validation compares all pairs."""
TRUSTED_DOCUMENTS = os.environ.get("TRUSTED_DOCUMENTS")
"""The path of a manifest with the frontends' documents by id, as Relay or Apollo write it; clients then send only the id."""
TRUSTED_DOCUMENTS_ONLY = os.environ.get("TRUSTED_DOCUMENTS_ONLY") == "1"
"""Whether all other documents are refused."""
EXPLORER = (os.environ.get("EXPLORER") or ("0" if TRUSTED_DOCUMENTS_ONLY else "1")) == "1"
"""Whether the pages for developers are served: GraphiQL, the start page, `/docs/` and `/schema.graphql`."""
MAX_COST = 400_000
"""The maximum cost of an operation: how many fields its answer can have (`schema/execution/cost.py`). A page of 100 stories with
four fields of each of the 200 chapters that each can have costs less.
"""
MAX_STATEMENT_CHARACTERS = 200_000
"""Characters of the SQL of a query. PostgreSQL takes about 700 bytes of memory for each, and two microseconds, to plan it."""
MAX_ANSWER_CHARACTERS = 50_000_000
"""Characters of all values in an answer, short ones not counted. The longest story has fewer. Where the texts that are asked for
could have more, they are measured before any is read, in bytes.
"""
EXPENSIVE_QUERY_COST = 2_000
"""From this cost on, requests, mutations too, share half of the `THREADS`, so that the others stay free for cheap ones; but not
those that hash a password.
"""

# --- How often --------------------------------------------------------------------------------------------------
# "burst/seconds": so many at once, then one every so many seconds. Environment variables of the same names override them.

SIGN_INS = checked("SIGN_INS", Rate.read, os.environ.get("SIGN_INS") or "10/30")
"""Attempts to sign in to one handle from one address; a success resets the count."""
FAILED_SIGN_INS_BY_HANDLE = checked(
    "FAILED_SIGN_INS_BY_HANDLE", Rate.read, os.environ.get("FAILED_SIGN_INS_BY_HANDLE") or "100/5"
)
FAILED_SIGN_INS_BY_ADDRESS = checked(
    "FAILED_SIGN_INS_BY_ADDRESS", Rate.read, os.environ.get("FAILED_SIGN_INS_BY_ADDRESS") or "100/1"
)
SIGN_UPS_BY_ADDRESS = checked("SIGN_UPS_BY_ADDRESS", Rate.read, os.environ.get("SIGN_UPS_BY_ADDRESS") or "1000/10")
INVITATIONS = checked("INVITATIONS", Rate.read, os.environ.get("INVITATIONS") or "50/600")
"""Invitations to write a story that one person makes, to all of their stories together."""

COST_A_MINUTE = checked(
    "COST_A_MINUTE", allowance, os.environ.get("COST_A_MINUTE") or str(100_000_000 if PRODUCTION else 0)
)
"""The cost per minute (see `MAX_COST`) that one person, or one address when signed out, may use in one process; 0: no limit.
No request may cost more than that.
"""

HASHES_AT_ONCE = 2
"""How many mutations that hash a password one process executes at the same time, in threads beyond `THREADS`."""

IDEMPOTENCY_KEY_DAYS = 7
"""How many days a key is kept; `manage.py expire_keys` deletes older ones."""

CHANGES_KEPT_DAYS = 30
"""How many days an app may be offline and still be told what changed; `manage.py prune_changes` deletes what is older."""

REVISIONS_KEPT = 200
"""The maximum number of revisions of each story and each chapter; `manage.py prune_revisions` deletes older ones."""
REVISION_CHARACTERS = 4_000_000
"""The maximum total size, in characters, of the revisions of each story and each chapter; the newest is always kept."""

REPORTS_A_DAY = 50
"""The maximum number of reports by one person on one day (UTC)."""

# --- Live updates -----------------------------------------------------------------------------------------------
# Each process counts for itself. Environment variables of the same names override them.

SUBSCRIPTIONS = checked("SUBSCRIPTIONS", whole, os.environ.get("SUBSCRIPTIONS") or "5000")
"""The maximum number of subscriptions of a process at a time."""
SUBSCRIPTIONS_BY_PERSON = checked("SUBSCRIPTIONS_BY_PERSON", whole, os.environ.get("SUBSCRIPTIONS_BY_PERSON") or "100")
"""The same of one person."""
SUBSCRIPTIONS_BY_ADDRESS = checked(
    "SUBSCRIPTIONS_BY_ADDRESS", whole, os.environ.get("SUBSCRIPTIONS_BY_ADDRESS") or "2000"
)
"""The same of one address, those of people who are signed in there included: many of a school or company share one."""
THINGS_WATCHED = 500
"""The maximum number of things of one subscription."""
OPERATIONS_AT_ONCE = 100
"""The maximum number of operations of one WebSocket at a time."""
MAX_MESSAGE_BYTES = 1024 * 1024
"""The maximum size of a message that a WebSocket takes; a larger one closes it with 1009."""
INIT_SECONDS = checked("INIT_SECONDS", seconds, os.environ.get("INIT_SECONDS") or "10")
"""How many seconds a WebSocket may take to send connection_init; then it is closed with 4408."""
KEEP_ALIVE_SECONDS = checked("KEEP_ALIVE_SECONDS", seconds, os.environ.get("KEEP_ALIVE_SECONDS") or "15")
"""After how many seconds without an event a stream gets a comment, so that no proxy takes it for dead."""

# --- Jobs -------------------------------------------------------------------------------------------------------

PROCRASTINATE_PERIODIC_DEFAULTS = {"max_delay": 24 * 3600}
"""A periodic job that was missed because no worker ran is still done up to so many seconds later."""

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATIC_ROOT = DATA / "static"
STORAGES = {"staticfiles": {"BACKEND": "schema.server.static_files.Storage"}}

LOGGING = logs.LOGGING
