from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.protection.placement.rules import (
    GIBIBYTE,
    HostCandidate,
    MachineNeeds,
    Site,
    choose_host,
)
from coordinator.protection.storage.rules import DiskNeed, Location

DISK = DiskNeed(file_name="vm.vhdx", classification="GOLD", size_bytes=40 * GIBIBYTE)
NEEDS = MachineNeeds(memory_bytes=2 * GIBIBYTE, disks=(DISK,))
GOLD = {"GOLD": "GOLD_TARGET"}


def host(name: str, available_gib: int = 32, **changes: object) -> HostCandidate:
    candidate = HostCandidate(
        fqdn=name,
        storage_location=r"C:\Hyper-V",
        total_memory_bytes=64 * GIBIBYTE,
        available_memory_bytes=available_gib * GIBIBYTE,
    )
    return replace(candidate, **changes)  # type: ignore[arg-type]  # names of fields, varying


@pytest.mark.spec("ST-2")
def test_the_host_with_the_most_memory_left_is_chosen_and_says_so() -> None:
    placement = choose_host((host("hv1", 16), host("hv2", 48)), NEEDS)
    assert placement.chosen is not None
    assert placement.chosen.fqdn == "hv2"
    best, second = placement.assessments
    assert (best.host, best.fits) == ("hv2", True)
    assert best.reasons == (
        "46.0 GiB of memory left after failover",
        r"free space of C:\Hyper-V is not known",
    )
    assert second.host == "hv1"
    assert second.score < best.score


def test_memory_that_placed_replicas_will_need_is_counted() -> None:
    full = host("hv1", 48, reserved_memory_bytes=40 * GIBIBYTE)
    placement = choose_host((full, host("hv2", 16)), NEEDS)
    assert placement.chosen is not None
    assert placement.chosen.fqdn == "hv2"


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (host("hv1", available_for_placement=False), "not available for placement"),
        (host("hv1", maintenance=True), "maintenance"),
        (host("hv1", communication_state="NotResponding"), "NotResponding"),
        (host("hv1", 1), "needs 2.0 GiB of memory, has 1.0 GiB"),
        (host("hv1", storage_location=""), "no storage location"),
        (host("hv1", storage_free_bytes=GIBIBYTE), r"needs 40.0 GiB at C:\Hyper-V, has 1.0 GiB"),
    ],
)
@pytest.mark.spec("ST-2")
def test_a_host_that_does_not_fit_is_left_out_with_the_reason(
    candidate: HostCandidate, reason: str
) -> None:
    placement = choose_host((candidate,), NEEDS)
    assert placement.chosen is None
    [assessment] = placement.assessments
    assert not assessment.fits
    assert any(reason in text for text in assessment.reasons)
    assert assessment.as_json()["reasons"] == list(assessment.reasons)


def test_the_host_that_may_hold_the_replica_already_is_kept_while_it_fits() -> None:
    hosts = (host("hv1", 16), host("hv2", 48))
    kept = choose_host(hosts, NEEDS, preferred="hv1").chosen
    assert kept is not None
    assert kept.fqdn == "hv1"
    moved = choose_host((host("hv1", maintenance=True), hosts[1]), NEEDS, preferred="hv1").chosen
    assert moved is not None
    assert moved.fqdn == "hv2"


def test_a_host_of_unknown_memory_fits_but_comes_last() -> None:
    unknown = host("hv1", total_memory_bytes=0, available_memory_bytes=0)
    assert choose_host((unknown,), NEEDS).chosen == unknown
    best = choose_host((unknown, host("hv2", 4)), NEEDS).chosen
    assert best is not None
    assert best.fqdn == "hv2"


