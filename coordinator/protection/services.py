"""The protection domain's verbs, each from the module of its family."""

from __future__ import annotations

from coordinator.protection.capacity.services import remove_bandwidth_limit, set_bandwidth_limit
from coordinator.protection.copy_line.line import start_now
from coordinator.protection.disabling.services import disable_protection, remove_from_vault
from coordinator.protection.discovery.services import check_consistency, refresh_server
from coordinator.protection.drills import record_drill_state, record_drill_states, record_drilled
from coordinator.protection.enabling.bulk import MOST_AT_ONCE, Enabled, enable_machines
from coordinator.protection.enabling.finalizing import finalize
from coordinator.protection.enabling.services import enable_protection
from coordinator.protection.inventory_followers import inventory_changed
from coordinator.protection.item_jobs import end_housekeeping, is_housekeeping
from coordinator.protection.networks.mapping import MappingRequest
from coordinator.protection.networks.services import map_networks, unmap_networks
from coordinator.protection.offline.services import export_first_copy_again, import_first_copy
from coordinator.protection.offline.watching import ingest_first_copies
from coordinator.protection.pairing.renewal import renew_certificates
from coordinator.protection.pairing.server_renewal import renew_server_certificates
from coordinator.protection.pairing.services import create_pairing
from coordinator.protection.pairing.unpairing_services import (
    remove_pairing,
    remove_pairing_from_vault,
)
from coordinator.protection.policies.services import create_policy, delete_policy
from coordinator.protection.policies.updating import update_policy
from coordinator.protection.replication.observation import ingest_replication, report_absent
from coordinator.protection.replication.services import (
    change_automatic_resynchronization,
    change_disks,
    pause_replication,
    repair_replication,
    resume_replication,
    resynchronize,
    schedule_resynchronization,
)
from coordinator.protection.requests import PairingRequest, ProtectionRequest, RequestOrigin
from coordinator.protection.roles.having_run import note_started_by
from coordinator.protection.roles.holding import ingest_roles
from coordinator.protection.roles.starting import want_started
from coordinator.protection.storage.services import map_storage, unmap_storage
from coordinator.protection.transitions import (
    by_kind,
    is_failed_over,
    is_tested,
    item_lock,
    lock_item,
    record_committed,
    record_event,
    record_events,
    record_failed_over,
    record_failover_abandoned,
    record_failover_cancelled,
    record_point_changed,
    record_reversed,
    refuse_unless_allowed,
)
from coordinator.protection.unregistering.services import unregister_server

__all__ = [
    "MOST_AT_ONCE",
    "Enabled",
    "MappingRequest",
    "PairingRequest",
    "ProtectionRequest",
    "RequestOrigin",
    "by_kind",
    "change_automatic_resynchronization",
    "change_disks",
    "check_consistency",
    "create_pairing",
    "create_policy",
    "delete_policy",
    "disable_protection",
    "enable_machines",
    "enable_protection",
    "end_housekeeping",
    "export_first_copy_again",
    "finalize",
    "import_first_copy",
    "ingest_first_copies",
    "ingest_replication",
    "ingest_roles",
    "inventory_changed",
    "is_failed_over",
    "is_housekeeping",
    "is_tested",
    "item_lock",
    "lock_item",
    "map_networks",
    "map_storage",
    "note_started_by",
    "pause_replication",
    "record_committed",
    "record_drill_state",
    "record_drill_states",
    "record_drilled",
    "record_event",
    "record_events",
    "record_failed_over",
    "record_failover_abandoned",
    "record_failover_cancelled",
    "record_point_changed",
    "record_reversed",
    "refresh_server",
    "refuse_unless_allowed",
    "remove_bandwidth_limit",
    "remove_from_vault",
    "remove_pairing",
    "remove_pairing_from_vault",
    "renew_certificates",
    "renew_server_certificates",
    "repair_replication",
    "report_absent",
    "resume_replication",
    "resynchronize",
    "schedule_resynchronization",
    "set_bandwidth_limit",
    "start_now",
    "unmap_networks",
    "unmap_storage",
    "unregister_server",
    "update_policy",
    "want_started",
]
