"""The protection domain's verbs, each from the module of its family."""

from __future__ import annotations

from coordinator.protection.disabling_services import disable_protection, remove_from_vault
from coordinator.protection.enabling_services import enable_protection
from coordinator.protection.finalizing import finalize
from coordinator.protection.observation import ingest_replication
from coordinator.protection.pairing_services import create_pairing
from coordinator.protection.policy_services import create_policy, delete_policy
from coordinator.protection.requests import PairingRequest, ProtectionRequest, RequestOrigin
from coordinator.protection.transitions import (
    item_lock,
    record_committed,
    record_event,
    record_failed_over,
    refuse_unless_allowed,
)
from coordinator.protection.unpairing_services import remove_pairing, remove_pairing_from_vault

__all__ = [
    "PairingRequest",
    "ProtectionRequest",
    "RequestOrigin",
    "create_pairing",
    "create_policy",
    "delete_policy",
    "disable_protection",
    "enable_protection",
    "finalize",
    "ingest_replication",
    "item_lock",
    "record_committed",
    "record_event",
    "record_failed_over",
    "refuse_unless_allowed",
    "remove_from_vault",
    "remove_pairing",
    "remove_pairing_from_vault",
]
