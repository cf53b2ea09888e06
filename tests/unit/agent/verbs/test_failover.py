"""The failover family: each step once, each wrong state refused before anything is tried."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from opensiterecovery.provider.v1.command_pb2 import (
    AUTHENTICATION_TYPE_CERTIFICATE,
    CompleteFailover,
    PrepareFailover,
    ReverseReplication,
    StartFailover,
    VirtualMachineRef,
)
from opensiterecovery.provider.v1.failover_pb2 import (
    RECOVERY_TAG_LATEST_APPLICATION_CONSISTENT,
    RECOVERY_TAG_LATEST_CRASH_CONSISTENT,
    RECOVERY_TAG_UNSPECIFIED,
    CancelFailover,
    MakeReplica,
    RecoveryTag,
)

from agent.failures import CommandError
from agent.verbs.context import VerbContext
from agent.verbs.failover import complete_failover, prepare_failover, start_failover
from agent.verbs.failover_cancellation import cancel_failover
from agent.verbs.reversal import make_replica, reverse_replication
from tests.unit.agent.fake_hyperv import FakeHyperV, FakeMachine, failure, gone
from tests.unit.agent.verbs.conftest import BEIJING, SHANGHAI, VM_ID, MakeContext

POINT = UUID("aaaaaaaa-0000-4000-8000-000000000001")
PRIMARY = VirtualMachineRef(vm_id=str(VM_ID), host=SHANGHAI)
REPLICA = VirtualMachineRef(vm_id=str(VM_ID), host=BEIJING)

REVERSE = ReverseReplication(
    vm=REPLICA,
    replica_server=SHANGHAI,
    port=8084,
    authentication_type=AUTHENTICATION_TYPE_CERTIFICATE,
    certificate_thumbprint="AB" * 20,
)

Verb = Callable[[Any, VerbContext], Awaitable[Any]]


@dataclass(frozen=True)
class Step:
    """A verb in the state it is for, the state it leads to, and the cmdlet that does it."""

    verb: Verb
    request: Any
    machine: FakeMachine
    state: str
    cmdlet: str


STEPS = [
    pytest.param(
        Step(
            prepare_failover,
            PrepareFailover(vm=PRIMARY),
            FakeMachine(VM_ID, "SQL1", "Off", "Primary", "Replicating"),
            "PreparedForFailover",
            "Start-VMFailover",
        ),
        id="prepare",
    ),
    pytest.param(
        Step(
            start_failover,
            StartFailover(vm=REPLICA),
            FakeMachine(VM_ID, "SQL1", "Off", "Replica", "Replicating"),
            "FailedOverWaitingCompletion",
            "Start-VMFailover",
        ),
        id="start",
    ),
    pytest.param(
        Step(
            complete_failover,
            CompleteFailover(vm=REPLICA),
            FakeMachine(VM_ID, "SQL1", "Off", "Replica", "FailedOverWaitingCompletion"),
            "FailedOver",
            "Complete-VMFailover",
        ),
        id="complete",
    ),
    pytest.param(
        Step(
            reverse_replication,
            REVERSE,
            FakeMachine(VM_ID, "SQL1", "Off", "Replica", "FailedOverWaitingCompletion"),
            "Replicating",
            "Set-VMReplication",
        ),
        id="reverse",
    ),
    pytest.param(
        Step(
            cancel_failover,
            CancelFailover(vm=PRIMARY),
            FakeMachine(VM_ID, "SQL1", "Off", "Primary", "PreparedForFailover"),
            "Replicating",
            "Stop-VMFailover",
        ),
        id="cancel on the primary",
    ),
    pytest.param(
        Step(
            cancel_failover,
            CancelFailover(vm=REPLICA),
            FakeMachine(VM_ID, "SQL1", "Running", "Replica", "FailedOverWaitingCompletion"),
            "Replicating",
            "Stop-VMFailover",
        ),
        id="cancel on the replica",
    ),
    pytest.param(
        Step(
            make_replica,
            MakeReplica(vm=PRIMARY),
            FakeMachine(VM_ID, "SQL1", "Off", "Primary", "Error"),
            "WaitingForInitialReplication",
            "Set-VMReplication",
        ),
        id="make replica",
    ),
]


def placed(hyperv: FakeHyperV, step: Step) -> None:
    hyperv.add(step.request.vm.host, replace(step.machine))


@pytest.mark.spec("FO-2")
@pytest.mark.parametrize("step", STEPS)
async def test_a_step_done_twice_has_one_effect(
    hyperv: FakeHyperV, context: MakeContext, step: Step
) -> None:
    placed(hyperv, step)
    for _ in range(2):
        found = await step.verb(step.request, context())
        assert found.state == step.state
        assert found.host == step.request.vm.host
    assert len(hyperv.effects) == 1
    [call] = hyperv.ran(step.cmdlet)
    assert call.parameters["Confirm"] is False


@pytest.mark.spec("JB-3")
@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_between_act_and_report_has_one_effect(
    hyperv: FakeHyperV, context: MakeContext, step: Step
) -> None:
    placed(hyperv, step)
    await step.verb(step.request, context())  # the agent dies here, and its journal says "started"
    found = await step.verb(step.request, context(resumed=True))
    assert found.state == step.state
    assert len(hyperv.effects) == 1
    assert len(hyperv.ran(step.cmdlet)) == 1


@pytest.mark.parametrize("step", STEPS)
async def test_powershell_dying_after_the_effect_has_one_effect(
    hyperv: FakeHyperV, context: MakeContext, step: Step
) -> None:
    placed(hyperv, step)
    hyperv.trouble(step.cmdlet, gone(), after_the_effect=True)
    found = await step.verb(step.request, context())
    assert found.state == step.state
    assert len(hyperv.effects) == 1


@pytest.mark.parametrize("step", STEPS)
async def test_a_first_call_still_at_work_makes_a_refusal_unbelievable(
    hyperv: FakeHyperV, context: MakeContext, step: Step
) -> None:
    placed(hyperv, step)
    # Hyper-V works on what the dead agent began and refuses a second operation meanwhile.
    hyperv.trouble(step.cmdlet, failure("InvalidState", "InvalidOperation", step.cmdlet), times=3)
    found = await step.verb(step.request, context(resumed=True))
    assert found.state == step.state
    assert len(hyperv.effects) == 1


@pytest.mark.parametrize("step", STEPS)
async def test_a_refusal_by_hyperv_is_told_with_the_state(
    hyperv: FakeHyperV, context: MakeContext, step: Step
) -> None:
    placed(hyperv, step)
    hyperv.trouble(step.cmdlet, failure("OperationFailed", "NotSpecified", step.cmdlet))
    with pytest.raises(CommandError) as caught:
        await step.verb(step.request, context())
    assert step.machine.replication_state in caught.value.failure.message
    assert step.state not in caught.value.failure.message.replace(
        step.machine.replication_state, ""
    )
    assert caught.value.failure.powershell.cmdlet == step.cmdlet
    assert hyperv.effects == []


@pytest.mark.spec("FO-6")
@pytest.mark.parametrize(
    ("verb", "asked", "machine", "code"),
    [
        (
            prepare_failover,
            PrepareFailover(vm=PRIMARY),
            FakeMachine(VM_ID, "a", "Running", "Primary", "Replicating"),
            "VirtualMachineNotOff",
        ),
        (
            prepare_failover,
            PrepareFailover(vm=PRIMARY),
            FakeMachine(VM_ID, "a", "Off", "Primary", "InitialReplicationInProgress"),
            "ReplicationNotReady",
        ),
        (
            prepare_failover,
            PrepareFailover(vm=PRIMARY),
            FakeMachine(VM_ID, "a", "Off", "Replica", "Replicating"),
            "ReplicationNotReady",
        ),
        (
            start_failover,
            StartFailover(vm=REPLICA),
            FakeMachine(VM_ID, "a", "Off", "Replica", "WaitingForInitialReplication"),
            "ReplicationNotReady",
        ),
        (
            start_failover,
            StartFailover(vm=REPLICA),
            FakeMachine(VM_ID, "a", "Off", "Replica", "FailedOver"),
            "ReplicationNotReady",
        ),
        (
            start_failover,
            StartFailover(vm=PRIMARY),
            FakeMachine(VM_ID, "a", "Off", "Primary", "PreparedForFailover"),
            "ReplicationNotReady",
        ),
        (
            start_failover,
            StartFailover(vm=REPLICA),
            FakeMachine(VM_ID, "a", "Running", "Replica", "Replicating"),
            "VirtualMachineNotOff",
        ),
        (
            start_failover,
            StartFailover(vm=REPLICA, recovery_point_id=str(POINT)),
            FakeMachine(VM_ID, "a", "Off", "Replica", "Replicating"),
            "RecoveryPointNotFound",
        ),
        (
            complete_failover,
            CompleteFailover(vm=REPLICA),
            FakeMachine(VM_ID, "a", "Off", "Replica", "Replicating"),
            "ReplicationNotReady",
        ),
        (
            reverse_replication,
            REVERSE,
            FakeMachine(VM_ID, "a", "Off", "Replica", "Replicating"),
            "ReplicationNotReady",
        ),
        (
            reverse_replication,
            REVERSE,
            FakeMachine(VM_ID, "a", "Off", "Primary", "Replicating", "hv9.other.test"),
            "ReplicationAlreadyEnabled",
        ),
        (
            start_failover,
            StartFailover(vm=REPLICA, recovery_tag=RECOVERY_TAG_LATEST_APPLICATION_CONSISTENT),
            FakeMachine(VM_ID, "a", "Off", "Replica", "Replicating", recovery_points=[POINT]),
            "RecoveryPointNotFound",
        ),
        (
            cancel_failover,
            CancelFailover(vm=REPLICA),
            FakeMachine(VM_ID, "a", "Off", "Replica", "FailedOver"),
            "ReplicationNotReady",
        ),
        (
            make_replica,
            MakeReplica(vm=PRIMARY),
            FakeMachine(VM_ID, "a", "Running", "Primary", "Replicating"),
            "VirtualMachineNotOff",
        ),
        (
            make_replica,
            MakeReplica(vm=REPLICA),
            FakeMachine(VM_ID, "a", "Off", "Replica", "FailedOver"),
            "ReplicationNotReady",
        ),
    ],
)
async def test_a_wrong_state_is_refused_before_anything_is_tried(
    hyperv: FakeHyperV,
    context: MakeContext,
    verb: Verb,
    asked: Any,
    machine: FakeMachine,
    code: str,
) -> None:
    hyperv.add(asked.vm.host, machine)
    with pytest.raises(CommandError) as caught:
        await verb(asked, context())
    told = caught.value.failure
    assert told.code == code
    assert told.message
    assert told.possible_causes
    assert told.recommended_action
    assert hyperv.effects == []
    assert not any(
        step.name.startswith(("Start-", "Complete-", "Set-", "Stop-"))
        for pipeline in hyperv.pipelines
        for step in pipeline
    )


@pytest.mark.spec("FO-3")
async def test_a_recovery_point_is_chosen_and_gone_to_in_one_pipeline(
    hyperv: FakeHyperV, context: MakeContext
) -> None:
    machine = FakeMachine(VM_ID, "SQL1", "Off", "Replica", "Replicating", recovery_points=[POINT])
    hyperv.add(BEIJING, machine)
    request = StartFailover(vm=REPLICA, recovery_point_id=str(POINT))
    found = await start_failover(request, context())
    assert found.state == "FailedOverWaitingCompletion"
    assert hyperv.effects == [("failover.started", str(POINT))]
    [pipeline] = [each for each in hyperv.pipelines if each[-1].name == "Start-VMFailover"]
    assert [step.name for step in pipeline] == ["Get-VMSnapshot", "Start-VMFailover"]
    assert dict(pipeline[0].parameters) == {"ComputerName": BEIJING, "Id": POINT}


OLD, CONSISTENT, NEW = (UUID(f"aaaaaaaa-0000-4000-8000-00000000001{n}") for n in (1, 2, 3))


@pytest.mark.spec("FO-3")
@pytest.mark.parametrize(
    ("tag", "points", "chosen"),
    [
        (RECOVERY_TAG_UNSPECIFIED, [OLD, CONSISTENT, NEW], None),
        (RECOVERY_TAG_LATEST_APPLICATION_CONSISTENT, [OLD, CONSISTENT, NEW], CONSISTENT),
        (RECOVERY_TAG_LATEST_CRASH_CONSISTENT, [OLD, CONSISTENT, NEW], NEW),
        (RECOVERY_TAG_LATEST_CRASH_CONSISTENT, [OLD, CONSISTENT], OLD),
        # What the replica holds is as consistent as after a crash.
        (RECOVERY_TAG_LATEST_CRASH_CONSISTENT, [CONSISTENT], None),
    ],
)
async def test_a_tag_chooses_among_the_points_of_the_moment_and_the_choice_is_told(
    hyperv: FakeHyperV,
    context: MakeContext,
    tag: RecoveryTag.ValueType,
    points: list[UUID],
    chosen: UUID | None,
) -> None:
    machine = FakeMachine(
        VM_ID,
        "SQL1",
        "Off",
        "Replica",
        "Replicating",
        recovery_points=points,
        consistent_points=[CONSISTENT],
    )
    hyperv.add(BEIJING, machine)
    request = StartFailover(vm=REPLICA, recovery_tag=tag)
    told = [
        (await start_failover(request, context(resumed=repeated))).failed_over_to.id
        for repeated in (False, True)
    ]
    assert told == [str(chosen) if chosen else ""] * 2
    assert len(hyperv.effects) == 1


@pytest.mark.spec("FO-4")
@pytest.mark.parametrize(
    ("mode", "state"),
    [
        ("Primary", "Replicating"),
        ("Primary", "Error"),
        ("Replica", "Replicating"),
        ("None", "Disabled"),
    ],
)
async def test_cancelling_leaves_alone_what_is_neither_prepared_nor_failed_over(
    hyperv: FakeHyperV, context: MakeContext, mode: str, state: str
) -> None:
    hyperv.add(SHANGHAI, FakeMachine(VM_ID, "SQL1", "Running", mode, state))
    found = await cancel_failover(CancelFailover(vm=PRIMARY), context())
    assert (found.mode, found.state) == (mode, state)
    assert hyperv.effects == []


async def test_a_failover_in_progress_is_only_waited_for(
    hyperv: FakeHyperV, context: MakeContext
) -> None:
    hyperv.add(BEIJING, FakeMachine(VM_ID, "SQL1", "Off", "Replica", "RecoveryInProgress"))

    def done(machine: FakeMachine) -> None:
        machine.replication_state = "FailedOverWaitingCompletion"

    looks: list[int] = []

    def in_progress(machine: FakeMachine) -> None:
        looks.append(1)
        if len(looks) > 5:
            done(machine)

    hyperv.transitions["RecoveryInProgress"] = in_progress
    found = await start_failover(StartFailover(vm=REPLICA), context(resumed=True))
    assert found.state == "FailedOverWaitingCompletion"
    assert hyperv.ran("Start-VMFailover") == []


async def test_reversing_names_the_old_primary_and_the_certificate(
    hyperv: FakeHyperV, context: MakeContext
) -> None:
    hyperv.add(BEIJING, FakeMachine(VM_ID, "SQL1", "Running", "Replica", "FailedOver"))
    found = await reverse_replication(REVERSE, context())
    assert (found.mode, found.replica_server) == ("Primary", SHANGHAI)
    [call] = hyperv.ran("Set-VMReplication")
    assert dict(call.parameters) == {
        "Confirm": False,
        "Reverse": True,
        "ReplicaServerName": SHANGHAI,
        "ReplicaServerPort": 8084,
        "AuthenticationType": "Certificate",
        "CertificateThumbprint": "AB" * 20,
    }
