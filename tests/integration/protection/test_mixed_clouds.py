"""Two clouds whose hosts run several generations of Windows: a policy, and a pairing, for each."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError, transaction

from coordinator.fabrics.models import Host
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job
from coordinator.protection.discovery.belief import gather
from coordinator.protection.models import PairedHost, Pairing, Policy, ProtectedItem
from coordinator.protection.networks.known import cloud_pairs
from coordinator.protection.pairing.following import follow_all_hosts
from coordinator.protection.pairing.host_queries import HostState, hosts_of_pairing
from coordinator.protection.policies.updating import update_policy
from coordinator.protection.queries import cloud_roles, readiness_of
from coordinator.protection.states import PairingState
from tests.integration.protection.world import ORIGIN, World, add_host, add_machine

pytestmark = [pytest.mark.django_db, pytest.mark.spec("PO-2")]

OLD = {"sh": "goldcloud1-hv1.shanghai.contoso.com", "bj": "goldcloud2-hv1.beijing.contoso.com"}
NEW = {"sh": "goldcloud1-hv2.shanghai.contoso.com", "bj": "goldcloud2-hv2.beijing.contoso.com"}
WS2012, WS2012_R2, WS2016, WS2019 = "6.2.9200", "6.3.9600", "10.0.14393.0", "10.0.17763.0"


def run_windows(name: str, version: str) -> None:
    host = Host.objects.get(name=name)
    host.details["operating_system_version"] = version
    host.save()


def refusal(call: Callable[[], object]) -> RefusedError:
    with pytest.raises(RefusedError) as refused, transaction.atomic():
        call()
    failure = refused.value.failure
    assert failure.message
    assert failure.possible_causes
    assert failure.recommended_action
    return refused.value


def pair(world: World, policy: str) -> Pairing:
    pairing, _ = world.pair(policy=policy, name=f"to-{policy}")
    world.turn()
    pairing.refresh_from_db()
    return pairing


def follow(world: World) -> None:
    with transaction.atomic():
        follow_all_hosts(world.now)
    world.turn()


def configured(pairing: Pairing) -> set[str]:
    return set(PairedHost.objects.filter(pairing=pairing).values_list("host__name", flat=True))


def senders(world: World, host: str) -> set[str]:
    return {entry.allowed_primary_server for entry in world.hyperv.servers[host].authorizations}


@pytest.fixture
def mixed(world: World) -> World:
    """On each side a host of 2012 with GoldVM1 and one of 2019 with Modern; nothing paired."""
    for name in OLD.values():
        run_windows(name, WS2012)
    add_machine(world, "Modern", "GoldCloud1", NEW["sh"])
    world.policy("Old", instanceType="HyperVReplica2012", replicationFrequencyInSeconds=300)
    world.policy("New")
    return world


@pytest.fixture
def both(mixed: World) -> World:
    """The clouds are paired for both generations."""
    pair(mixed, "Old")
    pair(mixed, "New")
    return mixed


def of(policy: str) -> Pairing:
    return Pairing.objects.get(policy__name=policy)


@pytest.mark.spec("PA-3")
def test_each_pairing_configures_the_hosts_of_its_generation_on_both_sides(both: World) -> None:
    assert {each.state for each in Pairing.objects.all()} == {PairingState.PAIRED}
    assert configured(of("Old")) == set(OLD.values())
    assert configured(of("New")) == set(NEW.values())
    for hosts in (OLD, NEW):
        assert senders(both, hosts["bj"]) == {hosts["sh"]}
        assert senders(both, hosts["sh"]) == {hosts["bj"]}
    # Nothing is left to follow, and each shows its own hosts only.
    jobs = Job.objects.count()
    follow(both)
    assert Job.objects.count() == jobs
    for policy, hosts in (("Old", OLD), ("New", NEW)):
        shown = hosts_of_pairing(of(policy), both.now)
        assert {(each.name, each.state) for each in shown} == {
            (name, HostState.CONFIGURED) for name in hosts.values()
        }


def test_machines_replicate_by_the_policy_of_their_hosts_generation_to_hosts_of_it(
    both: World,
) -> None:
    for name in ("GoldVM1", "Modern"):
        both.enable(name)
        both.turn()
    items = {each.friendly_name: each for each in ProtectedItem.objects.select_related("pairing")}
    assert items["GoldVM1"].pairing == of("Old")
    assert items["GoldVM1"].recovery_host == OLD["bj"]
    assert items["Modern"].pairing == of("New")
    assert items["Modern"].recovery_host == NEW["bj"]
    roles = cloud_roles(both.vault.id)
    assert roles[both.cloud("GoldCloud1").pk].protected_items == len(items)
    assert roles[both.cloud("GoldCloud2").pk].state == PairingState.PAIRED


def test_a_policy_that_the_request_names_must_be_of_the_hosts_generation(both: World) -> None:
    error = refusal(lambda: both.enable("GoldVM1", policy=Policy.objects.get(name="New")))
    assert (error.failure.code, error.status) == ("HostGenerationNotSupported", 409)
    assert OLD["sh"] in error.failure.message
    assert "New" in error.failure.message
    error = refusal(lambda: both.enable("GoldVM1", policy=both.policy("Other")))
    assert (error.failure.code, error.field) == ("PolicyNotOfPairing", "policyId")
    item, _ = both.enable("GoldVM1", policy=Policy.objects.get(name="Old"))
    assert item.pairing == of("Old")


def test_without_a_policy_of_its_generation_a_host_is_named_when_its_machine_is_to_be_protected(
    mixed: World,
) -> None:
    pairing = pair(mixed, "New")
    assert (pairing.state, pairing.host_errors) == (PairingState.PAIRED, [])
    assert configured(pairing) == set(NEW.values())
    error = refusal(lambda: mixed.enable("GoldVM1"))
    assert error.failure.code == "HostGenerationNotSupported"
    assert OLD["sh"] in error.failure.message
    machine, fit = mixed.machine("GoldVM1"), mixed.machine("Modern")
    readiness = readiness_of(machine.fabric_id, [machine, fit])
    [told] = readiness[machine.id].errors
    assert (told.code, OLD["sh"] in told.message) == ("HostGenerationNotSupported", True)
    assert readiness[fit.id].errors == ()
    shown = {each.name: each.state for each in hosts_of_pairing(pairing, mixed.now)}
    assert shown[OLD["sh"]] is shown[OLD["bj"]] is HostState.OTHER_GENERATION


def test_items_of_one_cloud_have_names_of_their_own_whatever_their_generation(both: World) -> None:
    both.enable("GoldVM1", name="one")
    error = refusal(lambda: both.enable("Modern", name="ONE"))
    assert error.failure.code == "NameInUse"


@pytest.mark.spec("PA-2")
def test_a_second_policy_of_a_generation_is_refused(both: World) -> None:
    both.policy("Newer")
    error = refusal(lambda: pair(both, "Newer"))
    assert (error.failure.code, error.status) == ("CloudAlreadyPaired", 409)
    assert "to-New" in " ".join(error.failure.possible_causes)
    assert Pairing.objects.count() == 2


@pytest.mark.parametrize(
    ("primary", "recovery"),
    [
        ("GoldCloud1", "SilverCloud2"),
        ("SilverCloud1", "GoldCloud2"),
        ("GoldCloud2", "GoldCloud1"),
    ],
)
@pytest.mark.spec("PA-2")
def test_a_policy_of_another_generation_pairs_a_cloud_with_no_third_one_and_not_backwards(
    mixed: World, primary: str, recovery: str
) -> None:
    pair(mixed, "New")
    for name in ("silvercloud1-hv1.shanghai.contoso.com", "silvercloud2-hv1.beijing.contoso.com"):
        run_windows(name, WS2012)
    error = refusal(lambda: mixed.pair(primary, recovery, policy="Old"))
    assert (error.failure.code, error.status) == ("CloudAlreadyPaired", 409)


@pytest.mark.spec("PA-2")
def test_the_database_refuses_two_pairings_of_a_generation_and_of_a_name(both: World) -> None:
    del both
    for change in ({"instance_type": "HyperVReplica2012R2"}, {"name": "TO-NEW"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Pairing.objects.filter(policy__name="Old").update(**change)


@pytest.mark.spec("PA-4")
def test_one_pairing_goes_while_the_other_stays(both: World) -> None:
    both.enable("Modern")
    both.turn()
    both.unpair(of("Old"))
    both.turn()
    assert [each.policy.name for each in Pairing.objects.all()] == ["New"]
    for name in OLD.values():
        assert senders(both, name) == set()
        assert not both.hyperv.certificates[name]
    assert senders(both, NEW["bj"]) == {NEW["sh"]}
    assert both.hyperv.certificates[NEW["bj"]]
    error = refusal(lambda: both.enable("GoldVM1"))
    assert error.failure.code == "HostGenerationNotSupported"


@pytest.mark.spec("PA-3")
def test_a_host_that_joins_is_configured_by_the_pairing_of_its_generation(both: World) -> None:
    joining = "goldcloud1-hv3.shanghai.contoso.com"
    add_host(both, both.fabric("vmm-shanghai"), "GoldCloud1", joining, 3)
    run_windows(joining, WS2012)
    follow(both)
    assert configured(of("Old")) == {*OLD.values(), joining}
    assert configured(of("New")) == set(NEW.values())
    assert senders(both, OLD["bj"]) == {OLD["sh"], joining}
    assert senders(both, NEW["bj"]) == {NEW["sh"]}


@pytest.mark.spec("PA-3")
def test_an_upgraded_host_goes_over_to_the_other_pairing(both: World) -> None:
    run_windows(OLD["bj"], WS2012_R2)
    # Two pairings want the host: a job at a time has it.
    for _ in range(3):
        follow(both)
    assert configured(of("Old")) == {OLD["sh"]}
    assert configured(of("New")) == {*NEW.values(), OLD["bj"]}
    assert senders(both, OLD["bj"]) == {NEW["sh"]}
    assert senders(both, OLD["sh"]) == set()
    assert both.hyperv.certificates[OLD["bj"]]
    # Nothing of the old generation is left to recover on.
    both.enable("GoldVM1")
    both.turn()
    assert "NoSuitableHost" in {
        error["code"] for job in Job.objects.filter(scenario="EnableDr") for error in job.errors
    }


@pytest.mark.spec("PA-3", "PA-4")
def test_an_upgraded_host_that_holds_items_stays_told_by_name_and_takes_no_more(
    both: World,
) -> None:
    both.enable("GoldVM1")
    both.turn()
    run_windows(OLD["bj"], WS2012_R2)
    for _ in range(3):
        follow(both)
    assert configured(of("Old")) == set(OLD.values())
    assert configured(of("New")) == {*NEW.values(), OLD["bj"]}
    # Both pairings let their own side replicate to it.
    assert senders(both, OLD["bj"]) == {OLD["sh"], NEW["sh"]}
    [error] = of("Old").host_errors
    assert (error["code"], OLD["bj"] in error["message"]) == ("HostGenerationNotSupported", True)
    add_machine(both, "Late", "GoldCloud1", OLD["sh"])
    _, job = both.enable("Late")
    both.turn()
    job.refresh_from_db()
    [error] = job.errors
    assert error["code"] == "NoSuitableHost"
    assert f"{OLD['bj']}: runs Windows {WS2012_R2}, which the policy does not name" in str(error)
    # The item goes, and the host with it; what the other pairing has on it stays.
    ProtectedItem.objects.all().delete()
    for _ in range(3):
        follow(both)
    assert configured(of("Old")) == {OLD["sh"]}
    assert of("Old").host_errors == []
    assert senders(both, OLD["bj"]) == {NEW["sh"]}
    assert both.hyperv.certificates[OLD["bj"]]


@pytest.mark.spec("ST-2")
def test_a_replica_goes_to_a_host_that_is_not_older_and_best_to_one_to_come_back_from(
    both: World,
) -> None:
    run_windows(NEW["sh"], WS2016)
    run_windows(NEW["bj"], WS2012_R2)
    newer, same = (f"goldcloud2-hv{number}.beijing.contoso.com" for number in (3, 4))
    # The newer one has far more memory.
    for name, version, number in ((newer, WS2019, 4), (same, WS2016, 1)):
        add_host(both, both.fabric("vmm-beijing"), "GoldCloud2", name, number)
        run_windows(name, version)
    follow(both)
    both.enable("Modern")
    both.turn()
    item = ProtectedItem.objects.get()
    told = {each["host"]: each for each in item.placement}
    assert item.recovery_host == same
    assert told[newer]["fits"]
    assert "could not be reversed" in " ".join(told[newer]["reasons"])
    assert not told[NEW["bj"]]["fits"]
    assert "older than the machine's host" in told[NEW["bj"]]["reasons"][0]


def test_a_policy_cannot_take_over_the_generation_of_the_other(both: World) -> None:
    old = Policy.objects.get(name="Old")
    wanted = {"instanceType": "HyperVReplica2012R2"}
    error = refusal(lambda: update_policy(old, wanted, ORIGIN, both.now))
    assert error.failure.code == "CloudAlreadyPaired"
    both.unpair(of("New"))
    both.turn()
    error = refusal(lambda: update_policy(old, wanted, ORIGIN, both.now))
    for name in OLD.values():
        assert name in error.failure.message
    for name in OLD.values():
        run_windows(name, WS2012_R2)
    with transaction.atomic():
        update_policy(old, wanted, ORIGIN, both.now)
    assert of("Old").instance_type == "HyperVReplica2012R2"
    follow(both)
    assert configured(of("Old")) == {*OLD.values(), *NEW.values()}


@pytest.mark.spec("DI-4")
def test_a_consistency_check_takes_the_other_generation_for_no_difference(both: World) -> None:
    for site in ("vmm-shanghai", "vmm-beijing"):
        clouds = gather(both.fabric(site), ()).clouds
        assert len(clouds) == 2
        assert all(cloud.hosts == cloud.configured for cloud in clouds)


@pytest.mark.spec("NW-1")
def test_clouds_paired_twice_are_one_pair_for_networks(both: World) -> None:
    fabrics = (both.fabric("vmm-shanghai").id, both.fabric("vmm-beijing").id)
    for source, target in (fabrics, fabrics[::-1]):
        assert len(cloud_pairs(both.vault.id, source, target)) == 1
