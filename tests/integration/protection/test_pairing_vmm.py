"""The machine VMM runs in stays out of clouds that are protected."""

from __future__ import annotations

import pytest

from coordinator.protection.models import Pairing
from tests.integration.protection.test_pairing import refusal
from tests.integration.protection.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("SS-2")]


def put_vmm_into(world: World, name: str) -> None:
    machine = world.machine(name)
    machine.details["runs_vmm"] = True
    machine.save()


def test_a_cloud_with_the_machine_vmm_runs_in_cannot_be_protected(world: World) -> None:
    put_vmm_into(world, "GoldVM2")
    error = refusal(world.pair)
    assert "GoldVM2" in error.failure.message
    assert error.failure.recommended_action
    assert not Pairing.objects.exists()


def test_the_machine_cannot_be_protected_when_it_moved_into_a_paired_cloud(world: World) -> None:
    world.pair()
    world.turn()
    put_vmm_into(world, "GoldVM2")
    error = refusal(lambda: world.enable("GoldVM2"))
    assert error.failure.code == "VirtualMachineRunsVmm"
