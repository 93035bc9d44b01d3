"""Settings of the tests: a PostgreSQL of their own, which may lose everything, and passwords that are quick to hash."""

import os
from pathlib import Path

os.environ.setdefault("KATHA_DATA", str(Path(__file__).resolve().parent.parent / ".katha" / "test"))

from backend.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "django_migration_linter"]  # noqa: F405
if not os.environ.get("KATHA_TEST_SLOW_HASHES"):
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Files as they lie in the source, which nobody has to collect; `tests/schema/test_static_files.py` collects them.
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
MIGRATION_LINTER_OPTIONS = {"exclude_apps": ["procrastinate"]}
CONNECTIONS = int(os.environ.get("KATHA_TEST_CONNECTIONS") or CONNECTIONS)  # noqa: F405
MAX_BODY_MEMORY = int(os.environ.get("KATHA_TEST_MAX_BODY_MEMORY") or MAX_BODY_MEMORY)  # noqa: F405
