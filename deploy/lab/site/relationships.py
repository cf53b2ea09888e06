"""Enable-, Set-, Suspend- and Remove-VMReplication."""

from __future__ import annotations

import shutil
from copy import deepcopy
from typing import TYPE_CHECKING

from deploy.lab.site import checkpoint
from deploy.lab.site.authorization import entry_for
from deploy.lab.site.clusters import replication_name
from deploy.lab.site.enable_checks import check_generation, check_machine
from deploy.lab.site.errors import invalid_parameter, invalid_state, operation_failed
from deploy.lab.site.json_codec import to_json
from deploy.lab.site.link_errors import LinkError
from deploy.lab.site.model import VMState
from deploy.lab.site.primary_link import primary_link
from deploy.lab.site.replica_location import locate
from deploy.lab.site.replication_model import (
    Authentication,
    LogPosition,
    Replication,
    ReplicationMode,
    ReplicationSettings,
    ReplicationState,
    ReplicationStatistics,
)
from deploy.lab.site.replication_servers import check_own_certificate
from deploy.lab.site.replication_settings import apply_settings
from deploy.lab.site.replication_states import NOT_REMOVABLE, Event, apply_event, wrong_state
from deploy.lab.site.replicator import ensure_replicator, send_now
from deploy.lab.site.test_failover import refuse_while_tested
from deploy.lab.site.vm_replication import replication_of

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host, VirtualMachine


async def enable(
    site: SiteCore,
    host: Host,
    vm: VirtualMachine,
    settings: ReplicationSettings,
    command_id: str | None,
) -> None:
    """Make the relationship and, on the replica server, the placeholder VM."""
    async with site.runtime(vm).lock:
        if vm.replication is not None:
            raise invalid_state(
                f"Hyper-V failed to enable replication for virtual machine '{vm.name}'. "
                "Replication is already enabled for it. "
                f"(Virtual machine ID {vm.vm_id.upper()})"
            )
        if settings.as_replica:
            _make_waiting_replica(site, vm, settings)
        else:
            vm.replication = await _establish(site, host, vm, settings, command_id)
        site.save_vm(vm)
        site.record(
            host.fqdn,
            ("replication.enabled", vm.vm_id),
            command_id,
            {
                "name": vm.name,
                "mode": vm.replication.mode.value if vm.replication else "",
                "replica_server": settings.replica_server or "",
            },
        )
        ensure_replicator(site, vm)


async def _establish(
    site: SiteCore,
    host: Host,
    vm: VirtualMachine,
    settings: ReplicationSettings,
    command_id: str | None,
) -> Replication:
    if not settings.replica_server or settings.port is None or settings.authentication is None:
        raise invalid_parameter(
            "ReplicaServerName, ReplicaServerPort and AuthenticationType must be given."
        )
    if settings.replica_server.lower() in (
        host.fqdn.lower(),
        replication_name(site, host).lower(),
    ):
        raise invalid_parameter("The Replica server must not be the primary server.")
    replication = Replication(
        mode=ReplicationMode.NONE,
        state=ReplicationState.DISABLED,
        relationship_id=site.environment.new_id(),
        primary_server=replication_name(site, host),
        replica_server=settings.replica_server,
        statistics=ReplicationStatistics(monitoring_start=site.now_at(vm.host_fqdn)),
    )
    apply_settings(replication, settings, vm)
    check_machine(site, host, vm, replication)
    check_generation(host, replication)
    if replication.authentication is Authentication.CERTIFICATE:
        check_own_certificate(site, host, replication.certificate_thumbprint)
    apply_event(replication, Event.ENABLED)
    try:
        await locate(site, host, vm.vm_id, replication)
        async with primary_link(site, vm, replication) as link:
            answer, _ = await link.request(
                "create",
                vm=_description(vm),
                windows_server=host.generation.value,
                replication=to_json(replication),
                command_id=command_id,
            )
    except LinkError as error:
        raise operation_failed(
            f"Hyper-V failed to enable replication for virtual machine '{vm.name}': {error.text} "
            f"(Virtual machine ID {vm.vm_id.upper()})"
        ) from error
    replication.current_replica_server = str(answer["server"])
    replication.log.compare_at_initial = bool(answer["compare"])
    replication.log.copy_exists = bool(answer.get("copy"))
    return replication


def _description(vm: VirtualMachine) -> object:
    """What the replica server is told of the VM: all but what belongs to this host."""
    told = deepcopy(vm)
    told.replication = None
    told.cloud_id = None
    return to_json(told)


