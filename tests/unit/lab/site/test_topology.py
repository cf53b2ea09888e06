from __future__ import annotations

from pathlib import Path

import pytest

from deploy.lab.site.environment import Environment
from deploy.lab.site.power import open_site
from deploy.lab.site.topology import TopologyError, load_topology, parse_topology

SITE = """
[[sites]]
name = "S"
vmm_server = "vmm.contoso.com"
logical_networks = ["L"]
storage_classifications = [{ name = "GOLD" }]
volumes = [{ path = 'C:\\V', classification = "GOLD" }]
[[sites.vm_networks]]
name = "N"
logical_network = "L"
subnets = [{ name = "F", subnet = "10.0.0.0/24", pool = ["10.0.0.1", "10.0.0.9"] }]
[[sites.clouds]]
name = "C"
hosts = ["h1.contoso.com"]
logical_networks = ["L"]
[[sites.clouds.vms]]
name = "V"
host = "h1.contoso.com"
disks = [{ path = 'C:\\V', mib = 4 }]
networks = [{ network = "N", subnet = "F" }]
"""


def test_the_default_topology_is_the_documented_one() -> None:
    topology = load_topology()
    clouds = {cloud.name: cloud for site in topology.sites for cloud in site.clouds}
    assert [site.fabric_name for site in topology.sites] == ["VMM-Shanghai", "VMM-Beijing"]
    assert list(clouds) == ["GoldCloud1", "SilverCloud1", "GoldCloud2", "SilverCloud2"]
    assert all(len(cloud.hosts) == 2 for cloud in clouds.values())
    assert len(clouds["GoldCloud1"].vms) == 4
    assert len(clouds["SilverCloud1"].vms) == 3
    assert "LogicalNetwork2-Beijing" in clouds["GoldCloud2"].logical_networks
    assert "LogicalNetwork2-Beijing" not in clouds["SilverCloud2"].logical_networks


def test_ids_are_the_same_in_every_lab(tmp_path: Path) -> None:
    topology = parse_topology(SITE)
    first = open_site(topology, "S", Environment(state_dir=tmp_path / "1"))
    second = open_site(topology, "s", Environment(state_dir=tmp_path / "2"))
    assert [vm.vm_id for vm in first.virtual_machines] == [
        vm.vm_id for vm in second.virtual_machines
    ]
    assert first.vmm.server.installation_id == second.vmm.server.installation_id


def test_a_site_loads_back_as_it_was_saved(tmp_path: Path) -> None:
    topology = parse_topology(SITE)
    first = open_site(topology, "S", Environment(state_dir=tmp_path))
    again = open_site(topology, "S", Environment(state_dir=tmp_path))
    assert repr(first.vmm) == repr(again.vmm)
    assert repr(first.hosts) == repr(again.hosts)
    assert repr(first.virtual_machines) == repr(again.virtual_machines)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('name = "S"', 'nam = "S"', r"sites\[0\].name: is missing"),
        ('name = "S"', 'name = "S"\nextra = 1', "unknown key extra"),
        ('vmm_server = "vmm.contoso.com"', 'vmm_server = "vmm"', "not a fully qualified name"),
        ('classification = "GOLD"', 'classification = "TIN"', "'TIN' is not defined"),
        ('hosts = ["h1.contoso.com"]', "hosts = []", "at least one host"),
        ('host = "h1.contoso.com"', 'host = "h2.contoso.com"', "'h2.contoso.com' is not defined"),
        ("mib = 4", "mib = 1", "at least 2"),
        ("mib = 4", 'mib = "4"', "must be of type int"),
        ('network = "N"', 'network = "M"', "'M' is not defined"),
        ('subnet = "F"', 'subnet = "G"', "'G' is not defined"),
        ("10.0.0.0/24", "10.0.0.0/33", r"subnets\[0\]"),
        ('"10.0.0.9"', '"10.0.1.9"', "two addresses of"),
        ('hosts = ["h1.contoso.com"]', 'hosts = ["h1.contoso.com", "H1.contoso.com"]', "twice"),
        ("[[sites.clouds.vms]]", "[[sites.clouds.vms", "not TOML"),
    ],
)
def test_a_bad_topology_says_where_and_why(old: str, new: str, where: str) -> None:
    assert old in SITE
    with pytest.raises(TopologyError, match=where):
        parse_topology(SITE.replace(old, new, 1))


def test_an_unknown_site_and_a_missing_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match="no site 'X'"):
        parse_topology(SITE).site("X")
    with pytest.raises(TopologyError, match=r"missing\.toml"):
        load_topology(tmp_path / "missing.toml")
    with pytest.raises(TopologyError, match="at least one site"):
        parse_topology("")
