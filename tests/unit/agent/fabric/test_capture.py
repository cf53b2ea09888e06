"""A real VMM 2012 R2 server's inventory, as it was captured, becomes inventory objects."""

from datetime import timedelta
from pathlib import Path

import pytest

from agent.fabric import hosts, networks, storage, virtual_machines
from agent.powershell.clixml import read_document
from agent.powershell.records import PSRecord

CAPTURE = Path(__file__).parents[5] / "shared" / "data" / "vmm-2012r2-inventory.clixml"

pytestmark = pytest.mark.skipif(
    not CAPTURE.exists(), reason=f"the capture {CAPTURE.name} is not beside the repository"
)


@pytest.fixture(scope="module")
def capture() -> dict[str, list[PSRecord]]:
    [content] = read_document(CAPTURE.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    found: dict[str, list[PSRecord]] = {}
    for family in ("hosts", "clusters", "vms", "datastores"):
        members = [
            member["Properties"] if isinstance(member, dict) else member
            for member in content[family].values()
        ]
        assert all(isinstance(member, PSRecord) for member in members)
        found[family] = members
    return found


def owner(machine: PSRecord) -> dict[str, object]:
    """What is put beside a machine's devices while they are unfolded."""
    return {"VMId": machine.text("VMId"), "HostName": machine.text("HostName")}


@pytest.mark.spec("DI-1")
def test_every_machine_is_read(capture: dict[str, list[PSRecord]]) -> None:
    drives = [
        PSRecord({**drive.properties, **owner(machine)})
        for machine in capture["vms"]
        for drive in machine.records("VirtualDiskDrives")
    ]
    files = [file for machine in capture["vms"] for file in machine.records("VirtualHardDisks")]
    cards = [
        PSRecord({**card.properties, **owner(machine)})
        for machine in capture["vms"]
        for card in machine.records("VirtualNetworkAdapters")
    ]
    devices = virtual_machines.Devices(
        virtual_machines.disks_by_machine(drives, files),
        virtual_machines.adapters_by_machine(cards, []),
    )
    machines = [
        item.virtual_machine for item in virtual_machines.virtual_machines(capture["vms"], devices)
    ]
    by_name = {machine.name: machine for machine in machines}
    assert len(capture["vms"]) == 23
    bronze = by_name["bronze_storage_vm1"]
    assert bronze.vm_id == "36fe8ede-3c1e-4a2d-935d-07f59589be10"
    assert (bronze.state, bronze.generation, bronze.cloud_id) == ("Running", 1, "")
    assert bronze.host_fqdn == "hyperv-h01.manageiq.com"
    assert bronze.memory_bytes == 512 * 1024**2
    [disk] = bronze.disks
    assert disk.path == r"H:\bronze_storage_vm1\bronze_storage_vm1_disk_1.vhdx"
    assert (disk.format, disk.maximum_size_bytes) == ("VHDX", 10737418240)
    assert disk.classification == "Silver"
    [adapter] = bronze.adapters
    assert (adapter.mac_address, adapter.vm_network) == (
        "00:15:5D:FD:21:0A",
        "Mahwah Virtual Switch",
    )
    assert {machine.state for machine in machines} <= {"Running", "PowerOff"}


@pytest.mark.spec("DI-1")
def test_flags_and_integration_services_are_read(capture: dict[str, list[PSRecord]]) -> None:
    machines = {
        item.virtual_machine.name: item.virtual_machine
        for item in virtual_machines.virtual_machines(
            capture["vms"], virtual_machines.Devices(), ["SCVMM1111.manageiq.com"]
        )
    }
    bronze = machines["bronze_storage_vm1"]
    assert bronze.HasField("fibre_channel")
    assert not any([bronze.fibre_channel, bronze.pass_through, bronze.shared_storage])
    # VMM 2012 R2 does not say it.
    assert not bronze.HasField("encrypted")
    assert (bronze.integration_services, bronze.integration_services_detected) == ("", False)
    assert machines["ERP_A"].integration_services == "6.1.7600.16385"
    assert not any(machine.replication.mode for machine in machines.values())


@pytest.mark.spec("DI-2")
def test_devices_are_modified_with_their_machine_and_not_by_every_refresh(
    capture: dict[str, list[PSRecord]],
) -> None:
    """What looking for changes by the machine's time of modification rests on."""
    modified = [machine.moment("ModifiedTime") for machine in capture["vms"]]
    assert len(set(modified)) > 15
    assert max(modified) - min(modified) > timedelta(days=10)
    for machine, at in zip(capture["vms"], modified, strict=True):
        for kind in ("VirtualDiskDrives", "VirtualHardDisks", "VirtualNetworkAdapters"):
            for device in machine.records(kind):
                assert device.moment("ModifiedTime") - at < timedelta(seconds=1)


@pytest.mark.spec("DI-1")
def test_every_host_cluster_and_volume_is_read(capture: dict[str, list[PSRecord]]) -> None:
    found = {item.host.fqdn: item.host for item in map(hosts.host, capture["hosts"])}
    west = found["SFBronagh.manageiq.com"]
    assert (west.communication_state, west.overall_state) == ("Responding", "OK")
    assert (west.logical_processors, west.total_memory_bytes) == (4, 8589467648)
    assert west.available_memory_bytes == 6564 * 1024**2
    assert (west.cluster_fqdn, west.operating_system_version) == (
        "US_East.manageiq.com",
        "6.3.9600",
    )
    [cluster] = map(hosts.host_cluster, capture["clusters"])
    assert cluster.host_cluster.fqdn == "US_East.manageiq.com"
    assert cluster.host_cluster.host_group_path == "All Hosts"
    reach = storage.HostStorage(capture["hosts"], capture["clusters"])
    volumes = [item.storage_location for item in storage.volumes(capture["datastores"], reach)]
    assert len(volumes) == 6
    assert {volume.classification for volume in volumes} >= {"Local Storage"}
    assert all(volume.host_fqdns and volume.capacity_bytes for volume in volumes)


@pytest.mark.spec("DI-1")
def test_logical_networks_hidden_in_the_hosts_are_read() -> None:
    [content] = read_document(CAPTURE.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    cards = [card for host in content["hosts"].values() for card in host["NetworkAdapters"]]
    found = {
        network.text("Name"): networks.logical_network(network).logical_network
        for card in cards
        for network in card.records("LogicalNetworks")
    }
    assert found
    assert all(network.id for network in found.values())
