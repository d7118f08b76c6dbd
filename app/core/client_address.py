"""The address of the client, for the log, the rate limits and the audit."""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from app.core.logging import get_logger

log = get_logger(__name__)

# The name of a peer without an IP address, which came through a Unix socket.
LOCAL_PEER = "unix"
# Proxies append on the right. If the header has more entries than this, a client made
# up the oldest ones.
MAX_HOPS = 20
LONGEST_ENTRY = 64

_WITH_PORT = re.compile(r"(?:\[([^\[\]]+)\]|([0-9.]+))(?::[0-9]{1,5})?", re.ASCII)


class ClientAddressResolver:
    """Finds the client behind trusted proxies, and ignores what other peers claim."""

    def __init__(self, trusted: Sequence[IPv4Network | IPv6Network]) -> None:
        self._trusted = tuple(trusted)
        self._has_warned = False

    def trusts(self, peer: str | None) -> bool:
        """Say whether `peer`, the other end of the socket, is a trusted proxy."""
        if not self._trusted:
            return False
        address = _parse(peer) if peer else None
        # A peer without an address came through a Unix socket, as only a local proxy
        # can.
        return address is None or self._is_trusted(address)

    def resolve(self, peer: str | None, forwarded_for: Sequence[bytes | str]) -> str:
        """Walk `X-Forwarded-For` from the right to the first untrusted address."""
        client = normalised(peer)
        if not forwarded_for:
            return client
        if not self.trusts(peer):
            self._warn_of(client)
            return client
        for entry in _entries(forwarded_for):
            address = _parse(entry)
            if address is None:
                break
            client = str(address)
            if not self._is_trusted(address):
                break
        return client

    def forwarded_scheme(
        self, peer: str | None, scheme: str, forwarded_proto: Sequence[bytes | str]
    ) -> str:
        """Accept `http` or `https` from the `X-Forwarded-Proto` of a trusted proxy."""
        if not forwarded_proto or not self.trusts(peer):
            return scheme
        # As with addresses, the trusted proxy wrote only the last entry.
        claimed = _text(forwarded_proto[-1]).rpartition(",")[2].strip().lower()
        return claimed if claimed in {"http", "https"} else scheme

    def _warn_of(self, peer: str) -> None:
        """Warn once of a proxy that is not trusted: its clients share all limits."""
        address = _parse(peer)
        # A public peer is a client that wrote the header itself.
        if not self._has_warned and (address is None or not address.is_global):
            self._has_warned = True
            log.warning("proxy.untrusted", peer=peer)

    def _is_trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


@lru_cache(maxsize=4096)
def normalised(peer: str | None) -> str:
    """Write the address of a socket in its one canonical form."""
    address = _parse(peer) if peer else None
    return LOCAL_PEER if address is None else str(address)


@lru_cache(maxsize=4096)
def limiter_partition(address: str) -> str:
    """Return what limits count by: an IPv4 address, or the /64 network of an IPv6 one.

    A home has at least 2**64 IPv6 addresses, so its clients could use a new address for
    each request.
    """
    parsed = _parse(address)
    if not isinstance(parsed, IPv6Address):
        return address if parsed is None else str(parsed)
    return str(IPv6Network((parsed, 64), strict=False))


def network_of(address: str) -> str:
    """Return the network of an address, a rough location: /24 in IPv4, /48 in IPv6."""
    parsed = _parse(address)
    if parsed is None:
        return address
    prefix = 48 if isinstance(parsed, IPv6Address) else 24
    return str(ip_network((parsed, prefix), strict=False))


def _entries(lines: Sequence[bytes | str]) -> list[str]:
    """List the nearest hops first, at most `MAX_HOPS` of them."""
    joined = ",".join(map(_text, lines))
    return joined.rsplit(",", MAX_HOPS)[-MAX_HOPS:][::-1]


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    # Bounded, because a client must not fill the cache with long texts.
    return _parse_bounded(text) if len(text) <= LONGEST_ENTRY else None


@lru_cache(maxsize=4096)
def _parse_bounded(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address; drop port, brackets and zone id. Return None for other text."""
    text = text.strip(" \t")
    if match := _WITH_PORT.fullmatch(text):
        text = match[1] or match[2]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
