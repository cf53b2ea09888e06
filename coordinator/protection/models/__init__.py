"""Tables of the protection domain, a module for each family."""

from __future__ import annotations

from coordinator.protection.models.items import ProtectedItem, RecoveryPoint
from coordinator.protection.models.pairings import PairedHost, Pairing
from coordinator.protection.models.policies import Policy

__all__ = ["PairedHost", "Pairing", "Policy", "ProtectedItem", "RecoveryPoint"]
