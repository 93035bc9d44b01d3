"""How often somebody may try to sign in or up: counted before a password is looked at, and committed by itself.

An attempt to sign in counts for the handle from where it comes, for the handle, and for where it comes from; at the two
last only while it has not succeeded. The limit of a handle alone is wide, so that strangers cannot easily keep an owner
out. Unknown handles are counted like others: the refusals tell nothing. What finds no room to be hashed does not count.
"""

from django.conf import settings

from backend.limits import buckets
from backend.limits.buckets import Limit
from backend.limits.hashing import DESK


def count_sign_in(handle: str, address: str) -> None:
    """Count one attempt on this handle from this address. Raises `RateLimited`: then the password is not to be looked at."""
    DESK.enter()
    buckets.count(_of_sign_in(handle, address))


def forgive_sign_in(handle: str, address: str) -> None:
    """Take the attempt back that succeeded. Part of the caller's unit of work."""
    buckets.forgive(*_of_sign_in(handle, address))


def count_sign_up(address: str) -> None:
    """Count one sign-up from this address. Raises `RateLimited`."""
    DESK.enter()
    buckets.count([Limit("sign_up", address, settings.SIGN_UPS_BY_ADDRESS)])


def _of_sign_in(handle: str, address: str) -> tuple[Limit, Limit, Limit]:
    login = handle.lower()
    return (
        Limit("sign_in", f"{login}\0{address}", settings.SIGN_INS),
        Limit("sign_in_handle", login, settings.FAILED_SIGN_INS_BY_HANDLE),
        Limit("sign_in_address", address, settings.FAILED_SIGN_INS_BY_ADDRESS),
    )
