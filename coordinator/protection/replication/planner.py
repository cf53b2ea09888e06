"""The graphs of what is done to a replication as it runs (SPEC RE-5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coordinator.jobs.steps import FailureRule, Graph, StepKind, StepSpec, TaskSpec
from coordinator.protection.replication.picture import BROKEN, PAUSED, Picture

# ASR's SDK knows repairing; no recording shows its job, nor had ASR jobs of the others.
PAUSE = ("PauseReplication", "Pause replication")
RESUME = ("ResumeReplication", "Resume replication")
RESYNCHRONIZE = ("ResynchronizeReplication", "Resynchronize")
REPAIR = ("RepairReplication", "Repair replication")
CHANGE_DISKS = ("ChangeReplicatedDisks", "Change the replicated disks")
CHANGE_AUTOMATIC = ("ChangeAutomaticResynchronization", "Change automatic resynchronization")

UPDATE = "UpdateDraState"
UPDATE_FRIENDLY_NAME = "Updating the provider states"

COMMAND_SECONDS = 600
# What the hosts did is on the screen when the job ends, unless nobody reports.
SEEN_SECONDS = 60
DISKS_SEEN_SECONDS = 600


@dataclass(frozen=True)
class RunningSide:
    """One copy of the machine: who reaches its host, and how the wire names it."""

    provider_id: str
    vm_id: str
    host: str

    @property
    def machine(self) -> dict[str, object]:
        """The wire's VirtualMachineRef."""
        return {"vm_id": self.vm_id, "host": self.host}


@dataclass(frozen=True)
class RunningSnapshot:
    """A replication and how it was seen last.

    Attributes:
        sender: The side the machine runs on.
        receiver: The side of the replica.
    """

    sender: RunningSide
    receiver: RunningSide
    picture: Picture


def plan_pause(snapshot: RunningSnapshot) -> Graph:
    """Pauses on the machine's side, where changes are tracked meanwhile."""
    pause = StepSpec(
        key="sender/pause",
        task=PAUSE[0],
        kind=StepKind.COMMAND,
        action="suspend_replication",
        provider=snapshot.sender.provider_id,
        inputs={"vm": snapshot.sender.machine},
        time_limit_seconds=COMMAND_SECONDS,
    )
    return _graph(PAUSE, [pause], _seen(sorted(PAUSED), after=pause.key))


def plan_resume(snapshot: RunningSnapshot, scenario: tuple[str, str] = RESUME) -> Graph:
    """Lets what is paused or in error go on, the receiving side first: it must take what comes."""
    steps = list(_resumptions(snapshot, scenario[0], compare=False))
    return _graph(scenario, steps, _seen(_running(), after=steps[-1].key))


def plan_resynchronization(
    snapshot: RunningSnapshot, scenario: tuple[str, str] = RESYNCHRONIZE
) -> Graph:
    """Begins to compare both copies.

    The job ends when that runs: it may take hours, in which the machine can still be failed over
    without plan.
    """
    steps = list(_resumptions(snapshot, scenario[0], compare=True))
    return _graph(scenario, steps, _seen(_running(), after=steps[-1].key))


def plan_repair(snapshot: RunningSnapshot) -> Graph:
    """What brings the replica up to date again: going on, or comparing when only that helps."""
    if snapshot.picture.needs_resynchronization:
        return plan_resynchronization(snapshot, REPAIR)
    return plan_resume(snapshot, REPAIR)


def plan_disks(snapshot: RunningSnapshot, replicated: Sequence[str]) -> Graph:
    """Makes these the disks that replicate.

    Args:
        snapshot: The replication.
        replicated: Paths on the machine's host, at least one.
    """
    change = StepSpec(
        key="sender/change",
        task=CHANGE_DISKS[0],
        kind=StepKind.COMMAND,
        action="change_replication",
        provider=snapshot.sender.provider_id,
        inputs={"vm": snapshot.sender.machine, "replicated_disk_paths": list(replicated)},
        time_limit_seconds=COMMAND_SECONDS,
    )
    record = StepSpec(
        key="update/record",
        task=UPDATE,
        kind=StepKind.RECORD,
        action="protection.disks_chosen",
        inputs={"replicated": list(replicated)},
        after=(change.key,),
    )
    seen = StepSpec(
        key="update/seen",
        task=UPDATE,
        kind=StepKind.WAIT,
        action="protection.disks_seen",
        inputs={"replicated": list(replicated)},
        after=(record.key,),
        on_failure=FailureRule.WARN,
        time_limit_seconds=DISKS_SEEN_SECONDS,
    )
    return _graph(CHANGE_DISKS, [change, record], seen)


def plan_automatic(
    snapshot: RunningSnapshot, *, enabled: bool, start_seconds: int, end_seconds: int
) -> Graph:
    """Has Hyper-V compare by itself, when that is required, within a window of the day.

    Args:
        snapshot: The replication.
        enabled: Whether it does so at all.
        start_seconds: Since midnight of the host's local time.
        end_seconds: Likewise; earlier than the start means the next morning.
    """
    change = StepSpec(
        key="sender/change",
        task=CHANGE_AUTOMATIC[0],
        kind=StepKind.COMMAND,
        action="change_replication",
        provider=snapshot.sender.provider_id,
        inputs={
            "vm": snapshot.sender.machine,
            "auto_resynchronize": enabled,
            "auto_resynchronize_start": f"{start_seconds}s",
            "auto_resynchronize_end": f"{end_seconds}s",
        },
        time_limit_seconds=COMMAND_SECONDS,
    )
    return Graph((TaskSpec(*CHANGE_AUTOMATIC),), (change,))


def _resumptions(snapshot: RunningSnapshot, task: str, *, compare: bool) -> Iterator[StepSpec]:
    stopped = PAUSED | BROKEN
    after: tuple[str, ...] = ()
    if snapshot.picture.receiver in stopped:
        yield _resumption("receiver/resume", task, snapshot.receiver)
        after = ("receiver/resume",)
    if compare or snapshot.picture.sender in stopped or not after:
        yield _resumption("sender/resume", task, snapshot.sender, after=after, compare=compare)


def _resumption(
    key: str, task: str, side: RunningSide, *, after: tuple[str, ...] = (), compare: bool = False
) -> StepSpec:
    return StepSpec(
        key=key,
        task=task,
        kind=StepKind.COMMAND,
        action="resume_replication",
        provider=side.provider_id,
        inputs={"vm": side.machine, "resynchronize": compare},
        after=after,
        time_limit_seconds=COMMAND_SECONDS,
    )


def _running() -> list[str]:
    return ["InitialReplicationInProgress", "Replicating", "Resynchronizing"]


def _seen(states: list[str], *, after: str) -> StepSpec:
    return StepSpec(
        key="update/seen",
        task=UPDATE,
        kind=StepKind.WAIT,
        action="protection.sender_seen",
        inputs={"states": states},
        after=(after,),
        on_failure=FailureRule.WARN,
        time_limit_seconds=SEEN_SECONDS,
    )


def _graph(scenario: tuple[str, str], steps: Sequence[StepSpec], seen: StepSpec) -> Graph:
    return Graph(
        (TaskSpec(*scenario), TaskSpec(UPDATE, UPDATE_FRIENDLY_NAME)),
        (*steps, seen),
    )
