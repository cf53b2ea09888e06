"""Get-SCVMMServer, Get-SCCloud, Get-SCVMHostGroup."""

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.vmm_objects import (
    CONNECTION_TYPE,
    by_name_or_id,
    check_connection,
    derived_id,
    given_id,
    is_this_server,
    shown_as,
    vmm_object,
)
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation, PSObject, Value, Version
from deploy.lab.powershell.enumerations import enum_value
from deploy.lab.site.model import Cloud, HostGroup
from deploy.lab.site.site import Site
from deploy.lab.site.transfer_paths import accounts


def server_connection(site: Site, name: str) -> PSObject:
    server = site.vmm.server
    properties: dict[str, Value] = {
        "Name": name,
        "Port": server.port,
        "IsConnected": True,
        "ServerInterfaceVersion": Version(server.server_interface_version),
        "ProductVersion": server.product_version,
        "FullyQualifiedDomainName": server.fqdn,
        "FQDN": server.fqdn,
        "Profile": enum_value("Profile", "Administrator"),
        "UserRole": "Administrator",
        "DatabaseServerName": server.fqdn,
        "ManagedComputer": [host.fqdn for host in site.hosts],
        "VMMServiceAccount": accounts(site).vmm_service,
        "ConnectedUserName": "LAB\\osr",
        "IsHighlyAvailable": False,
        "FailoverVMMNodes": None,
        "ActiveVMMNode": None,
        "ForOnBehalfOf": False,
    }
    return PSObject((CONNECTION_TYPE, "System.Object"), CONNECTION_TYPE, properties)


async def get_scvmm_server(site: Site, call: Invocation, written: Written) -> None:
    name = arguments.required_text(call, "ComputerName")
    port = arguments.number(call, "TCPPort")
    if not is_this_server(site, name) or port not in {None, site.vmm.server.port}:
        raise refusal("server_refused", name)
    written.output(server_connection(site, name))


def host_group(site: Site, group: HostGroup) -> PSObject:
    hosts = [host for host in site.hosts if host.host_group_path == group.path]
    below = [each for each in site.vmm.host_groups if each.path.startswith(group.path + "\\")]
    children = [each for each in below if each.parent_path == group.path]
    parent = group.parent_path
    properties: dict[str, Value] = {
        "Name": group.name,
        "Path": group.path,
        "Description": "",
        "IsRoot": parent is None,
        "ParentHostGroup": parent,
        "ParentVMHostGroup": parent,
        "ChildGroups": [each.path for each in children],
        "AllChildGroups": [each.path for each in below],
        "Hosts": [host.fqdn for host in hosts],
        "AllChildHosts": [
            host.fqdn
            for host in site.hosts
            if host in hosts or host.host_group_path.startswith(group.path + "\\")
        ],
        "ChildClusters": [
            cluster.fqdn
            for cluster in site.vmm.host_clusters
            if cluster.host_group_path == group.path
        ],
    }
    return shown_as(group.path, site, "HostGroup", group.id, properties)


def host_group_at(site: Site, path: str) -> PSObject | None:
    """The group with this path; None when there is none."""
    found = next((group for group in site.vmm.host_groups if group.path == path), None)
    return None if found is None else host_group(site, found)


def cloud(site: Site, item: Cloud) -> PSObject:
    groups = [host_group_at(site, path) for path in item.host_group_paths]
    properties: dict[str, Value] = {
        "Description": item.description,
        "LastModifiedDate": None,
        "IsDRProtected": item.is_dr_protected,
        "IsDRProvider": item.is_dr_provider,
        "DisasterRecoverySupported": item.disaster_recovery_supported,
        "HostGroup": [group for group in groups if group is not None],
        "CapabilityProfiles": list[Value](item.capability_profiles),
        "Resources": [],
        "LogicalNetworks": list[Value](item.logical_networks),
        "StorageClassifications": list[Value](item.storage_classifications),
        "PortClassifications": [],
        "LoadBalancers": [],
        "VIPTemplates": [],
        "CloudCapacity": item.id,
        "ReadableLibraryPaths": [],
        "WritableLibraryPath": None,
        "CustomProperty": {},
    }
    return vmm_object(site, "Cloud", item.id, item.name, properties)


async def get_sc_cloud(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    for item in by_name_or_id(call, site.vmm.clouds):
        written.output(cloud(site, item))


def _capability_profile(site: Site, name: str) -> PSObject:
    fabric = "ESX" if name.lower().startswith("esx") else "HyperV"
    properties: dict[str, Value] = {"Description": "", "FabricCapabilityType": fabric}
    return vmm_object(
        site,
        "CapabilityProfile",
        derived_id(site.vmm.server.id, f"profile {name}"),
        name,
        properties,
    )


async def get_sc_capability_profile(site: Site, call: Invocation, written: Written) -> None:
    """The built-in profile, and those that clouds have."""
    check_connection(site, call)
    names = sorted(
        {"Hyper-V", *(name for each in site.vmm.clouds for name in each.capability_profiles)}
    )
    wanted_id, wanted_name = arguments.guid(call, "ID"), arguments.text(call, "Name")
    for name in names:
        shown = _capability_profile(site, name)
        if wanted_id is not None and shown.properties["ID"] != wanted_id:
            continue
        if wanted_name is None or wanted_name.lower() == name.lower():
            written.output(shown)


async def get_scvm_host_group(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    parent = given_id(call, "ParentHostGroup")
    paths = {group.path for group in site.vmm.host_groups if group.id.lower() == parent}
    for group in by_name_or_id(call, site.vmm.host_groups):
        if parent is None or group.parent_path in paths:
            written.output(host_group(site, group))
