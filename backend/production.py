"""Refuses to start in production with settings or data that are only fit for a demo."""

from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.db import DatabaseError, InterfaceError, connection

from backend.people import demo
from backend.people.actions import digest
from backend.people.models import AccessToken, Account

SECRET_CHARACTERS = 50


class NotForProduction(Exception):
    """Settings or data are not fit for production; the message lists what to change."""

    def __init__(self, problems: list[str]) -> None:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"PRODUCTION=1, and Katha does not start like this:{lines}")


def require_settings() -> None:
    """Raise `NotForProduction` if this is production and a setting is unsafe."""
    _require(list(_in_settings()) if settings.PRODUCTION else [])


def require_data() -> None:
    """Raise `NotForProduction` if this is production and the database has demo people with known passwords, or cannot
    be reached.
    """
    _require(list(_in_data()) if settings.PRODUCTION else [])


def _require(problems: list[str]) -> None:
    if problems:
        raise NotForProduction(problems)


def _in_settings() -> Iterator[str]:
    if settings.SECRET_KEY == settings.DEMO_SECRET:
        yield "SECRET_KEY is the one that everybody knows. Set SECRET_KEY to 50 or more random characters, and keep it."
    elif len(settings.SECRET_KEY) < SECRET_CHARACTERS:
        yield f"SECRET_KEY is too short to be safe. Set it to {SECRET_CHARACTERS} or more random characters."
    if settings.DEBUG:
        yield "DEBUG shows our insides to everybody. Unset DEBUG."
    if any(host.strip(".") in ("*", "") for host in settings.ALLOWED_HOSTS):
        yield "ALLOWED_HOSTS is open. Set it to the names by which clients call this server, such as katha.example.org."
    if not settings.TRUSTED_PROXIES:
        yield (
            "TRUSTED_PROXIES is empty. Katha itself speaks plain HTTP: put a proxy before it that speaks HTTPS and sets "
            "X-Forwarded-For and X-Forwarded-Proto, and name its address, such as TRUSTED_PROXIES=127.0.0.1."
        )
    if "*" in settings.CORS_ALLOWED_ORIGINS:
        yield "CORS_ALLOWED_ORIGINS lets every site in. Name the origins, such as https://app.example.org."


EMPTY_ONE = "Use a database that never had demo data in it: name it by DATABASE_URL, or another folder by KATHA_DATA."


def _in_data() -> Iterator[str]:
    try:
        people = _demo_people()
    except (DatabaseError, InterfaceError):
        connection.close()
        yield "The database cannot be asked whether demo people are in it. Start it first; is DATABASE_URL right?"
        return
    if people:
        yield f"Everybody can sign in as the demo people {', '.join(people)}. {EMPTY_ONE}"


def _demo_people() -> list[str]:
    """Demo people whose password, or whose token of the demo secret, is the one in our source code."""
    if Account._meta.db_table not in connection.introspection.table_names():
        return []
    secrets = {demo.token(handle, settings.DEMO_SECRET) for handle in demo.HANDLES}
    digests = [digest(token) for token in secrets]
    by_token = set(AccessToken.objects.filter(digest__in=digests).values_list("account__login", flat=True))
    accounts = Account.objects.filter(login__in=demo.HANDLES, is_active=True).order_by("login")
    return [one.login for one in accounts if one.login in by_token or check_password(demo.PASSWORD, one.password)]