@given(
    st.lists(st.tuples(st.integers(0, 64), st.booleans()), max_size=8),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_candidates_makes_no_difference_and_no_unfit_host_is_chosen(
    facts: list[tuple[int, bool]], randomness: Random
) -> None:
    hosts = [
        host(f"hv{number}", gib, maintenance=maintenance)
        for number, (gib, maintenance) in enumerate(facts)
    ]
    shuffled = list(hosts)
    randomness.shuffle(shuffled)
    placement = choose_host(tuple(hosts), NEEDS)
    assert placement == choose_host(tuple(shuffled), NEEDS)
    if placement.chosen is None:
        assert all(h.maintenance or h.available_memory_bytes < NEEDS.memory_bytes for h in hosts)
    else:
        assert not placement.chosen.maintenance


def share(path: str, *hosts: str, free_gib: int = 100) -> Location:
    return Location(
        path=path,
        classification="GOLD_TARGET",
        free_bytes=free_gib * GIBIBYTE,
        hosts=frozenset(hosts),
    )


@pytest.mark.spec("ST-2")
def test_a_host_that_reaches_the_mapped_storage_goes_before_one_with_more_memory() -> None:
    site = Site(GOLD, (share("S1", "hv1"),))
    placement = choose_host((host("hv1", 4), host("hv2", 60)), NEEDS, site)
    assert placement.chosen is not None
    assert placement.chosen.fqdn == "hv1"
    assert [disk.location for disk in placement.storage.disks] == ["S1"]
    assert placement.assessments[0].reasons[0] == (
        "1 of 1 disks on the storage their classification is mapped to"
    )


@pytest.mark.spec("ST-2")
def test_a_full_default_path_is_no_obstacle_when_the_disks_go_elsewhere() -> None:
    full = host("hv1", storage_free_bytes=GIBIBYTE)
    assert choose_host((full,), NEEDS).chosen is None
    assert choose_host((full,), NEEDS, Site(GOLD, (share("S1", "hv1"),))).chosen == full


@pytest.mark.spec("NW-6")
def test_a_host_that_reaches_the_mapped_networks_goes_before_any_other() -> None:
    needs = MachineNeeds(memory_bytes=2 * GIBIBYTE, disks=(DISK,), networks=("Front", "Back"))
    site = Site(GOLD, (share("S1", "hv2"),))
    both, one = host("hv1", 4), host("hv2", 60, unreachable_networks=("Back",))
    placement = choose_host((one, both), needs, site)
    assert placement.chosen == both
    assert placement.assessments[0].reasons[0] == "reaches Back, Front"
    assert placement.assessments[1].reasons[0] == "does not reach Back"


@pytest.mark.spec("NW-6")
def test_a_host_that_reaches_none_of_the_networks_is_taken_when_there_is_no_other() -> None:
    needs = MachineNeeds(memory_bytes=0, disks=(DISK,), networks=("Front",))
    only = host("hv1", unreachable_networks=("Front",))
    placement = choose_host((only,), needs)
    assert placement.chosen == only
    assert placement.assessments[0].reasons[0] == "does not reach Front"


HOSTS = st.fixed_dictionaries(
    {
        "available_memory_bytes": st.integers(0, 64).map(lambda gib: gib * GIBIBYTE),
        "reserved_memory_bytes": st.integers(0, 16).map(lambda gib: gib * GIBIBYTE),
        "storage_free_bytes": st.one_of(
            st.none(), st.integers(0, 200).map(lambda gib: gib * GIBIBYTE)
        ),
        "maintenance": st.booleans(),
        "unreachable_networks": st.sets(st.sampled_from(["A", "B"])).map(
            lambda names: tuple(sorted(names))
        ),
    }
)
DISKS = st.lists(st.integers(1, 50), max_size=3).map(
    lambda sizes: tuple(
        DiskNeed(file_name=f"d{number}", classification="GOLD", size_bytes=gib * GIBIBYTE)
        for number, gib in enumerate(sizes)
    )
)
SITES = st.lists(st.tuples(st.sets(st.sampled_from(["hv0", "hv1"])), st.integers(0, 90))).map(
    lambda facts: Site(
        GOLD,
        tuple(share(f"S{n}", *hosts, free_gib=free) for n, (hosts, free) in enumerate(facts)),
    )
)


@given(st.lists(HOSTS, max_size=4), DISKS, SITES)
@pytest.mark.spec("ST-2")
def test_the_chosen_host_fits_and_no_fitting_host_scores_more(
    facts: list[dict[str, object]], disks: tuple[DiskNeed, ...], site: Site
) -> None:
    hosts = tuple(host(f"hv{number}", **each) for number, each in enumerate(facts))  # type: ignore[arg-type]  # names of fields, varying
    needs = MachineNeeds(memory_bytes=2 * GIBIBYTE, disks=disks, networks=("A", "B"))
    placement = choose_host(hosts, needs, site)
    fitting = [each for each in placement.assessments if each.fits]
    assert (placement.chosen is None) == (not fitting)
    if placement.chosen is not None:
        best = placement.assessments[0]
        assert (best.host, best.fits) == (placement.chosen.fqdn, True)
        assert best.score == max(each.score for each in fitting)
        assert not placement.chosen.maintenance
        assert all(each.location or each.reason for each in placement.storage.disks)


@given(HOSTS, DISKS, SITES, st.integers(0, 64), st.integers(0, 64))
@pytest.mark.spec("ST-2")
def test_more_free_memory_or_space_never_lowers_a_hosts_score(
    facts: dict[str, object],
    disks: tuple[DiskNeed, ...],
    site: Site,
    more_memory_gib: int,
    more_space_gib: int,
) -> None:
    needs = MachineNeeds(memory_bytes=2 * GIBIBYTE, disks=disks, networks=("A", "B"))
    before = host("hv0", **facts)  # type: ignore[arg-type]  # names of fields, varying
    more = replace(
        before, available_memory_bytes=before.available_memory_bytes + more_memory_gib * GIBIBYTE
    )
    roomier = Site(
        site.mappings,
        tuple(
            replace(each, free_bytes=(each.free_bytes or 0) + more_space_gib * GIBIBYTE)
            for each in site.locations
        ),
    )
    [low] = choose_host((before,), needs, site).assessments
    [high] = choose_host((more,), needs, site).assessments
    assert high.score >= low.score
    assert high.fits or not low.fits
    [with_space] = choose_host((before,), needs, roomier).assessments
    if with_space.fits:
        assert with_space.score >= low.score
