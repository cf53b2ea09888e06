"""Which denials get a record of their own, so that a flood of them cannot fill the disk."""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

# What is counted begins anew with each window.
WINDOW = timedelta(minutes=1)
# Records of one window: of a caller who is known, of an address, of all addresses together.
OF_A_CALLER = 30
OF_AN_ADDRESS = 5
OF_ALL_ADDRESSES = 10
# Sources whose numbers are told, and that are counted one by one.
TOLD = 10
COUNTED = 1000
OTHERS = "others"
# An IPv6 network is one source: whoever has one address of it has all.
IPV6_PREFIX = 64


@dataclass(frozen=True)
class Source:
    """Who is counted: a caller by its id, or whoever is at an address."""

    name: str
    known: bool


@dataclass(frozen=True)
class Summary:
    """Denials of a window that have no record of their own.

    Attributes:
        since, until: From the first to the last.
        count: How many.
        sources: The most frequent with their numbers.
    """

    since: datetime
    until: datetime
    count: int
    sources: tuple[tuple[str, int], ...]


@dataclass
class Coalescing:
    """The denials of one process; not for several threads at once."""

    _begun: datetime | None = None
    _written: Counter[Source] = field(default_factory=Counter)
    _written_of_addresses: int = 0
    _left_out: Counter[str] = field(default_factory=Counter)
    _since: datetime | None = None
    _until: datetime | None = None

    def admit(self, source: Source, now: datetime) -> bool:
        """Whether this denial gets a record of its own; if not, it is counted.

        `due` is asked before: what an earlier window left out is told of first.
        """
        if self._begun is None or now - self._begun >= WINDOW:
            self._begun = now
            self._written.clear()
            self._written_of_addresses = 0
        if self._may(source):
            self._written[source] += 1
            self._written_of_addresses += not source.known
            return True
        self._since = self._since or now
        self._until = now
        name = source.name
        if name not in self._left_out and len(self._left_out) >= COUNTED:
            name = OTHERS
        self._left_out[name] += 1
        return False

    def _may(self, source: Source) -> bool:
        if source.known:
            return self._written[source] < OF_A_CALLER
        return (
            self._written_of_addresses < OF_ALL_ADDRESSES and self._written[source] < OF_AN_ADDRESS
        )

    def due(self, now: datetime) -> Summary | None:
        """What is to be told of a window that is over; it is told once."""
        if self._since is None or self._until is None or self._begun is None:
            return None
        if now - self._begun < WINDOW:
            return None
        summary = Summary(
            self._since,
            self._until,
            self._left_out.total(),
            tuple(self._left_out.most_common(TOLD)),
        )
        self._left_out.clear()
        self._since = self._until = None
        return summary


def source_of_address(address: str) -> Source:
    """Who is counted for a request of nobody knows whom."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return Source("unknown address", known=False)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        network = ipaddress.ip_network((address.partition("%")[0], IPV6_PREFIX), strict=False)
        return Source(str(network), known=False)
    return Source(str(parsed), known=False)
