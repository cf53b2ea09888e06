"""Replication bandwidth limits on their way to the hosts, and off them again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from coordinator.fabrics.models import Host, Provider
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job
from coordinator.jobs.states import JobState
from coordinator.protection import services as protection
from coordinator.protection.capacity.applying import follow_bandwidth
from coordinator.protection.models import BandwidthLimit, HostBandwidth, Pairing
from coordinator.protection.queries import bandwidth_limits_of, limit_standing
from coordinator.protection.requests import RequestOrigin
from tests.integration.protection.world import ORIGIN, World, add_host

HV1, HV2 = (f"goldcloud1-hv{number}.shanghai.contoso.com" for number in (1, 2))
BEIJING = [f"goldcloud2-hv{number}.beijing.contoso.com" for number in (1, 2)]
MEGABIT = 1_000_000
OFFICE: dict[str, object] = {
    "days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
    "start": "08:00",
    "end": "18:00",
    "bitsPerSecond": 20 * MEGABIT,
}


@pytest.fixture
def paired(world: World) -> World:
    world.pair()
    world.turn()
    return world


def set_limit(
    world: World,
    site: str = "shanghai",
    name: str = "wan",
    origin: RequestOrigin = ORIGIN,
    **fields: object,
) -> tuple[BandwidthLimit, Job | None]:
    with transaction.atomic():
        return protection.set_bandwidth_limit(
            world.fabric(f"vmm-{site}"), name, fields, origin, world.now
        )


def go_to(world: World, moment: str) -> None:
    """A later time, with the providers there."""
    world.now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    Provider.objects.filter(vault=world.vault).update(last_heartbeat_at=world.now)


def follow(world: World) -> None:
    with transaction.atomic():
        follow_bandwidth(world.now)
    world.turn()


@pytest.mark.spec("CA-2")
def test_a_limit_reaches_every_host_of_the_servers_paired_clouds(paired: World) -> None:
    limit, job = set_limit(paired, bitsPerSecond=50 * MEGABIT)
    paired.turn()
    assert job is not None
    job.refresh_from_db()
    assert (job.state, job.scenario) == (JobState.SUCCEEDED, "LimitReplicationBandwidth")
    assert paired.hyperv.bandwidth == {HV1: {8084: 50 * MEGABIT}, HV2: {8084: 50 * MEGABIT}}
    standing = limit_standing(limit, paired.now)
    assert (standing.bits_per_second, standing.next_change) == (50 * MEGABIT, None)
    assert not any(host.differs for host in standing.hosts)
    # Asked for again nothing is to be done.
    assert set_limit(paired, bitsPerSecond=50 * MEGABIT)[1] is None
    set_limit(paired, "beijing", bitsPerSecond=MEGABIT)
    paired.turn()
    assert paired.hyperv.bandwidth[BEIJING[0]] == {8084: MEGABIT}


@pytest.mark.spec("CA-2")
def test_windows_begin_and_end_by_themselves(paired: World) -> None:
    go_to(paired, "2026-01-05T07:00")  # a Monday
    _, job = set_limit(paired, windows=[OFFICE])
    assert job is None
    for moment, expected in (
        ("2026-01-05T07:59", None),
        ("2026-01-05T08:00", {8084: 20 * MEGABIT}),
        ("2026-01-05T17:59", {8084: 20 * MEGABIT}),
        ("2026-01-05T18:00", {}),
    ):
        go_to(paired, moment)
        follow(paired)
        assert paired.hyperv.bandwidth.get(HV1) == expected
    assert not HostBandwidth.objects.exists()
    assert paired.hyperv.effects.count(f"bandwidth.set {HV1}") == 2


@pytest.mark.spec("CA-2")
def test_a_removed_limit_takes_its_policies_from_the_hosts(paired: World) -> None:
    limit, _ = set_limit(paired, bitsPerSecond=MEGABIT)
    paired.turn()
    with transaction.atomic():
        job = protection.remove_bandwidth_limit(limit, ORIGIN, paired.now)
    paired.turn()
    assert job is not None
    assert paired.hyperv.bandwidth == {HV1: {}, HV2: {}}
    assert not HostBandwidth.objects.exists()
    assert not bandwidth_limits_of(paired.vault.id).exists()


@pytest.mark.spec("CA-2")
def test_while_the_provider_is_away_the_limit_is_kept_and_applied_when_it_returns(
    paired: World,
) -> None:
    Provider.objects.filter(fabric=paired.fabric("vmm-shanghai")).update(
        last_heartbeat_at=paired.now - timedelta(hours=1)
    )
    limit, job = set_limit(paired, bitsPerSecond=MEGABIT)
    assert job is None
    follow(paired)
    assert paired.hyperv.bandwidth == {}
    assert all(host.differs for host in limit_standing(limit, paired.now).hosts)
    Provider.objects.update(last_heartbeat_at=paired.now)
    follow(paired)
    assert paired.hyperv.bandwidth == {HV1: {8084: MEGABIT}, HV2: {8084: MEGABIT}}


@pytest.mark.spec("CA-2")
def test_a_host_that_joins_the_cloud_gets_the_limit_and_one_that_leaves_loses_it(
    paired: World,
) -> None:
    set_limit(paired, bitsPerSecond=MEGABIT)
    paired.turn()
    joined = "goldcloud1-hv3.shanghai.contoso.com"
    add_host(paired, paired.fabric("vmm-shanghai"), "GoldCloud1", joined, 3)
    Host.objects.filter(name=HV2).update(host_group_path="All Hosts\\Elsewhere")
    follow(paired)
    assert paired.hyperv.bandwidth == {HV1: {8084: MEGABIT}, HV2: {}, joined: {8084: MEGABIT}}
    # Unpaired clouds send nothing that would have to be limited.
    Pairing.objects.filter(vault=paired.vault).delete()
    follow(paired)
    assert set(map(len, paired.hyperv.bandwidth.values())) == {0}


@pytest.mark.spec("CA-2")
def test_a_host_that_refuses_keeps_no_other_from_its_limit_and_is_tried_again_later(
    paired: World,
) -> None:
    paired.hyperv.refusing_hosts.add(HV2)
    limit, job = set_limit(paired, bitsPerSecond=MEGABIT)
    paired.turn()
    assert job is not None
    job.refresh_from_db()
    assert (job.state, job.errors[0]["code"]) == (JobState.FAILED, "Refused")
    assert paired.hyperv.bandwidth == {HV1: {8084: MEGABIT}}
    assert [host.differs for host in limit_standing(limit, paired.now).hosts] == [False, True]
    follow(paired)
    assert Job.objects.filter(scenario="LimitReplicationBandwidth").count() == 1
    paired.hyperv.refusing_hosts.clear()
    paired.pass_(61)
    Provider.objects.update(last_heartbeat_at=paired.now)
    follow(paired)
    assert paired.hyperv.bandwidth[HV2] == {8084: MEGABIT}
    assert paired.hyperv.effects.count(f"bandwidth.set {HV1}") == 1


@pytest.mark.spec("CA-2")
def test_a_second_limit_and_a_change_while_one_is_made_are_refused(paired: World) -> None:
    set_limit(paired, bitsPerSecond=MEGABIT)
    for name, code in (("wan", "532"), ("other", "BandwidthLimitExists")):
        with pytest.raises(RefusedError) as refused:
            set_limit(paired, name=name, bitsPerSecond=2 * MEGABIT)
        assert refused.value.failure.code == code
    assert bandwidth_limits_of(paired.vault.id).get().bits_per_second == MEGABIT


@pytest.mark.spec("CA-2")
def test_a_field_at_fault_is_named(paired: World) -> None:
    with pytest.raises(RefusedError) as refused:
        set_limit(paired, bitsPerSecond=5)
    failure = refused.value.failure
    assert (failure.code, refused.value.field) == ("InvalidBandwidthLimit", "bitsPerSecond")
    assert failure.possible_causes
    assert not BandwidthLimit.objects.exists()


@pytest.mark.spec("CA-2")
def test_a_repeated_request_finds_its_job(paired: World) -> None:
    origin = RequestOrigin(started_by="tests", client_request_id="once")
    first = set_limit(paired, origin=origin, bitsPerSecond=MEGABIT)[1]
    again = set_limit(paired, origin=origin, bitsPerSecond=MEGABIT)[1]
    assert first is not None
    assert again is not None
    assert first.id == again.id
