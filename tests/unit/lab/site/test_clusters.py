"""Failover clusters on both sides, replicating through their brokers."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.lab.site import cluster_failover, host_power, live_migration
from deploy.lab.site.clock import SiteClock
from deploy.lab.site.environment import Environment
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.model import AuthorizationEntry, Host, VirtualMachine, VMState
from deploy.lab.site.power import boot, lose_power, open_site, shut_down
from deploy.lab.site.replication_model import (
    Authentication,
    Replication,
    ReplicationServerChanges,
    ReplicationSettings,
    ReplicationState,
)
from deploy.lab.site.replicator import send_now
from deploy.lab.site.site import Site
from deploy.lab.site.topology import parse_topology
from tests.unit.lab.site.conftest import PASSWORD, PORT, Authority, until

TOPOLOGY = r"""
[guest]
interval_seconds = 0.05
[[sites]]
name = "East"
vmm_server = "vmm-east.contoso.com"
clusters = [
  { fqdn = "east.contoso.com", nodes = [
    "e1.contoso.com", "e2.contoso.com"
  ], broker = "e-broker.contoso.com" },
  { fqdn = "bare.contoso.com", nodes = ["b1.contoso.com", "b2.contoso.com"] },
]
volumes = [
  { path = 'C:\ClusterStorage\V1', cluster = "east.contoso.com" },
  { path = 'C:\ClusterStorage\B1', cluster = "bare.contoso.com" },
  { path = 'D:\Local', hosts = ["e1.contoso.com"] },
]
[[sites.clouds]]
name = "CloudE"
hosts = ["e1.contoso.com", "e2.contoso.com"]
[[sites.clouds.vms]]
name = "App"
host = "e1.contoso.com"
highly_available = true
disks = [{ path = 'C:\ClusterStorage\V1', mib = 6 }]
[[sites.clouds.vms]]
name = "Local"
host = "e1.contoso.com"
disks = [{ path = 'D:\Local', mib = 2 }]
[[sites.clouds]]
name = "CloudB"
hosts = ["b1.contoso.com", "b2.contoso.com"]
[[sites.clouds.vms]]
name = "Bare"
host = "b1.contoso.com"
highly_available = true
disks = [{ path = 'C:\ClusterStorage\B1', mib = 2 }]
[[sites]]
name = "West"
vmm_server = "vmm-west.contoso.com"
clusters = [
  { fqdn = "west.contoso.com", nodes = [
    "w1.contoso.com", "w2.contoso.com"
  ], broker = "w-broker.contoso.com" },
]
volumes = [{ path = 'C:\ClusterStorage\T1', cluster = "west.contoso.com" }]
[[sites.clouds]]
name = "CloudW"
hosts = ["w1.contoso.com", "w2.contoso.com"]
"""

BROKERS = {"East": "e-broker.contoso.com", "West": "w-broker.contoso.com"}
NODES = {"East": ("e1.contoso.com", "e2.contoso.com"), "West": ("w1.contoso.com", "w2.contoso.com")}


class Clusters:
    """Both clusters with one certificate each, receiving from the other's broker."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.authority = Authority()
        self.sites: dict[str, Site] = {}
        self.thumbprints: dict[str, str] = {}

    async def start(self, name: str) -> Site:
        environment = Environment(
            state_dir=self.state_dir,
            clock=SiteClock(20.0),
            random=random.Random(name),
            connect_timeout_seconds=2.0,
        )
        self.sites[name] = open_site(parse_topology(TOPOLOGY), name, environment)
        await boot(self.sites[name])
        return self.sites[name]

    def _pfx(self, names: tuple[str, ...]) -> bytes:
        return self.authority.pfx(names[0], names=names)

    async def configure(self, name: str, names: tuple[str, ...] | None = None) -> None:
        """The same certificate on every node, settings on one of them."""
        site = self.sites[name]
        other = "West" if name == "East" else "East"
        pfx = self._pfx(names or (BROKERS[name], *NODES[name]))
        for node in NODES[name]:
            host = site.host(node)
            root = self.authority.root_der()
            self.thumbprints[name] = await site.install_certificate(host, pfx, PASSWORD, root, "c")
            await site.open_firewall_port(host, PORT, "c")
        await site.set_replication_server(
            site.host(NODES[name][1]),
            ReplicationServerChanges(
                enabled=True,
                authentication="Certificate",
                certificate_thumbprint=self.thumbprints[name],
                certificate_port=PORT,
            ),
            "c",
        )
        await site.add_authorization_entry(
            site.host(BROKERS[name]),
            AuthorizationEntry(
                allowed_primary_server=BROKERS[other],
                replica_storage_location=rf"C:\ClusterStorage\{'V1' if name == 'East' else 'T1'}",
                trust_group="pair",
            ),
            "c",
        )

    def vm(self, name: str) -> VirtualMachine:
        return self.sites[name].find_vm("App")

    def host(self, name: str) -> Host:
        """The node that App is on."""
        return self.sites[name].host(self.vm(name).host_fqdn)

    def replication(self, name: str) -> Replication:
        replication = self.vm(name).replication
        assert replication is not None
        return replication

    async def enable(self, server: str = "") -> None:
        site = self.sites["East"]
        settings = ReplicationSettings(
            replica_server=server or BROKERS["West"],
            port=PORT,
            authentication=Authentication.CERTIFICATE,
            certificate_thumbprint=self.thumbprints["East"],
            frequency_seconds=30,
        )
        await site.enable_replication(self.host("East"), self.vm("East"), settings, "c")

    async def replicate(self) -> None:
        await self.enable()
        east = self.sites["East"]
        await east.start_initial_replication(self.host("East"), self.vm("East"), "c")
        await self.cycle()

    async def cycle(self, name: str = "East") -> None:
        """Wait until the replica has a log more."""
        other = "West" if name == "East" else "East"

        def replicating() -> bool:
            return self.replication(name).state is ReplicationState.REPLICATING

        await until(replicating, f"{name} replicates")
        before = self.replication(other).log.applied
        send_now(self.sites[name], self.vm(name))

        def applied() -> bool:
            if self.replication(name).log.failures:
                send_now(self.sites[name], self.vm(name))
            return self.replication(other).log.applied > before

        await until(applied, "one more log is applied")

    def bytes_of(self, name: str) -> list[bytes]:
        site = self.sites[name]
        return [(site.folder / each.file).read_bytes() for each in self.vm(name).disks]


