"""Get-, Measure-, Enable-, Set-, Suspend-, Resume-, Remove-VMReplication and the first copy."""

from collections.abc import Callable

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.hyperv_targets import (
    Target,
    every_vm,
    is_wildcard,
    names_machines,
    targets,
)
from deploy.lab.cmdlets.hyperv_vm import Action
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.replication_objects import vm_replication, vm_replication_health
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation, PSObject
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.model import Host, VirtualMachine
from deploy.lab.site.replication_model import (
    Authentication,
    Replication,
    ReplicationMode,
    ReplicationSettings,
)
from deploy.lab.site.resynchronization import Resumption
from deploy.lab.site.site import Site

Shape = Callable[[Site, Host, VirtualMachine, Replication], PSObject]

# Parameter -> how its value is read from a relationship, for the filters of Get- and Measure-.
_FILTERS: dict[str, Callable[[Site, VirtualMachine, Replication], str]] = {
    "ReplicationState": lambda _site, _vm, each: each.state.value,
    "ReplicationHealth": lambda site, vm, _each: site.replication_health(vm).value,
    "ReplicationMode": lambda _site, _vm, each: each.mode.value,
    "ReplicationRelationshipType": lambda _site, _vm, each: each.relationship,
    "PrimaryServerName": lambda _site, _vm, each: each.primary_server,
    "ReplicaServerName": lambda _site, _vm, each: each.replica_server,
    "TrustGroup": lambda _site, _vm, each: each.trust_group,
}


def _passes(site: Site, call: Invocation, vm: VirtualMachine, replication: Replication) -> bool:
    for parameter, read in _FILTERS.items():
        wanted = arguments.enum_name(call, parameter) or arguments.text(call, parameter)
        if wanted is not None and read(site, vm, replication).lower() != wanted.lower():
            return False
    return True


async def _read(site: Site, call: Invocation, written: Written, shape: Shape) -> None:
    """Without names: every VM that replicates. A VM named outright must replicate.

    What the real cmdlet says of a named VM without replication is not known; the lab refuses, so
    that no client relies on silence.
    """
    named = names_machines(call)
    outright = named and not any(is_wildcard(name) for name in arguments.texts(call, "VMName"))
    found = targets(site, call, written) if named else every_vm(site, call, written)
    for host, vm in list(found):
        replication = vm.replication
        if replication is None or replication.mode is ReplicationMode.NONE:
            if outright:
                written.error(refusal("not_replicating", vm.name))
        elif _passes(site, call, vm, replication):
            written.output(shape(site, host, vm, replication))


async def get_vm_replication(site: Site, call: Invocation, written: Written) -> None:
    await _read(site, call, written, vm_replication)


async def measure_vm_replication(site: Site, call: Invocation, written: Written) -> None:
    await _read(site, call, written, vm_replication_health)


async def _change(site: Site, call: Invocation, written: Written, action: Action) -> None:
    """Runs an action on each VM; -Passthru writes its replication afterwards."""
    for host, vm in list(targets(site, call, written)):
        try:
            await action((host, vm))
        except HyperVError as error:
            written.error(error)
        else:
            if arguments.switch(call, "Passthru") and vm.replication is not None:
                written.output(vm_replication(site, host, vm, vm.replication))


