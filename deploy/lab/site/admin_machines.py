"""The admin socket's requests that change machines, as people would in VMM or Hyper-V."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from deploy.lab.site import guest_control, live_migration, machine_operations

if TYPE_CHECKING:
    from deploy.lab.site.json_lines import Request
    from deploy.lab.site.model import VirtualMachine
    from deploy.lab.site.site import Site

Handler = Callable[["Request"], Awaitable[Any]]
_POWER = ("start", "shutdown", "turnoff", "pause", "resume", "save")


def machine_of(site: Site, request: Request) -> VirtualMachine:
    """The machine that a request names; ``host`` tells two copies at one site apart."""
    host = request.get("host")
    fqdn = None if host is None else site.host(str(host)).fqdn
    return site.find_vm(str(request["vm"]), fqdn)


def machine_requests(site: Site) -> dict[str, Handler]:
    """Name of the request to what does it."""
    return {**_changes(site), **_life(site)}


def _changes(site: Site) -> dict[str, Handler]:
    """What a machine is."""

    async def rename(request: Request) -> None:
        await machine_operations.rename(site, machine_of(site, request), str(request["name"]))

    async def cloud(request: Request) -> None:
        vm = machine_of(site, request)
        await machine_operations.move_to_cloud(site, vm, request.get("cloud"))

    async def change(request: Request) -> None:
        await machine_operations.change(site, machine_of(site, request), request["values"])

    async def checkpoint(request: Request) -> None:
        vm = machine_of(site, request)
        await machine_operations.add_checkpoint(site, vm, str(request["name"]))

    async def add_disk(request: Request) -> str:
        vm, path = machine_of(site, request), str(request["path"])
        disk = await machine_operations.add_disk(site, vm, path, int(request["size_bytes"]))
        return disk.path

    async def highly_available(request: Request) -> None:
        await machine_operations.make_highly_available(site, machine_of(site, request))

    return {
        "rename_vm": rename,
        "move_vm_to_cloud": cloud,
        "change_vm": change,
        "checkpoint_vm": checkpoint,
        "add_disk": add_disk,
        "make_highly_available": highly_available,
    }


def _life(site: Site) -> dict[str, Handler]:
    """Whether a machine is, where, and whether it runs."""

    async def add(request: Request) -> list[str]:
        made = await machine_operations.add(site, request["table"], request.get("cloud"))
        return [vm.vm_id for vm in made]

    async def delete(request: Request) -> None:
        await machine_operations.delete(site, machine_of(site, request))

    async def migrate(request: Request) -> None:
        vm, target = machine_of(site, request), site.host(str(request["target"]))
        await live_migration.migrate(site, vm, target, None)

    async def power(request: Request) -> str:
        vm = machine_of(site, request)
        await _set_power(site, vm, str(request["to"]))
        return vm.state.value

    async def fill_log(request: Request) -> None:
        await _fill_log(site, machine_of(site, request))

    return {
        "add_vms": add,
        "delete_vm": delete,
        "migrate_vm": migrate,
        "power": power,
        "fill_log": fill_log,
    }


async def _set_power(site: Site, vm: VirtualMachine, to: str) -> None:
    host = site.host(vm.host_fqdn)
    if to not in _POWER:
        raise ValueError(f"'{to}' is none of {', '.join(_POWER)}")
    if to == "start":
        await guest_control.start_vm(site, host, vm, None)
    elif to in ("shutdown", "turnoff"):
        await guest_control.stop_vm(site, host, vm, None, turn_off=to == "turnoff")
    elif to == "pause":
        await guest_control.pause_vm(site, host, vm, None)
    elif to == "resume":
        await guest_control.resume_vm(site, host, vm, None)
    else:
        await guest_control.save_state(site, host, vm, None)


async def _fill_log(site: Site, vm: VirtualMachine) -> None:
    """Have the guest write so much at once that the change log passes half of the disks' size."""
    guest = site.runtime(vm).guest
    tracking = vm.replication is not None and vm.replication.log.tracking
    if guest is None or not tracking:
        raise ValueError(f"'{vm.name}' does not run, or its changes are not tracked")
    await guest.write_much(sum(disk.size_bytes for disk in vm.disks) // 2 + 1)
