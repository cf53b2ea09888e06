"""The records of a site and the few things that every operation on them needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from deploy.lab.site import clusters
from deploy.lab.site.addresses import NameService
from deploy.lab.site.certificates import CertificateStore
from deploy.lab.site.change_log import ChangeTracker
from deploy.lab.site.clock import SiteClock
from deploy.lab.site.effects import EffectsJournal
from deploy.lab.site.environment import Environment
from deploy.lab.site.errors import HyperVError, not_found
from deploy.lab.site.faults import FaultPlan
from deploy.lab.site.links import Links, Place
from deploy.lab.site.listeners import Listeners
from deploy.lab.site.log_application import LogApplication
from deploy.lab.site.model import Host, VirtualMachine, VmmDatabase, VMState
from deploy.lab.site.modification import stamp_modification
from deploy.lab.site.qos import Throttle
from deploy.lab.site.replication_model import ReplicationMode
from deploy.lab.site.runtime import VmRuntime
from deploy.lab.site.store import SiteStore
from deploy.lab.site.witness import Witness


class SiteCore:
    """Hosts, VMs and VMM's database of one site, loaded from its folder.

    Args:
        name: The site's name ("Shanghai"), which is also the folder's.
        environment: Everything from outside.
    """

    def __init__(self, name: str, environment: Environment) -> None:
        self.name = name
        self.environment = environment
        self.folder = environment.state_dir / name
        self.store = SiteStore(self.folder)
        self.vmm: VmmDatabase = self.store.load_vmm()
        self.names = NameService(environment.state_dir)
        self.links = Links(environment.state_dir)
        self.faults = FaultPlan(self.folder / "faults.json")
        self.sent_bytes = 0  # from its hosts to others, since it booted
        self.listeners = Listeners()
        self.throttle = Throttle()
        self.effects = EffectsJournal(self.folder / "effects.jsonl", name)
        self._hosts = {host.fqdn.lower(): host for host in self.store.load_hosts()}
        self._vms: dict[str, dict[str, VirtualMachine]] = {}
        for vm in self.store.load_vms():
            self._vms.setdefault(vm.host_fqdn, {})[vm.vm_id] = vm
        self._runtimes: dict[tuple[str, str], VmRuntime] = {}

    @property
    def clock(self) -> SiteClock:
        return self.environment.clock

    def now_at(self, host_fqdn: str) -> datetime:
        """The time as the host's own clock tells it, which may be wrong."""
        host = self._hosts.get(host_fqdn.lower())
        skew_seconds = host.clock_skew_seconds if host is not None else 0.0
        return self.clock.now() + timedelta(seconds=skew_seconds)

    # Looking up

    @property
    def partition(self) -> Links:
        """The links, for those who only cut and heal."""
        return self.links

    @property
    def hosts(self) -> tuple[Host, ...]:
        return tuple(self._hosts.values())

    @property
    def virtual_machines(self) -> tuple[VirtualMachine, ...]:
        return tuple(vm for each in self._vms.values() for vm in each.values())

    def host(self, fqdn: str) -> Host:
        """A host by its FQDN or its short name, in any case; the node that owns a cluster's name.

        Raises:
            HyperVError: There is no such computer, or it does not answer.
        """
        wanted = fqdn.lower()
        host = self._hosts.get(wanted) or next(
            (each for name, each in self._hosts.items() if name.partition(".")[0] == wanted), None
        )
        host = host or clusters.node_answering_for(self, wanted)
        if host is None or not host.powered:
            raise HyperVError(
                "InvalidParameter",
                "InvalidArgument",
                f"Hyper-V encountered an error trying to access an object on computer '{fqdn}' "
                "because the object was not found. The object might have been deleted, or you "
                "might not have permission to perform the task.",
                target=fqdn,
            )
        return host

    def vms_on(self, host: Host) -> tuple[VirtualMachine, ...]:
        return tuple(self._vms.get(host.fqdn, {}).values())

    def vm(self, host: Host, vm_id: str | None = None, name: str | None = None) -> VirtualMachine:
        """One VM of a host by id or by exact name (in any case).

        Raises:
            HyperVError: There is none.
        """
        known = self.vm_by_key(host.fqdn, (vm_id or "").lower())
        if known is not None:
            return known
        for vm in self.vms_on(host):
            if vm_id is None and name is not None and vm.name.lower() == name.lower():
                return vm
        if vm_id is not None:
            raise HyperVError(
                "InvalidParameter",
                "InvalidArgument",
                f'Hyper-V was unable to find a virtual machine with id "{vm_id}".',
                target=vm_id,
            )
        raise HyperVError(
            "InvalidParameter",
            "InvalidArgument",
            f'Hyper-V was unable to find a virtual machine with name "{name}".',
            target=name or "",
        )

    def vm_by_key(self, host_fqdn: str, vm_id: str) -> VirtualMachine | None:
        return self._vms.get(host_fqdn, {}).get(vm_id)

    def find_vm(self, name_or_id: str, host_fqdn: str | None = None) -> VirtualMachine:
        """A VM of any host of the site.

        Of a primary and its replica, which may both be here, the one that runs is meant, else the
        primary; ``host_fqdn`` names the other.
        """
        wanted = name_or_id.lower()
        found = [
            vm
            for vm in self.virtual_machines
            if wanted in (vm.vm_id, vm.name.lower()) and host_fqdn in (None, vm.host_fqdn)
        ]
        if not found:
            text = f'There is no virtual machine "{name_or_id}" at {host_fqdn or self.name}.'
            raise not_found(text, name_or_id)
        return min(found, key=_least_likely_meant)

    # Places

    def host_folder(self, host: Host) -> Path:
        return self.store.host_folder(host.fqdn)

    def certificate_inventory(self, host: Host, thumbprint: str) -> tuple[str, ...]:
        """Names of what a listener with this certificate opens: it, its key, all roots."""
        return CertificateStore(self.host_folder(host)).inventory(thumbprint)

    def vm_folder(self, vm: VirtualMachine) -> Path:
        return self.store.vm_folder(vm.host_fqdn, vm.vm_id)

    def runtime(self, vm: VirtualMachine) -> VmRuntime:
        return self._runtimes.setdefault((vm.host_fqdn, vm.vm_id), VmRuntime())

    def disk_files(self, vm: VirtualMachine) -> dict[str, Path]:
        """Disk id to real file, for the disks that are replicated."""
        excluded = vm.replication.excluded_disk_ids if vm.replication else []
        return {disk.id: self.folder / disk.file for disk in vm.disks if disk.id not in excluded}

    def all_disk_files(self, vm: VirtualMachine) -> dict[str, Path]:
        return {disk.id: self.folder / disk.file for disk in vm.disks}

    def tracker(self, vm: VirtualMachine) -> ChangeTracker:
        return ChangeTracker(self.vm_folder(vm), list(self.disk_files(vm)))

    def received(self, vm: VirtualMachine) -> LogApplication:
        return LogApplication(self.vm_folder(vm))

    def witness(self, vm: VirtualMachine) -> Witness:
        return Witness(self._witness_file(vm))

    def _witness_file(self, vm: VirtualMachine) -> Path:
        return self.folder / "witness" / vm.host_fqdn / vm.vm_id

    def place(self, name: str) -> Place | None:
        """Where a host or broker is; None when nobody knows the name."""
        record = self.names.resolve(name)
        return None if record is None else Place(name, record.site)

    # Changing

    def save_vm(self, vm: VirtualMachine) -> None:
        """Make the record durable and let the replicator look at it."""
        stamp_modification(vm, self.clock.now())
        self._vms.setdefault(vm.host_fqdn, {})[vm.vm_id] = vm
        self.store.save_vm(vm)
        self.runtime(vm).changed.set()

    def forget_vm(self, vm: VirtualMachine) -> None:
        """Remove the VM with everything that it has on disk."""
        self._vms.get(vm.host_fqdn, {}).pop(vm.vm_id, None)
        self._runtimes.pop((vm.host_fqdn, vm.vm_id), None)
        self.store.delete_vm(vm)

    def move_vm(self, vm: VirtualMachine, host: Host) -> None:
        """Make the VM one of another host, with everything it has on disk.

        The caller holds the VM's lock and its gate; its guest must look for its files again.
        """
        runtime = self._runtimes.pop((vm.host_fqdn, vm.vm_id), VmRuntime())
        del self._vms[vm.host_fqdn][vm.vm_id]
        witness = self._witness_file(vm)
        self.store.move_vm(vm, host.fqdn)
        if witness.exists():
            self._witness_file(vm).parent.mkdir(parents=True, exist_ok=True)
            witness.rename(self._witness_file(vm))
        self._runtimes[(host.fqdn, vm.vm_id)] = runtime
        self.save_vm(vm)

    def add_host(self, host: Host) -> None:
        self._hosts[host.fqdn.lower()] = host
        self.save_host(host)

    def forget_host(self, host: Host) -> None:
        """Remove a host that has no VMs any more, with its certificates."""
        self._hosts.pop(host.fqdn.lower(), None)
        self.store.delete_host(host)

    def save_host(self, host: Host) -> None:
        self.store.save_host(host)

    def save_vmm(self) -> None:
        """Make changes of ``vmm`` (clouds, networks, storage) durable."""
        self.store.save_vmm(self.vmm)

    def record(
        self,
        host_fqdn: str,
        effect: tuple[str, str],
        command_id: str | None,
        details: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
    ) -> None:
        """One line in the effects journal, after the change is durable."""
        self.effects.record(self.clock.now(), host_fqdn, effect, command_id, dict(details))


def _least_likely_meant(vm: VirtualMachine) -> tuple[bool, bool]:
    replica = vm.replication is not None and vm.replication.mode is ReplicationMode.REPLICA
    return vm.state is not VMState.RUNNING, replica
