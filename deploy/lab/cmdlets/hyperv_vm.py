"""Get-VM, Start-VM, Stop-VM, Remove-VMSavedState, Get-VMHardDiskDrive, Get-VMSnapshot."""

from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from uuid import UUID

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.hyperv_objects import hard_disk_drive, virtual_machine
from deploy.lab.cmdlets.hyperv_targets import (
    Target,
    every_vm,
    hosts,
    names_machines,
    of_object,
    targets,
)
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.replication_objects import vm_checkpoint, vm_snapshot
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.model import VMState
from deploy.lab.site.replication_model import RecoveryPoint
from deploy.lab.site.site import Site

Action = Callable[[Target], Awaitable[None]]


async def act_on(
    site: Site, call: Invocation, written: Written, action: Action, name_parameter: str = "VMName"
) -> None:
    """Runs an action on each VM of the call; -Passthru writes the machine afterwards."""
    for host, vm in list(targets(site, call, written, name_parameter)):
        try:
            await action((host, vm))
        except HyperVError as error:
            written.error(error)
        else:
            if arguments.switch(call, "Passthru"):
                written.output(virtual_machine(site, host, vm))


async def get_vm(site: Site, call: Invocation, written: Written) -> None:
    wanted = arguments.guid(call, "Id")
    if call.parameters.get("ClusterObject") is not None:
        written.error(refusal("not_emulated", "the parameter 'ClusterObject' of Get-VM"))
    elif wanted is not None:
        for host in hosts(site, call, written):
            try:
                written.output(virtual_machine(site, host, site.vm(host, vm_id=str(wanted))))
            except HyperVError as error:
                written.error(error)
    else:
        named = targets(site, call, written, "Name")
        found = named if names_machines(call) else every_vm(site, call, written)
        for host, vm in found:
            written.output(virtual_machine(site, host, vm))


async def start_vm(site: Site, call: Invocation, written: Written) -> None:
    async def start(target: Target) -> None:
        host, vm = target
        if vm.state is VMState.RUNNING:
            written.warning("The virtual machine is already in the specified state.")
            return
        await site.start_vm(host, vm, call.command_id)

    await act_on(site, call, written, start, "Name")


async def stop_vm(site: Site, call: Invocation, written: Written) -> None:
    if arguments.switch(call, "Save"):
        written.error(refusal("not_emulated", "the parameter 'Save' of Stop-VM"))
        return

    async def stop(target: Target) -> None:
        host, vm = target
        if vm.state is VMState.OFF:
            written.warning("The virtual machine is already in the specified state.")
            return
        await site.stop_vm(
            host,
            vm,
            call.command_id,
            turn_off=arguments.switch(call, "TurnOff"),
            force=arguments.switch(call, "Force"),
        )

    await act_on(site, call, written, stop, "Name")


async def remove_vm_saved_state(site: Site, call: Invocation, written: Written) -> None:
    if arguments.objects(call, "VMSnapshot"):
        written.error(refusal("not_emulated", "the parameter 'VMSnapshot' of Remove-VMSavedState"))
        return

    async def remove(target: Target) -> None:
        await site.remove_saved_state(*target, call.command_id)

    await act_on(site, call, written, remove)


async def get_vm_hard_disk_drive(site: Site, call: Invocation, written: Written) -> None:
    snapshot = next(iter(arguments.objects(call, "VMSnapshot")), None)
    found = [of_object(site, snapshot)] if snapshot else targets(site, call, written)
    kind = arguments.enum_name(call, "ControllerType")
    number = arguments.number(call, "ControllerNumber")
    location = arguments.number(call, "ControllerLocation")
    for host, vm in found:
        for disk in vm.disks:
            if (
                kind in {None, disk.controller_type}
                and number in {None, disk.controller_number}
                and location in {None, disk.controller_location}
            ):
                written.output(hard_disk_drive(host, vm, disk))


def _wanted(call: Invocation, point: RecoveryPoint) -> bool:
    name = arguments.text(call, "Name")
    kind = arguments.enum_name(call, "SnapshotType")
    return kind in {None, point.type.value} and (
        name is None or fnmatchcase(point.name.lower(), name.lower())
    )


async def get_vm_snapshot(site: Site, call: Invocation, written: Written) -> None:
    """Recovery points of a replica, and the checkpoints that people made."""
    wanted = arguments.guid(call, "Id")
    if wanted is not None:
        _write_snapshot_by_id(site, call, written, wanted)
        return
    parents = arguments.objects(call, "ParentOf")
    if parents or arguments.objects(call, "ChildOf"):
        # Recovery points are no tree: none is a parent or child of another.
        return
    for host, vm in targets(site, call, written):
        for point in site.recovery_points(vm):
            if _wanted(call, point):
                written.output(vm_snapshot(host, vm, point))
        for checkpoint in vm.checkpoints:
            if arguments.enum_name(call, "SnapshotType") in {None, checkpoint.type}:
                written.output(vm_checkpoint(host, vm, checkpoint))


def _write_snapshot_by_id(site: Site, call: Invocation, written: Written, wanted: UUID) -> None:
    asked = list(hosts(site, call, written))
    for host in asked:
        for vm in site.vms_on(host):
            for point in site.recovery_points(vm):
                if UUID(point.id) == wanted:
                    written.output(vm_snapshot(host, vm, point))
                    return
    if asked:
        written.error(refusal("snapshot_not_found", str(wanted)))
