"""What stands against one machine of a run, or should be known about it: pure (SPEC RP-6)."""

from __future__ import annotations

from collections.abc import Iterator

from coordinator.failures import Failure
from coordinator.protection.rules import Operation
from coordinator.recovery.dry_run.facts import MachineFacts, Severity
from coordinator.recovery.rules import planned_failover_failure, unplanned_failover_failure

# A replica may be so many intervals behind before it is worth a word, and so many seconds anyway.
INTERVALS_BEHIND = 3
LEAST_BEHIND_SECONDS = 300

Found = tuple[Severity, Failure]


def check_machine(
    operation: Operation, machine: MachineFacts, *, alone: bool = False
) -> Iterator[Found]:
    """What is found about a machine.

    Args:
        operation: A failover, planned, unplanned or as a test.
        machine: As it is now.
        alone: It is of no plan that could go without it.
    """
    if machine.over:
        yield (
            Severity.INFORMATION,
            Failure(
                "MachineIsOver",
                f"{machine.over} It is skipped.",
                ("It has been failed over already, by this plan, by another, or by itself.",),
                "Nothing has to be done.",
            ),
        )
        return
    if machine.refusal is not None:
        # An unplanned failover goes without those that cannot take part.
        without = operation is Operation.UNPLANNED_FAILOVER and not alone
        yield Severity.WARNING if without else Severity.ERROR, machine.refusal
        return
    yield from _replication(operation, machine)
    yield from _behind(operation, machine)


def _replication(operation: Operation, machine: MachineFacts) -> Iterator[Found]:
    if machine.target is None or machine.source is None:
        yield (
            Severity.WARNING,
            Failure(
                "ReplicationNotSeen",
                f"The state of the replication of {machine.name} is not known.",
                ("A provider has not told about the machine since it was protected.",),
                "See that both providers are connected, then run the check again.",
            ),
        )
        return
    if operation is Operation.PLANNED_FAILOVER:
        failure = planned_failover_failure(machine.source, machine.target)
    else:
        failure = unplanned_failover_failure(machine.target, "Off", repeated=False)
    if failure is not None:
        yield Severity.ERROR, failure
    if machine.health in {"Warning", "Critical"}:
        yield (
            Severity.WARNING,
            Failure(
                "ReplicationNotHealthy",
                f"The replication health of {machine.name} is {machine.health}.",
                machine.health_errors or ("Its hosts say no more.",),
                "Look at the machine's health errors and mend them before the plan is needed.",
            ),
        )


def _behind(operation: Operation, machine: MachineFacts) -> Iterator[Found]:
    limit_seconds = max(LEAST_BEHIND_SECONDS, INTERVALS_BEHIND * machine.frequency_seconds)
    if machine.rpo_seconds is not None and machine.rpo_seconds > limit_seconds:
        means = (
            "Sending that takes part of the run's time."
            if operation is Operation.PLANNED_FAILOVER
            else "Changes since then are not in the replica."
        )
        yield (
            Severity.WARNING,
            Failure(
                "ReplicaFarBehind",
                f"The replica of {machine.name} is {machine.rpo_seconds} s behind; it is sent "
                f"every {machine.frequency_seconds} s. {means}",
                (
                    "The line is too slow for what the machine writes, or is interrupted.",
                    "Replication is paused.",
                ),
                "Find out what holds the replication up; see bandwidth limits and the line's use.",
            ),
        )
    if operation is not Operation.PLANNED_FAILOVER and not machine.recovery_points:
        yield (
            Severity.WARNING,
            Failure(
                "NoRecoveryPoint",
                f"The replica of {machine.name} has no recovery points that are known.",
                ("None has been made yet.", "The recovery side's provider has not told of them."),
                "Wait for the first recovery point, or see that the provider is connected.",
            ),
        )
