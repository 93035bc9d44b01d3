"""The client address of a request, for rate limits by address.

It is the peer address of the connection. If that is a proxy in `TRUSTED_PROXIES`, it is taken from X-Forwarded-For
instead. Anybody can send this header, so it is read from the right, up to the first address that is not a trusted
proxy.
"""

from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NOWHERE = "nowhere"
"""The address of a request over a socket without one."""

IPV6_PREFIX_BITS = 64
"""The prefix length of an IPv6 network: one client usually has all of its addresses."""


def address_of(request: HttpRequest) -> str:
    """The address that a request counts for; for IPv6 the network."""
    address = _parsed(request.META.get("REMOTE_ADDR", ""))
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    while address is not None and is_proxy(address) and hops:
        hop = _parsed(hops.pop())
        if hop is None:
            break
        address = hop
    if address is None:
        return NOWHERE
    return (
        str(address) if isinstance(address, IPv4Address) else str(ip_network((address, IPV6_PREFIX_BITS), strict=False))
    )


def comes_by_proxy(request: HttpRequest) -> bool:
    """Whether a trusted proxy sent the request, so that its headers can be trusted."""
    peer = _parsed(request.META.get("REMOTE_ADDR", ""))
    return peer is not None and is_proxy(peer)


def is_proxy(address: Address) -> bool:
    """Whether the address is in `TRUSTED_PROXIES`."""
    return any(address in network for network in _networks(tuple(settings.TRUSTED_PROXIES)))


@cache
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(text, strict=False) for text in texts)


def _parsed(text: str) -> Address | None:
    """Parse an address, with or without a port; IPv4-mapped IPv6 becomes IPv4. None if it is invalid."""
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
