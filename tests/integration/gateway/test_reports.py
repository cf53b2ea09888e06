"""What agents report: inventory by revision, replication of the machines they are told to watch."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from opensiterecovery.provider.v1 import inventory_pb2 as wire
from opensiterecovery.provider.v1.replication_pb2 import ReplicationReport, ReplicationState

from coordinator.fabrics.models import Cloud, Fabric
from coordinator.fabrics.queries import list_clouds
from coordinator.gateway.settings import GatewaySettings
from coordinator.protection.models import Pairing, Policy, ProtectedItem, ReplicationSide
from tests.integration.gateway.agents import Agent
from tests.integration.gateway.conftest import Site

MACHINE = "11111111-2222-3333-4444-555555555555"


def part(
    number: int, *names: str, base: int = 0, revision: int = 5, last: bool = True
) -> wire.InventoryUpdate:
    return wire.InventoryUpdate(
        base_revision=base,
        revision=revision,
        part=number,
        last_part=last,
        changed=[
            wire.InventoryObject(cloud=wire.Cloud(id=name.lower(), name=name)) for name in names
        ],
    )


def cloud_names(site: Site) -> list[str]:
    return [cloud.name for cloud in list_clouds(site.vault.id)]


@pytest.mark.spec("DI-2")
async def test_a_revision_in_parts_is_there_with_its_last_part(site: Site, shanghai: Agent) -> None:
    async with shanghai.session() as session:
        await session.say(inventory=part(0, "GoldCloud1", last=False))
        await session.beat()
        await session.say(inventory=part(1, "SilverCloud1"))
        stored = await session.next("inventory_stored")
        assert stored.inventory_stored.revision == 5
        assert await site.run(lambda: cloud_names(site)) == ["GoldCloud1", "SilverCloud1"]
        await session.say(inventory=part(0, "BronzeCloud1", base=5, revision=6))
        assert (await session.next("inventory_stored")).inventory_stored.revision == 6


@pytest.mark.spec("DI-2")
async def test_a_difference_from_what_is_not_there_is_answered_with_a_request_for_all(
    site: Site, shanghai: Agent
) -> None:
    async with shanghai.session() as session:
        await session.say(inventory=part(0, "GoldCloud1", base=4))
        assert (await session.next("inventory_request")).inventory_request.full
        await session.say(inventory=part(3, "GoldCloud1"))
        assert (await session.next("inventory_request")).inventory_request.full
        assert await site.run(lambda: cloud_names(site)) == []


async def test_an_agent_that_believes_in_another_revision_is_asked_for_all(
    site: Site, shanghai: Agent
) -> None:
    async with shanghai.session() as session:
        await session.say(inventory=part(0, "GoldCloud1"))
        await session.next("inventory_stored")
    shanghai.hello.inventory_revision = 4
    async with shanghai.session() as session:
        assert (await session.next("inventory_request")).inventory_request.full
    shanghai.hello.inventory_revision = 5
    async with shanghai.session() as session:
        await session.say(inventory=part(0, "SilverCloud1", base=5, revision=6))
        await session.next("inventory_stored")


async def test_a_bad_inventory_does_not_stop_commands_and_heartbeats(
    site: Site, shanghai: Agent
) -> None:
    async with shanghai.session() as session:
        await session.say(inventory=part(0, ""))
        await session.say(inventory=part(0, "GoldCloud1"))
        await session.next("inventory_stored")
        assert await site.run(lambda: cloud_names(site)) == ["GoldCloud1"]


def protect(primary_fabric: Fabric, recovery_fabric: Fabric) -> None:
    """A machine that replicates from one server's cloud to the other's."""
    now = datetime.now(UTC)
    vault = primary_fabric.vault
    clouds = [
        Cloud.objects.create(vault=vault, fabric=fabric, external_id="c", name="Gold", details={})
        for fabric in (primary_fabric, recovery_fabric)
    ]
    policy = Policy.objects.create(
        vault=vault,
        name="policy",
        instance_type="HyperVReplica2012R2",
        authentication_type="Certificate",
        replication_port=8084,
        replication_frequency_seconds=30,
        recovery_points=0,
        application_consistent_hours=0,
        compression=True,
        initial_replication_method="OverNetwork",
        created_at=now,
    )
    pairing = Pairing.objects.create(
        vault=vault,
        name="pairing",
        policy=policy,
        instance_type=policy.instance_type,
        primary_fabric=primary_fabric,
        recovery_fabric=recovery_fabric,
        primary_cloud=clouds[0],
        recovery_cloud=clouds[1],
        state="Paired",
        created_at=now,
    )
    ProtectedItem.objects.create(
        vault=vault,
        pairing=pairing,
        name="GoldVM1",
        friendly_name="GoldVM1",
        vm_id=MACHINE,
        protectable_item_id="m1",
        state="Protected",
        primary_host="hv1.shanghai.example.com",
        recovery_host="hv1.beijing.example.com",
        created_at=now,
    )


@pytest.mark.spec("RE-4")
async def test_both_servers_watch_a_protected_machine_and_what_they_see_is_kept(
    site: Site, shanghai: Agent
) -> None:
    beijing = await site.register("VMM-Beijing")
    async with shanghai.session() as primary, beijing.session() as recovery:
        for session in (primary, recovery):
            watch = (await session.next("replication_watch")).replication_watch
            assert list(watch.vm_ids) == []
        await site.run(
            lambda: protect(
                Fabric.objects.get(pk=shanghai.fabric_id), Fabric.objects.get(pk=beijing.fabric_id)
            )
        )
        for session in (primary, recovery):
            watch = (await session.next("replication_watch")).replication_watch
            assert list(watch.vm_ids) == [MACHINE]
        observed_at = Timestamp()
        observed_at.FromDatetime(datetime.now(UTC))
        state = ReplicationState(
            vm_id=MACHINE, host="hv1.shanghai.example.com", mode="Primary", state="Replicating"
        )
        await primary.say(
            replication=ReplicationReport(observed_at=observed_at, complete=True, states=[state])
        )
        await site.until(
            lambda: ReplicationSide.objects.filter(location="Primary", state="Replicating").exists()
        )


@pytest.mark.spec("RE-4")
async def test_a_report_whose_time_is_none_counts_as_of_now(site: Site, shanghai: Agent) -> None:
    beijing = await site.register("VMM-Beijing")
    await site.run(
        lambda: protect(
            Fabric.objects.get(pk=shanghai.fabric_id), Fabric.objects.get(pk=beijing.fabric_id)
        )
    )
    began = datetime.now(UTC)
    state = ReplicationState(
        vm_id=MACHINE, host="hv1.shanghai.example.com", mode="Primary", state="Replicating"
    )
    report = ReplicationReport(observed_at=Timestamp(seconds=10**15), states=[state])
    async with shanghai.session() as session:
        await session.say(replication=report)
        await site.until(lambda: ReplicationSide.objects.filter(observed_at__gte=began).exists())


@pytest.mark.spec("RE-4")
async def test_only_all_parts_of_a_complete_report_together_say_what_is_gone(
    site: Site, shanghai: Agent
) -> None:
    beijing = await site.register("VMM-Beijing")
    await site.run(
        lambda: protect(
            Fabric.objects.get(pk=shanghai.fabric_id), Fabric.objects.get(pk=beijing.fabric_id)
        )
    )
    named = ReplicationState(
        vm_id=MACHINE,
        host="hv1.shanghai.example.com",
        mode="Primary",
        state="Replicating",
        vm_state="Running",
    )
    other = ReplicationState(vm_id="0" * 36, host="hv1.shanghai.example.com")

    def report(state: ReplicationState, *, more: bool) -> ReplicationReport:
        now = Timestamp()
        now.FromDatetime(datetime.now(UTC))
        return ReplicationReport(observed_at=now, complete=True, more=more, states=[state])

    def side(mode: str) -> bool:
        return ReplicationSide.objects.filter(location="Primary", mode=mode).exists()

    async with shanghai.session() as session:
        await session.say(replication=report(named, more=True))
        await session.say(replication=report(other, more=False))
        await site.until(lambda: side("Primary"))
        # The next complete look does not find the machine on any host.
        await session.say(replication=report(other, more=True))
        await session.say(replication=report(other, more=False))
        await site.until(lambda: side("None"))
    errors = await site.run(lambda: ProtectedItem.objects.get().health_errors)
    assert [error["errorCode"] for error in errors] == ["VirtualMachineMissing"]


@pytest.mark.spec("RE-4")
def test_what_a_screen_shows_is_never_older_than_ten_seconds() -> None:
    # A change is told by the next look, and a look may fail once; see the benchmark for what it
    # takes to store it.
    assert 2 * GatewaySettings().replication_seconds <= 10
