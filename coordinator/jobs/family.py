"""A family in memory: which of its jobs have something to do, and what they mean for each other."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from coordinator.failures import Failure
from coordinator.jobs import job_rows
from coordinator.jobs.family_graph import gate_of, members_of
from coordinator.jobs.job_rows import written_columns
from coordinator.jobs.models import Job
from coordinator.jobs.run import Advance, Run, open_run
from coordinator.jobs.states import UNFINISHED_JOBS, Halt, JobState, StepState
from coordinator.jobs.step_rows import StepRow, read_steps

# So many of the members that failed are named.
NAMED_MEMBERS = 10
FAILED_MEMBERS = "failedMembers"
# Description of a child that was skipped; none of these is ever taken up.
SKIPPED = "Skipped"


@dataclass
class Family:
    """The jobs of a family that an advance touches; the others are not even read.

    Attributes:
        shared: What they share.
        root: The root's row, locked.
        runs: The jobs touched, by id.
        waiting: Ids of those that may have something to do, in order.
        jobs: Rows to be written at the end if they have changed, by id.
        read: Steps that have been read already, by job.
        ended: Ids of the jobs whose locks are to be released at the end.
    """

    shared: Advance
    root: Job
    runs: dict[UUID, Run] = field(default_factory=dict)
    waiting: dict[UUID, None] = field(default_factory=dict)
    jobs: dict[UUID, Job] = field(default_factory=dict)
    read: dict[UUID, list[StepRow]] = field(default_factory=dict)
    ended: list[UUID] = field(default_factory=list)
    _before: dict[UUID, tuple[object, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._before[self.root.id] = written_columns(self.root)

    def has_changed(self, job: Job) -> bool:
        """Whether a job's row is not what was read."""
        return self._before.get(job.id) != written_columns(job)

    def take_up(self, jobs: Iterable[Job]) -> None:
        """These jobs may have something to do; their steps are read in one query."""
        wanted = list(jobs)
        new = [job for job in wanted if job.id not in self.runs]
        if new:
            unread = [job.id for job in new if job.id not in self.read]
            steps = {**self.read, **(read_steps(unread) if unread else {})}
            for job in new:
                self._before.setdefault(job.id, written_columns(job))
                self.runs[job.id] = open_run(self.shared, job, steps[job.id])
        for job in wanted:
            self.jobs[job.id] = job
            self.waiting[job.id] = None

    def take_up_root(self) -> Run:
        """The root may have something to do."""
        self.take_up([self.root])
        return self.runs[self.root.id]

    def next_run(self) -> Run | None:
        """One that may have something to do, the root last; None when there is none."""
        for job_id in self.waiting:
            if job_id != self.root.id or len(self.waiting) == 1:
                del self.waiting[job_id]
                return self.runs[job_id]
        return None

    def open_group(self, run: Run, group: StepRow) -> None:
        """A GROUP step begins: its gate opens for the members that have not ended."""
        run.load([group.key])
        run.begin(group)
        gate = gate_of(group.inputs)
        members = self._members(members_of(group.inputs))
        left = [job for job in members if not JobState(job.state).ended]
        for job in left:
            job.gates[gate] = group.key
        group.members_left = len(left)
        for job in members:
            if job.state == JobState.FAILED:
                self._count_failure(group, job)
        run.note(group)
        self.take_up(left)

    def tell_groups(self, run: Run) -> None:
        """Tells the GROUP steps that wait for a child which of their gates it is through."""
        job = run.job
        told = [gate for gate, group in job.gates.items() if group and _through(run, gate)]
        for gate in told:
            root_run = self.take_up_root()
            group = root_run.rows[job.gates[gate]]
            group.members_left -= 1
            if _failed(run):
                self._count_failure(group, job)
            root_run.note(group)
            job.gates[gate] = ""

    def halt_children(self) -> None:
        """Nothing more of the children begins: their root has failed."""
        self.root.halt = Halt.STOP
        left = self._current(Job.objects.filter(root_id=self.root.id, state__in=UNFINISHED_JOBS))
        unfinished = [job for job in left if not JobState(job.state).ended]
        for job in unfinished:
            job.halt = job.halt or Halt.STOP
        self.take_up(unfinished)

    def note_state(self, before: str, after: str) -> None:
        """A child's state has changed."""
        self.root.children_left -= JobState(after).ended
        suspended = (after == JobState.SUSPENDED) - (before == JobState.SUSPENDED)
        self.root.children_suspended += suspended
        if suspended or not self.root.children_left:
            self.take_up_root()

    def all_well(self) -> bool:
        """Whether every child ended well; asked when all have ended."""
        badly = (JobState.FAILED, JobState.CANCELLED)
        if any(run.job.state in badly for run in self.runs.values()):
            return False
        others = Job.objects.filter(root_id=self.root.id, state__in=badly)
        return not others.exclude(id__in=list(self.runs)).exists()

    def none_well(self) -> bool:
        """Whether no child did what it was to do; asked when all have ended."""
        runs = self.runs.values()
        if any(run.job.state == JobState.SUCCEEDED and run.job.root_id for run in runs):
            return False
        well = Job.objects.filter(root_id=self.root.id, state=JobState.SUCCEEDED)
        return not well.exclude(state_description=SKIPPED).exclude(id__in=list(self.runs)).exists()

    def _members(self, keys: Collection[str]) -> list[Job]:
        if self.shared.light:
            return self._current(job_rows.members_of(self.root.id, keys))
        return self._current(Job.objects.filter(root_id=self.root.id, child_key__in=list(keys)))

    def _current(self, read: Iterable[Job]) -> list[Job]:
        """Jobs as they are in memory, if they are."""
        jobs = [self.runs[job.id].job if job.id in self.runs else job for job in read]
        for job in jobs:
            self._before.setdefault(job.id, written_columns(job))
        return jobs

    def _count_failure(self, group: StepRow, job: Job) -> None:
        if job.failure_told:
            return
        job.failure_told = True
        self.jobs[job.id] = job
        known = group.failure.get(FAILED_MEMBERS)
        names = [*(known if isinstance(known, list) else []), job.target_name]
        remember_failed(group, names)


def remember_failed(group: StepRow, names: Sequence[object]) -> None:
    """Keeps the names of the members that failed with the failure of their GROUP step."""
    failure = members_failed([str(name) for name in names])
    group.failure_json = json.dumps({**failure.as_json(), FAILED_MEMBERS: list(names)})


def members_failed(names: Collection[str]) -> Failure:
    """What a GROUP step fails with."""
    named = ", ".join(sorted(names)[:NAMED_MEMBERS])
    more = len(names) - NAMED_MEMBERS
    return Failure(
        "GroupMembersFailed",
        f"{len(names)} of the group failed: {named}" + (f" and {more} more." if more > 0 else "."),
        ("The jobs of these virtual machines say why.",),
        "Look at the jobs of these virtual machines, remove the cause, then restart this job or "
        "repeat the operation for them.",
    )


def _through(run: Run, gate: str) -> bool:
    """Whether nothing of a child is left to do behind a gate."""
    if JobState(run.job.state).ended:
        return True
    behind = [step for step in run.snapshots.values() if step.gate == gate]
    return bool(gate) and all(step.state.ended for step in behind)


def _failed(run: Run) -> bool:
    return run.job.state == JobState.FAILED or any(
        step.state is StepState.FAILED and not step.undoes for step in run.snapshots.values()
    )
