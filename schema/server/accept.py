"""Chooses the media type and the coding of an answer from what the client accepts (RFC 9110, sections 12.5.1 and 12.5.3)."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

MAX_HEADERS = 500
"""How many different headers of one kind are remembered with what each chooses."""


def preferred(header: str, offers: Sequence[str]) -> str | None:
    """The offer with the highest quality, or None if the client accepts none. Without a preference, the first.

    The most specific media range that matches an offer gives its quality. Among equal qualities the more specific range wins,
    then the earlier one.
    """
    ranges = list(_ranges(header)) or [("*/*", 1.0)]
    best, rank = None, (0.0, 0, 0)
    for offer in offers:
        matches = [(_specificity(one, offer), -place, quality) for place, (one, quality) in enumerate(ranges)]
        specificity, place, quality = max(matches)
        if specificity and quality and (best is None or (quality, specificity, place) > rank):
            best, rank = offer, (quality, specificity, place)
    return best


@lru_cache(MAX_HEADERS)
def accepts_gzip(header: str) -> bool:
    """Whether the client names gzip, by its name or as `*`, and likes it no less than what is not compressed."""
    qualities = dict(_ranges(header))
    named = [qualities[name] for name in ("gzip", "x-gzip", "*") if name in qualities]
    return bool(named) and named[0] > 0 and named[0] >= qualities.get("identity", 0.0)


def _ranges(header: str) -> Iterator[tuple[str, float]]:
    """Each media range, or coding, with its quality. A charset other than UTF-8 gives quality 0; other parameters are ignored."""
    for part in header.split(","):
        media, *parameters = [piece.strip().lower() for piece in part.split(";")]
        values = dict(parameter.partition("=")[::2] for parameter in parameters)
        if media:
            charset = values.get("charset", "utf-8").strip("\"' ")
            yield media, _quality(values.get("q", "1")) if charset in ("utf-8", "utf8", "*") else 0.0


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 1.0
    return quality if 0 <= quality <= 1 else 1.0


def _specificity(media: str, offer: str) -> int:
    """3 for the type itself, 2 for `type/*`, 1 for `*/*`, 0 where the range does not match."""
    kind = offer.partition("/")[0]
    return {offer: 3, f"{kind}/*": 2, "*/*": 1, "*": 1}.get(media, 0)
