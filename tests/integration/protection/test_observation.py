from __future__ import annotations

from datetime import timedelta

import pytest
from opensiterecovery.provider.v1 import replication_pb2

from coordinator.gateway.door import clean
from coordinator.protection import services
from coordinator.protection.models import Pairing, ProtectedItem
from coordinator.vaults.models import Vault
from tests.integration.protection.world import World

pytestmark = pytest.mark.django_db


def seen(item: ProtectedItem, host: str, mode: str, state: str) -> replication_pb2.ReplicationState:
    return replication_pb2.ReplicationState(
        vm_id=item.vm_id.upper(), host=host, mode=mode, state=state, health="Normal"
    )


def seen_state(observed: dict[str, object] | None) -> object:
    assert observed is not None
    return observed["state"]


def tell(world: World, fabric: str, state: replication_pb2.ReplicationState) -> ProtectedItem:
    services.ingest_replication(world.fabric(fabric).id, [state], world.now, world.now)
    return world.item()


@pytest.fixture
def protected(world: World) -> World:
    world.protect()
    return world


def test_an_older_report_does_not_replace_a_newer_one(protected: World) -> None:
    item = protected.item()
    newest = item.primary_observed
    late = seen(item, item.primary_host, "Primary", "Error")
    for age in (timedelta(hours=1), timedelta(0)):
        protected.pass_(1)
        fabric = protected.fabric("vmm-shanghai")
        services.ingest_replication(fabric.id, [late], protected.now - age, protected.now)
        if age:
            assert protected.item().primary_observed == newest
    assert seen_state(protected.item().primary_observed) == "Error"


def test_a_provider_s_clock_that_was_fast_does_not_hide_what_it_says_once_it_is_right(
    protected: World,
) -> None:
    item, fabric = protected.item(), protected.fabric("vmm-shanghai")
    for fast, state in ((timedelta(days=365), "Replicating"), (timedelta(0), "Suspended")):
        protected.pass_(1)
        told = seen(item, item.primary_host, "Primary", state)
        services.ingest_replication(fabric.id, [told], protected.now + fast, protected.now)
    assert seen_state(protected.item().primary_observed) == "Suspended"


def test_a_state_that_cannot_be_kept_does_not_keep_the_others_from_being_kept(
    protected: World,
) -> None:
    item, fabric = protected.item(), protected.fabric("vmm-beijing")
    no_time = seen(item, item.recovery_host, "Replica", "Error")
    no_time.last_replication_time.seconds = 10**15
    no_text = seen(item, item.recovery_host + "\0", "Replica", "Suspended\0")
    no_text.recovery_points.add(id="a\0b")
    no_text.recovery_points.add(id="x" * 65)
    nobody = replication_pb2.ReplicationState(vm_id="\0")
    report = replication_pb2.ReplicationReport(states=[no_time, nobody, no_text])
    clean(report)
    protected.pass_(1)
    services.ingest_replication(fabric.id, report.states, protected.now, protected.now)
    after = protected.item()
    assert seen_state(after.recovery_observed) == "Suspended"
    assert after.recovery_host == item.recovery_host
    assert not after.points.exists()


def test_a_state_far_too_large_is_left_out(protected: World) -> None:
    item, fabric = protected.item(), protected.fabric("vmm-beijing")
    large = seen(item, item.recovery_host, "Replica", "Error")
    large.health_details.extend(["x" * 32_000] * 3)
    clean(large)
    protected.pass_(1)
    services.ingest_replication(fabric.id, [large], protected.now, protected.now)
    assert seen_state(protected.item().recovery_observed) == "Replicating"


def test_a_machine_that_moved_is_followed_to_its_host(protected: World) -> None:
    item = protected.item()
    moved = "goldcloud2-hv1.beijing.contoso.com"
    protected.pass_(1)
    item = tell(protected, "vmm-beijing", seen(item, moved.upper(), "Replica", "Replicating"))
    assert item.recovery_host == moved


def test_a_report_about_an_unknown_machine_or_an_empty_one_changes_nothing(
    protected: World,
) -> None:
    before = protected.item().recovery_observed
    stranger = replication_pb2.ReplicationState(vm_id="0" * 36, host="hv", mode="Replica")
    fabric = protected.fabric("vmm-beijing").id
    services.ingest_replication(fabric, [stranger], protected.now, protected.now)
    services.ingest_replication(fabric, [], protected.now, protected.now)
    assert protected.item().recovery_observed == before


@pytest.mark.spec("VA-1")
def test_a_report_never_reaches_an_item_of_another_vault(protected: World) -> None:
    item = protected.item()
    other = Vault.objects.create(
        subscription_id=item.id,
        resource_group="rg",
        name="other",
        location="here",
        created_at=protected.now,
    )
    fabric = protected.fabric("vmm-shanghai")
    protected.pass_(1)
    fabric.vault = other
    fabric.save()
    services.ingest_replication(
        fabric.id,
        [seen(item, item.primary_host, "Primary", "Error")],
        protected.now,
        protected.now,
    )
    assert seen_state(protected.item().primary_observed) == "Replicating"


@pytest.mark.spec("SS-1")
def test_on_one_server_the_side_is_told_by_the_host_and_after_a_move_by_the_mode(
    protected: World,
) -> None:
    Pairing.objects.update(recovery_fabric=protected.fabric("vmm-shanghai"))
    item = protected.item()
    for host, mode, column in (
        (item.primary_host, "Primary", "primary_observed"),
        (item.recovery_host, "Replica", "recovery_observed"),
        ("moved-1", "Primary", "primary_observed"),
        ("moved-2", "Replica", "recovery_observed"),
    ):
        protected.pass_(1)
        item = tell(protected, "vmm-shanghai", seen(item, host, mode, "Resynchronizing"))
        stored = getattr(item, column)
        assert stored is not None
        assert (stored["host"], stored["state"]) == (host, "Resynchronizing")
