"""What can be done to a site through its admin socket, beside looking at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deploy.lab.site.admin_connection import AdminConnection
from deploy.lab.site.admin_records import Condition, HostStatus
from deploy.lab.site.json_codec import from_json


class MachineOperations(AdminConnection):
    """Machines, as people change them in VMM or Hyper-V.

    ``host`` tells a primary and its replica at one site apart; without it the one that runs is
    meant, else the primary.
    """

    def add_vms(self, table: Mapping[str, Any], cloud: str | None = None) -> list[str]:
        """Make what a table says, in a topology's words (also with a count); their ids."""
        return list(self.ask("add_vms", table=dict(table), cloud=cloud))

    def rename_vm(self, vm: str, name: str, host: str | None = None) -> None:
        self.ask("rename_vm", vm=vm, name=name, host=host)

    def move_vm_to_cloud(self, vm: str, cloud: str | None, host: str | None = None) -> None:
        """None takes it out of its cloud."""
        self.ask("move_vm_to_cloud", vm=vm, cloud=cloud, host=host)

    def change_vm(self, vm: str, host: str | None = None, **values: Any) -> None:
        """Set what `machine_operations.CHANGEABLE` lists."""
        self.ask("change_vm", vm=vm, values=values, host=host)

    def checkpoint_vm(self, vm: str, name: str, host: str | None = None) -> None:
        self.ask("checkpoint_vm", vm=vm, name=name, host=host)

    def add_disk(self, vm: str, path: str, size_bytes: int, host: str | None = None) -> str:
        """Windows path of the new disk."""
        return str(self.ask("add_disk", vm=vm, path=path, size_bytes=size_bytes, host=host))

    def make_highly_available(self, vm: str, host: str | None = None) -> None:
        self.ask("make_highly_available", vm=vm, host=host)

    def delete_vm(self, vm: str, host: str | None = None) -> None:
        self.ask("delete_vm", vm=vm, host=host)

    def migrate_vm(self, vm: str, target: str, host: str | None = None) -> None:
        """Live migration to another host."""
        self.ask("migrate_vm", vm=vm, target=target, host=host)

    def power(self, vm: str, to: str, host: str | None = None) -> str:
        """Start, shutdown, turnoff, pause, resume or save; the state afterwards."""
        return str(self.ask("power", vm=vm, to=to, host=host))

    def fill_log(self, vm: str, host: str | None = None) -> None:
        """Have the guest change so much at once that a resynchronisation is needed."""
        self.ask("fill_log", vm=vm, host=host)


class HostOperations(AdminConnection):
    """Hosts: their power, clocks, clouds."""

    def hosts(self) -> list[HostStatus]:
        """Every host, also those without power."""
        return [from_json(HostStatus, each) for each in self.ask("hosts")]

    def crash_host(self, host: str) -> None:
        self.ask("crash_host", host=host)

    def boot_host(self, host: str) -> None:
        self.ask("boot_host", host=host)

    def add_host(self, host: str, cloud: str, windows_server: str | None = None) -> None:
        """A new host like the cloud's first one, in its cluster if it is in one."""
        self.ask("add_host", host=host, cloud=cloud, windows_server=windows_server)

    def move_host(self, host: str, cloud: str) -> None:
        self.ask("move_host", host=host, cloud=cloud)

    def remove_host(self, host: str) -> None:
        self.ask("remove_host", host=host)

    def set_clock(self, host: str, seconds: float) -> None:
        """How far the host's clock is ahead; 0 mends it."""
        self.ask("set_clock", host=host, seconds=seconds)


class FaultOperations(AdminConnection):
    """Faults of storage and of the VMM server; those of links are in ``links``."""

    def fill_place(self, path: str, *, full: bool = True) -> None:
        """A volume (its mount point) or a share has no space left, or has again."""
        self.ask("place_full", path=path, full=full)

    def lose_share(self, path: str, *, lost: bool = True) -> None:
        """No host reaches a share, or they reach it again."""
        self.ask("share_lost", path=path, lost=lost)

    def stop_vmm(self, *, down: bool = True) -> None:
        """The VMM service does not answer; hosts and their cmdlets go on."""
        self.ask("vmm_down", down=down)

    def break_powershell(self, *, down: bool = True) -> None:
        """Every cmdlet on the VMM server loses its connection; hosts go on."""
        self.ask("powershell_down", down=down)

    def mend_everything(self) -> None:
        """Clear all faults of the site, boot crashed hosts, set clocks right."""
        self.ask("mend_everything")

    def conditions(self) -> list[Condition]:
        """What is wrong now because this site was told so."""
        return [from_json(Condition, each) for each in self.ask("conditions")]
