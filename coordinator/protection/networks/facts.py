"""Networks, pools, clouds and adapters as the rules of network mapping look at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

WINDOWS_NETWORK_VIRTUALIZATION = "WindowsNetworkVirtualization"


@dataclass(frozen=True)
class Subnet:
    """A subnet of a VM network.

    Attributes:
        addresses: In CIDR notation.
    """

    id: str
    name: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Network:
    """A VM network.

    Attributes:
        id: VMM's.
        logical_network: Its name, which is unique in VMM.
        isolation: VMM's IsolationType: "NoIsolation", "VLANNetwork", ...
        subnets: In the order VMM lists them.
    """

    id: str
    name: str
    logical_network: str
    isolation: str = "NoIsolation"
    subnets: tuple[Subnet, ...] = ()

    @property
    def virtualized(self) -> bool:
        """VMM hands its addresses out, those of DHCP clients too."""
        return self.isolation == WINDOWS_NETWORK_VIRTUALIZATION

    def subnet_named(self, name: str) -> Subnet | None:
        return next((one for one in self.subnets if one.name.lower() == name.lower()), None)


@dataclass(frozen=True)
class Pool:
    """A static IPv4 address pool.

    Attributes:
        subnet: In CIDR notation.
        vm_subnet_id: Empty for a pool of a logical network's site.
        first_address: Of the range that VMM gives out, `last_address` included.
    """

    id: str
    name: str
    subnet: str
    first_address: str
    last_address: str
    vm_subnet_id: str = ""
    logical_network: str = ""
    default_gateways: tuple[str, ...] = ()
    dns_servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Adapter:
    """A network adapter of one copy of a machine.

    Attributes:
        device_id: Hyper-V's id of the adapter; empty when it is not known.
        id: VMM's id of it.
        network_id: VMM's id of its VM network; empty while it is connected to nothing.
        static: Its address was given out of a pool of VMM.
    """

    device_id: str
    id: str = ""
    slot: int = 0
    mac_address: str = ""
    network_id: str = ""
    network: str = ""
    subnet: str = ""
    static: bool = False
    addresses: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The first IPv4 address; empty without one."""
        return next((one for one in self.addresses if ":" not in one), "")


@dataclass(frozen=True)
class CloudPair:
    """A protected cloud and the one that protects it.

    Attributes:
        primary_logical_networks: Names of those associated with the protected cloud.
        used_networks: Ids of VM networks that machines of the protected cloud are connected to.
        recovery_logical_networks: Names of those associated with the protecting cloud.
    """

    primary_cloud: str
    recovery_cloud: str
    primary_logical_networks: frozenset[str] = frozenset()
    used_networks: frozenset[str] = frozenset()
    recovery_logical_networks: frozenset[str] = frozenset()


class AddressUse(StrEnum):
    """What becomes of a replica's address."""

    # DHCP, or nothing the product manages.
    NONE = "None"
    # VMM keeps it for the adapter and hands it to the guest itself.
    RESERVE = "Reserve"
    # VMM keeps it, and it is written as the failover address.
    INJECT = "Inject"


@dataclass(frozen=True)
class Destination:
    """What an adapter of the replica is to be connected to, and why.

    Attributes:
        network: None: to nothing.
        problem: Something that people should mend; empty when all is as it should be.
    """

    adapter: Adapter
    network: Network | None
    subnet: Subnet | None
    reason: str
    use: AddressUse = AddressUse.NONE
    pool: Pool | None = None
    problem: str = ""


@dataclass(frozen=True)
class TargetSite:
    """The side that replicas are connected on.

    Attributes:
        cloud: Name of the cloud that protects the machine.
        logical_networks: Names of those associated with that cloud.
        networks: All VM networks of the server, by id.
        pools: All static pools of the server.
    """

    cloud: str
    logical_networks: frozenset[str]
    networks: Mapping[str, Network] = field(default_factory=lambda: MappingProxyType({}))
    pools: tuple[Pool, ...] = ()
