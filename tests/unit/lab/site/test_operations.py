"""What people do to machines and hosts in VMM, and to what Enable-VMReplication says no."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploy.lab.site import host_operations, live_migration, machine_operations
from deploy.lab.site.enable_checks import check_pair
from deploy.lab.site.environment import Environment
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.generations import Generation
from deploy.lab.site.link_errors import LinkError
from deploy.lab.site.model import VMState
from deploy.lab.site.power import boot, open_site, shut_down
from deploy.lab.site.replication_model import (
    Authentication,
    ReplicationSettings,
    ReplicationState,
)
from deploy.lab.site.site import Site
from deploy.lab.site.toml_reader import TopologyError
from deploy.lab.site.topology import find_topology, load_topology

if TYPE_CHECKING:
    from tests.unit.lab.site.conftest import Lab


def effects_of(site: Site) -> list[str]:
    return [each.effect for each in site.effects.read()]


async def test_machines_are_made_in_a_topologys_words_and_start(lab: Lab) -> None:
    east = lab.east
    table = {
        "name": "Web-{number}",
        "count": 3,
        "disks": [{"path": r"C:\ClusterStorage\V1", "mib": 2}],
        "networks": [{"network": "VMN", "subnet": "S"}],
    }
    made = await machine_operations.add(east, table, "CloudE")
    assert [vm.name for vm in made] == ["Web-1", "Web-2", "Web-3"]
    assert all(vm.state is VMState.RUNNING and vm.known_to_vmm for vm in made)
    assert {vm.cloud_id for vm in made} == {east.vmm.clouds[0].id}
    assert len({vm.vm_id for vm in made}) == 3
    with pytest.raises(HyperVError, match="'Web-1' already"):
        await machine_operations.add(east, table, "CloudE")
    with pytest.raises(TopologyError, match=r"'C:.Nowhere' is not defined"):
        await machine_operations.add(
            east, {**table, "disks": [{"path": r"C:\Nowhere", "mib": 2}]}, "CloudE"
        )
    assert effects_of(east).count("vm.created") == 3


async def test_names_clouds_and_settings_change_and_replicas_are_not_told(lab: Lab) -> None:
    await lab.replicate()
    east, vm = lab.east, lab.vm(lab.east)
    await machine_operations.rename(east, vm, "New")
    await machine_operations.change(east, vm, {"dr_protection_required": True, "processors": 8})
    await machine_operations.add_checkpoint(east, vm, "before")
    await machine_operations.move_to_cloud(east, vm, None)
    assert (vm.name, vm.processors, vm.cloud_id) == ("New", 8, None)
    assert vm.dr_protection_required
    await machine_operations.move_to_cloud(east, vm, "CloudE")
    with pytest.raises(HyperVError, match="There is no cloud"):
        await machine_operations.move_to_cloud(east, vm, "CloudW")
    with pytest.raises(HyperVError, match="none of"):
        await machine_operations.change(east, vm, {"vm_id": "x"})
    with pytest.raises(HyperVError, match="type int"):
        await machine_operations.change(east, vm, {"processors": True})
    replica = lab.west.find_vm("App")
    assert (replica.name, replica.processors, replica.checkpoints) == ("App", 2, [])
    assert lab.replication(lab.west).state is ReplicationState.REPLICATING


async def test_a_disk_added_to_a_primary_is_not_replicated_by_itself(lab: Lab) -> None:
    await lab.replicate()
    east, vm = lab.east, lab.vm(lab.east)
    disk = await machine_operations.add_disk(east, vm, r"C:\ClusterStorage\V1", 2 * 1024**2)
    assert disk.id in lab.replication(east).excluded_disk_ids
    await lab.cycle()
    assert len(lab.vm(lab.west).disks) == 2
    with pytest.raises(HyperVError, match="no storage"):
        await machine_operations.add_disk(east, vm, r"X:\Nowhere", 2 * 1024**2)


async def test_only_machines_that_are_off_can_be_deleted(lab: Lab) -> None:
    east, vm = lab.east, lab.vm(lab.east)
    with pytest.raises(HyperVError, match="must be off"):
        await machine_operations.delete(east, vm)
    await east.stop_vm(lab.host(east), vm, "c")
    await machine_operations.delete(east, vm)
    assert east.virtual_machines == ()
    assert not east.vm_folder(vm).exists()
    assert effects_of(east)[-1] == "vm.removed"


async def test_hosts_join_and_leave_clouds(lab: Lab) -> None:
    east = lab.east
    host = await host_operations.add_host(east, "hv-e9.contoso.com", "CloudE", "2022")
    assert host.generation is Generation.WS2022
    assert east.host("hv-e9").host_group_path == lab.host(east).host_group_path
    assert [each.mount_point for each in east.vmm.volumes if each.host_fqdn == host.fqdn] == [
        "C:\\",
        r"C:\ClusterStorage\V1",
    ]
    with pytest.raises(HyperVError, match="known already"):
        await host_operations.add_host(east, "HV-E9.contoso.com", "CloudE")
    with pytest.raises(HyperVError, match="has virtual machines"):
        await host_operations.remove_host(east, lab.host(east))
    await host_operations.remove_host(east, host)
    with pytest.raises(HyperVError):
        east.host("hv-e9")


async def test_a_primary_that_leaves_a_host_that_stands_alone_needs_the_new_hosts_certificate(
    lab: Lab,
) -> None:
    await lab.replicate()
    east, vm = lab.east, lab.vm(lab.east)
    other = await host_operations.add_host(east, "hv-e9.contoso.com", "CloudE")
    await live_migration.migrate(east, vm, other, None)
    replication = vm.replication
    assert replication is not None
    assert replication.primary_server == other.fqdn
    await lab.until(lambda: replication.state is ReplicationState.ERROR, "the certificate misses")
    pfx, root = lab.authority.pfx(other.fqdn), lab.authority.root_der()
    thumbprint = await east.install_certificate(other, pfx, "of-the-test", root, "c")
    settings = ReplicationSettings(certificate_thumbprint=thumbprint)
    await east.set_replication(other, vm, settings, "c")
    await east.resume_replication(other, vm, "c")
    before = lab.replication(lab.west).log.applied
    await lab.until(lambda: lab.replication(lab.west).log.applied > before, "it goes on")


async def test_a_machine_cannot_move_where_its_disks_or_its_double_are(lab: Lab) -> None:
    west, vm = lab.west, lab.vm(lab.east)
    with pytest.raises(HyperVError, match="already"):
        await live_migration.migrate(lab.east, vm, lab.host(lab.east), None)
    assert west.virtual_machines == ()
    vm.highly_available = True
    other = await host_operations.add_host(lab.east, "hv-e9.contoso.com", "CloudE")
    with pytest.raises(HyperVError, match="cannot leave its cluster"):
        await live_migration.migrate(lab.east, vm, other, None)
    with pytest.raises(HyperVError, match="not a node"):
        await machine_operations.make_highly_available(lab.east, vm)


@pytest.mark.spec("PR-3")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("PassThrough", "pass-through"),
        ("SharedVhdx", "shared virtual hard disks"),
        ("FibreChannel", "Fibre Channel"),
        ("Encrypted", "encrypted machines"),
        ("Shielded", "encrypted machines"),
        ("Saved", "object is in its state"),
        ("Paused", "object is in its state"),
        ("NoDisk", "no virtual hard disk"),
        ("Replica", "already enabled"),
        ("Fine", "could not be resolved"),
        ("SeventeenDisks", "could not be resolved"),
        ("GuestIPv6", "could not be resolved"),
    ],
)
async def test_hyper_v_refuses_what_it_cannot_replicate(
    tmp_path: Path, name: str, why: str
) -> None:
    topology = load_topology(find_topology("unprotectable"))
    site = open_site(topology, "Shanghai", Environment(state_dir=tmp_path))
    await boot(site)
    vm = site.find_vm(name)
    settings = ReplicationSettings(
        replica_server="nobody.contoso.com", port=8083, authentication=Authentication.KERBEROS
    )
    with pytest.raises(HyperVError, match=why):
        await site.enable_replication(site.host(vm.host_fqdn), vm, settings, "c")
    assert "replication.enabled" not in effects_of(site)
    await shut_down(site)


@pytest.mark.spec("PO-1")
@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (ReplicationSettings(frequency_seconds=30), "must be 300 on Windows Server 2012"),
        (ReplicationSettings(recovery_history=16), "at most 15 on Windows Server 2012"),
        (ReplicationSettings(frequency_seconds=300, recovery_history=15), "not be resolved"),
    ],
)
async def test_a_host_of_2012_knows_one_frequency_and_fifteen_points(
    tmp_path: Path, settings: ReplicationSettings, why: str
) -> None:
    topology = load_topology(find_topology("generations"))
    site = open_site(topology, "Shanghai", Environment(state_dir=tmp_path))
    vm = site.find_vm("On2012")
    settings.replica_server, settings.port = "nobody.contoso.com", 8083
    settings.authentication = Authentication.KERBEROS
    with pytest.raises(HyperVError, match=why):
        await site.enable_replication(site.host(vm.host_fqdn), vm, settings, "c")


@pytest.mark.parametrize("primary", list(Generation))
@pytest.mark.parametrize("replica", list(Generation))
def test_a_replica_server_is_never_older_than_its_primary(
    tmp_path: Path, primary: Generation, replica: Generation
) -> None:
    topology = load_topology(find_topology("generations"))
    site = open_site(topology, "Beijing", Environment(state_dir=tmp_path))
    host = next(each for each in site.hosts if each.generation is replica)
    order = list(Generation)
    if order.index(replica) >= order.index(primary):
        check_pair(host, primary.value)
        return
    with pytest.raises(LinkError, match=f"runs Windows Server {replica.value}, which is older"):
        check_pair(host, primary.value)
