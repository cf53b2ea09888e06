"""Virtual machines as VMM's database knows them, and what refreshes or removes them there."""

from collections.abc import Iterator
from uuid import UUID

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.vmm_hosts import given_host
from deploy.lab.cmdlets.vmm_networks import virtual_network_adapter
from deploy.lab.cmdlets.vmm_objects import (
    by_name_or_id,
    check_connection,
    derived_id,
    given_id,
    vmm_object,
)
from deploy.lab.cmdlets.vmm_storage import virtual_disk_drive, virtual_hard_disk
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import I64, Byte, Invocation, PSObject, Value
from deploy.lab.powershell.enumerations import enum_value
from deploy.lab.site.model import Host, VirtualMachine, VMState
from deploy.lab.site.replication_model import ReplicationMode
from deploy.lab.site.site import Site

_MEBIBYTE = 1024 * 1024

# Hyper-V's state -> VMM's VMComputerSystemState and StatusString.
_STATES: dict[VMState, tuple[str, str]] = {
    VMState.RUNNING: ("Running", "Running"),
    VMState.OFF: ("PowerOff", "Stopped"),
    VMState.STARTING: ("Starting", "Starting"),
    VMState.STOPPING: ("PoweringOff", "Stopping"),
    VMState.SAVED: ("Saved", "Saved State"),
    VMState.PAUSED: ("Paused", "Paused"),
}


def _host_of(site: Site, vm: VirtualMachine) -> Host | None:
    return next((host for host in site.hosts if host.fqdn == vm.host_fqdn), None)


def _state_of(vm: VirtualMachine, host: Host | None) -> dict[str, Value]:
    state, status = _STATES[vm.state]
    if host is None or not host.powered:
        state, status = "HostNotResponding", "Host Not Responding"
    value = enum_value("VMComputerSystemState", state)
    return {"Status": value, "VirtualMachineState": value, "StatusString": status}


def _place_of(site: Site, vm: VirtualMachine, host: Host | None) -> dict[str, Value]:
    cloud = next((each for each in site.vmm.clouds if each.id == vm.cloud_id), None)
    group = "" if host is None else host.host_group_path
    return {
        "Host": vm.host_fqdn,
        "HostName": vm.host_fqdn,
        "VMHost": vm.host_fqdn,
        "HostType": "VMHost",
        "HostId": None if host is None else UUID(host.vmm_id),
        "HostGroupPath": f"{group}\\{vm.name}",
        "Cloud": None if cloud is None else cloud.name,
        "CloudId": None if cloud is None else UUID(cloud.id),
        "Location": vm.path,
        "VMCPath": f"{vm.path}\\{vm.vm_id.upper()}.vmcx",
    }


def _replication_of(vm: VirtualMachine) -> dict[str, Value]:
    mode = ReplicationMode.NONE if vm.replication is None else vm.replication.mode
    return {
        # Their shape is not publicly known: both are null in every capture.
        "ReplicationSetting": None,
        "ReplicationStatus": None,
        "IsPrimaryVM": mode is ReplicationMode.PRIMARY,
        "IsRecoveryVM": mode is ReplicationMode.REPLICA,
        "IsTestReplicaVM": bool(vm.test_replica_of),
        "IsDREnabled": False,
        "DRState": enum_value("VMDRState", "Disabled"),
        "DRErrors": [],
        "HasDRError": False,
        "IsDRProtectionRequired": vm.dr_protection_required,
        "RecoveryPointObjective": vm.recovery_point_objective_seconds,
    }


def _hardware_of(vm: VirtualMachine) -> dict[str, Value]:
    return {
        "HasPassthroughDisk": any(disk.pass_through for disk in vm.disks),
        "HasSharedStorage": any(disk.shared for disk in vm.disks),
        "HasVirtualFibreChannelAdapters": vm.fibre_channel_adapters > 0,
        # VMM 2016 and later; their names are in no capture that is publicly known.
        "IsShielded": vm.shielded,
        "IsEncrypted": vm.encrypted,
    }


def _guest_of(vm: VirtualMachine) -> dict[str, Value]:
    """What the guest tells through its integration services."""
    version = vm.integration_services_version
    return {
        "HasVMAdditions": bool(version),
        "VMAddition": version or "Not Detected",
        "ComputerNameString": (vm.computer_name if version else "") or "Unknown",
    }


def virtual_machine(site: Site, vm: VirtualMachine) -> PSObject:
    """Microsoft.SystemCenter.VirtualMachineManager.VM."""
    host = _host_of(site, vm)
    memory_mb = vm.memory_startup_bytes // _MEBIBYTE
    properties: dict[str, Value] = {
        "VMId": vm.vm_id.upper(),
        "BiosGuid": derived_id(vm.vm_id, "BIOS"),
        "CPUCount": Byte(vm.processors),
        "Memory": memory_mb,
        "MemoryAssignedMB": memory_mb if vm.state is VMState.RUNNING else 0,
        "DynamicMemoryEnabled": False,
        "Generation": vm.generation,
        "TotalSize": I64(sum(disk.size_bytes for disk in vm.disks)),
        "OperatingSystem": vm.operating_system,
        "VirtualizationPlatform": enum_value("VirtualizationPlatform", "HyperV"),
        "VirtualHardDisks": [
            virtual_hard_disk(site, vm, disk) for disk in vm.disks if not disk.pass_through
        ],
        "VirtualDiskDrives": [virtual_disk_drive(site, vm, disk) for disk in vm.disks],
        "VirtualNetworkAdapters": [
            virtual_network_adapter(site, vm, adapter, slot)
            for slot, adapter in enumerate(vm.adapters)
        ],
        "VMCheckpoints": [checkpoint.name for checkpoint in vm.checkpoints],
        "IsHighlyAvailable": vm.highly_available,
        "Owner": "LAB\\osr",
        "UserRole": "Administrator",
        "Description": vm.notes,
        "CreationTime": vm.created,
        "AddedTime": vm.created,
        "ModifiedTime": vm.modified or vm.created,
        "Enabled": True,
    }
    properties |= _hardware_of(vm) | _guest_of(vm)
    properties |= _state_of(vm, host) | _place_of(site, vm, host) | _replication_of(vm)
    return vmm_object(site, "VM", vm.vmm_id, vm.name, properties)


