"""The old primary's part of a reverse replication: it becomes the replica."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deploy.lab.site.clusters import replication_name
from deploy.lab.site.enable_checks import check_pair
from deploy.lab.site.link_errors import LinkError, LinkFailure
from deploy.lab.site.model import VMState
from deploy.lab.site.replica_lookup import authorized_entry
from deploy.lab.site.replication_model import (
    LogPosition,
    Replication,
    ReplicationMode,
    ReplicationState,
    ReplicationStatistics,
    ReplicationType,
)
from deploy.lab.site.replication_states import Event, apply_event
from deploy.lab.site.vm_replication import replication_of

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.listener import Answer, Caller
    from deploy.lab.site.model import AuthorizationEntry, Host, VirtualMachine


async def accept_reverse(
    site: SiteCore, host: Host, caller: Caller, header: dict[str, Any], body: bytes
) -> Answer:
    """Become the replica of the caller.

    After a planned failover the disks here are what the new primary started from, so its changes
    since then are enough (answer: compare false). After an unplanned one the VM must have been
    made replica by hand before, and the disks are compared. Asked twice, the answer is the same.
    """
    del body
    entry = authorized_entry(host, caller)
    vm = site.vm_by_key(host.fqdn, str(header["vm_id"]))
    replication = vm.replication if vm is not None else None
    if vm is None or replication is None:
        raise LinkError(
            LinkFailure.NOT_FOUND,
            "The Replica server has no virtual machine for the reverse replication.",
        )
    check_pair(host, str(header["windows_server"]))
    _check_state(vm, replication, header)
    async with site.runtime(vm).lock:
        _check_state(vm, replication, header)
        if replication.relationship_id != header["new_relationship_id"]:
            _become_replica(site, host, vm, (caller, entry, header))
    return {"compare": replication.log.compare_at_initial, "server": host.fqdn}, b""


def _check_state(vm: VirtualMachine, replication: Replication, header: dict[str, Any]) -> None:
    """Raises LinkError unless the VM here can become the replica.

    Looked at before locking too, because a primary that still sends holds its lock until the
    caller has answered it.
    """
    if (
        replication.mode is ReplicationMode.REPLICA
        and replication.relationship_id == header["new_relationship_id"]
    ):
        return
    if vm.state is not VMState.OFF:
        raise LinkError(LinkFailure.INVALID_STATE, "The virtual machine there is not off.")
    prepared = (
        replication.state is ReplicationState.PREPARED_FOR_FAILOVER
        and replication.relationship_id == header["relationship_id"]
        and header["failed_over_type"] == ReplicationType.PLANNED
        and replication.log.planned_sequence == header["applied"]
    )
    made_replica = (
        replication.mode is ReplicationMode.REPLICA
        and replication.state is ReplicationState.WAITING_FOR_INITIAL_REPLICATION
        and not replication.relationship_id
    )
    if not prepared and not made_replica:
        raise LinkError(
            LinkFailure.INVALID_STATE,
            "The virtual machine there is neither prepared for this planned failover nor has it "
            "been made a replica.",
        )


def _become_replica(
    site: SiteCore,
    host: Host,
    vm: VirtualMachine,
    request: tuple[Caller, AuthorizationEntry, dict[str, Any]],
) -> None:
    caller, entry, header = request
    replication = replication_of(vm)
    planned = replication.mode is ReplicationMode.PRIMARY
    if planned:
        apply_event(replication, Event.REVERSED_TO_REPLICA)
    site.tracker(vm).stop()
    replication.log = LogPosition(initial_done=planned, compare_at_initial=not planned)
    replication.relationship_id = header["new_relationship_id"]
    replication.primary_server = caller.primary_server
    replication.replica_server = replication_name(site, host)
    replication.current_replica_server = vm.host_fqdn
    replication.allowed_primary_server = entry.allowed_primary_server
    replication.trust_group = entry.trust_group
    replication.port = int(header["port"])
    replication.frequency_seconds = int(header["frequency_seconds"])
    replication.recovery_history = int(header["recovery_history"])
    replication.statistics = ReplicationStatistics(monitoring_start=site.now_at(host.fqdn))
    replication.last_replication_type = ReplicationType.REGULAR
    replication.last_error = ""
    site.save_vm(vm)
    site.record(
        vm.host_fqdn,
        ("replication.became_replica", vm.vm_id),
        header.get("command_id"),
        {"primary_server": caller.primary_server, "planned": planned},
    )
