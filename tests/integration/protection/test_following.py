"""Protected items follow their machines, whatever VMM's administrators do with them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from coordinator.fabrics.models import Fabric, Host, VirtualMachine
from coordinator.protection.discovery.following import follow_machines, note_followed
from coordinator.protection.models import ProtectedItem
from tests.integration.protection.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("DI-2")]


@pytest.fixture
def protected(world: World) -> World:
    world.protect()
    return world


def change(world: World, machine: VirtualMachine, **columns: object) -> ProtectedItem:
    """What a new revision with a changed machine leaves in the tables; then items follow."""
    fabric = machine.fabric
    fabric.inventory_revision += 1
    fabric.save()
    VirtualMachine.objects.filter(pk=machine.pk).update(
        revision=fabric.inventory_revision, **columns
    )
    found = Fabric.objects.get(pk=fabric.pk)
    follow_machines(found, world.now)
    note_followed(found)
    return world.item()


def codes(item: ProtectedItem) -> list[object]:
    return [error["errorCode"] for error in item.fabric_errors]


def test_a_renamed_machine_is_followed_by_its_id(protected: World) -> None:
    item = change(protected, protected.machine("GoldVM1"), name="SQL-Gold")
    assert (item.friendly_name, item.fabric_errors) == ("SQL-Gold", [])


def test_a_live_migrated_machine_is_on_its_new_host(protected: World) -> None:
    machine = protected.machine("GoldVM1")
    names = Host.objects.filter(fabric=machine.fabric, host_group_path__icontains="Gold")
    other = names.exclude(name=machine.host_fqdn).first()
    assert other is not None
    item = change(protected, machine, host_fqdn=other.name)
    assert (item.primary_host, codes(item)) == (other.name, [])


def test_a_host_its_pairing_never_configured_is_told_of(protected: World) -> None:
    item = change(protected, protected.machine("GoldVM1"), host_fqdn="hv9.elsewhere.example")
    assert codes(item) == ["HostNotConfigured"]


def test_a_deleted_machine_is_a_clear_error_and_one_that_is_back_is_none(protected: World) -> None:
    machine = protected.machine("GoldVM1")
    item = change(protected, machine, gone_at=protected.now)
    [error] = item.fabric_errors
    assert (error["errorCode"], error["errorLevel"]) == ("VirtualMachineDeleted", "Error")
    assert error["possibleCauses"]
    assert error["recommendedAction"]
    first_seen = error["creationTimeUtc"]
    protected.pass_(60)
    [again] = change(protected, machine, gone_at=protected.now).fabric_errors
    assert again["creationTimeUtc"] == first_seen
    assert change(protected, machine, gone_at=None).fabric_errors == []


def test_a_machine_made_anew_under_the_same_name_is_another(protected: World) -> None:
    machine = protected.machine("GoldVM1")
    VirtualMachine.objects.create(
        vault=machine.vault,
        fabric=machine.fabric,
        external_id="vmm-anew",
        name=machine.name,
        vm_id="11111111-2222-3333-4444-555555555555",
        cloud_external_id=machine.cloud_external_id,
        host_fqdn=machine.host_fqdn,
        state="Running",
        details=machine.details,
        revision=10**6,
    )
    item = change(protected, machine, gone_at=protected.now)
    assert codes(item) == ["VirtualMachineDeleted"]
    assert item.protectable_item_id == machine.external_id


def test_a_machine_moved_to_another_cloud_is_told_of_and_stays_protected(protected: World) -> None:
    machine = protected.machine("GoldVM1")
    state = protected.item().state
    item = change(protected, machine, cloud_external_id="another-cloud")
    assert (codes(item), item.state) == (["VirtualMachineLeftCloud"], state)


def test_vmms_new_id_of_the_same_machine_is_taken_over(protected: World) -> None:
    machine = protected.machine("GoldVM1")
    item = change(protected, machine, external_id="vmm-new-id")
    assert item.protectable_item_id == "vmm-new-id"


def test_following_costs_what_changed_not_what_there_is(protected: World) -> None:
    machine = protected.machine("GoldVM1")

    def statements(work: Callable[[], object]) -> int:
        with CaptureQueriesContext(connection) as captured:
            work()
        return len(captured)

    few = statements(lambda: change(protected, machine, name="A"))
    VirtualMachine.objects.bulk_create(
        VirtualMachine(
            vault=machine.vault,
            fabric=machine.fabric,
            external_id=f"other-{number}",
            name=f"Other{number}",
            vm_id=f"other-{number}",
            details={},
        )
        for number in range(200)
    )
    assert statements(lambda: change(protected, machine, name="B")) == few
    idle = statements(
        lambda: follow_machines(Fabric.objects.get(pk=machine.fabric_id), protected.now)
    )
    assert idle <= 3


@pytest.mark.spec("SS-1")
def test_under_one_server_the_machine_is_followed_and_its_replica_is_not(protected: World) -> None:
    machine, item = protected.machine("GoldVM1"), protected.item()
    item.pairing.recovery_fabric = machine.fabric
    item.pairing.save()
    replica = VirtualMachine.objects.create(
        vault=machine.vault,
        fabric=machine.fabric,
        external_id="vmm-replica",
        name=machine.name,
        vm_id=machine.vm_id,
        host_fqdn=item.recovery_host,
        state="PowerOff",
        details={"recovery": True},
    )
    assert change(protected, replica, name="replica renamed").friendly_name == "GoldVM1"
    renamed = change(protected, machine, name="SQL-Gold")
    assert (renamed.friendly_name, renamed.primary_host) == ("SQL-Gold", machine.host_fqdn)
    gone = change(protected, machine, gone_at=protected.now)
    assert codes(gone) == ["VirtualMachineDeleted"]
    assert gone.friendly_name == "SQL-Gold"


def test_an_old_copy_of_the_same_id_on_another_host_is_not_taken_for_the_machine(
    protected: World,
) -> None:
    machine = protected.machine("GoldVM1")
    host = machine.host_fqdn
    # Discovered before the machine itself.
    machine.pk, machine.external_id = -1, "vmm-copy"
    machine.name, machine.host_fqdn = "GoldVM1-old", "goldcloud1-hv2.shanghai.contoso.com"
    machine.save(force_insert=True)
    item = change(protected, protected.machine("GoldVM1"), state="Running")
    assert (item.friendly_name, item.primary_host) == ("GoldVM1", host)
    assert item.protectable_item_id == "vmm-GoldVM1"
