"""Making VMM's database of a new site from its layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from deploy.lab.site.layouts import SiteLayout, StorageLayout, SubnetLayout, VmNetworkLayout
from deploy.lab.site.model import (
    Cloud,
    FileShare,
    HostCluster,
    HostGroup,
    LogicalNetwork,
    StaticPool,
    StorageClassification,
    SubnetVLan,
    VmmDatabase,
    VmmServer,
    VmNetwork,
    VmSubnet,
    Volume,
)

ROOT_GROUP = "All Hosts"


def group_path(name: str) -> str:
    return rf"{ROOT_GROUP}\{name}"


class VmmMaker:
    """Turns a site's layout into VMM's records.

    Args:
        layout: The site's part of the topology.
        make_id: Gives the id of a thing by its kind and name.
        register: Gives the address of a computer's name.
    """

    def __init__(
        self,
        layout: SiteLayout,
        make_id: Callable[[str, str], str],
        register: Callable[[str], str],
    ) -> None:
        self._layout = layout
        self._id = make_id
        self._register = register

    def make(self) -> VmmDatabase:
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
            host_groups=self._host_groups(),
            host_clusters=self._host_clusters(),
            clouds=self._clouds(),
            logical_networks=[
                LogicalNetwork(
                    id=self._id("logical network", each.name),
                    name=each.name,
                    network_virtualization_enabled=each.network_virtualization,
                    definitions_isolated=bool(each.free_subnet_vlans),
                    free_subnet_vlans=[
                        SubnetVLan(subnet=subnet, vlan_id=vlan)
                        for subnet, vlan in each.free_subnet_vlans
                    ],
                )
                for each in layout.logical_networks
            ],
            vm_networks=[self._vm_network(each) for each in layout.vm_networks],
            storage_classifications=[
                StorageClassification(
                    id=self._id("classification", name), name=name, description=description
                )
                for name, description in layout.storage_classifications
            ],
            file_shares=[self._file_share(each) for each in layout.file_shares],
            volumes=list(self._volumes()),
        )

    def _host_groups(self) -> list[HostGroup]:
        names = dict.fromkeys(
            [
                *(cloud.host_group for cloud in self._layout.clouds),
                *(host.host_group for host in self._layout.hosts),
            ]
        )
        return [
            HostGroup(id=self._id("group", ROOT_GROUP), name=ROOT_GROUP, path=ROOT_GROUP),
            *(
                HostGroup(
                    id=self._id("group", name),
                    name=name,
                    path=group_path(name),
                    parent_path=ROOT_GROUP,
                )
                for name in names
            ),
        ]

    def _host_clusters(self) -> list[HostCluster]:
        return [
            HostCluster(
                id=self._id("cluster", each.fqdn),
                fqdn=each.fqdn,
                host_group_path=group_path(each.host_group),
                nodes=list(each.nodes),
                broker_fqdn=each.broker or None,
                broker_address=self._register(each.broker) if each.broker else "",
                broker_node=each.nodes[0] if each.broker else "",
                cluster_shared_volumes=[
                    volume.path for volume in self._layout.volumes if volume.cluster == each.fqdn
                ],
            )
            for each in self._layout.clusters
        ]

    def _clouds(self) -> list[Cloud]:
        return [
            Cloud(
                id=self._id("cloud", cloud.name),
                name=cloud.name,
                description=cloud.description,
                host_group_paths=[group_path(cloud.host_group)],
                logical_networks=list(cloud.logical_networks),
                storage_classifications=list(cloud.storage_classifications),
                capability_profiles=list(cloud.capability_profiles),
            )
            for cloud in self._layout.clouds
        ]

    def _vm_network(self, network: VmNetworkLayout) -> VmNetwork:
        return VmNetwork(
            id=self._id("vm network", network.name),
            name=network.name,
            logical_network=network.logical_network,
            isolation_type=network.isolation,
            subnets=[self._subnet(network, subnet) for subnet in network.subnets],
        )

    def _subnet(self, network: VmNetworkLayout, subnet: SubnetLayout) -> VmSubnet:
        pool = StaticPool(
            id=self._id("pool", f"{network.name}/{subnet.name}"),
            name=f"{network.name} {subnet.name}",
            first_address=subnet.pool[0] if subnet.pool else "",
            last_address=subnet.pool[1] if subnet.pool else "",
        )
        return VmSubnet(
            id=self._id("vm subnet", f"{network.name}/{subnet.name}"),
            name=subnet.name,
            subnet=subnet.subnet,
            vlan_id=subnet.vlan,
            static_pools=[pool] if subnet.pool else [],
        )

    def _file_share(self, share: StorageLayout) -> FileShare:
        return FileShare(
            id=self._id("share", share.name),
            name=share.name,
            path=share.path,
            classification=share.classification or None,
            capacity_bytes=share.capacity_bytes,
            free_bytes=share.free_bytes,
            available_for_placement=share.available_for_placement,
            hosts=list(share.hosts),
        )

    def _volumes(self) -> Iterator[Volume]:
        for host in self._layout.hosts:
            yield Volume(
                id=self._id("volume", f"{host.fqdn}/C:"),
                mount_point="C:\\",
                host_fqdn=host.fqdn,
                label="System",
            )
            for volume in self._layout.volumes:
                if host.fqdn in volume.hosts:
                    yield Volume(
                        id=self._id("volume", f"{host.fqdn}/{volume.path}"),
                        mount_point=volume.path,
                        host_fqdn=host.fqdn,
                        classification=volume.classification or None,
                        label=volume.path.rsplit("\\", 1)[-1],
                        capacity_bytes=volume.capacity_bytes,
                        free_bytes=volume.free_bytes,
                        available_for_placement=volume.available_for_placement,
                        is_cluster_shared_volume="\\ClusterStorage\\" in volume.path,
                    )
