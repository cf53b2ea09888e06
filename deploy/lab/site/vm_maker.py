"""Making a VM's record from its layout, in a new site or in one that runs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from deploy.lab.site.errors import not_found
from deploy.lab.site.layouts import AdapterLayout, VmLayout
from deploy.lab.site.model import (
    Disk,
    NetworkAdapter,
    VirtualMachine,
    VmCheckpoint,
    VmmDatabase,
    VmNetwork,
    VMState,
    VmSubnet,
)
from deploy.lab.site.replication_model import (
    LogPosition,
    Replication,
    ReplicationMode,
    ReplicationState,
    ReplicationStatistics,
)


def switch_name(logical_network: str) -> str:
    return f"{logical_network} switch"


@dataclass(frozen=True)
class VmMaker:
    """Turns layouts into records.

    Args:
        vmm: Where networks and storage are looked up.
        make_id: Gives the id of a thing by its kind and name.
        now: When it is made.
    """

    vmm: VmmDatabase
    make_id: Callable[[str, str], str]
    now: datetime

    def make(self, layout: VmLayout, cloud_id: str | None) -> VirtualMachine:
        """The VM as its host is about to keep it; its disks' files do not exist yet."""
        vm_id = self.make_id("vm", layout.name)
        disks = self._disks(layout, vm_id)
        place = layout.disks[0].path if layout.disks else r"C:\Hyper-V"
        return VirtualMachine(
            vm_id=vm_id,
            vmm_id=self.make_id("vmm vm", layout.name),
            name=layout.name,
            host_fqdn=layout.host,
            created=self.now,
            cloud_id=cloud_id,
            # A VM that runs is started when its site boots; a paused one has to be started first.
            state=VMState.SAVED if layout.state is VMState.SAVED else VMState.OFF,
            generation=layout.generation,
            processors=layout.processors,
            memory_startup_bytes=layout.memory_mib * 1024**2,
            disks=disks,
            adapters=[
                self._adapter(each, f"{layout.name}/{number}")
                for number, each in enumerate(layout.adapters)
            ],
            replication=self._replication(layout),
            highly_available=layout.highly_available,
            fibre_channel_adapters=layout.fibre_channel_adapters,
            encrypted=layout.encrypted,
            shielded=layout.shielded,
            integration_services_version="10.0.17763.0" if layout.integration_services else "",
            checkpoints=self._checkpoints(layout),
            computer_name=layout.computer_name or layout.name,
            operating_system=layout.operating_system,
            path=rf"{place}\{layout.name}",
            automatic_start_action=layout.automatic_start_action,
            was_running=layout.state in (VMState.RUNNING, VMState.PAUSED),
            pause_when_started=layout.state is VMState.PAUSED,
            quiet=layout.quiet,
            known_to_vmm=True,
            dr_protection_required=layout.dr_protection_required,
        )

    def _disks(self, layout: VmLayout, vm_id: str) -> list[Disk]:
        storage = {each.path: each.classification for each in self.vmm.file_shares} | {
            each.mount_point: each.classification
            for each in self.vmm.volumes
            if each.host_fqdn == layout.host
        }
        disks = []
        for number, each in enumerate(layout.disks):
            disk_id = self.make_id("disk", f"{layout.name}/{number}")
            suffix = "" if number == 0 else f"-data{number}"
            name = f"{layout.name}{suffix}.{each.vhd_format.lower()}"
            disks.append(
                Disk(
                    id=disk_id,
                    path=rf"{each.path}\{layout.name}\{name}",
                    file=f"hosts/{layout.host}/vms/{vm_id}/disks/{disk_id}.vhdx",
                    size_bytes=each.size_bytes,
                    controller_location=number,
                    classification=storage.get(each.path),
                    vhd_format=each.vhd_format,
                    pass_through=each.pass_through,
                    shared=each.shared,
                )
            )
        return disks

    def _adapter(self, layout: AdapterLayout, name: str) -> NetworkAdapter:
        network, subnet = self._network(layout)
        adapter_id = self.make_id("adapter", name)
        return NetworkAdapter(
            id=adapter_id,
            vmm_id=self.make_id("vmm adapter", name),
            mac_address="00155D" + uuid.UUID(adapter_id).hex[:6].upper(),
            switch_name=switch_name(network.logical_network),
            vm_network_id=network.id,
            vm_subnet_id=subnet.id,
            vlan_id=subnet.vlan_id or None,
            ip_addresses=[each for each in (layout.ip, layout.ipv6) if each],
            ipv4_address_type="Static" if layout.static else "Dynamic",
        )

    def _network(self, layout: AdapterLayout) -> tuple[VmNetwork, VmSubnet]:
        for network in self.vmm.vm_networks:
            for subnet in network.subnets:
                if (network.name, subnet.name) == (layout.network, layout.subnet):
                    return network, subnet
        raise not_found(f"There is no subnet '{layout.subnet}' on '{layout.network}'.")

    def _checkpoints(self, layout: VmLayout) -> list[VmCheckpoint]:
        found: list[VmCheckpoint] = []
        for name in layout.checkpoints:
            parent = found[-1].id if found else None
            identifier = self.make_id("checkpoint", f"{layout.name}/{name}")
            found.append(VmCheckpoint(id=identifier, name=name, created=self.now, parent_id=parent))
        return found

    def _replication(self, layout: VmLayout) -> Replication | None:
        """Of a VM that is the replica of a server outside the lab."""
        if not layout.replica_of:
            return None
        return Replication(
            mode=ReplicationMode.REPLICA,
            state=ReplicationState.REPLICATING,
            relationship_id=self.make_id("relationship", layout.name),
            primary_server=layout.replica_of,
            replica_server=layout.host,
            current_replica_server=layout.host,
            port=443,
            last_replication_time=self.now,
            last_applied_log_time=self.now,
            statistics=ReplicationStatistics(monitoring_start=self.now),
            log=LogPosition(applied=1, initial_done=True),
        )
