"""The members of GROUP steps, as those see them who look at the root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from coordinator.failures import Failure
from coordinator.jobs.family import FAILED_MEMBERS
from coordinator.jobs.family_graph import gate_of, members_of
from coordinator.jobs.models import Job, Step
from coordinator.jobs.states import JobState, StepState
from coordinator.jobs.stored_failures import read_failure

SKIPPED = "Skipped"
COLUMNS = (
    "id", "child_key", "scenario", "friendly_name", "state", "state_description", "target_type",
    "target_id", "target_name", "left_text", "gates", "errors", "started_at", "finished_at",
)  # fmt: skip


@dataclass(frozen=True)
class MemberView:
    """A child in a group.

    Attributes:
        job_id: Its own job.
        state: How far it is in this group: NotStarted, InProgress, Succeeded, Failed, Cancelled or
            Skipped.
        skipped_reason: Why nothing is done with it.
        failures: Of its job, when it failed in this group.
    """

    job_id: UUID
    key: str
    scenario: str
    friendly_name: str
    target_type: str
    target_id: str
    target_name: str
    state: StepState
    skipped_reason: str
    started_at: datetime | None
    finished_at: datetime | None
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class GroupView:
    """A GROUP step.

    Attributes:
        task: Name of its task.
        key: Of the step.
        type: What the planner calls the group: "Boot", "Failover", "Shutdown"; may be empty.
    """

    task: str
    key: str
    type: str
    members: tuple[MemberView, ...]


def group_views(root: Job, groups: Sequence[Step]) -> tuple[GroupView, ...]:
    """The groups of a root with their members, in order; one query for all.

    Args:
        root: The job.
        groups: Its GROUP steps.
    """
    if not groups:
        return ()
    children = {job.child_key: job for job in Job.objects.filter(root_id=root.id).only(*COLUMNS)}
    return tuple(
        GroupView(
            task=step.task,
            key=step.key,
            type=str(step.inputs.get("type", "")),
            members=tuple(
                _member(children[key], step) for key in members_of(step.inputs) if key in children
            ),
        )
        for step in groups
    )


def _member(job: Job, group: Step) -> MemberView:
    failed = _failed_members(group.failure)
    state = _state(job, gate_of(group.inputs), failed=job.target_name in failed)
    return MemberView(
        job_id=job.id,
        key=job.child_key,
        scenario=job.scenario,
        friendly_name=job.friendly_name,
        target_type=job.target_type,
        target_id=job.target_id,
        target_name=job.target_name,
        state=state,
        skipped_reason=job.left_text if job.state_description == SKIPPED else "",
        started_at=job.started_at,
        finished_at=job.finished_at,
        failures=tuple(read_failure(error) for error in job.errors)
        if state is StepState.FAILED
        else (),
    )


def _state(job: Job, gate: str, *, failed: bool) -> StepState:
    state = JobState(job.state)
    if failed:
        return StepState.FAILED
    if gate not in job.gates:
        return StepState.SKIPPED if state.ended else StepState.NOT_STARTED
    if job.gates[gate]:
        return StepState.IN_PROGRESS
    return StepState.CANCELLED if state is JobState.CANCELLED else StepState.SUCCEEDED


def _failed_members(failure: Mapping[str, object] | None) -> frozenset[str]:
    names = (failure or {}).get(FAILED_MEMBERS)
    return frozenset(map(str, names)) if isinstance(names, list) else frozenset()
