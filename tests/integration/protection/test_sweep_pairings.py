"""Pairings and network mappings whose job is gone."""

from __future__ import annotations

import pytest

from coordinator.jobs.models import Job, OperationLock
from coordinator.protection.models import NetworkMapping, Pairing
from coordinator.protection.states import PairingState
from coordinator.protection.steps import TASKS
from coordinator.protection.sweep import PAIRINGS_LEFT_BEHIND
from tests.integration.protection.network_stage import Stage
from tests.integration.protection.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("JB-3")]


def sweep(world: World) -> None:
    TASKS["protection.sweep_pairings"](world.now)


def lose_jobs() -> None:
    """As an older backup of the database has none of them."""
    OperationLock.objects.all().delete()
    Job.objects.all().delete()


def test_a_pairing_whose_job_is_gone_has_failed_says_why_and_is_taken_up_by_asking_again(
    world: World,
) -> None:
    world.pair()
    sweep(world)
    assert Pairing.objects.get().state == PairingState.PAIRING
    lose_jobs()
    sweep(world)
    pairing = Pairing.objects.get()
    assert pairing.state == PairingState.PAIRING_FAILED
    [error] = pairing.errors
    assert error["code"] == "JobMissing"
    assert all(error[part] for part in ("message", "possibleCauses", "recommendedAction"))
    world.pair()
    world.turn()
    pairing.refresh_from_db()
    assert (pairing.state, pairing.errors) == (PairingState.PAIRED, [])


def test_a_dissociation_whose_job_is_gone_is_taken_up_by_asking_again(world: World) -> None:
    pairing, _ = world.pair()
    world.turn()
    world.unpair(pairing)
    sweep(world)
    assert Pairing.objects.get().state == PairingState.UNPAIRING
    lose_jobs()
    sweep(world)
    assert Pairing.objects.get().state == PairingState.UNPAIRING_FAILED
    world.unpair(pairing)
    world.turn()
    assert not Pairing.objects.exists()
    assert not any(world.hyperv.certificates.values())


@pytest.mark.parametrize("state", sorted(set(PairingState) - PAIRINGS_LEFT_BEHIND.keys()))
def test_pairings_at_rest_are_left_alone(world: World, state: PairingState) -> None:
    world.pair()
    world.turn()
    Pairing.objects.update(state=state)
    sweep(world)
    assert Pairing.objects.values_list("state", "errors").get() == (state, [])


def test_a_network_mapping_whose_job_is_gone_holds_as_its_row_says(stage: Stage) -> None:
    stage.world.pair()
    stage.world.turn()
    stage.map()
    sweep(stage.world)
    assert NetworkMapping.objects.get().state == "Pairing"
    lose_jobs()
    sweep(stage.world)
    assert NetworkMapping.objects.get().state == "Paired"
