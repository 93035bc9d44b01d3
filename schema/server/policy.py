"""What the settings say about every request, read once for each process: reading a setting takes as long as parsing a header."""

from typing import NamedTuple

from django.conf import settings

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": settings.SECURE_REFERRER_POLICY,
    "X-Frame-Options": settings.X_FRAME_OPTIONS,
    "Cross-Origin-Opener-Policy": settings.SECURE_CROSS_ORIGIN_OPENER_POLICY,
}
"""What every answer of /graphql says to browsers and caches; Django's middleware says it of pages."""
RAW_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
"""The same as ASGI has them."""


class Policy(NamedTuple):
    """The settings of the way in."""

    body_bytes: int
    body_seconds: float
    request_seconds: float
    any_host: bool
    https_only: bool
    strict_transport: str | None
    """The header Strict-Transport-Security of answers over HTTPS."""
    cors: bool
    """Whether other sites may ask."""
    draft_statuses: bool
    trusted_only: bool
    """Whether only trusted documents are served."""
    explorer: bool

    @classmethod
    def of_settings(cls) -> "Policy":
        """As the settings say now."""
        seconds = settings.SECURE_HSTS_SECONDS
        return cls(
            body_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
            body_seconds=settings.BODY_SECONDS,
            request_seconds=settings.REQUEST_SECONDS,
            any_host=settings.ALLOWED_HOSTS == ["*"],
            https_only=settings.SECURE_SSL_REDIRECT,
            strict_transport=f"max-age={seconds}; includeSubDomains; preload" if seconds else None,
            cors=bool(settings.CORS_ALLOWED_ORIGINS or settings.CORS_ALLOWED_ORIGIN_REGEXES),
            draft_statuses=settings.DRAFT_STATUSES,
            trusted_only=settings.TRUSTED_DOCUMENTS_ONLY,
            explorer=settings.EXPLORER,
        )
