"""The graph of ReverseReplication: the failed-over machine is protected again, the other way."""

from __future__ import annotations

from collections.abc import Iterator

from coordinator.jobs.steps import (
    FailureRule,
    Graph,
    Output,
    StepKind,
    StepSpec,
    TaskSpec,
    host_slot,
)
from coordinator.protection.rules import WIRE_AUTHENTICATION, Authentication
from coordinator.recovery.commit import COMMIT, commit_steps
from coordinator.recovery.gates import Gate
from coordinator.recovery.snapshot import MachineSnapshot

SCENARIO = "ReverseReplication"
FRIENDLY_NAME = "Reverse replicate"

CHECK = "VmReverseReplicationPrerequisitesCheck"
SHUT_DOWN = "VmShutdownVmOnSecondary"
PREPARE = "VmPrepareForReverseReplication"
REVERSE = "VmInitiateReverseReplication"
COPY = "VmStartInitialReplication"
UPDATE = "UpdateDraState"

ALREADY_COMMITTED = "The failover is committed already."


def plan_reverse_replication(
    machine: MachineSnapshot, *, committed: bool, compare: bool = False
) -> Graph:
    """Makes the side the machine runs on the primary of a replication to the other side.

    After a failover that left something behind the old source is turned off and made the replica
    first; then both copies are compared, and two jobs of their own finalize protection when the
    comparison is done.

    Args:
        machine: Its two sides.
        committed: The failover has been committed; else this job commits it first.
        compare: The old source has changes that the machine has not.

    Source: SPEC FO-5; ASR's ReverseReplication after a planned and after an unplanned failover.
    """
    shut_down = (TaskSpec(SHUT_DOWN, "Shut down the virtual machine"),) if compare else ()
    copy = (TaskSpec(COPY, "Starting initial replication"),) if compare else ()
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Checking prerequisites for reverse replication"),
            TaskSpec(COMMIT, "Commit the failover", ALREADY_COMMITTED if committed else ""),
            *shut_down,
            TaskSpec(PREPARE, "Preparing for reverse replication"),
            TaskSpec(REVERSE, "Reverse the direction of replication"),
            *copy,
            TaskSpec(UPDATE, "Updating the provider states"),
        ),
        steps=(
            *_check_steps(machine),
            *_commit_steps(machine, committed=committed),
            *_reverse_steps(machine, committed=committed, compare=compare),
            *_update_steps(machine, compare=compare),
        ),
    )


def _check_steps(machine: MachineSnapshot) -> Iterator[StepSpec]:
    yield machine.on(
        machine.active,
        StepSpec(
            key="prerequisites/replication",
            task=CHECK,
            kind=StepKind.COMMAND,
            action="read_replication",
            time_limit_seconds=120,
        ),
    )
    yield StepSpec(
        key="prerequisites/host",
        task=CHECK,
        kind=StepKind.COMMAND,
        action="read_host_replication",
        provider=machine.passive.provider_id,
        inputs={"host": machine.passive.host},
        time_limit_seconds=120,
    )
    yield StepSpec(
        key="prerequisites/check",
        task=CHECK,
        kind=StepKind.RECORD,
        action="recovery.check_reversal",
        inputs={
            "mode": Output("prerequisites/replication", "mode"),
            "state": Output("prerequisites/replication", "state"),
            "host": machine.passive.host,
            "host_enabled": Output("prerequisites/host", "replication_enabled"),
            "host_port": Output("prerequisites/host", "port"),
            "port": machine.replication_port,
        },
        after=("prerequisites/replication", "prerequisites/host"),
    )


def _commit_steps(machine: MachineSnapshot, *, committed: bool) -> Iterator[StepSpec]:
    if committed:
        return
    yield from commit_steps(machine, after="prerequisites/check")
    yield StepSpec(
        key="prepare/begin",
        task=PREPARE,
        kind=StepKind.RECORD,
        action="recovery.reversal_begins",
        after=("commit/record",),
    )


def _old_source_steps(machine: MachineSnapshot, *, after: str) -> Iterator[StepSpec]:
    """The old source, whose latest changes are given up, becomes the replica."""
    yield machine.on(
        machine.passive,
        StepSpec(
            key="shut-down",
            task=SHUT_DOWN,
            kind=StepKind.COMMAND,
            action="stop_virtual_machine",
            inputs={"turn_off": True},
            after=(after,),
            time_limit_seconds=600,
            gate=Gate.FAILOVER,
            expected_seconds=5,
        ),
    )
    yield machine.on(
        machine.passive,
        StepSpec(
            key="prepare/as-replica",
            task=PREPARE,
            kind=StepKind.COMMAND,
            action="make_replica",
            after=("shut-down",),
            time_limit_seconds=600,
            gate=Gate.FAILOVER,
            expected_seconds=5,
        ),
    )


def _reverse_steps(
    machine: MachineSnapshot, *, committed: bool, compare: bool
) -> Iterator[StepSpec]:
    connection: dict[str, object] = {
        "replica_server": machine.passive.connection_point,
        "port": machine.replication_port,
        "authentication_type": WIRE_AUTHENTICATION[machine.authentication_type],
    }
    if machine.authentication_type is Authentication.CERTIFICATE:
        connection["certificate_thumbprint"] = machine.active.certificate_thumbprint
    after = "prerequisites/check" if committed else "prepare/begin"
    if compare:
        yield from _old_source_steps(machine, after=after)
        after = "prepare/as-replica"
    yield StepSpec(
        key="prepare/connection",
        task=PREPARE,
        kind=StepKind.COMMAND,
        action="test_replication_connection",
        provider=machine.active.provider_id,
        inputs={"host": machine.active.host, **connection},
        after=(after,),
        time_limit_seconds=180,
        gate=Gate.FAILOVER,
        slot=host_slot(machine.active.host),
    )
    yield machine.on(
        machine.active,
        StepSpec(
            key="reverse",
            task=REVERSE,
            kind=StepKind.COMMAND,
            action="reverse_replication",
            inputs=connection,
            after=("prepare/connection",),
            time_limit_seconds=1800,
            point_of_no_return=True,
            gate=Gate.FAILOVER,
            expected_seconds=15,
        ),
    )
    if compare:
        yield machine.on(
            machine.active,
            StepSpec(
                key="copy",
                task=COPY,
                kind=StepKind.COMMAND,
                action="start_initial_replication",
                after=("reverse",),
                time_limit_seconds=600,
                gate=Gate.FAILOVER,
                expected_seconds=5,
            ),
        )


def _update_steps(machine: MachineSnapshot, *, compare: bool) -> Iterator[StepSpec]:
    yield StepSpec(
        key="update/record",
        task=UPDATE,
        kind=StepKind.RECORD,
        action="recovery.reversed",
        inputs={"compare": compare},
        after=("copy" if compare else "reverse",),
    )
    for side_name, side in (("active", machine.active), ("passive", machine.passive)):
        yield StepSpec(
            key=f"update/refresh-{side_name}",
            task=UPDATE,
            kind=StepKind.COMMAND,
            action="refresh_host",
            provider=side.provider_id,
            inputs={"host": side.host},
            after=("update/record",),
            # VMM looks at its hosts by itself too; the machine is protected either way.
            on_failure=FailureRule.WARN,
            time_limit_seconds=300,
        )
