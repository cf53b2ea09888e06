"""Move-VMStorage."""

import ntpath
from collections.abc import Iterator

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.hyperv_targets import Target, hosts, of_object
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation
from deploy.lab.site.errors import HyperVError, invalid_parameter
from deploy.lab.site.model import VirtualMachine
from deploy.lab.site.site import Site
from deploy.lab.site.storage_moves import StorageMove, move

_NOT_EMULATED = ("ResourcePoolName", "RetainVhdCopiesOnSource", "RemoveSourceUnmanagedVhds")
# Other files than disks are not kept by the lab: where they are to go is checked with the rest.
_FOLDERS = ("VirtualMachinePath", "SnapshotFilePath", "SmartPagingFilePath")


async def move_vm_storage(site: Site, call: Invocation, written: Written) -> None:
    for parameter in _NOT_EMULATED:
        if call.parameters.get(parameter):
            written.error(refusal("not_emulated", f"the parameter '{parameter}' of Move-VMStorage"))
            return
    for host, vm in _targets(site, call, written):
        try:
            await move(site, host, vm, _wanted(call, vm), call.command_id)
        except HyperVError as error:
            written.error(error)


def _targets(site: Site, call: Invocation, written: Written) -> Iterator[Target]:
    for item in arguments.objects(call, "VM"):
        yield of_object(site, item)
    name = arguments.text(call, "Name")
    if name is not None:
        for host in hosts(site, call, written):
            yield host, site.vm(host, name=name)


def _wanted(call: Invocation, vm: VirtualMachine) -> StorageMove:
    everything = arguments.text(call, "DestinationStoragePath")
    if everything is not None:
        folder = ntpath.join(everything, "Virtual Hard Disks")
        disks = {disk.path: ntpath.join(folder, ntpath.basename(disk.path)) for disk in vm.disks}
        return StorageMove(disks, everything)
    folders = [given for name in _FOLDERS if (given := arguments.text(call, name))]
    return StorageMove(dict(_disks(call)), next(iter(folders), ""))


def _disks(call: Invocation) -> Iterator[tuple[str, str]]:
    """Each hashtable of -Vhds has the two keys of the documentation, in any case."""
    given = call.parameters.get("Vhds")
    for item in given if isinstance(given, list) else []:
        pair = {key.lower(): value for key, value in item.items()} if isinstance(item, dict) else {}
        match pair:
            case {"sourcefilepath": str(source), "destinationfilepath": str(target)}:
                yield source, target
            case _:
                raise invalid_parameter(
                    "Each entry of Vhds needs the keys SourceFilePath and DestinationFilePath."
                )
