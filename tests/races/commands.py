"""What a command over the tests' database needs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module

import django


def set_up() -> None:
    """Before anything is imported that knows a model."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()


@contextmanager
def database(name: str) -> Iterator[None]:
    """A database of its own with this name."""
    settings, databases = import_module("django.conf").settings, import_module("tests.databases")
    import_module("django.db").connection.settings_dict["TEST"]["NAME"] = name
    running = import_module("backend.embedded").running
    import_module("logging").getLogger("katha").setLevel("ERROR")
    with (
        running(settings.EMBEDDED, durable=False) if settings.EMBEDDED else nullcontext(),
        databases.database(fresh=False),
    ):
        yield