def _known(site: Site) -> Iterator[VirtualMachine]:
    return (vm for vm in site.virtual_machines if vm.known_to_vmm)


def _given_vm(site: Site, call: Invocation) -> VirtualMachine:
    """The machine of -VM.

    Raises:
        HyperVError: VMM does not know it any more.
    """
    wanted = given_id(call, "VM") or ""
    for vm in _known(site):
        if vm.vmm_id.lower() == wanted:
            return vm
    raise refusal("vmm_object_gone", wanted)


async def get_sc_virtual_machine(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    host_fqdn = given_host(site, call).fqdn if "VMHost" in call.parameters else None
    cloud = given_id(call, "Cloud")
    for vm in by_name_or_id(call, _known(site)):
        if host_fqdn is not None and vm.host_fqdn != host_fqdn:
            continue
        if cloud is None or (vm.cloud_id or "").lower() == cloud:
            written.output(virtual_machine(site, vm))


async def read_sc_virtual_machine(site: Site, call: Invocation, written: Written) -> None:
    """A machine is refreshed from its host; -VMHost finds the machines that are new there."""
    if "VMHost" in call.parameters:
        site.refresh_virtual_machines(given_host(site, call))
        return
    vm = _given_vm(site, call)
    host = _host_of(site, vm)
    if host is not None:
        site.refresh_virtual_machines(host)
    written.output(virtual_machine(site, vm))


async def remove_sc_virtual_machine(site: Site, call: Invocation, written: Written) -> None:
    """Deletes machine and files; with -Force only VMM's own record of it."""
    vm = _given_vm(site, call)
    shown = virtual_machine(site, vm)
    if arguments.switch(call, "Force"):
        vm.known_to_vmm = False
        site.save_vm(vm)
        effect = "vm.removed_from_vmm"
    elif vm.state is not VMState.OFF:
        raise refusal("vm_is_running", vm.name)
    else:
        site.forget_vm(vm)
        effect = "vm.removed"
    site.record(vm.host_fqdn, (effect, vm.vm_id), call.command_id, {"name": vm.name})
    written.output(shown)


# What the lab does of Set-SCVirtualMachine; other parameters are refused, not ignored.
_EMULATED_CHANGES = {"VM", "VMMServer", "DRProtectionRequired", "ClearDRProtection", "ErrorAction"}


async def set_sc_virtual_machine(site: Site, call: Invocation, written: Written) -> None:
    """Marks a machine as one to be protected, or takes the mark away."""
    others = sorted(set(call.parameters) - _EMULATED_CHANGES)
    if others:
        raise refusal("not_emulated", f"Set-SCVirtualMachine with {others[0]}")
    vm = _given_vm(site, call)
    required = arguments.boolean(call, "DRProtectionRequired")
    clear = arguments.switch(call, "ClearDRProtection")
    # What VMM says to both at once, and of a machine in no cloud, is not documented.
    if (clear and required) or (required and vm.cloud_id is None):
        raise refusal("dr_protection_refused", vm.name)
    wanted = False if clear else vm.dr_protection_required if required is None else required
    if wanted != vm.dr_protection_required:
        vm.dr_protection_required = wanted
        site.save_vm(vm)
        details = {"name": vm.name, "required": wanted}
        site.record(vm.host_fqdn, ("vm.dr_protection_set", vm.vm_id), call.command_id, details)
    written.output(virtual_machine(site, vm))


async def get_sc_virtual_hard_disk(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    machines = [_given_vm(site, call)] if "VM" in call.parameters else list(_known(site))
    wanted_id = arguments.guid(call, "ID")
    wanted_name = arguments.text(call, "Name")
    for vm in machines:
        for disk in vm.disks:
            if disk.pass_through:
                continue
            shown = virtual_hard_disk(site, vm, disk)
            if wanted_id is not None and shown.properties["ID"] != wanted_id:
                continue
            if wanted_name is None or str(shown).lower() == wanted_name.lower():
                written.output(shown)


async def get_sc_virtual_network_adapter(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    machines = [_given_vm(site, call)] if "VM" in call.parameters else list(_known(site))
    host_fqdn = given_host(site, call).fqdn if "VMHost" in call.parameters else None
    wanted_id = arguments.guid(call, "ID")
    for vm in machines:
        if host_fqdn is not None and vm.host_fqdn != host_fqdn:
            continue
        for slot, adapter in enumerate(vm.adapters):
            if wanted_id is None or UUID(adapter.vmm_id) == wanted_id:
                written.output(virtual_network_adapter(site, vm, adapter, slot))
