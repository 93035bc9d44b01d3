"""Rate limits of sign-in and sign-up: counted before the password is checked, in a transaction of their own.

An attempt counts in three buckets: handle and address together, handle, and address; the last two count only failures. The
limit by handle alone is high, so that strangers cannot easily lock an owner out. Unknown handles are counted too, so that
refusals reveal nothing.
"""

from django.conf import settings

from backend.limits import buckets
from backend.limits.buckets import Limit
from backend.people.naming import as_typed


def count_sign_in(handle: str, address: str) -> None:
    """Count one attempt on this handle from this address. Raises `RateLimited`; then the password must not be checked."""
    buckets.count(_of_sign_in(handle, address))


def forgive_sign_in(handle: str, address: str) -> None:
    """Undo the count of an attempt that succeeded. Part of the caller's unit of work."""
    buckets.forgive(*_of_sign_in(handle, address))


def count_sign_up(address: str) -> None:
    """Count one sign-up from this address. Raises `RateLimited`."""
    buckets.count([Limit("sign_up", address, settings.SIGN_UPS_BY_ADDRESS)])


def _of_sign_in(handle: str, address: str) -> tuple[Limit, Limit, Limit]:
    login = as_typed(handle).lower()
    return (
        Limit("sign_in", f"{login}\0{address}", settings.SIGN_INS),
        Limit("sign_in_handle", login, settings.FAILED_SIGN_INS_BY_HANDLE),
        Limit("sign_in_address", address, settings.FAILED_SIGN_INS_BY_ADDRESS),
    )
