"""The graph of TestFailoverCleanup: what a test made is removed, whatever is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coordinator.jobs.steps import FailureRule, Graph, StepKind, StepSpec, TaskSpec
from coordinator.recovery.snapshot import MachineSnapshot
from coordinator.recovery.test_failover.network_steps import MadeNetwork, removal_steps

SCENARIO = "TestFailoverCleanup"
FRIENDLY_NAME = "Clean up test failover"

CHECK = "VmTfoCleanupPreflightsCheck"
END = "VmTfoEndFailover"
DELETE = "VmTfoDeleteTestVm"


@dataclass(frozen=True)
class ReservedAddress:
    """An address that VMM keeps for an adapter of the test virtual machine; VMM's ids."""

    adapter_id: str
    pool_id: str
    address: str


@dataclass(frozen=True, kw_only=True)
class CleanUpPlan:
    """What is left of one machine's test.

    Attributes:
        machine: Its two sides; its replica is on the passive one.
        reserved: Given back first, while the adapters are there.
        network: That was made for the test and that no other test uses; None: there is none.
    """

    machine: MachineSnapshot
    reserved: tuple[ReservedAddress, ...] = ()
    network: MadeNetwork | None = None


def plan_clean_up(plan: CleanUpPlan) -> Graph:
    """Turns the test virtual machine off and removes it, then its network.

    Every step finds done what is done already: also when nothing is left it ends well.

    Source: SPEC FO-1; ASR's TestFailoverCleanup.
    """
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Checking prerequisites for clean-up"),
            TaskSpec(END, "Ending the test failover"),
            TaskSpec(DELETE, "Deleting the test virtual machine"),
        ),
        steps=(*_end(plan), *_delete(plan)),
    )


def _end(plan: CleanUpPlan) -> Iterator[StepSpec]:
    yield StepSpec(
        key="prerequisites/check",
        task=CHECK,
        kind=StepKind.RECORD,
        action="recovery.check_clean_up",
    )
    for number, reserved in enumerate(plan.reserved):
        yield StepSpec(
            key=f"release/{number}",
            task=END,
            kind=StepKind.COMMAND,
            action="release_address",
            provider=plan.machine.passive.provider_id,
            inputs={
                "adapter_id": reserved.adapter_id,
                "static_address_pool_id": reserved.pool_id,
                "address": reserved.address,
            },
            after=("prerequisites/check",),
            # VMM takes it back itself when the adapter is gone.
            on_failure=FailureRule.WARN,
            time_limit_seconds=300,
        )
    released = tuple(f"release/{number}" for number in range(len(plan.reserved)))
    yield plan.machine.on(
        plan.machine.passive,
        StepSpec(
            key="test/stop",
            task=END,
            kind=StepKind.COMMAND,
            action="stop_test_failover",
            after=released or ("prerequisites/check",),
            time_limit_seconds=900,
            expected_seconds=10,
        ),
    )


def _delete(plan: CleanUpPlan) -> Iterator[StepSpec]:
    passive = plan.machine.passive
    yield StepSpec(
        key="refresh",
        task=DELETE,
        kind=StepKind.COMMAND,
        action="refresh_host",
        provider=passive.provider_id,
        inputs={"host": passive.host},
        after=("test/stop",),
        # VMM forgets the machine at its own next refresh, too.
        on_failure=FailureRule.WARN,
        time_limit_seconds=600,
    )
    last = "refresh"
    if plan.network is not None:
        steps = removal_steps(plan.network, DELETE, after=("refresh",))
        yield from steps
        last = steps[-1].key
    yield StepSpec(
        key="record",
        task=DELETE,
        kind=StepKind.RECORD,
        action="recovery.test_cleaned_up",
        after=(last,),
    )