@pytest.fixture
async def clusters(tmp_path: Path) -> AsyncIterator[Clusters]:
    both = Clusters(tmp_path)
    for name in ("East", "West"):
        await both.start(name)
        await both.configure(name)
    yield both
    for site in list(both.sites.values()):
        await shut_down(site)


async def test_a_broker_picks_a_node_and_makes_the_replica_highly_available(
    clusters: Clusters,
) -> None:
    await clusters.replicate()
    replica = clusters.vm("West")
    assert replica.host_fqdn in NODES["West"]
    assert replica.highly_available
    primary, other = clusters.replication("East"), clusters.replication("West")
    assert primary.primary_server == other.primary_server == BROKERS["East"]
    assert primary.replica_server == other.replica_server == BROKERS["West"]
    assert primary.current_replica_server == replica.host_fqdn == other.current_replica_server
    assert other.allowed_primary_server == BROKERS["East"]


async def test_settings_of_one_node_reach_the_cluster_and_all_its_nodes(clusters: Clusters) -> None:
    site = clusters.sites["West"]
    servers = [site.host(node).replication_server for node in NODES["West"]]
    assert all(each.enabled and each.certificate_port == PORT for each in servers)
    assert all(len(each.authorization_entries) == 1 for each in servers)
    assert all(each.operational_status == "Ok" for each in servers)
    [cluster] = site.vmm.host_clusters
    assert cluster.replication_server.certificate_thumbprint == clusters.thumbprints["West"]
    assert site.host(BROKERS["West"]).fqdn == cluster.broker_node


