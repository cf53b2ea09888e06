"""Where a site keeps its records: one JSON file for VMM, one a host, one a VM."""

from __future__ import annotations

import shutil
from pathlib import Path

from deploy.lab.site.durable_files import (
    read_json,
    sync_folder,
    write_json,
    write_json_unsynced,
)
from deploy.lab.site.json_codec import from_json, to_json
from deploy.lab.site.model import Host, VirtualMachine, VmmDatabase


class SiteStore:
    """The folder of one site: vmm.json, hosts/<fqdn>/host.json, hosts/<fqdn>/vms/<id>/vm.json.

    Args:
        folder: DIR/<site> of the lab's state folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running = folder / "running"

    def exists(self) -> bool:
        return (self.folder / "vmm.json").exists()

    def host_folder(self, fqdn: str) -> Path:
        return self.folder / "hosts" / fqdn

    def vm_folder(self, host_fqdn: str, vm_id: str) -> Path:
        return self.host_folder(host_fqdn) / "vms" / vm_id

    def save_vmm(self, vmm: VmmDatabase) -> None:
        """Last of all in making a site: its file says that the site is complete."""
        write_json(self.folder / "vmm.json", to_json(vmm))

    def load_vmm(self) -> VmmDatabase:
        return from_json(VmmDatabase, read_json(self.folder / "vmm.json"))

    def save_host(self, host: Host) -> None:
        write_json(self.host_folder(host.fqdn) / "host.json", to_json(host))

    def load_hosts(self) -> list[Host]:
        files = sorted(self.folder.glob("hosts/*/host.json"))
        return [from_json(Host, read_json(file)) for file in files]

    def save_vm(self, vm: VirtualMachine, *, durable: bool = True) -> None:
        file = self.vm_folder(vm.host_fqdn, vm.vm_id) / "vm.json"
        (write_json if durable else write_json_unsynced)(file, to_json(vm))

    def load_vms(self) -> list[VirtualMachine]:
        """All VMs. The folder says which host a VM is on, whatever its record says.

        A move to another host is one rename; power may be lost before the record is written.
        """
        machines = []
        for file in sorted(self.folder.glob("hosts/*/vms/*/vm.json")):
            vm = from_json(VirtualMachine, read_json(file))
            set_host(vm, file.parents[2].name)
            machines.append(vm)
        return machines

    def move_vm(self, vm: VirtualMachine, host_fqdn: str) -> None:
        """Move everything the VM has on disk to another host's folder."""
        target = self.vm_folder(host_fqdn, vm.vm_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        source = self.vm_folder(vm.host_fqdn, vm.vm_id)
        source.rename(target)
        sync_folder(target.parent)
        sync_folder(source.parent)
        set_host(vm, host_fqdn)
        self.save_vm(vm)

    def delete_vm(self, vm: VirtualMachine) -> None:
        folder = self.vm_folder(vm.host_fqdn, vm.vm_id)
        (folder / "vm.json").unlink(missing_ok=True)
        shutil.rmtree(folder)

    def delete_host(self, host: Host) -> None:
        folder = self.host_folder(host.fqdn)
        (folder / "host.json").unlink(missing_ok=True)
        shutil.rmtree(folder)

    def was_running(self) -> bool:
        """Whether the site stopped without being shut down: power was lost."""
        return self._running.exists()

    def mark_running(self) -> None:
        self._running.write_bytes(b"")
        sync_folder(self.folder)

    def mark_shut_down(self) -> None:
        self._running.unlink(missing_ok=True)
        sync_folder(self.folder)


def set_host(vm: VirtualMachine, host_fqdn: str) -> None:
    """Make the record one of a VM on that host."""
    vm.host_fqdn = host_fqdn
    for disk in vm.disks:
        disk.file = f"hosts/{host_fqdn}/vms/{vm.vm_id}/disks/{Path(disk.file).name}"
