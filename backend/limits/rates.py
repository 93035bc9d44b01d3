"""What settings say of how often and how long: a rate, an allowance, a number of seconds.

A rate is a burst, then one event every so many seconds.

All rate limits are leaky buckets, stored as one timestamp: when the bucket will be empty. Each event adds `seconds` to
it, and an event that would overfill the bucket is refused (the generic cell rate algorithm, ITU-T I.371).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """`burst` at once, then one every `seconds`."""

    burst: int
    seconds: float

    @classmethod
    def read(cls, text: str) -> "Rate":
        """The rate that `10/30` means: ten at once, then one every 30 seconds."""
        burst, slash, seconds = text.partition("/")
        try:
            rate = cls(int(burst), float(seconds) if slash else 0.0)
        except ValueError:
            rate = cls(0, 0.0)
        if rate.burst < 1 or not 0 < rate.seconds < 1e6:
            raise ValueError(f"A rate is written as 10/30 (ten at once, then one every 30 seconds), not {text!r}.")
        return rate

    def __str__(self) -> str:
        return f"{self.burst}/{self.seconds:g}"


MIN_ALLOWANCE = 100
"""The least allowance that is one: below it not even small queries can be asked."""
MIN_SECONDS = 0.1


def allowance(text: str) -> int:
    """A cost per minute; 0 for no limit. Raises ValueError for one with which next to nothing is ever served."""
    found = int(text) if text.isascii() and text.isdigit() else -1
    if found < MIN_ALLOWANCE and found != 0:
        raise ValueError(f"An allowance is a whole number, 0 for no limit or at least {MIN_ALLOWANCE}, not {text!r}.")
    return found


def whole(text: str) -> int:
    """How many of something there may be. Raises ValueError for none."""
    found = int(text) if text.isascii() and text.isdigit() else 0
    if found < 1:
        raise ValueError(f"It is a whole number from 1 on, not {text!r}.")
    return found


def seconds(text: str) -> float:
    """A number of seconds. Raises ValueError for one in which nothing can be done."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not MIN_SECONDS <= found < 1e6:
        raise ValueError(f"Seconds are a number from {MIN_SECONDS} on, not {text!r}.")
    return found
