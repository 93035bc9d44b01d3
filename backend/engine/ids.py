"""UUIDv7: row ids in the order of time, made by the application."""

import secrets
import time
import uuid
from datetime import UTC, datetime


def uuid7() -> uuid.UUID:
    """A new UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then 74 of chance.

    Made by the application, so that a row has its id before it is inserted.
    """
    return uuid7_of(time.time_ns() // 1_000_000, secrets.randbits(74))


def uuid7_of(milliseconds: int, chance: int) -> uuid.UUID:
    """The UUIDv7 of a moment, in milliseconds since 1970, with 74 bits of chance."""
    value = (milliseconds & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | (chance >> 62) << 64
    return uuid.UUID(int=value | 0b10 << 62 | chance & (1 << 62) - 1)


def moment_of(id_: uuid.UUID) -> datetime:
    """When an id was made, to the millisecond."""
    return datetime.fromtimestamp((id_.int >> 80) / 1_000, UTC)