async def test_a_node_without_the_clusters_certificate_does_not_listen(clusters: Clusters) -> None:
    site = clusters.sites["West"]
    second = site.host(NODES["West"][1])
    await site.remove_certificate(second, clusters.thumbprints["West"], "c")
    assert second.replication_server.operational_status == "Error"
    assert site.host(NODES["West"][0]).replication_server.operational_status == "Ok"
    await clusters.replicate()
    assert clusters.vm("West").host_fqdn == NODES["West"][0]


async def test_a_certificate_must_name_node_and_broker(clusters: Clusters) -> None:
    with pytest.raises(HyperVError, match=r"does not match 'w2\.contoso\.com'"):
        await clusters.configure("West", (BROKERS["West"], "w1.contoso.com"))
    with pytest.raises(HyperVError, match=r"does not match 'w-broker\.contoso\.com'"):
        await clusters.configure("West", NODES["West"])


async def test_a_node_cannot_be_the_replica_server_itself(clusters: Clusters) -> None:
    with pytest.raises(HyperVError, match="Hyper-V Replica Broker"):
        await clusters.enable("w1.contoso.com")
    assert clusters.sites["West"].virtual_machines == ()
    assert clusters.vm("East").replication is None


async def test_a_cluster_without_a_broker_neither_sends_nor_receives(clusters: Clusters) -> None:
    site = clusters.sites["East"]
    bare = site.host("b1.contoso.com")
    settings = ReplicationSettings(
        replica_server=BROKERS["West"], port=PORT, authentication=Authentication.KERBEROS
    )
    with pytest.raises(HyperVError, match="Broker is not configured"):
        await site.enable_replication(bare, site.vm(bare, name="Bare"), settings, "c")
    with pytest.raises(HyperVError, match="Broker is not configured"):
        await site.set_replication_server(bare, ReplicationServerChanges(enabled=False), "c")


async def test_replication_survives_live_migration_of_the_primary(clusters: Clusters) -> None:
    await clusters.replicate()
    east, vm = clusters.sites["East"], clusters.vm("East")
    before, written = clusters.replication("East").statistics.successes, east.witness(vm).last()[0]
    await live_migration.migrate(east, vm, east.host("e2.contoso.com"), "c")
    assert vm.host_fqdn == "e2.contoso.com"
    assert vm.state is VMState.RUNNING
    await clusters.cycle()
    # The replica has the log a moment before the primary knows.
    await until(lambda: clusters.replication("East").statistics.successes > before, "it counts on")
    await until(lambda: east.witness(vm).last()[0] > written, "the guest writes on")
    await east.stop_vm(clusters.host("East"), vm, "c")
    await east.prepare_failover(clusters.host("East"), vm, "c")
    assert clusters.bytes_of("East") == clusters.bytes_of("West")


async def test_the_broker_tells_where_a_replica_moved(clusters: Clusters) -> None:
    await clusters.replicate()
    west, replica = clusters.sites["West"], clusters.vm("West")
    [other] = [node for node in NODES["West"] if node != replica.host_fqdn]
    await live_migration.migrate(west, replica, west.host(other), "c")
    await clusters.cycle()
    assert clusters.replication("East").current_replica_server == other
    await until(lambda: clusters.replication("East").log.failures == 0, "it goes on")


async def test_a_highly_available_replica_survives_the_crash_of_its_node(
    clusters: Clusters,
) -> None:
    await clusters.replicate()
    west = clusters.sites["West"]
    node = clusters.host("West")
    await host_power.crash(west, node)
    assert clusters.vm("West").host_fqdn != node.fqdn
    await clusters.cycle()
    assert clusters.replication("East").current_replica_server == clusters.vm("West").host_fqdn
    with pytest.raises(HyperVError, match="not found"):
        west.host(node.fqdn)


