"""Where a request comes from."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from starlette.requests import HTTPConnection

UNKNOWN: Final = "-"
"""Of a peer without an address: a Unix socket."""
_SUBSCRIBER_BITS: Final = 64
"""Of an IPv6 address, what one subscriber has at most (RFC 6177)."""

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network


class AddressReader:
    """Tells the address of whoever asks, behind the proxies that are trusted.

    Of ``X-Forwarded-For`` only what a trusted proxy has written counts: read from the right, the first
    address that is no trusted proxy's. Where something there is no address, nothing of it is believed.
    """

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._trusted: Final[tuple[_Network, ...]] = tuple(ip_network(each) for each in trusted_proxies)

    def read(self, request: HTTPConnection) -> str:
        """The address, or :data:`UNKNOWN`."""
        peer = _parse(request.client.host) if request.client else None
        if peer is None:
            return UNKNOWN
        if not self._is_trusted(peer):
            return str(peer)
        written = ",".join(request.headers.getlist("x-forwarded-for"))
        address = peer
        for part in reversed(written.split(",") if written else []):
            found = _parse(part.strip())
            if found is None:
                return str(peer)
            address = found
            if not self._is_trusted(found):
                break
        return str(address)

    def _is_trusted(self, address: _Address) -> bool:
        return any(address in network for network in self._trusted)


def subscriber(address: str) -> str:
    """What limits count by: the address, of IPv6 the /64."""
    parsed = _parse(address)
    if not isinstance(parsed, IPv6Address):
        return address
    return str(ip_network((parsed, _SUBSCRIBER_BITS), strict=False))


def _parse(written: str) -> _Address | None:
    try:
        address = ip_address(written.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
