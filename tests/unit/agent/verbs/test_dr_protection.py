"""VMM's mark on a machine: taken away once, and never where there is none."""

from __future__ import annotations

import pytest
from opensiterecovery.provider.v1.command_pb2 import VirtualMachineRef
from opensiterecovery.provider.v1.dr_protection_pb2 import ClearDrProtection

from agent.verbs.dr_protection import clear_dr_protection
from tests.unit.agent.fake_hyperv import FakeHyperV, FakeMachine, gone
from tests.unit.agent.verbs.conftest import BEIJING, SHANGHAI, VM_ID, MakeContext

pytestmark = pytest.mark.spec("RE-3", "RE-7")


def machine(*, required: bool = True, known_to_vmm: bool = True) -> FakeMachine:
    found = FakeMachine(VM_ID, "SQL1", "Running", "None", "Disabled")
    found.dr_protection_required, found.known_to_vmm = required, known_to_vmm
    return found


async def test_the_mark_is_taken_away_once_and_of_the_one_machine(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    ours, other = machine(), machine()
    hyperv.add(SHANGHAI, ours)
    hyperv.add(BEIJING, other)
    for _ in range(2):
        mark = await clear_dr_protection(ClearDrProtection(vm=primary), context())
        assert (mark.vm_id, mark.host, mark.required) == (str(VM_ID), SHANGHAI, False)
    assert not ours.dr_protection_required
    assert other.dr_protection_required
    assert len(hyperv.effects) == 1


@pytest.mark.parametrize("found", [machine(required=False), machine(known_to_vmm=False)])
async def test_without_a_mark_nothing_is_done(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef, found: FakeMachine
) -> None:
    hyperv.add(SHANGHAI, found)
    assert not (await clear_dr_protection(ClearDrProtection(vm=primary), context())).required
    assert hyperv.effects == []


async def test_a_lost_answer_is_looked_up_and_not_asked_again(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, machine())
    hyperv.trouble("Set-SCVirtualMachine", gone(), after_the_effect=True)
    await clear_dr_protection(ClearDrProtection(vm=primary), context())
    assert len(hyperv.ran("Set-SCVirtualMachine")) == 1


async def test_the_mark_of_a_machine_that_left_its_host_is_taken_away_where_it_is_now(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    """Left there, it would have the machine protected again."""
    moved = hyperv.add(BEIJING, machine())
    assert not (await clear_dr_protection(ClearDrProtection(vm=primary), context())).required
    assert not moved.dr_protection_required


async def test_a_replica_of_the_same_server_is_not_taken_for_the_machine(
    hyperv: FakeHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    replica = hyperv.add(BEIJING, machine())
    replica.mode = "Replica"
    await clear_dr_protection(ClearDrProtection(vm=primary), context())
    assert hyperv.effects == []
