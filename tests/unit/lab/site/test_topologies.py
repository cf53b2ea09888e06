"""The topologies that come with the lab, and what a topology can say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from deploy.lab.site.environment import Environment
from deploy.lab.site.model import Generation, IsolationType, VMState
from deploy.lab.site.power import boot, open_site, shut_down
from deploy.lab.site.site import Site
from deploy.lab.site.topology import (
    DEFAULT_TOPOLOGY,
    TopologyError,
    find_topology,
    load_topology,
    named_topologies,
    parse_topology,
)
from tests.unit.lab.site.test_topology import SITE


def opened(name: str, site: str, folder: Path) -> Site:
    return open_site(load_topology(find_topology(name)), site, Environment(state_dir=folder))


@pytest.mark.parametrize("name", list(named_topologies()))
def test_every_topology_of_the_lab_can_be_read_and_says_what_it_is(name: str) -> None:
    topology = load_topology(named_topologies()[name])
    assert topology.description
    assert all(site.hosts and site.clouds for site in topology.sites)


def test_topologies_are_found_by_name_or_path(tmp_path: Path) -> None:
    assert find_topology("default") == DEFAULT_TOPOLOGY
    own = tmp_path / "own.toml"
    own.write_text(SITE, encoding="utf-8")
    assert find_topology(str(own)) == own
    with pytest.raises(TopologyError, match="'nowhere' is neither a file nor one of"):
        find_topology("nowhere")


@pytest.mark.spec("SS-1")
def test_a_single_server_has_two_clouds_and_its_own_machine_in_none(tmp_path: Path) -> None:
    site = opened("single-server", "Contoso", tmp_path)
    assert [cloud.name for cloud in site.vmm.clouds] == ["PrimaryCloud", "SecondaryCloud"]
    own = site.find_vm("VMM")
    assert own.computer_name == site.vmm.server.fqdn
    assert own.cloud_id is None


@pytest.mark.spec("SS-2")
def test_a_variant_has_the_servers_machine_in_the_cloud(tmp_path: Path) -> None:
    site = opened("single-server-inside", "Contoso", tmp_path)
    assert site.find_vm("VMM").computer_name == site.vmm.server.fqdn
    assert site.find_vm("VMM").cloud_id == site.vmm.clouds[0].id


def test_generations_say_their_windows(tmp_path: Path) -> None:
    site = opened("generations", "Shanghai", tmp_path)
    versions = {host.generation: host.os_version for host in site.hosts}
    assert set(versions) == set(Generation)
    assert versions[Generation.WS2012] == "6.2.9200"
    assert versions[Generation.WS2025] == "10.0.26100.0"
    mixed = [host for host in site.hosts if "CloudMixed" in host.host_group_path]
    assert {host.generation for host in mixed} == {
        Generation.WS2012,
        Generation.WS2016,
        Generation.WS2022,
    }


@pytest.mark.spec("PR-3")
def test_there_is_a_machine_for_each_reason_why_one_cannot_be_protected(tmp_path: Path) -> None:
    site = opened("unprotectable", "Shanghai", tmp_path)

    assert len(site.find_vm("SeventeenDisks").disks) == 17
    assert [each.pass_through for each in site.find_vm("PassThrough").disks] == [False, True]
    assert [each.shared for each in site.find_vm("SharedVhdx").disks] == [False, True]
    assert site.find_vm("FibreChannel").fibre_channel_adapters == 1
    assert site.find_vm("Encrypted").encrypted
    assert site.find_vm("Shielded").shielded
    assert site.find_vm("GuestIPv6").guest_ipv6
    assert not site.find_vm("Fine").guest_ipv6
    assert site.find_vm("NoCloud").cloud_id is None
    assert site.find_vm("Replica").replication is not None
    assert len(site.find_vm("Checkpoints").checkpoints) == 2
    assert site.find_vm("NoDisk").disks == []
    assert site.find_vm("NoIntegrationServices").integration_services_version == ""


async def test_saved_and_paused_machines_are_so_when_the_site_has_booted(tmp_path: Path) -> None:
    site = opened("unprotectable", "Shanghai", tmp_path)
    await boot(site)
    states = {vm.name: vm.state for vm in site.virtual_machines}
    assert states["Saved"] is VMState.SAVED
    assert states["Paused"] is VMState.PAUSED
    assert states["NoDisk"] is states["Replica"] is VMState.OFF
    assert states["Fine"] is VMState.RUNNING
    await shut_down(site)


def test_networks_have_each_isolation_with_and_without_pools(tmp_path: Path) -> None:
    site = opened("networks", "Beijing", tmp_path)
    pooled = {
        (network.isolation_type, bool(subnet.static_pools))
        for network in site.vmm.vm_networks
        for subnet in network.subnets
    }
    kinds = (
        IsolationType.NO_ISOLATION,
        IsolationType.VLAN,
        IsolationType.WINDOWS_NETWORK_VIRTUALIZATION,
    )
    assert pooled == {(kind, with_pool) for kind in kinds for with_pool in (True, False)}
    source = opened("networks", "Shanghai", tmp_path)
    types = {vm.name: vm.adapters[0].ipv4_address_type for vm in source.virtual_machines}
    assert types["FlatPool"] == types["VirtualPool"] == "Static"
    assert types["FlatDhcp"] == types["VlanDhcp"] == "Dynamic"


def test_storage_is_nearly_full_and_some_of_it_is_not_for_everybody(tmp_path: Path) -> None:
    site = opened("storage", "Beijing", tmp_path)
    alone = [each for each in site.vmm.volumes if each.mount_point == r"D:\GoldOfOne"]
    assert [each.host_fqdn for each in alone] == ["bj-store-2.contoso.com"]
    assert not site.vmm.file_shares[2].available_for_placement
    assert site.vmm.file_shares[0].free_bytes == 60 * 1024**2


def test_clusters_know_their_nodes_brokers_and_volumes(tmp_path: Path) -> None:
    site = opened("clusters", "Shanghai", tmp_path)
    with_broker, bare = site.vmm.host_clusters
    assert with_broker.broker_fqdn == "sh-broker.contoso.com"
    assert with_broker.broker_node == with_broker.nodes[0]
    assert len(with_broker.cluster_shared_volumes) == 2
    assert bare.broker_fqdn is None
    assert site.find_vm("Db1").highly_available
    assert not site.find_vm("Local1").highly_available


def test_one_line_makes_five_hundred_machines(tmp_path: Path) -> None:
    site = opened("many", "Shanghai", tmp_path)
    names = [vm.name for vm in site.virtual_machines]
    assert len(set(names)) == 500
    assert {"App-001", "App-500"} <= set(names)
    assert {len(site.vms_on(host)) for host in site.hosts} == {100}


MANY = 'name = "V"\nhost = "h1.contoso.com"'
NODES = 'clusters = [{ fqdn = "c.contoso.com", nodes = ["h1.contoso.com"] }]\n'


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (MANY, 'name = "V"\ncount = 3', r"name: must hold {number}"),
        (MANY, 'name = "V{number}"\ncount = 0', "count: must be at least 1"),
        (MANY, 'name = "V"\ntemplate = "t"\nhost = "h1.contoso.com"', "'t' is not defined"),
        (MANY, MANY + '\nstate = "Off"\nrunning = true', "either state or running"),
        (MANY, MANY + '\nstate = "Broken"', "'Broken' is not defined"),
        (MANY, MANY + "\nhighly_available = true", "is in no cluster"),
        (MANY, MANY + '\nreplica_of = "x.contoso.com"', "a replica is off"),
        ('subnet = "F" }', 'subnet = "F", static = true }', "needs an ip of the subnet's pool"),
        ('logical_network = "L"', 'logical_network = "L"\nisolation = "X"', "'X' is not defined"),
        (
            'logical_network = "L"',
            'logical_network = "L"\nisolation = "WindowsNetworkVirtualization"',
            "does not allow network virtualization",
        ),
        (
            'logical_network = "L"',
            'logical_network = "L"\nisolation = "VLANNetwork"',
            "each needs a vlan",
        ),
        (
            'logical_networks = ["L"]\n',
            (
                'logical_networks = ["L"]\nhosts = ['
                '{ fqdn = "h1.contoso.com", windows_server = "95" }]\n'
            ),
            r"sites\[0\].hosts\[0\].windows_server: '95' is not defined",
        ),
        (
            'logical_networks = ["L"]\n',
            'logical_networks = ["L"]\n' + NODES.replace('"h1.contoso.com"', ""),
            "at least one node",
        ),
        (
            'classification = "GOLD" }',
            'classification = "GOLD", cluster = "c.contoso.com" }',
            "'c.contoso.com' is not defined",
        ),
        (
            'classification = "GOLD" }',
            'classification = "GOLD", capacity_mib = 5, free_mib = 6 }',
            "more than the capacity",
        ),
    ],
)
def test_a_topology_that_makes_no_sense_says_where_and_why(old: str, new: str, where: str) -> None:
    assert old in SITE
    with pytest.raises(TopologyError, match=where):
        parse_topology(SITE.replace(old, new, 1))


@pytest.mark.spec("RP-1")
def test_an_application_has_forty_machines_in_tiers_spread_over_four_hosts(tmp_path: Path) -> None:
    site = opened("plan", "Shanghai", tmp_path)
    tiers = Counter(vm.name.partition("-")[0] for vm in site.virtual_machines)
    assert tiers == {"db": 8, "app": 16, "web": 16}
    assert [len(site.vms_on(host)) for host in site.hosts] == [10, 10, 10, 10]
    other = opened("plan", "Beijing", tmp_path)
    assert len(other.hosts) == 4
    assert {network.name for network in other.vmm.vm_networks} == {
        "VMNetwork-Beijing",
        "TestNetwork-Beijing",
    }