def _settings(call: Invocation) -> ReplicationSettings:
    """The parameters that Enable- and Set-VMReplication share.

    Raises:
        HyperVError: A certificate without certificate authentication.
    """
    kind = arguments.enum_name(call, "AuthenticationType")
    thumbprint = arguments.text(call, "CertificateThumbprint")
    if thumbprint and kind == Authentication.KERBEROS.value:
        raise refusal("thumbprint_needs_certificate")
    excluded = arguments.texts(call, "ExcludedVhdPath") + [
        arguments.property_text(drive, "Path") for drive in arguments.objects(call, "ExcludedVhd")
    ]
    replicated = arguments.texts(call, "ReplicatedDiskPaths") + [
        arguments.property_text(drive, "Path")
        for drive in arguments.objects(call, "ReplicatedDisks")
    ]
    return ReplicationSettings(
        replica_server=arguments.text(call, "ReplicaServerName"),
        port=arguments.number(call, "ReplicaServerPort"),
        authentication=Authentication(kind) if kind else None,
        certificate_thumbprint=thumbprint,
        compression=arguments.boolean(call, "CompressionEnabled"),
        bypass_proxy=arguments.boolean(call, "BypassProxyServer"),
        replicate_kvp_items=arguments.boolean(call, "ReplicateHostKvpItems"),
        frequency_seconds=arguments.number(call, "ReplicationFrequencySec"),
        recovery_history=arguments.number(call, "RecoveryHistory"),
        vss_hours=arguments.number(call, "VSSSnapshotFrequencyHour"),
        disable_vss=arguments.switch(call, "DisableVSSSnapshotReplication"),
        auto_resync_enabled=arguments.boolean(call, "AutoResynchronizeEnabled"),
        auto_resync_start=arguments.duration(call, "AutoResynchronizeIntervalStart"),
        auto_resync_end=arguments.duration(call, "AutoResynchronizeIntervalEnd"),
        excluded_disk_paths=excluded,
        replicated_disk_paths=replicated,
        as_replica=arguments.switch(call, "AsReplica"),
        allowed_primary_server=arguments.text(call, "AllowedPrimaryServer"),
    )


def _refuse_not_emulated(call: Invocation, *parameters: str) -> None:
    for parameter in parameters:
        if call.parameters.get(parameter):
            raise refusal("not_emulated", f"the parameter '{parameter}' of {call.cmdlet}")


async def enable_vm_replication(site: Site, call: Invocation, written: Written) -> None:
    settings = _settings(call)

    async def enable(target: Target) -> None:
        await site.enable_replication(*target, settings, call.command_id)

    await _change(site, call, written, enable)


async def set_vm_replication(site: Site, call: Invocation, written: Written) -> None:
    _refuse_not_emulated(call, "UseBackup", "InitialReplicationStartTime")
    settings = _settings(call)

    async def change(target: Target) -> None:
        if arguments.switch(call, "Reverse"):
            await site.reverse_replication(*target, settings, call.command_id)
        else:
            await site.set_replication(*target, settings, call.command_id)

    await _change(site, call, written, change)


async def start_vm_initial_replication(site: Site, call: Invocation, written: Written) -> None:
    start_time = arguments.moment(call, "InitialReplicationStartTime")

    async def start(target: Target) -> None:
        await site.start_initial_replication(
            *target,
            call.command_id,
            start_time,
            destination_path=arguments.text(call, "DestinationPath"),
            use_backup=arguments.switch(call, "UseBackup"),
        )

    await _change(site, call, written, start)


async def stop_vm_initial_replication(site: Site, call: Invocation, written: Written) -> None:
    async def stop(target: Target) -> None:
        await site.stop_initial_replication(*target, call.command_id)

    await _change(site, call, written, stop)


async def import_vm_initial_replication(site: Site, call: Invocation, written: Written) -> None:
    path = arguments.required_text(call, "Path")

    async def import_copy(target: Target) -> None:
        await site.import_initial_replication(*target, path, call.command_id)

    await _change(site, call, written, import_copy)


async def suspend_vm_replication(site: Site, call: Invocation, written: Written) -> None:
    async def suspend(target: Target) -> None:
        await site.suspend_replication(*target, call.command_id)

    await _change(site, call, written, suspend)


async def resume_vm_replication(site: Site, call: Invocation, written: Written) -> None:
    how = Resumption(
        resynchronize=arguments.switch(call, "Resynchronize"),
        go_on=arguments.switch(call, "Continue"),
        start_time=arguments.moment(call, "ResynchronizeStartTime"),
    )

    async def resume(target: Target) -> None:
        await site.resume_replication(*target, call.command_id, how)

    await _change(site, call, written, resume)


async def remove_vm_replication(site: Site, call: Invocation, written: Written) -> None:
    async def remove(target: Target) -> None:
        await site.remove_replication(*target, call.command_id)

    await _change(site, call, written, remove)


async def reset_vm_replication_statistics(site: Site, call: Invocation, written: Written) -> None:
    async def reset(target: Target) -> None:
        await site.reset_statistics(*target, call.command_id)

    await _change(site, call, written, reset)
