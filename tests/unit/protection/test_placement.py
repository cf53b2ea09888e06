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
    choose_host,
)

NEEDS = MachineNeeds(memory_bytes=2 * GIBIBYTE, disk_bytes=40 * GIBIBYTE)


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
    assert (best.host, best.fits, best.score) == ("hv2", True, 46.0)
    assert best.reasons[0] == "46.0 GiB of memory left after failover"
    assert (second.host, second.score) == ("hv1", 14.0)


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