def _make_waiting_replica(
    site: SiteCore, vm: VirtualMachine, settings: ReplicationSettings
) -> None:
    """Enable-VMReplication -AsReplica: an existing copy waits for its primary."""
    if vm.state is not VMState.OFF:
        raise invalid_state(f"The virtual machine '{vm.name}' must be off to become a replica.")
    if vm.checkpoints:
        raise invalid_state(f"The virtual machine '{vm.name}' has checkpoints.")
    vm.replication = Replication(
        mode=ReplicationMode.NONE,
        state=ReplicationState.DISABLED,
        relationship_id="",
        primary_server=settings.allowed_primary_server or "",
        replica_server=vm.host_fqdn,
        statistics=ReplicationStatistics(monitoring_start=site.now_at(vm.host_fqdn)),
        log=LogPosition(compare_at_initial=True),
    )
    apply_event(vm.replication, Event.REPLICA_CREATED)


async def change(
    site: SiteCore,
    host: Host,
    vm: VirtualMachine,
    settings: ReplicationSettings,
    command_id: str | None,
) -> None:
    """Change settings of a primary, or make a primary the replica-to-be (-AsReplica).

    The replica learns history and frequency with the next log.
    """
    async with site.runtime(vm).lock:
        if settings.as_replica:
            details = _made_replica(site, vm)
        elif replication_of(vm).mode is ReplicationMode.REPLICA:
            details = _allowed_from(host, vm, settings)
            if not details:
                return
        else:
            replication = replication_of(vm, ReplicationMode.PRIMARY)
            trial = deepcopy(replication)
            details = {
                name: str(value) for name, value in apply_settings(trial, settings, vm).items()
            }
            if trial.authentication is Authentication.CERTIFICATE and details:
                check_own_certificate(site, host, trial.certificate_thumbprint)
            if not details:
                return
            check_generation(host, trial)
            if "excluded_disk_ids" in details:
                # Only what replicates can be changed so; the disks are brought level at once.
                apply_event(replication, Event.DISKS_CHANGED)
                replication.copy_percent = 0
            apply_settings(replication, settings, vm)
            if "replica_server" in details:
                replication.current_replica_server = ""
        site.save_vm(vm)
        site.record(host.fqdn, ("replication.changed", vm.vm_id), command_id, details)
        send_now(site, vm)


def _made_replica(site: SiteCore, vm: VirtualMachine) -> dict[str, str]:
    """After an unplanned failover: the old primary waits to be sent what differs.

    Whether Hyper-V demands that the VM is off is not documented; here it must be, for its disks
    are about to be overwritten.
    """
    replication = replication_of(vm)
    if vm.state is not VMState.OFF:
        raise invalid_state(f"The virtual machine '{vm.name}' must be off to become a replica.")
    apply_event(replication, Event.MADE_REPLICA)
    site.tracker(vm).stop()
    replication.log = LogPosition(compare_at_initial=True)
    replication.relationship_id = ""
    return {"mode": replication.mode.value}


def _allowed_from(host: Host, vm: VirtualMachine, settings: ReplicationSettings) -> dict[str, str]:
    """Of a replica only the primary server that may send to it can be changed."""
    replication = replication_of(vm)
    wanted = settings.allowed_primary_server
    if wanted is None or settings != ReplicationSettings(allowed_primary_server=wanted):
        replication_of(vm, ReplicationMode.PRIMARY)
        raise invalid_parameter("AllowedPrimaryServer must be given, and nothing else.")
    entry = entry_for(host, wanted)
    if entry is None:
        raise operation_failed(f"There is no authorization entry for '{wanted}'.")
    if replication.allowed_primary_server.lower() == wanted.lower():
        return {}
    replication.allowed_primary_server = wanted
    replication.trust_group = entry.trust_group
    return {"allowed_primary_server": wanted}


async def suspend(site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None) -> None:
    async with site.runtime(vm).lock:
        replication = replication_of(vm)
        apply_event(replication, Event.SUSPENDED)
        replication.copy_percent = None
        site.save_vm(vm)
        site.record(
            host.fqdn,
            ("replication.suspended", vm.vm_id),
            command_id,
            {"name": vm.name, "mode": replication.mode.value},
        )


async def remove(site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None) -> None:
    """End this side's part; the other side must be removed there. The VM stays."""
    async with site.runtime(vm).lock:
        replication = replication_of(vm)
        refuse_while_tested(site, vm)
        if replication.state in NOT_REMOVABLE:
            raise wrong_state()
        site.tracker(vm).stop()
        checkpoint.drop(site, vm)
        mode = replication.mode
        vm.replication = None
        site.save_vm(vm)
        for leftovers in ("undo", "received"):
            shutil.rmtree(site.vm_folder(vm) / leftovers, ignore_errors=True)
        site.record(
            host.fqdn,
            ("replication.removed", vm.vm_id),
            command_id,
            {"name": vm.name, "mode": mode.value},
        )


async def reset_statistics(
    site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None
) -> None:
    async with site.runtime(vm).lock:
        replication = replication_of(vm)
        replication.statistics = ReplicationStatistics(monitoring_start=site.now_at(vm.host_fqdn))
        site.save_vm(vm)
        site.record(host.fqdn, ("replication_statistics.reset", vm.vm_id), command_id)
