"""The networks that a machine's replica will want to be connected to."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.protection.models import ProtectedItem
from coordinator.protection.networks import queries as networks


def wanted_networks(item: ProtectedItem) -> Mapping[str, str]:
    """Recovery VM networks that the machine's networks are mapped to, and their logical networks.

    Returns:
        By the VM network's name; empty when none is mapped. Source: SPEC NW-6.
    """
    return networks.wanted_networks(item)
