"""Which primary servers each host lets replicate to it, over all pairings of a vault: pure.

Hyper-V keeps one entry for each primary server on a host, with one trust group. A machine may move
between the primaries of a group, so all primaries of a cloud are in one group on each host of the
other cloud. Pairings whose clouds have a primary in common on a host therefore share a group there:
that of the oldest of them. When a pairing goes, what is left of its group passes to the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PairedNames:
    """The connection points of a pairing's hosts, by side.

    Attributes:
        trust_group: The pairing's own.
    """

    trust_group: str
    primary: frozenset[str]
    recovery: frozenset[str]

    def senders_to(self, receiver: str) -> frozenset[str]:
        """Who replicates to a host: the other cloud, in both directions."""
        to_recovery = self.primary if receiver in self.recovery else frozenset()
        to_primary = self.recovery if receiver in self.primary else frozenset()
        return (to_recovery | to_primary) - {receiver}


@dataclass(frozen=True, order=True)
class Authorization:
    """An entry that a host should have."""

    primary_server: str
    trust_group: str


def wanted_authorizations(
    pairings: Sequence[PairedNames], receivers: Iterable[str]
) -> Mapping[str, tuple[Authorization, ...]]:
    """All entries that hosts should have.

    Args:
        pairings: Of the vault, the oldest first.
        receivers: Names of the hosts (or of their clusters' brokers).

    Returns:
        By each of the names its entries, sorted; none when no pairing has the host.

    Source: SPEC PA-3.
    """
    return {receiver: _entries(pairings, receiver) for receiver in receivers}


def groups_on(pairings: Sequence[PairedNames], receiver: str) -> tuple[str, ...]:
    """Trust groups that entries of ours on a host may carry, whichever pairing they are of."""
    return tuple(
        pairing.trust_group
        for pairing in pairings
        if receiver in pairing.primary or receiver in pairing.recovery
    )


def _entries(pairings: Sequence[PairedNames], receiver: str) -> tuple[Authorization, ...]:
    """Pairings are joined where they share a sender; each set of them has one group."""
    joined: list[tuple[str, frozenset[str]]] = []
    for pairing in pairings:
        group, senders = pairing.trust_group, pairing.senders_to(receiver)
        if not senders:
            continue
        touching = [one for one in joined if one[1] & senders]
        for older_group, older_senders in touching:
            senders |= older_senders
            joined.remove((older_group, older_senders))
        # The first of them is the oldest: the list is in the order of the pairings.
        joined.append((touching[0][0] if touching else group, senders))
        joined.sort(key=lambda one: _age(pairings, one[0]))
    return tuple(sorted(Authorization(name, group) for group, names in joined for name in names))


def _age(pairings: Sequence[PairedNames], group: str) -> int:
    return next(i for i, pairing in enumerate(pairings) if pairing.trust_group == group)
