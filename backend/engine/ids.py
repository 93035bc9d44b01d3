"""Makes the ids of rows: UUIDs that the application orders by time."""

import os
import time
import uuid


def uuid7() -> uuid.UUID:
    """A new UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then chance.

    Made by the application and not by the database, so that a row can be named before it is written.
    """
    milliseconds = time.time_ns() // 1_000_000
    chance = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | (chance >> 68 & 0xFFF) << 64
    value |= 0b10 << 62 | chance & (1 << 62) - 1
    return uuid.UUID(int=value)
