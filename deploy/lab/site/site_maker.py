"""Making a new site's records and disks from the topology."""

from __future__ import annotations

import random
import uuid
from datetime import datetime
from pathlib import Path

from deploy.lab.site import disk as disk_files
from deploy.lab.site.addresses import NameService
from deploy.lab.site.environment import Environment
from deploy.lab.site.model import (
    Cloud,
    Disk,
    FileShare,
    Host,
    HostGroup,
    LogicalNetwork,
    NetworkAdapter,
    StaticPool,
    StorageClassification,
    VirtualMachine,
    VirtualSwitch,
    VmmDatabase,
    VmmServer,
    VmNetwork,
    VmSubnet,
    Volume,
)
from deploy.lab.site.replication_servers import built_in_rules
from deploy.lab.site.store import SiteStore
from deploy.lab.site.topology import CloudLayout, SiteLayout, Topology, VmLayout

NAMESPACE = uuid.UUID("8a3c4e0e-6d5c-5b6e-9c41-1c1f5b0f7a10")
ROOT_GROUP = "All Hosts"


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
        """Hosts and VMs first, VMM's file last; making it again after a crash starts afresh."""
        now = self._environment.clock.now()
        for cloud in self._layout.clouds:
            for fqdn in cloud.hosts:
                self._store.save_host(self._host(fqdn, cloud))
            for layout in cloud.vms:
                vm = self._vm(layout, cloud, now)
                self._make_disks(vm)
                self._store.save_vm(vm)
        self._store.save_vmm(self._vmm())

    def _id(self, kind: str, name: str) -> str:
        return stable_id(self._layout.name, kind, name)

    def _host(self, fqdn: str, cloud: CloudLayout) -> Host:
        return Host(
            fqdn=fqdn,
            vmm_id=self._id("host", fqdn),
            site=self._layout.name,
            address=self._names.register(fqdn, self._layout.name),
            host_group_path=rf"{ROOT_GROUP}\{cloud.name}",
            switches=[
                VirtualSwitch(
                    id=self._id("switch", f"{fqdn}/{name}"),
                    name=_switch_name(name),
                    logical_network=name,
                )
                for name in cloud.logical_networks
            ],
            firewall_rules=built_in_rules(),
        )

    def _vm(self, layout: VmLayout, cloud: CloudLayout, now: datetime) -> VirtualMachine:
        vm_id = self._id("vm", layout.name)
        return VirtualMachine(
            vm_id=vm_id,
            vmm_id=self._id("vmm vm", layout.name),
            name=layout.name,
            host_fqdn=layout.host,
            created=now,
            cloud_id=self._id("cloud", cloud.name),
            generation=layout.generation,
            processors=layout.processors,
            memory_startup_bytes=layout.memory_mib * 1024**2,
            disks=self._disks(layout, vm_id),
            adapters=self._adapters(layout),
            operating_system=layout.operating_system,
            path=rf"{layout.disks[0].path}\{layout.name}",
            automatic_start_action=layout.automatic_start_action,
            was_running=layout.running,
            known_to_vmm=True,
        )

    def _disks(self, layout: VmLayout, vm_id: str) -> list[Disk]:
        storage = {
            each.path: each.classification
            for each in (*self._layout.volumes, *self._layout.file_shares)
        }
        disks = []
        for number, each in enumerate(layout.disks):
            disk_id = self._id("disk", f"{layout.name}/{number}")
            suffix = "" if number == 0 else f"-data{number}"
            disks.append(
                Disk(
                    id=disk_id,
                    path=rf"{each.path}\{layout.name}\{layout.name}{suffix}.vhdx",
                    file=f"hosts/{layout.host}/vms/{vm_id}/disks/{disk_id}.vhdx",
                    size_bytes=each.size_bytes,
                    controller_location=number,
                    classification=storage[each.path] or None,
                )
            )
        return disks

    def _adapters(self, layout: VmLayout) -> list[NetworkAdapter]:
        networks = {each.name: each for each in self._layout.vm_networks}
        adapters = []
        for number, each in enumerate(layout.adapters):
            network = networks[each.network]
            (vlan,) = [subnet.vlan for subnet in network.subnets if subnet.name == each.subnet]
            adapter_id = self._id("adapter", f"{layout.name}/{number}")
            adapters.append(
                NetworkAdapter(
                    id=adapter_id,
                    vmm_id=self._id("vmm adapter", f"{layout.name}/{number}"),
                    mac_address="00155D" + uuid.UUID(adapter_id).hex[:6].upper(),
                    switch_name=_switch_name(network.logical_network),
                    vm_network_id=self._id("vm network", network.name),
                    vm_subnet_id=self._id("vm subnet", f"{network.name}/{each.subnet}"),
                    vlan_id=vlan or None,
                    ip_addresses=[each.ip] if each.ip else [],
                )
            )
        return adapters

    def _make_disks(self, vm: VirtualMachine) -> None:
        for each in vm.disks:
            file = self._store.folder / each.file
            disk_files.create(file, each.size_bytes)
            filled = int(each.size_bytes * self._fill_share) // 4096 * 4096
            # From the end of the disk, so that the ledger's region stays empty.
            free = each.size_bytes - 2 * 1024**2
            _fill(file, each, min(filled, max(0, free)))

    def _vmm(self) -> VmmDatabase:
        layout = self._layout
        return VmmDatabase(
            server=VmmServer(
                id=self._id("vmm", layout.vmm_server),
                name=layout.fabric_name,
                fqdn=layout.vmm_server,
                installation_id=layout.installation_id
                or self._id("installation", layout.vmm_server),
                product_version=layout.version,
            ),
            host_groups=[
                HostGroup(id=self._id("group", ROOT_GROUP), name=ROOT_GROUP, path=ROOT_GROUP),
                *(
                    HostGroup(
                        id=self._id("group", cloud.name),
                        name=cloud.name,
                        path=rf"{ROOT_GROUP}\{cloud.name}",
                        parent_path=ROOT_GROUP,
                    )
                    for cloud in layout.clouds
                ),
            ],
            clouds=[
                Cloud(
                    id=self._id("cloud", cloud.name),
                    name=cloud.name,
                    description=cloud.description,
                    host_group_paths=[rf"{ROOT_GROUP}\{cloud.name}"],
                    logical_networks=list(cloud.logical_networks),
                    storage_classifications=list(cloud.storage_classifications),
                )
                for cloud in layout.clouds
            ],
            logical_networks=[
                LogicalNetwork(id=self._id("logical network", name), name=name)
                for name in layout.logical_networks
            ],
            vm_networks=self._vm_networks(),
            storage_classifications=[
                StorageClassification(
                    id=self._id("classification", name), name=name, description=description
                )
                for name, description in layout.storage_classifications
            ],
            file_shares=self._file_shares(),
            volumes=self._volumes(),
        )

    def _vm_networks(self) -> list[VmNetwork]:
        return [
            VmNetwork(
                id=self._id("vm network", network.name),
                name=network.name,
                logical_network=network.logical_network,
                subnets=[
                    VmSubnet(
                        id=self._id("vm subnet", f"{network.name}/{subnet.name}"),
                        name=subnet.name,
                        subnet=subnet.subnet,
                        vlan_id=subnet.vlan,
                        static_pools=[
                            StaticPool(
                                id=self._id("pool", f"{network.name}/{subnet.name}"),
                                name=f"{network.name} {subnet.name}",
                                first_address=subnet.pool[0],
                                last_address=subnet.pool[1],
                            )
                        ]
                        if subnet.pool
                        else [],
                    )
                    for subnet in network.subnets
                ],
            )
            for network in self._layout.vm_networks
        ]

    def _all_hosts(self) -> list[str]:
        return [fqdn for cloud in self._layout.clouds for fqdn in cloud.hosts]

    def _file_shares(self) -> list[FileShare]:
        return [
            FileShare(
                id=self._id("share", share.name),
                name=share.name,
                path=share.path,
                classification=share.classification or None,
                hosts=self._all_hosts(),
            )
            for share in self._layout.file_shares
        ]

    def _volumes(self) -> list[Volume]:
        volumes = []
        for fqdn in self._all_hosts():
            volumes.append(
                Volume(
                    id=self._id("volume", f"{fqdn}/C:"),
                    mount_point="C:\\",
                    host_fqdn=fqdn,
                    label="System",
                )
            )
            volumes.extend(
                Volume(
                    id=self._id("volume", f"{fqdn}/{volume.path}"),
                    mount_point=volume.path,
                    host_fqdn=fqdn,
                    classification=volume.classification or None,
                    label=volume.path.rsplit("\\", 1)[-1],
                    is_cluster_shared_volume="\\ClusterStorage\\" in volume.path,
                )
                for volume in self._layout.volumes
            )
        return volumes


def _switch_name(logical_network: str) -> str:
    return f"{logical_network} switch"


def _fill(file: Path, disk: Disk, length: int) -> None:
    data = random.Random(disk.id).randbytes(length)
    disk_files.write(file, disk.size_bytes - length, data)
    disk_files.sync(file)


def make_site(topology: Topology, name: str, environment: Environment) -> None:
    """Raises TopologyError when the topology has no such site."""
    SiteMaker(topology.site(name), environment, topology.fill_share).make()
