"""The graph of PlannedFailover: the machine moves to the other side without losing anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from coordinator.jobs.steps import Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.protection.rules import failover_network_steps
from coordinator.recovery.gates import Gate
from coordinator.recovery.snapshot import MachineSnapshot
from coordinator.recovery.undoing import undo_steps

SCENARIO = "PlannedFailover"
FRIENDLY_NAME = "Planned failover"

CHECK = "VmPfoPrerequisitesCheck"
SHUT_DOWN = "VmShutdownVmOnPrimary"
PREPARE = "VmPrepareForFailover"
FAIL_OVER = "VmFailover"
START = "VmFoStartVmOnSecondary"


def plan_planned_failover(machine: MachineSnapshot, *, repeated: bool = False) -> Graph:
    """Shuts the machine down, sends the rest, fails its replica over, starts it.

    Every step may be repeated: a second run of the scenario after a failure finds done what the
    first one did. Networks are made ready beside the rest and never stop it. What the first run
    did to the source is taken back when it ends before the replica is failed over.

    Args:
        machine: Its two sides.
        repeated: The replica may have been failed over before: then the source stays as it is.

    Source: SPEC FO-2, NW-7, NW-8; ASR's PlannedFailover.
    """
    networks = network_steps(machine, PREPARE)
    undo = () if repeated else _undo(machine)
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Checking prerequisites for planned failover"),
            TaskSpec(SHUT_DOWN, "Shut down the virtual machine"),
            TaskSpec(PREPARE, "Preparing for failover"),
            TaskSpec(FAIL_OVER, "Start failover"),
            TaskSpec(START, "Start the replica virtual machine"),
        ),
        steps=(*_before(machine), *networks, *_failover(machine, last_of(networks)), *undo),
    )


def network_steps(
    machine: MachineSnapshot, task: str, after: tuple[str, ...] = ("prerequisites/check",)
) -> tuple[StepSpec, ...]:
    """What a failover does about networks, beside the rest."""
    steps = failover_network_steps(machine.networks, task, after=after)
    return tuple(replace(step, gate=Gate.FAILOVER) for step in steps)


def last_of(networks: tuple[StepSpec, ...]) -> tuple[str, ...]:
    """What the failover waits for: steps that no other step of the networks waits for."""
    awaited = {key for step in networks for key in step.after}
    return tuple(step.key for step in networks if step.key not in awaited)


def start_step(machine: MachineSnapshot, *, after: str) -> StepSpec:
    """Starts the failed-over copy, when its turn comes."""
    return machine.once_decided().on(
        machine.passive,
        StepSpec(
            key="start",
            task=START,
            kind=StepKind.COMMAND,
            action="start_virtual_machine",
            after=(after,),
            time_limit_seconds=900,
            gate=Gate.BOOT,
            expected_seconds=30,
        ),
    )


def _undo(machine: MachineSnapshot) -> tuple[StepSpec, ...]:
    return undo_steps(
        machine,
        prepare=(PREPARE, "prepare"),
        shut_down=(SHUT_DOWN, "shut-down"),
        former_state=Output("prerequisites/source", "vm_state"),
    )


def _before(machine: MachineSnapshot) -> Iterator[StepSpec]:
    for side_name, side in (("source", machine.active), ("target", machine.passive)):
        yield machine.on(
            side,
            StepSpec(
                key=f"prerequisites/{side_name}",
                task=CHECK,
                kind=StepKind.COMMAND,
                action="read_replication",
                time_limit_seconds=120,
            ),
        )
    yield StepSpec(
        key="prerequisites/check",
        task=CHECK,
        kind=StepKind.RECORD,
        action="recovery.check_planned_failover",
        inputs={
            "source_mode": Output("prerequisites/source", "mode"),
            "source_state": Output("prerequisites/source", "state"),
            "target_mode": Output("prerequisites/target", "mode"),
            "target_state": Output("prerequisites/target", "state"),
        },
        after=("prerequisites/source", "prerequisites/target"),
    )
    yield machine.on(
        machine.active,
        StepSpec(
            key="shut-down",
            task=SHUT_DOWN,
            kind=StepKind.COMMAND,
            action="stop_virtual_machine",
            after=("prerequisites/check",),
            time_limit_seconds=900,
            gate=Gate.SHUTDOWN,
            expected_seconds=30,
        ),
    )
    yield machine.on(
        machine.active,
        StepSpec(
            key="prepare",
            task=PREPARE,
            kind=StepKind.COMMAND,
            action="prepare_failover",
            after=("shut-down",),
            # Sends whatever has not been sent yet.
            time_limit_seconds=3600,
            gate=Gate.FAILOVER,
            expected_seconds=15,
        ),
    )


def _failover(machine: MachineSnapshot, networks: tuple[str, ...]) -> Iterator[StepSpec]:
    yield StepSpec(
        key="failover/begin",
        task=FAIL_OVER,
        kind=StepKind.RECORD,
        action="recovery.failover_begins",
        after=("prepare", *networks),
    )
    yield machine.on(
        machine.passive,
        StepSpec(
            key="failover/start",
            task=FAIL_OVER,
            kind=StepKind.COMMAND,
            action="start_failover",
            after=("failover/begin",),
            time_limit_seconds=900,
            point_of_no_return=True,
            gate=Gate.FAILOVER,
            expected_seconds=10,
        ),
    )
    yield StepSpec(
        key="failover/record",
        task=FAIL_OVER,
        kind=StepKind.RECORD,
        action="recovery.failed_over",
        inputs={
            "last_replication_time": Output(
                "failover/start", "last_replication_time", optional=True
            ),
        },
        after=("failover/start",),
    )
    yield start_step(machine, after="failover/record")
