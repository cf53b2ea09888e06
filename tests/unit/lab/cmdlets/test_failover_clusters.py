"""Cmdlets about failover clusters, updates, and what the product's module undoes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from deploy.lab.site.model import HostCluster

if TYPE_CHECKING:
    from tests.unit.lab.cmdlets.conftest import Shell

EAST = "hv-e1.contoso.com"
WEST = "hv-w1.contoso.com"
CLUSTER = "cluster-e.contoso.com"
PORT = 8084


@pytest.fixture
def clustered(east: Shell) -> Shell:
    """East's host is the one node of a cluster with a broker."""
    cluster = HostCluster(
        id="c",
        fqdn=CLUSTER,
        host_group_path="All Hosts",
        nodes=[EAST],
        broker_fqdn="broker-e.contoso.com",
        broker_node=EAST,
    )
    east.site.vmm.host_clusters.append(cluster)
    return east


@pytest.mark.spec("PR-2")
async def test_the_broker_is_found_by_its_groups_type_and_its_network_name(
    clustered: Shell, step: Any
) -> None:
    groups = await clustered.objects(step("Get-ClusterGroup", Cluster=CLUSTER))
    kinds = {str(group.Name): group.GroupType.PSObject.to_string for group in groups}
    assert kinds == {"Cluster Group": "Cluster", "broker-e": "VMReplicaBroker"}
    resources = await clustered.objects(
        step("Get-ClusterGroup", Cluster=CLUSTER, Name=["broker-e"]), step("Get-ClusterResource")
    )
    assert {str(each.ResourceType) for each in resources} == {
        "Network Name",
        "IP Address",
        "Virtual Machine Replication Broker",
    }
    [parameter] = await clustered.objects(
        step("Get-ClusterResource", Cluster=CLUSTER, Name=["broker-e"]),
        step("Get-ClusterParameter", Name=["DnsName"]),
    )
    assert parameter.Value == "broker-e"


@pytest.mark.spec("PR-2")
async def test_a_cluster_that_is_unknown_or_has_no_power_does_not_answer(
    clustered: Shell, step: Any
) -> None:
    unknown = await clustered.run(step("Get-ClusterGroup", Cluster="none.contoso.com"))
    assert unknown.errors[0].CategoryInfo.Category.name == "ConnectionError"
    clustered.site.host(EAST).powered = False
    dead = await clustered.run(step("Get-ClusterGroup", Cluster=CLUSTER))
    assert "RPC server" in str(dead.errors[0].Exception.Message)


@pytest.mark.spec("PR-2")
async def test_updates_are_listed_and_a_missing_one_that_is_named_is_an_error(
    east: Shell, step: Any
) -> None:
    east.site.host(EAST).installed_updates.append("KB2961977")
    [update] = await east.objects(step("Get-HotFix", ComputerName=EAST))
    assert (update.HotFixID, update.CSName) == ("KB2961977", "HV-E1")
    missing = await east.run(step("Get-HotFix", Id=["KB1"], ComputerName=EAST))
    assert missing.errors[0].CategoryInfo.Category.name == "ObjectNotFound"


@pytest.mark.spec("PA-4")
async def test_only_the_products_own_firewall_rule_is_removed(
    pair: tuple[Shell, Shell], step: Any
) -> None:
    west = pair[1]
    rules = west.site.host(WEST).firewall_rules
    built_in = [rule.name for rule in rules if rule.local_port in (80, 443)]
    await west.objects(step("Enable-OsrReplicationFirewallRule", ComputerName=WEST, Port=443))
    https = [(rule.name, rule.enabled) for rule in rules if rule.local_port == 443]
    assert https == [
        ("VIRT-HVRHTTPSL-In-TCP-NoScope", False),
        ("OSR-Replica-443-In-TCP", True),
    ], "the module makes a rule of its own and leaves Windows' as it is"
    for port in (PORT, 443, PORT):
        await west.objects(step("Remove-OsrReplicationFirewallRule", ComputerName=WEST, Port=port))
    assert [rule.name for rule in west.site.host(WEST).firewall_rules] == built_in
    effects = [each.effect for each in west.site.effects.read()]
    assert effects.count("firewall_rule.removed") == 2


@pytest.mark.spec("PO-3")
async def test_removing_the_certificate_in_use_takes_the_listener_down(
    pair: tuple[Shell, Shell], step: Any
) -> None:
    west = pair[1]
    reading = step("Get-VMReplicationServer", ComputerName=WEST)
    [server] = await west.objects(reading)
    assert [str(status) for status in server.OperationalStatus] == ["Ok"]
    removal = step(
        "Remove-OsrReplicationCertificate",
        ComputerName=WEST,
        Thumbprint=str(server.CertificateThumbprint),
    )
    await west.objects(removal)
    [server] = await west.objects(reading)
    assert [str(status) for status in server.OperationalStatus] == ["Error"]