async def test_a_crashed_primary_restarts_on_another_node_and_needs_a_resynchronisation(
    clusters: Clusters,
) -> None:
    await clusters.replicate()
    east, vm = clusters.sites["East"], clusters.vm("East")
    written = east.witness(vm).last()[0]
    await host_power.crash(east, east.host("e1.contoso.com"))
    assert vm.host_fqdn == "e2.contoso.com"
    assert vm.state is VMState.RUNNING
    assert (vm.boot_ledger_last or 0) >= written
    assert clusters.replication("East").state is ReplicationState.WAITING_FOR_START_RESYNCHRONIZE
    await east.resume_replication(clusters.host("East"), vm, "c", resynchronize=True)
    await clusters.cycle()
    # What is not highly available waits for its host.
    with pytest.raises(HyperVError):
        east.host("e1.contoso.com")
    [local] = [each for each in east.virtual_machines if each.name == "Local"]
    assert local.host_fqdn == "e1.contoso.com"
    [crashed] = [each for each in east.hosts if each.fqdn == "e1.contoso.com"]
    await host_power.boot(east, crashed)
    assert local.state is VMState.RUNNING
    assert vm.host_fqdn == "e2.contoso.com"


async def test_the_broker_moves_with_its_node_and_a_new_replica_is_still_taken(
    clusters: Clusters,
) -> None:
    west = clusters.sites["West"]
    [cluster] = west.vmm.host_clusters
    await host_power.crash(west, west.host(cluster.broker_node))
    assert west.host(BROKERS["West"]).fqdn == cluster.broker_node
    await clusters.replicate()
    assert clusters.vm("West").host_fqdn == cluster.broker_node


async def test_planned_failover_between_clusters_there_and_reverse(clusters: Clusters) -> None:
    await clusters.replicate()
    east, west = clusters.sites["East"], clusters.sites["West"]
    await east.stop_vm(clusters.host("East"), clusters.vm("East"), "c")
    await east.prepare_failover(clusters.host("East"), clusters.vm("East"), "c")
    # The old primary moves while it waits: the new one finds it by the broker.
    await live_migration.migrate(east, clusters.vm("East"), east.host("e2.contoso.com"), "c")
    replica = clusters.vm("West")
    await west.start_failover(clusters.host("West"), replica, "c")
    await west.reverse_replication(clusters.host("West"), replica, ReplicationSettings(), "c")
    await west.start_vm(clusters.host("West"), replica, "c")
    await clusters.cycle("West")
    back = clusters.replication("West")
    assert back.primary_server == BROKERS["West"]
    assert back.replica_server == BROKERS["East"]
    assert back.current_replica_server == "e2.contoso.com"


async def test_a_site_that_loses_power_in_the_middle_of_a_move_has_the_machine_once(
    clusters: Clusters,
) -> None:
    east, vm = clusters.sites.pop("East"), clusters.sites.get("East")
    assert vm is None
    app = east.find_vm("App")
    await east.stop_vm(east.host(app.host_fqdn), app, "c")
    target = east.store.vm_folder("e2.contoso.com", app.vm_id)
    target.parent.mkdir(parents=True, exist_ok=True)
    east.store.vm_folder(app.host_fqdn, app.vm_id).rename(target)  # and the record says e1 still
    await lose_power(east)
    east = await clusters.start("East")
    assert [each.host_fqdn for each in east.virtual_machines if each.name == "App"] == [
        "e2.contoso.com"
    ]
    assert (east.folder / east.find_vm("App").disks[0].file).exists()


async def test_a_crashed_host_stays_off_when_its_site_boots_and_its_machines_go_on_elsewhere(
    clusters: Clusters,
) -> None:
    await clusters.replicate()
    east = clusters.sites["East"]
    crashed = east.host("e1.contoso.com")
    crashed.powered = False  # power is lost before the cluster has done anything
    east.save_host(crashed)
    await lose_power(clusters.sites.pop("East"))
    east = await clusters.start("East")
    assert clusters.vm("East").host_fqdn == "e2.contoso.com"
    assert clusters.vm("East").state is VMState.RUNNING
    with pytest.raises(HyperVError):
        east.host("e1.contoso.com")
    assert await cluster_failover.settle(east) == []
