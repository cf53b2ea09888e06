"""Get-SCVMHost, Get-SCVMHostCluster, Read-SCVMHost."""

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.vmm_clouds import host_group_at
from deploy.lab.cmdlets.vmm_objects import (
    by_name_or_id,
    check_connection,
    derived_id,
    given_id,
    shown_as,
    vmm_object,
)
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import U16, U32, U64, Invocation, PSObject, Value, Version
from deploy.lab.powershell.enumerations import enum_value
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.model import Host, HostCluster, VMState
from deploy.lab.site.site import Site
from deploy.lab.site.space import free_bytes
from deploy.lab.site.transfer_paths import accounts

_MEBIBYTE = 1024 * 1024


def _shares_of(site: Site, fqdns: set[str]) -> list[Value]:
    return [share.name for share in site.vmm.file_shares if fqdns & set(share.hosts)]


def _free_memory_mb(site: Site, host: Host) -> int:
    used = sum(vm.memory_startup_bytes for vm in site.vms_on(host) if vm.state is VMState.RUNNING)
    return max(0, host.total_memory_bytes - used) // _MEBIBYTE


def _state_of(host: Host) -> dict[str, Value]:
    answer = "Responding" if host.powered else "NotResponding"
    overall = "OK" if host.powered else "NotResponding"
    return {
        # Numbers of the states other than OK are not publicly known; they are sent as texts.
        "OverallState": enum_value("OverallState", "OK") if host.powered else overall,
        "OverallStateString": overall,
        "CommunicationState": answer,
        "CommunicationStateString": answer,
        "ComputerState": answer,
        "HyperVState": "Running" if host.powered else "Unknown",
        "HyperVStateString": "Running" if host.powered else "Unknown",
        "AvailableForPlacement": host.powered,
        "ClusterNodeStatus": "Running" if host.cluster_fqdn and host.powered else "Unknown",
    }


def _run_as_account(site: Site, host: Host) -> PSObject:
    """Its name is one that somebody gave it in VMM; the account of the domain is inside."""
    domain, _, user = accounts(site).run_as.partition("\\")
    properties: dict[str, Value] = {
        "UserName": user,
        "Domain": domain,
        "Enabled": True,
        "IsBuiltIn": False,
    }
    identifier = derived_id(host.vmm_id, "RunAsAccount")
    return vmm_object(site, "RunAsAccount", identifier, "Hyper-V hosts", properties)


def vm_host(site: Site, host: Host) -> PSObject:
    """Microsoft.SystemCenter.VirtualMachineManager.Host."""
    volumes = [volume for volume in site.vmm.volumes if volume.host_fqdn == host.fqdn]
    capacity = sum(volume.capacity_bytes for volume in volumes)
    free = sum(free_bytes(site, volume) for volume in volumes)
    properties: dict[str, Value] = {
        "Name": host.fqdn,
        "FullyQualifiedDomainName": host.fqdn,
        "FQDN": host.fqdn,
        "ComputerName": host.fqdn.partition(".")[0],
        "DomainName": host.fqdn.partition(".")[2],
        "Description": "",
        "VMHostGroup": host_group_at(site, host.host_group_path),
        "HostCluster": host.cluster_fqdn,
        "LogicalProcessorCount": U16(host.logical_processors),
        "TotalMemory": U64(host.total_memory_bytes),
        "AvailableMemory": U32(_free_memory_mb(site, host)),
        "OperatingSystem": host.operating_system,
        "OperatingSystemVersion": Version(host.os_version),
        "HyperVVersion": Version(host.os_version),
        "VirtualizationPlatform": enum_value("VirtualizationPlatform", "HyperV"),
        "VirtualizationPlatformString": "Microsoft Hyper-V",
        "VMPaths": [host.default_virtual_machine_path],
        "BaseDiskPaths": [host.default_virtual_hard_disk_path],
        "MaintenanceHost": False,
        "VMs": [vm.name for vm in site.vms_on(host) if vm.known_to_vmm],
        "DiskVolumes": [volume.mount_point for volume in volumes],
        "Disks": [],
        "RegisteredStorageFileShares": _shares_of(site, {host.fqdn}),
        "TotalStorageCapacity": U64(capacity),
        "AvailableStorageCapacity": U64(free),
        "UsedStorageCapacity": U64(capacity - free),
        "RunAsAccount": _run_as_account(site, host),
    }
    return shown_as(host.fqdn, site, "Host", host.vmm_id, properties | _state_of(host))


def host_cluster(site: Site, cluster: HostCluster) -> PSObject:
    group = host_group_at(site, cluster.host_group_path)
    nodes = set(cluster.nodes)
    properties: dict[str, Value] = {
        "Name": cluster.fqdn,
        "ClusterName": cluster.fqdn.partition(".")[0],
        "DomainName": cluster.fqdn.partition(".")[2],
        "Description": "",
        "HostGroup": group,
        "HostGroupID": None if group is None else group.properties["ID"],
        "Nodes": list[Value](cluster.nodes),
        "SharedVolumes": [
            volume.mount_point
            for volume in site.vmm.volumes
            if volume.is_cluster_shared_volume and volume.host_fqdn in nodes
        ],
        "AvailableVolumes": [],
        "RegisteredStorageFileShares": _shares_of(site, nodes),
        "VirtualizationPlatform": enum_value("VirtualizationPlatform", "HyperV"),
        "ClusterReserve": U32(1),
        "ClusterReserveState": "OK",
        "IPAddresses": [],
        "ValidationResult": "NotRun",
    }
    return shown_as(cluster.fqdn, site, "HostCluster", cluster.id, properties)


def _group_paths(site: Site, call: Invocation) -> set[str] | None:
    wanted = given_id(call, "VMHostGroup")
    if wanted is None:
        return None
    return {group.path for group in site.vmm.host_groups if group.id.lower() == wanted}


async def get_scvm_host(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    paths = _group_paths(site, call)
    cluster = next(iter(arguments.objects(call, "VMHostCluster")), None)
    for host in by_name_or_id(call, site.hosts, "ComputerName"):
        if paths is not None and host.host_group_path not in paths:
            continue
        if cluster is None or host.cluster_fqdn == str(cluster):
            written.output(vm_host(site, host))


async def get_scvm_host_cluster(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    paths = _group_paths(site, call)
    for cluster in by_name_or_id(call, site.vmm.host_clusters):
        if paths is None or cluster.host_group_path in paths:
            written.output(host_cluster(site, cluster))


def given_host(site: Site, call: Invocation) -> Host:
    """The host of -VMHost.

    Raises:
        HyperVError: VMM does not know it any more.
    """
    wanted = given_id(call, "VMHost") or ""
    for host in site.hosts:
        if host.vmm_id.lower() == wanted:
            return host
    raise refusal("vmm_object_gone", wanted)


async def read_scvm_host(site: Site, call: Invocation, written: Written) -> None:
    host = given_host(site, call)
    if not host.powered:
        raise HyperVError(
            "LabHostNotResponding",
            "ConnectionError",
            f"VMM cannot contact the host {host.fqdn}.",
            "Microsoft.VirtualManager.Utils.CarmineException",
            host.fqdn,
        )
    written.output(vm_host(site, host))
