"""The graph of PlannedFailover: the machine moves to the other side without losing anything."""

from __future__ import annotations

from collections.abc import Iterator

from coordinator.jobs.steps import Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.protection.rules import failover_network_steps
from coordinator.recovery.snapshot import MachineSnapshot

SCENARIO = "PlannedFailover"
FRIENDLY_NAME = "Planned failover"

CHECK = "VmPfoPrerequisitesCheck"
SHUT_DOWN = "VmShutdownVmOnPrimary"
PREPARE = "VmPrepareForFailover"
FAIL_OVER = "VmFailover"
START = "VmFoStartVmOnSecondary"


def plan_planned_failover(machine: MachineSnapshot) -> Graph:
    """Shuts the machine down, sends the rest, fails its replica over, starts it.

    Every step may be repeated: a second run of the scenario after a failure finds done what the
    first one did. Networks are made ready beside the rest and never stop it.

    Source: SPEC FO-2, NW-7, NW-8; ASR's PlannedFailover.
    """
    networks = failover_network_steps(machine.networks, PREPARE, after=("prerequisites/check",))
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Checking prerequisites for planned failover"),
            TaskSpec(SHUT_DOWN, "Shut down the virtual machine"),
            TaskSpec(PREPARE, "Preparing for failover"),
            TaskSpec(FAIL_OVER, "Start failover"),
            TaskSpec(START, "Start the replica virtual machine"),
        ),
        steps=(*_before(machine), *networks, *_failover(machine, _last_of(networks))),
    )


def _last_of(networks: tuple[StepSpec, ...]) -> tuple[str, ...]:
    """What the failover waits for: steps that no other step of the networks waits for."""
    awaited = {key for step in networks for key in step.after}
    return tuple(step.key for step in networks if step.key not in awaited)


def _before(machine: MachineSnapshot) -> Iterator[StepSpec]:
    for side_name, side in (("source", machine.active), ("target", machine.passive)):
        yield StepSpec(
            key=f"prerequisites/{side_name}",
            task=CHECK,
            kind=StepKind.COMMAND,
            action="read_replication",
            provider=side.provider_id,
            inputs={"vm": machine.at(side)},
            time_limit_seconds=120,
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
    yield StepSpec(
        key="shut-down",
        task=SHUT_DOWN,
        kind=StepKind.COMMAND,
        action="stop_virtual_machine",
        provider=machine.active.provider_id,
        inputs={"vm": machine.at(machine.active)},
        after=("prerequisites/check",),
        time_limit_seconds=900,
    )
    yield StepSpec(
        key="prepare",
        task=PREPARE,
        kind=StepKind.COMMAND,
        action="prepare_failover",
        provider=machine.active.provider_id,
        inputs={"vm": machine.at(machine.active)},
        after=("shut-down",),
        # Sends whatever has not been sent yet.
        time_limit_seconds=3600,
    )


def _failover(machine: MachineSnapshot, networks: tuple[str, ...]) -> Iterator[StepSpec]:
    yield StepSpec(
        key="failover/begin",
        task=FAIL_OVER,
        kind=StepKind.RECORD,
        action="recovery.failover_begins",
        after=("prepare", *networks),
    )
    yield StepSpec(
        key="failover/start",
        task=FAIL_OVER,
        kind=StepKind.COMMAND,
        action="start_failover",
        provider=machine.passive.provider_id,
        inputs={"vm": machine.at(machine.passive)},
        after=("failover/begin",),
        time_limit_seconds=900,
        point_of_no_return=True,
    )
    yield StepSpec(
        key="failover/record",
        task=FAIL_OVER,
        kind=StepKind.RECORD,
        action="recovery.failed_over",
        after=("failover/start",),
    )
    yield StepSpec(
        key="start",
        task=START,
        kind=StepKind.COMMAND,
        action="start_virtual_machine",
        provider=machine.passive.provider_id,
        inputs={"vm": machine.at(machine.passive)},
        after=("failover/record",),
        time_limit_seconds=900,
    )
