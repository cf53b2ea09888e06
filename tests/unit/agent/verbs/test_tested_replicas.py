"""A replica that is being tested: what takes a real failover back is never run on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from opensiterecovery.provider.v1.command_pb2 import StartFailover, VirtualMachineRef
from opensiterecovery.provider.v1.failover_pb2 import CancelFailover
from opensiterecovery.provider.v1.test_failover_pb2 import StopTestFailover

from agent.failures import CommandError
from agent.verbs.context import VerbContext
from agent.verbs.failover import start_failover
from agent.verbs.failover_cancellation import cancel_failover
from agent.verbs.test_failover import stop_test_failover
from tests.unit.agent.fake_hyperv import FakeHyperV, FakeMachine
from tests.unit.agent.verbs.conftest import BEIJING, VM_ID, MakeContext

TEST_ID = UUID("cccccccc-0000-4000-8000-000000000001")
REPLICA = VirtualMachineRef(vm_id=str(VM_ID), host=BEIJING)

Verb = Callable[[Any, VerbContext], Awaitable[Any]]


def put_to_test(
    hyperv: FakeHyperV, *, state: str, vm_state: str = "Off", test_state: str = "Off"
) -> None:
    hyperv.add(BEIJING, FakeMachine(VM_ID, "SQL1", vm_state, "Replica", state, test_vm_id=TEST_ID))
    hyperv.add(BEIJING, FakeMachine(TEST_ID, "SQL1 - Test", test_state, "TestReplica"))


@pytest.mark.spec("FO-1")
@pytest.mark.parametrize("state", ["FailedOverWaitingCompletion", "RecoveryInProgress"])
@pytest.mark.parametrize(
    ("verb", "request_"),
    [
        (stop_test_failover, StopTestFailover(vm=REPLICA)),
        (cancel_failover, CancelFailover(vm=REPLICA)),
    ],
)
async def test_a_failed_over_machine_is_not_given_up_for_the_sake_of_its_test(
    hyperv: FakeHyperV, context: MakeContext, verb: Verb, request_: Any, state: str
) -> None:
    """Somebody failed it over by hand while it was tested; Stop-VMFailover might mean either."""
    put_to_test(hyperv, state=state, vm_state="Running", test_state="Running")
    with pytest.raises(CommandError) as caught:
        await verb(request_, context(limit_seconds=5.0))
    assert hyperv.effects == []
    assert hyperv.hosts[BEIJING].machines[VM_ID].state == "Running"
    told = caught.value.failure
    assert told.possible_causes
    assert told.recommended_action
    if state == "FailedOverWaitingCompletion":
        assert told.code == "TestFailoverInTheWay"


async def test_a_test_machine_goes_once_the_failover_cannot_be_taken_back(
    hyperv: FakeHyperV, context: MakeContext
) -> None:
    put_to_test(hyperv, state="FailedOver", vm_state="Running")
    await stop_test_failover(StopTestFailover(vm=REPLICA), context())
    assert [name for name, _ in hyperv.effects] == ["test_failover.stopped"]


@pytest.mark.spec("FO-1")
async def test_a_replica_is_not_failed_over_from_under_its_test_machine(
    hyperv: FakeHyperV, context: MakeContext
) -> None:
    put_to_test(hyperv, state="Replicating")
    with pytest.raises(CommandError) as caught:
        await start_failover(StartFailover(vm=REPLICA), context())
    assert caught.value.failure.code == "TestFailoverInTheWay"
    assert hyperv.effects == []
    await stop_test_failover(StopTestFailover(vm=REPLICA), context())
    await start_failover(StartFailover(vm=REPLICA), context())
    assert [name for name, _ in hyperv.effects] == ["test_failover.stopped", "failover.started"]


@pytest.mark.parametrize("test_state", ["Off", "Saved", "Running"])
async def test_a_test_machine_goes_in_any_state(
    hyperv: FakeHyperV, context: MakeContext, test_state: str
) -> None:
    """A host that was shut down has saved it; Stop-VM would refuse that."""
    put_to_test(hyperv, state="Replicating", test_state=test_state)
    removed = await stop_test_failover(StopTestFailover(vm=REPLICA), context())
    assert removed.test_vm_id == str(TEST_ID)
    assert TEST_ID not in hyperv.hosts[BEIJING].machines
