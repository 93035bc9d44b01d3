"""Where a request comes from, so that what comes from one place can be counted.

That is the address at the other end of the connection. Only where a proxy stands there that the setting `TRUSTED_PROXIES`
names, it is what that proxy says in X-Forwarded-For: anybody can send this header, so it is read from its end, and no
further than to the first address that is not a trusted proxy's.
"""

from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NOWHERE = "nowhere"
"""Of a request over a socket that has no address."""

HOUSEHOLD = 64
"""Bits of an IPv6 address that name a network; whoever has one has all addresses in it."""


def address_of(request: HttpRequest) -> str:
    """The address that a request counts for, of IPv6 the network."""
    address = _parsed(request.META.get("REMOTE_ADDR", ""))
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    while address is not None and is_proxy(address) and hops:
        hop = _parsed(hops.pop())
        if hop is None:
            break
        address = hop
    if address is None:
        return NOWHERE
    return str(address) if isinstance(address, IPv4Address) else str(ip_network((address, HOUSEHOLD), strict=False))


def comes_by_proxy(request: HttpRequest) -> bool:
    """Whether a trusted proxy sent the request, so that its headers can be believed."""
    peer = _parsed(request.META.get("REMOTE_ADDR", ""))
    return peer is not None and is_proxy(peer)


def is_proxy(address: Address) -> bool:
    """Whether `TRUSTED_PROXIES` names it."""
    return any(address in network for network in _networks(tuple(settings.TRUSTED_PROXIES)))


@cache
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(text, strict=False) for text in texts)


def _parsed(text: str) -> Address | None:
    """An address, perhaps with a port, and IPv4 as such however it is written; None where it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
