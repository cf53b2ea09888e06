"""The protection domain's verbs, each from the module of its family."""

from __future__ import annotations

from coordinator.protection.disabling.services import disable_protection, remove_from_vault
from coordinator.protection.discovery.services import check_consistency, refresh_server
from coordinator.protection.enabling.finalizing import finalize
from coordinator.protection.enabling.services import enable_protection
from coordinator.protection.inventory_followers import inventory_changed
from coordinator.protection.pairing.services import create_pairing
from coordinator.protection.pairing.unpairing_services import (
    remove_pairing,
    remove_pairing_from_vault,
)
from coordinator.protection.policies.services import create_policy, delete_policy
from coordinator.protection.replication.observation import ingest_replication, report_absent
from coordinator.protection.requests import PairingRequest, ProtectionRequest, RequestOrigin
from coordinator.protection.transitions import (
    item_lock,
    record_committed,
    record_event,
    record_failed_over,
    refuse_unless_allowed,
)

__all__ = [
    "PairingRequest",
    "ProtectionRequest",
    "RequestOrigin",
    "check_consistency",
    "create_pairing",
    "create_policy",
    "delete_policy",
    "disable_protection",
    "enable_protection",
    "finalize",
    "ingest_replication",
    "inventory_changed",
    "item_lock",
    "record_committed",
    "record_event",
    "record_failed_over",
    "refresh_server",
    "refuse_unless_allowed",
    "report_absent",
    "remove_from_vault",
    "remove_pairing",
    "remove_pairing_from_vault",
]
