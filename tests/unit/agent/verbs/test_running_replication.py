"""Pausing, resuming and comparing anew: what is observed, done, verified and refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from opensiterecovery.provider.v1.command_pb2 import VirtualMachineRef
from opensiterecovery.provider.v1.replication_pb2 import ResumeReplication, SuspendReplication

from agent.failures import CommandError
from agent.verbs.running_replication import resume_replication, suspend_replication
from tests.unit.agent.fake_hyperv import FakeHyperV, FakeMachine, Objects, failure, gone
from tests.unit.agent.verbs.conftest import BEIJING, SHANGHAI, VM_ID, MakeContext

pytestmark = pytest.mark.spec("RE-5")

STOPPED = ("Suspended", "Error", "WaitingForStartResynchronize", "ResynchronizeSuspended")


class RunningHyperV(FakeHyperV):
    """Hosts that pause, resume and compare."""

    def _suspend_vmreplication(self, _: Mapping[str, Any], objects: Objects) -> Objects:
        machine = objects[0]["_machine"]
        after = {"Resynchronizing": "ResynchronizeSuspended"}.get(
            machine.replication_state, "Suspended"
        )
        if machine.replication_state in STOPPED or machine.mode == "None":
            raise failure("InvalidState", "InvalidOperation", "Suspend-VMReplication")
        machine.replication_state = after
        self._effect("replication.suspended", machine.vm_id)
        return []

    def _resume_vmreplication(self, parameters: Mapping[str, Any], objects: Objects) -> Objects:
        machine = objects[0]["_machine"]
        if machine.replication_state not in STOPPED:
            raise failure("InvalidState", "InvalidOperation", "Resume-VMReplication")
        compares = parameters.get("Resynchronize") or parameters.get("Continue")
        machine.replication_state = "Resynchronizing" if compares else "Replicating"
        self._effect("replication.resumed", machine.vm_id)
        return []


@pytest.fixture
def hyperv() -> RunningHyperV:
    return RunningHyperV(SHANGHAI, BEIJING)


def machine(state: str, mode: str = "Primary") -> FakeMachine:
    made = FakeMachine(VM_ID, "SQL1")
    made.mode, made.replication_state = mode, state
    return made


def names(hyperv: FakeHyperV) -> list[str]:
    return [name for name, _ in hyperv.effects]


@pytest.mark.parametrize("state", ["Replicating", "InitialReplicationInProgress"])
async def test_pausing_twice_pauses_once(
    hyperv: RunningHyperV, context: MakeContext, primary: VirtualMachineRef, state: str
) -> None:
    hyperv.add(SHANGHAI, machine(state))
    for _ in range(2):
        side = await suspend_replication(SuspendReplication(vm=primary), context())
        assert side.state == "Suspended"
    assert names(hyperv) == ["replication.suspended"]


@pytest.mark.parametrize("state", ["Error", "WaitingForStartResynchronize", "PreparedForFailover"])
async def test_what_does_not_run_is_not_paused(
    hyperv: RunningHyperV, context: MakeContext, primary: VirtualMachineRef, state: str
) -> None:
    hyperv.add(SHANGHAI, machine(state))
    with pytest.raises(CommandError) as refused:
        await suspend_replication(SuspendReplication(vm=primary), context())
    assert refused.value.failure.code == "ReplicationNotReady"
    assert hyperv.effects == []


@pytest.mark.parametrize(
    ("state", "after"),
    [
        ("Suspended", "Replicating"),
        ("Error", "Replicating"),
        ("ResynchronizeSuspended", "Resynchronizing"),
    ],
)
async def test_resuming_twice_resumes_once(
    hyperv: RunningHyperV, context: MakeContext, primary: VirtualMachineRef, state: str, after: str
) -> None:
    hyperv.add(SHANGHAI, machine(state))
    for _ in range(2):
        side = await resume_replication(ResumeReplication(vm=primary), context())
        assert side.state == after
    assert names(hyperv) == ["replication.resumed"]


async def test_a_lost_answer_does_not_resume_twice(
    hyperv: RunningHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, machine("Suspended"))
    hyperv.trouble("Resume-VMReplication", gone(), after_the_effect=True)
    await resume_replication(ResumeReplication(vm=primary), context())
    assert names(hyperv) == ["replication.resumed"]


async def test_resuming_what_needs_a_comparison_says_so(
    hyperv: RunningHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, machine("WaitingForStartResynchronize"))
    with pytest.raises(CommandError) as refused:
        await resume_replication(ResumeReplication(vm=primary), context())
    assert refused.value.failure.code == "ResynchronizationRequired"
    assert refused.value.failure.recommended_action
    assert hyperv.effects == []


@pytest.mark.parametrize(
    ("state", "effects"),
    [
        ("WaitingForStartResynchronize", ["replication.resumed"]),
        ("Error", ["replication.resumed"]),
        ("Suspended", ["replication.resumed"]),
        # Hyper-V compares nothing that runs.
        ("Replicating", ["replication.suspended", "replication.resumed"]),
        ("Resynchronizing", []),
    ],
)
async def test_a_comparison_begins_from_every_state_that_has_something_to_compare(
    hyperv: RunningHyperV,
    context: MakeContext,
    primary: VirtualMachineRef,
    state: str,
    effects: list[str],
) -> None:
    hyperv.add(SHANGHAI, machine(state))
    request = ResumeReplication(vm=primary, resynchronize=True)
    side = await resume_replication(request, context())
    assert side.state == "Resynchronizing"
    assert names(hyperv) == effects


@pytest.mark.parametrize(
    ("mode", "state"),
    [("Primary", "InitialReplicationInProgress"), ("Replica", "Replicating")],
)
async def test_a_comparison_needs_a_primary_whose_first_copy_is_complete(
    hyperv: RunningHyperV, context: MakeContext, primary: VirtualMachineRef, mode: str, state: str
) -> None:
    hyperv.add(SHANGHAI, machine(state, mode))
    with pytest.raises(CommandError) as refused:
        await resume_replication(ResumeReplication(vm=primary, resynchronize=True), context())
    assert refused.value.failure.code == "ReplicationNotReady"
    assert hyperv.effects == []


async def test_what_was_paused_for_a_comparison_that_is_refused_goes_on_replicating(
    hyperv: RunningHyperV, context: MakeContext, primary: VirtualMachineRef
) -> None:
    hyperv.add(SHANGHAI, machine("Replicating"))
    refusal = failure("OperationFailed", "InvalidOperation", "Resume-VMReplication")
    hyperv.trouble("Resume-VMReplication", refusal)
    with pytest.raises(CommandError):
        await resume_replication(ResumeReplication(vm=primary, resynchronize=True), context())
    side = await resume_replication(ResumeReplication(vm=primary), context())
    assert side.state == "Replicating"
    assert names(hyperv) == ["replication.suspended", "replication.resumed"]
