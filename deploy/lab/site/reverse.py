"""Set-VMReplication -Reverse on the failed-over replica: it becomes the primary."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from deploy.lab.site.clusters import replication_name
from deploy.lab.site.enable_checks import check_generation
from deploy.lab.site.errors import operation_failed
from deploy.lab.site.failover import drop_base
from deploy.lab.site.link_errors import LinkError
from deploy.lab.site.primary_link import primary_link
from deploy.lab.site.replica_location import locate
from deploy.lab.site.replication_model import (
    Authentication,
    LogPosition,
    Replication,
    ReplicationMode,
    ReplicationSettings,
    ReplicationStatistics,
    ReplicationType,
)
from deploy.lab.site.replication_servers import check_own_certificate
from deploy.lab.site.replication_settings import apply_settings
from deploy.lab.site.replication_states import Event, apply_event, next_state
from deploy.lab.site.replicator import ensure_replicator, send_now
from deploy.lab.site.vm_replication import replication_of

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host, VirtualMachine


async def reverse(
    site: SiteCore,
    host: Host,
    vm: VirtualMachine,
    settings: ReplicationSettings,
    command_id: str | None,
) -> None:
    """Swap the modes with the old primary.

    After a planned failover the changes since then are sent and there is no new initial
    replication. The number of the new relationship is kept before the old primary is asked, so
    that doing it again after a crash in between meets the same relationship.
    """
    async with site.runtime(vm).lock:
        old = replication_of(vm, ReplicationMode.REPLICA)
        next_state(old.mode, old.state, Event.REVERSED_TO_PRIMARY)
        if old.pending_relationship_id is None:
            old.pending_relationship_id = site.environment.new_id()
            site.save_vm(vm)
        new = _reversed(site, host, vm, old, settings)
        compare = await _ask_old_primary(site, vm, (old, new), command_id)
        damaged = old.log.damaged or not old.log.tracking
        if compare:
            apply_event(new, Event.REVERSED_TO_COMPARE)
            site.tracker(vm).stop()
            new.log = LogPosition(compare_at_initial=True)
        elif damaged:
            apply_event(new, Event.REVERSED_WITHOUT_LOG)
            new.log = LogPosition(initial_done=True, damaged=True)
        else:
            apply_event(new, Event.REVERSED_TO_PRIMARY)
            new.log = LogPosition(initial_done=True, tracking=True)
        vm.replication = new
        site.save_vm(vm)
        site.received(vm).undo.drop_all()
        drop_base(site, vm)
        site.record(
            host.fqdn,
            ("replication.reversed", vm.vm_id),
            command_id,
            {"name": vm.name, "replica_server": new.replica_server, "state": new.state.value},
        )
        ensure_replicator(site, vm)
        send_now(site, vm)


def _reversed(
    site: SiteCore,
    host: Host,
    vm: VirtualMachine,
    old: Replication,
    settings: ReplicationSettings,
) -> Replication:
    """The record of the relationship the other way round, still in the old state."""
    new = deepcopy(old)
    new.relationship_id = old.pending_relationship_id or ""
    new.pending_relationship_id = None
    new.primary_server = replication_name(site, host)
    new.replica_server = new.current_replica_server = old.primary_server
    new.allowed_primary_server = new.trust_group = ""
    new.recovery_points = []
    new.failed_over_type = ReplicationType.NONE
    new.statistics = ReplicationStatistics(monitoring_start=site.now_at(host.fqdn))
    new.last_error = ""
    if new.authentication is Authentication.CERTIFICATE:
        new.certificate_thumbprint = host.replication_server.certificate_thumbprint
    apply_settings(new, settings, vm)
    new.current_replica_server = ""
    check_generation(host, new)
    if new.authentication is Authentication.CERTIFICATE:
        check_own_certificate(site, host, new.certificate_thumbprint)
    return new


async def _ask_old_primary(
    site: SiteCore,
    vm: VirtualMachine,
    records: tuple[Replication, Replication],
    command_id: str | None,
) -> bool:
    old, new = records
    try:
        host = site.host(vm.host_fqdn)
        await locate(site, host, vm.vm_id, new)
        async with primary_link(site, vm, new) as link:
            answer, _ = await link.request(
                "reverse",
                relationship_id=old.relationship_id,
                new_relationship_id=new.relationship_id,
                failed_over_type=old.failed_over_type.value,
                applied=old.log.applied,
                port=new.port,
                frequency_seconds=new.frequency_seconds,
                recovery_history=new.recovery_history,
                command_id=command_id,
                windows_server=host.generation.value,
            )
    except LinkError as error:
        raise operation_failed(
            f"Hyper-V failed to enable reverse replication for virtual machine '{vm.name}': "
            f"{error.text} (Virtual machine ID {vm.vm_id.upper()})"
        ) from error
    new.current_replica_server = str(answer["server"])
    return bool(answer["compare"])
