"""The graph of ReverseReplication: the failed-over machine is protected again, the other way."""

from __future__ import annotations

from collections.abc import Iterator

from coordinator.jobs.steps import FailureRule, Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.protection.rules import WIRE_AUTHENTICATION, Authentication
from coordinator.recovery.commit import COMMIT, commit_steps
from coordinator.recovery.snapshot import MachineSnapshot

SCENARIO = "ReverseReplication"
FRIENDLY_NAME = "Reverse replicate"

CHECK = "VmReverseReplicationPrerequisitesCheck"
PREPARE = "VmPrepareForReverseReplication"
REVERSE = "VmInitiateReverseReplication"
UPDATE = "UpdateDraState"

ALREADY_COMMITTED = "The failover is committed already."


def plan_reverse_replication(machine: MachineSnapshot, *, committed: bool) -> Graph:
    """Makes the side the machine runs on the primary of a replication to the other side.

    Args:
        machine: Its two sides.
        committed: The failover has been committed; else this job commits it first.

    Source: SPEC FO-5; ASR's ReverseReplication after a planned failover.
    """
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Checking prerequisites for reverse replication"),
            TaskSpec(COMMIT, "Commit the failover", ALREADY_COMMITTED if committed else ""),
            TaskSpec(PREPARE, "Preparing for reverse replication"),
            TaskSpec(REVERSE, "Reverse the direction of replication"),
            TaskSpec(UPDATE, "Updating the provider states"),
        ),
        steps=(
            *_check_steps(machine),
            *_commit_steps(machine, committed=committed),
            *_reverse_steps(machine, committed=committed),
            *_update_steps(machine),
        ),
    )


def _check_steps(machine: MachineSnapshot) -> Iterator[StepSpec]:
    yield StepSpec(
        key="prerequisites/replication",
        task=CHECK,
        kind=StepKind.COMMAND,
        action="read_replication",
        provider=machine.active.provider_id,
        inputs={"vm": machine.at(machine.active)},
        time_limit_seconds=120,
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


def _reverse_steps(machine: MachineSnapshot, *, committed: bool) -> Iterator[StepSpec]:
    connection: dict[str, object] = {
        "replica_server": machine.passive.connection_point,
        "port": machine.replication_port,
        "authentication_type": WIRE_AUTHENTICATION[machine.authentication_type],
    }
    if machine.authentication_type is Authentication.CERTIFICATE:
        connection["certificate_thumbprint"] = machine.active.certificate_thumbprint
    yield StepSpec(
        key="prepare/connection",
        task=PREPARE,
        kind=StepKind.COMMAND,
        action="test_replication_connection",
        provider=machine.active.provider_id,
        inputs={"host": machine.active.host, **connection},
        after=("prerequisites/check" if committed else "prepare/begin",),
        time_limit_seconds=180,
    )
    yield StepSpec(
        key="reverse",
        task=REVERSE,
        kind=StepKind.COMMAND,
        action="reverse_replication",
        provider=machine.active.provider_id,
        inputs={"vm": machine.at(machine.active), **connection},
        after=("prepare/connection",),
        time_limit_seconds=1800,
        point_of_no_return=True,
    )


def _update_steps(machine: MachineSnapshot) -> Iterator[StepSpec]:
    yield StepSpec(
        key="update/record",
        task=UPDATE,
        kind=StepKind.RECORD,
        action="recovery.reversed",
        after=("reverse",),
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
