"""Tables of the protection domain, a module for each family."""

from __future__ import annotations

from coordinator.protection.models.capacity import BandwidthLimit, HostBandwidth
from coordinator.protection.models.first_copies import FirstCopy
from coordinator.protection.models.items import ProtectedItem, RecoveryPoint
from coordinator.protection.models.networks import ItemAdapter, ItemNetworks, NetworkMapping
from coordinator.protection.models.offline_copies import OfflineCopy
from coordinator.protection.models.pairings import (
    HostCertificate,
    PairedHost,
    Pairing,
    RetryPause,
)
from coordinator.protection.models.policies import Policy
from coordinator.protection.models.replication import ReplicationSide, RpoHistory
from coordinator.protection.models.roles import MachineRole
from coordinator.protection.models.storage import StorageMapping
from coordinator.protection.models.vmm_requests import VmmRequest

__all__ = [
    "BandwidthLimit",
    "FirstCopy",
    "HostBandwidth",
    "HostCertificate",
    "ItemAdapter",
    "ItemNetworks",
    "MachineRole",
    "NetworkMapping",
    "OfflineCopy",
    "PairedHost",
    "Pairing",
    "Policy",
    "ProtectedItem",
    "RecoveryPoint",
    "ReplicationSide",
    "RetryPause",
    "RpoHistory",
    "StorageMapping",
    "VmmRequest",
]
