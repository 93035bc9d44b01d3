"""Every setting of Katha, with what the environment may say about it.

DATABASE_URL   an external PostgreSQL (16 to 18); without it an embedded one keeps its data under .katha/
KATHA_DATA     where the embedded PostgreSQL and the collected static files are kept, instead of .katha/
SECRET_KEY     signs cookies; without it the well-known demo key is used
PRODUCTION     "1" for the internet: HTTPS only, and no start with anything that is only fit for a demo
DEBUG          "1" shows Django's error pages; never on the internet
ALLOWED_HOSTS  comma-separated host names that the server answers to
TRUSTED_PROXIES  comma-separated addresses and networks of the proxies before it, whose X-Forwarded-… headers are believed
CORS_ALLOWED_ORIGINS  comma-separated origins of other sites whose scripts may ask here; without it there are none
METRICS_TOKEN  what /metrics asks for as `Authorization: Bearer …`; without it everybody gets them, in production nobody

`docs/security.md` has a table of all limits, with the names by which the environment sets some of them.
"""

import os
from pathlib import Path

import dj_database_url

from backend import logs
from backend.embedded import socket_folder
from backend.limits.rates import Rate

BASE = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("KATHA_DATA") or BASE / ".katha")


def listed(name: str) -> list[str]:
    """What a variable of the environment lists, separated by commas."""
    return [one.strip() for one in (os.environ.get(name) or "").split(",") if one.strip()]


PRODUCTION = os.environ.get("PRODUCTION") == "1"
DEMO_SECRET = "demo-secret-that-everybody-knows-set-SECRET_KEY-instead"
SECRET_KEY = os.environ.get("SECRET_KEY") or DEMO_SECRET
DEBUG = os.environ.get("DEBUG") == "1"
ALLOWED_HOSTS = listed("ALLOWED_HOSTS") or ["*"]
CORS_ALLOWED_ORIGINS = listed("CORS_ALLOWED_ORIGINS")
TRUSTED_PROXIES = listed("TRUSTED_PROXIES")
"""Addresses and networks of proxies that say in X-Forwarded-For whose request it is."""

ROOT_URLCONF = "schema.server.urls"
WSGI_APPLICATION = "schema.server.wsgi.application"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "procrastinate.contrib.django",
    "backend",
    "backend.engine",
    "backend.people",
    "backend.social",
    "backend.stories",
    "backend.reading",
    "backend.whispers",
    "backend.moderation",
    "backend.market",
    "backend.notifications",
    "backend.jobs",
    "backend.limits",
    "schema",
    "schema.server.explorer",
]

# Few, because every request walks through them. CSRF is checked where a cookie is what signs somebody in: by the
# admin's own views, and by the GraphQL view when a request comes without a bearer token.
MIDDLEWARE = [
    "schema.server.requests.watched",
    "schema.server.safety.safe",
    *(["corsheaders.middleware.CorsMiddleware"] if CORS_ALLOWED_ORIGINS else []),
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
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
"""Where the embedded PostgreSQL keeps its data; None where DATABASE_URL names another one."""

if EMBEDDED is None:
    _database = dj_database_url.parse(os.environ["DATABASE_URL"], engine="backend.postgresql")
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
    # A database that falls silent is given up after 15 s, not when the kernel does. Nothing of this is for Unix sockets.
    "tcp_user_timeout": 15_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # A lock or a statement that takes longer ends as BUSY: nothing is written and the client may try again.
    "options": "-c statement_timeout=15s -c lock_timeout=8s -c idle_in_transaction_session_timeout=30s",
}
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- People -----------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "people.Account"
PASSWORD_HASHERS = ["backend.limits.hashing.Hasher"]
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
"""How long a bearer token signs somebody in."""

SESSION_ENGINE = "backend.people.sessions"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION

# --- Browsers ---------------------------------------------------------------------------------------------------

X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "schema.server.refusals.unproven"
SECURE_REFERRER_POLICY = "same-origin"

# TLS ends at a proxy, which says so in this header; from anybody else it is taken away (`schema/server/safety.py`).
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_SSL_REDIRECT = PRODUCTION
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$", "^metrics$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION

CORS_URLS_REGEX = r"^/(graphql/?|schema\.graphql)$"
CORS_ALLOW_METHODS = ("GET", "POST", "OPTIONS")
CORS_ALLOW_HEADERS = ("accept", "authorization", "content-type", "idempotency-key", "x-csrftoken", "x-request-id")
CORS_EXPOSE_HEADERS = ("retry-after", "x-request-id")
CORS_ALLOW_CREDENTIALS = False
"""Other sites send tokens; the cookie is for the pages of this server alone."""

METRICS_TOKEN = os.environ.get("METRICS_TOKEN")

# --- Requests ---------------------------------------------------------------------------------------------------

