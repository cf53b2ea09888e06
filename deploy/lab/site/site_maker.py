"""Making a new site's records and disks from the topology."""

from __future__ import annotations

import random
import uuid
from pathlib import Path

from deploy.lab.site import disk as disk_files
from deploy.lab.site.addresses import NameService
from deploy.lab.site.environment import Environment
from deploy.lab.site.generations import FACTS
from deploy.lab.site.layouts import HostLayout, SiteLayout, Topology
from deploy.lab.site.model import Disk, Host, VirtualMachine, VirtualSwitch
from deploy.lab.site.replication_servers import built_in_rules
from deploy.lab.site.store import SiteStore
from deploy.lab.site.vm_maker import VmMaker, switch_name
from deploy.lab.site.vmm_maker import ROOT_GROUP, VmmMaker, group_path

__all__ = ["ROOT_GROUP"]

NAMESPACE = uuid.UUID("8a3c4e0e-6d5c-5b6e-9c41-1c1f5b0f7a10")


def stable_id(site: str, kind: str, name: str) -> str:
    """The same GUID for the same thing in every lab made from the same topology."""
    return str(uuid.uuid5(NAMESPACE, f"{site}/{kind}/{name}".lower()))


class SiteMaker:
    """Writes one site below the state folder.

    Args:
        layout: The site's part of the topology.
        environment: Folder, clock.
        fill_share: Part of each disk that holds random data from the start.
    """

    def __init__(self, layout: SiteLayout, environment: Environment, fill_share: float) -> None:
        self._layout = layout
        self._environment = environment
        self._fill_share = fill_share
        self._store = SiteStore(environment.state_dir / layout.name)
        self._names = NameService(environment.state_dir)

    def make(self) -> None:
        """Hosts and VMs first, VMM's file last; making it again after a crash starts afresh.

        Only VMM's file is forced to disk: without it the rest does not count.
        """
        for layout in self._layout.hosts:
            self._store.save_host(self._host(layout))
        vmm = VmmMaker(self._layout, self._id, self._register).make()
        maker = VmMaker(vmm, self._id, self._environment.clock.now())
        for cloud in self._layout.clouds:
            for each in cloud.vms:
                self._make_vm(maker.make(each, self._id("cloud", cloud.name)))
        for each in self._layout.vms:
            self._make_vm(maker.make(each, None))
        self._store.save_vmm(vmm)

    def _make_vm(self, vm: VirtualMachine) -> None:
        make_disks(self._store.folder, vm, self._fill_share)
        self._store.save_vm(vm, durable=False)

    def _id(self, kind: str, name: str) -> str:
        return stable_id(self._layout.name, kind, name)

    def _register(self, fqdn: str) -> str:
        return self._names.register(fqdn, self._layout.name)

    def _host(self, layout: HostLayout) -> Host:
        facts = FACTS[layout.generation]
        return Host(
            fqdn=layout.fqdn,
            vmm_id=self._id("host", layout.fqdn),
            site=self._layout.name,
            address=self._register(layout.fqdn),
            host_group_path=group_path(layout.host_group),
            cluster_fqdn=layout.cluster or None,
            generation=layout.generation,
            operating_system=facts.operating_system,
            os_version=facts.os_version,
            logical_processors=layout.processors,
            total_memory_bytes=layout.memory_bytes,
            switches=[
                VirtualSwitch(
                    id=self._id("switch", f"{layout.fqdn}/{name}"),
                    name=switch_name(name),
                    logical_network=name,
                )
                for name in layout.switches
            ],
            firewall_rules=built_in_rules(),
            installed_updates=list(layout.updates),
        )


def make_disks(folder: Path, vm: VirtualMachine, fill_share: float) -> None:
    """Files of a VM's disks, part of them filled; a quiet VM's stay empty."""
    for each in vm.disks:
        file = folder / each.file
        disk_files.create(file, each.size_bytes, durable=False)
        if vm.quiet:
            continue
        filled = int(each.size_bytes * fill_share) // 4096 * 4096
        # From the end of the disk, so that the ledger's region stays empty.
        free = each.size_bytes - 2 * 1024**2
        _fill(file, each, min(filled, max(0, free)))


def _fill(file: Path, disk: Disk, length: int) -> None:
    data = random.Random(disk.id).randbytes(length)
    disk_files.write(file, disk.size_bytes - length, data)
    disk_files.sync(file)


def make_site(topology: Topology, name: str, environment: Environment) -> None:
    """Raises TopologyError when the topology has no such site."""
    SiteMaker(topology.site(name), environment, topology.fill_share).make()
