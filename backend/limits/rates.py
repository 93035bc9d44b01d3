"""A rate: a burst, then one event every so many seconds.

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