DRAFT_STATUSES = os.environ.get("DRAFT_STATUSES") == "1"
"""Whether answers of type application/graphql-response+json use the statuses that the GraphQL-over-HTTP draft came to
recommend in 2025: 422 where a request cannot be executed (400 where its JSON or document cannot be read), 294 where errors
stand beside data. Otherwise 400 and 200, which the published audit and most clients expect."""
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
"""The largest request body, in bytes; a larger one is answered 413."""
CONNECTIONS = 8_000
"""Connections that a process holds open at a time, as far as the system lets it have as many files; others wait."""
MAX_BODY_MEMORY = 256 * 1024 * 1024
"""Bytes that the bodies of all requests of a process take together, what is small not counted; beyond it, 503."""
THREADS = 4
"""Requests that a process answers at a time; one that is still arriving waits without a thread, one that hashes a password
has one of its own."""
BODY_SECONDS = float(os.environ.get("BODY_SECONDS") or 20)
"""How long a request body may take to arrive; one that takes longer is answered 408."""
REQUEST_SECONDS = float(os.environ.get("REQUEST_SECONDS") or 10)
"""How long a request may take to be answered; then it is broken off, in the database too."""

# What a GraphQL document may ask for at most. GraphiQL, Relay and the examples in docs/ stay far below each.
MAX_TOKENS = 4_000
"""Words, numbers and signs of the document."""
MAX_CHARACTERS = 300_000
"""Of a document, with the texts written into it; longer ones are sent as variables."""
MAX_LINES = 10_000
"""Of a document: each error is said with its line, which takes counting."""
MAX_OPERATIONS = 50
MAX_FRAGMENTS = 100
MAX_VARIABLES = 250
"""Of an operation."""
MAX_VALUES = 20_000
"""Values within the variables, those of lists and objects one by one."""
MAX_DEPTH = 12
"""Levels of fields within one another; introspection is judged apart."""
MAX_FIELDS = 5_000
"""Fields of an operation, those of a fragment once for each place where it is spread."""
MAX_ALIASES = 100
MAX_DIRECTIVES = 50
MAX_ROOT_FIELDS = 50
MAX_SAME_FIELDS = 200
"""Fields of the same name selected of one thing: validation compares each with each."""
MAX_REPEATED_FIELDS = 64
"""Fields of the same name that hold fields: validation compares each with each."""
TRUSTED_DOCUMENTS = os.environ.get("TRUSTED_DOCUMENTS")
"""A file with the documents of the frontends by id, as Relay or Apollo write it, so that an id is enough to send."""
TRUSTED_DOCUMENTS_ONLY = os.environ.get("TRUSTED_DOCUMENTS_ONLY") == "1"
"""Whether no other documents are served."""
MAX_COST = 40_000
"""Fields that an answer can have, by the pages and lists asked for (`schema/execution/cost.py`)."""
MAX_ANSWER_CHARACTERS = 50_000_000
"""Characters of the texts in an answer, short ones not counted. The longest story has less."""
EXPENSIVE_QUERY_COST = 1_000
"""The cost from which on queries wait for one another: half of the `THREADS` answer such ones, the others are for the rest."""

# --- How often --------------------------------------------------------------------------------------------------
# So many at once, and then one every so many seconds. Each can be set in the environment, by its name.

SIGN_INS = Rate.read(os.environ.get("SIGN_INS") or "10/30")
"""Attempts to sign in to one handle from one address; one that succeeds makes room for all."""
FAILED_SIGN_INS_BY_HANDLE = Rate.read(os.environ.get("FAILED_SIGN_INS_BY_HANDLE") or "100/5")
FAILED_SIGN_INS_BY_ADDRESS = Rate.read(os.environ.get("FAILED_SIGN_INS_BY_ADDRESS") or "100/1")
SIGN_UPS_BY_ADDRESS = Rate.read(os.environ.get("SIGN_UPS_BY_ADDRESS") or "1000/10")

COST_A_MINUTE = int(os.environ.get("COST_A_MINUTE") or (10_000_000 if PRODUCTION else 0))
"""What one person, or one address signed out, may ask one process for, in the measure of `MAX_COST`; 0 is no limit."""

HASHES_AT_ONCE = 2
"""Passwords that one process hashes at once."""
HASHES_WAITING = 60
"""Requests of one process that may wait for that; others are refused. For both it has threads beside `THREADS`."""
HASHES_WAIT_SECONDS = 8
"""How long such a request waits before it is refused too."""

IDEMPOTENCY_KEY_DAYS = 7
"""How long a key is remembered: `manage.py expire_keys` forgets older ones."""

REVISIONS_KEPT = 200
"""How many revisions each story and each chapter keeps at most: `manage.py prune_revisions` forgets older ones."""
REVISION_CHARACTERS = 4_000_000
"""How many characters the revisions of each story and each chapter hold at most; the newest is kept whatever its size."""

REPORTS_A_DAY = 50
"""How many reports one person can make on one day (UTC)."""

# --- Jobs -------------------------------------------------------------------------------------------------------

PROCRASTINATE_PERIODIC_DEFAULTS = {"max_delay": 24 * 3600}
"""A periodic job that nobody was there to do is still done up to so many seconds later."""

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATIC_ROOT = DATA / "static"

LOGGING = logs.LOGGING
