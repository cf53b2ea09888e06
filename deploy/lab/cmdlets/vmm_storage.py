"""Storage classifications, file shares, volumes, virtual hard disks as VMM shows them."""

import ntpath
from uuid import UUID

from deploy.lab.cmdlets.vmm_objects import (
    by_name_or_id,
    check_connection,
    derived_id,
    given_id,
    vmm_object,
)
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import I64, U64, Byte, Invocation, PSObject, Value
from deploy.lab.site.model import Disk, FileShare, StorageClassification, VirtualMachine, Volume
from deploy.lab.site.site import Site
from deploy.lab.site.space import free_bytes


def storage_classification(site: Site, item: StorageClassification) -> PSObject:
    properties: dict[str, Value] = {"Description": item.description, "StoragePool": []}
    return vmm_object(site, "StorageClassification", item.id, item.name, properties)


def _classification_of(site: Site, name_or_id: str | None) -> PSObject | None:
    for item in site.vmm.storage_classifications:
        if name_or_id in {item.name, item.id}:
            return storage_classification(site, item)
    return None


def _file_share(site: Site, share: FileShare) -> PSObject:
    cluster_of = {host.fqdn: host.cluster_fqdn for host in site.hosts}
    clusters = {cluster_of[host] for host in share.hosts if cluster_of.get(host)}
    properties: dict[str, Value] = {
        "Description": "",
        "SharePath": share.path,
        "Capacity": U64(share.capacity_bytes),
        "FreeSpace": U64(free_bytes(site, share)),
        "IsAvailableForPlacement": share.available_for_placement,
        "MountPoints": [share.path],
        "Classification": _classification_of(site, share.classification),
        "ClusterAssociations": [
            _association("Cluster", str(cluster)) for cluster in sorted(map(str, clusters))
        ],
        "HostAssociations": [_association("Host", host) for host in share.hosts],
    }
    return vmm_object(site, "StorageFileShare", share.id, share.name, properties)


def _association(kind: str, name: str) -> PSObject:
    namespace = "Microsoft.SystemCenter.VirtualMachineManager."
    return PSObject((f"{namespace}{kind}Association", "System.Object"), name, {kind: name})


def _volume(site: Site, volume: Volume) -> PSObject:
    properties: dict[str, Value] = {
        "StorageVolumeID": UUID(volume.id),
        "HostVolumeID": UUID(volume.id),
        "ObjectID": f"\\\\?\\Volume{{{volume.id}}}\\",
        "MountPoints": [volume.mount_point],
        "Capacity": U64(volume.capacity_bytes),
        "FreeSpace": U64(free_bytes(site, volume)),
        "VolumeLabel": volume.label,
        "FileSystem": "CSVFS" if volume.is_cluster_shared_volume else "NTFS",
        "IsClustered": volume.is_cluster_shared_volume,
        "IsClusterSharedVolume": volume.is_cluster_shared_volume,
        "InUse": True,
        "VMHost": volume.host_fqdn,
        "IsAvailableForPlacement": volume.available_for_placement,
        "StorageDisk": None,
        "Classification": _classification_of(site, volume.classification),
    }
    return vmm_object(site, "StorageVolume", volume.id, volume.mount_point, properties)


def hard_disk_id(vm: VirtualMachine, disk: Disk) -> UUID:
    return derived_id(vm.vmm_id, f"virtual hard disk {disk.id}")


def virtual_hard_disk(site: Site, vm: VirtualMachine, disk: Disk) -> PSObject:
    hosts = {host.fqdn: host.vmm_id for host in site.hosts}
    host_id = hosts.get(vm.host_fqdn)
    name = ntpath.splitext(ntpath.basename(disk.path))[0]
    properties: dict[str, Value] = {
        "VHDType": disk.vhd_type,
        "VHDFormatType": disk.vhd_format,
        "MaximumSize": U64(disk.size_bytes),
        "Size": I64(disk.size_bytes),
        "Location": disk.path,
        "SharePath": disk.path,
        "Directory": ntpath.dirname(disk.path),
        "ParentDisk": None,
        "HostVolume": ntpath.splitdrive(disk.path)[0],
        "Classification": _classification_of(site, disk.classification),
        "HostId": None if host_id is None else UUID(host_id),
        "HostName": vm.host_fqdn,
        "HostType": "VMHost",
        "VMHost": vm.host_fqdn,
        "State": "Normal",
    }
    identifier = hard_disk_id(vm, disk)
    return vmm_object(site, "StandaloneVirtualHardDisk", identifier, name, properties)


def virtual_disk_drive(site: Site, vm: VirtualMachine, disk: Disk) -> PSObject:
    properties: dict[str, Value] = {
        "VirtualHardDiskId": None if disk.pass_through else hard_disk_id(vm, disk),
        "VirtualHardDisk": None if disk.pass_through else virtual_hard_disk(site, vm, disk),
        "PassThroughDisk": disk.path if disk.pass_through else None,
        "IsVHD": not disk.pass_through,
        "HasSharedStorage": disk.shared,
        "BusType": disk.controller_type,
        "Bus": Byte(disk.controller_number),
        "Lun": Byte(disk.controller_location),
        "Classification": _classification_of(site, disk.classification),
        # The first disk of a generation is the one that the guest starts from.
        "VolumeType": "BootAndSystem" if disk is vm.disks[0] else "None",
    }
    identifier = derived_id(vm.vmm_id, f"virtual disk drive {disk.id}")
    return vmm_object(site, "VirtualDiskDrive", identifier, vm.name, properties)


async def get_sc_storage_classification(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    for item in by_name_or_id(call, site.vmm.storage_classifications):
        written.output(storage_classification(site, item))


async def get_sc_storage_file_share(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    wanted = given_id(call, "VMHost")
    fqdns = {host.fqdn for host in site.hosts if host.vmm_id.lower() == wanted}
    cluster = given_id(call, "VMHostCluster")
    for each in site.vmm.host_clusters:
        if each.id.lower() == cluster:
            fqdns |= set(each.nodes)
    filtered = wanted is not None or cluster is not None
    for share in by_name_or_id(call, site.vmm.file_shares):
        if not filtered or fqdns & set(share.hosts):
            written.output(_file_share(site, share))


async def get_sc_storage_volume(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    wanted = given_id(call, "VMHost")
    fqdns = {host.fqdn for host in site.hosts if host.vmm_id.lower() == wanted}
    for volume in site.vmm.volumes:
        name = call.parameters.get("Name")
        if isinstance(name, str) and name.lower() != volume.mount_point.lower():
            continue
        if wanted is None or volume.host_fqdn in fqdns:
            written.output(_volume(site, volume))
