"""Random families: what they may look like, and what must hold whatever becomes of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from django.db.models import QuerySet

from coordinator.jobs import queries
from coordinator.jobs.models import Command, Job, Step
from coordinator.jobs.states import Halt, JobState, StepState
from coordinator.jobs.steps import (
    ChildJob,
    FailureRule,
    Graph,
    JobTarget,
    StepKind,
    StepSpec,
    host_slot,
)
from coordinator.jobs.urgency import work_seconds
from tests.integration.jobs.families_for_tests import group, manual
from tests.integration.jobs.jobs_for_tests import TASKS, command, record

# Few, so that somebody waits for one.
SLOTS = 2
HOSTS = ("", host_slot("hv1"), host_slot("hv2"))
GATES = ("shutdown", "failover", "boot")
ENDED_WELL = {StepState.SUCCEEDED, StepState.WARNED}


@dataclass
class RandomFamily:
    """Draws graphs; the same seed gives the same."""

    random: random.Random
    provider_id: UUID

    def children(self) -> list[ChildJob]:
        return [self._child(f"vm{number}") for number in range(self.random.randint(0, 4))]

    def root(self, children: list[ChildJob]) -> list[StepSpec]:
        """Gate after gate, each for all children in one or two groups, with other steps between."""
        steps: list[StepSpec] = []
        for gate in GATES if self.random.random() < 0.8 else ("",):
            keys = [child.key for child in children]
            self.random.shuffle(keys)
            cut = self.random.randint(0, len(keys))
            for part in (keys[:cut], keys[cut:]):
                self._between(steps)
                before = [steps[-1].key] if steps else []
                spec = group(
                    f"g{len(steps)}",
                    part,
                    *before,
                    gate=gate,
                    on_failure=self._rule(),
                    task="First",
                )
                steps.append(spec)
        return [*steps, *self._undo(steps)]

    def _between(self, steps: list[StepSpec]) -> None:
        if self.random.random() < 0.4:
            before = [steps[-1].key] if steps else []
            steps.append(self._step(f"s{len(steps)}", before))

    def _child(self, key: str) -> ChildJob:
        steps: list[StepSpec] = []
        gate = ""
        for number in range(self.random.randint(1, 6)):
            names = [step.key for step in steps]
            before = self.random.sample(names, self.random.randint(0, min(2, len(names))))
            if self.random.random() < 0.5:
                gate = GATES[min(GATES.index(gate) + 1, 2) if gate else 0]
            no_return = self.random.random() < 0.15
            steps.append(self._step(f"s{number}", before, gate=gate, point_of_no_return=no_return))
        return ChildJob(
            key=key,
            scenario="PlannedFailover",
            friendly_name="Planned failover",
            target=JobTarget("ProtectionEntity", f"item-{key}", key),
            graph=Graph(TASKS, (*steps, *self._undo(steps))),
            locks=(f"item:{key}",),
            skipped_reason="Done already." if self.random.random() < 0.1 else "",
        )

    def _undo(self, steps: list[StepSpec]) -> list[StepSpec]:
        undo: list[StepSpec] = []
        for step in steps:
            if step.kind is StepKind.COMMAND and self.random.random() < 0.4:
                before = [undo[-1].key] if undo and self.random.random() < 0.5 else []
                undo.append(
                    command(
                        f"undo-{step.key}",
                        self.provider_id,
                        *before,
                        undoes=step.key,
                        on_failure=self._rule(),
                    )
                )
        return undo

    def _step(self, key: str, before: list[str], **changes: object) -> StepSpec:
        kind = self.random.choice(["command", "command", "command", "record", "manual"])
        changes["on_failure"] = self._rule()
        if kind == "command":
            slot = self.random.choice(HOSTS)
            return command(key, self.provider_id, *before, attempts=2, slot=slot, **changes)
        if kind == "manual":
            return manual(key, *before, **changes)
        action = "note" if self.random.random() < 0.8 else "break"
        return record(key, *before, **{**changes, "action": action})

    def _rule(self) -> FailureRule:
        return self.random.choice(list(FailureRule))


@dataclass
class Watcher:
    """Looks at a family after every commit, and compares with what it saw before."""

    root_id: UUID
    begun: dict[int, int] = field(default_factory=dict)
    percents: dict[UUID, int] = field(default_factory=dict)

    def look(self) -> None:
        jobs = {job.id: job for job in Job.objects.filter(id=self.root_id) | self._children()}
        steps: dict[UUID, dict[str, Step]] = {job_id: {} for job_id in jobs}
        for step in Step.objects.filter(job_id__in=list(jobs)):
            steps[step.job_id][step.key] = step
        for job_id, job in jobs.items():
            for step in steps[job_id].values():
                self._look_at(job, step, steps[job_id])
            view = queries.find_job(job.vault_id, job_id)
            assert view is not None
            assert view.percent >= self.percents.get(job_id, 0), "progress fell"
            self.percents[job_id] = view.percent
        self._look_at_groups(jobs, steps)
        self._look_at_hosts()
        done = sum(
            work_seconds(step.kind, step.expected_seconds, step.undoes)
            for job_id in jobs
            if job_id != self.root_id
            for step in steps[job_id].values()
            if step.state in ENDED_WELL
        )
        assert jobs[self.root_id].children_seconds_done == pytest.approx(done)

    def restarted(self) -> None:
        """What is done stays done; what is done again counts from the beginning."""
        steps = Step.objects.filter(job__in=Job.objects.filter(id=self.root_id) | self._children())
        self.begun = dict(steps.values_list("id", "attempts"))

    def _children(self) -> QuerySet[Job]:
        return Job.objects.filter(root_id=self.root_id)

    def _look_at(self, job: Job, step: Step, steps: Mapping[str, Step]) -> None:
        assert step.attempts <= step.attempts_allowed
        if step.attempts > self.begun.get(step.id, 0):
            self._has_begun(job, step, steps)
        self.begun[step.id] = step.attempts

    def _has_begun(self, job: Job, step: Step, steps: Mapping[str, Step]) -> None:
        if step.undoes:
            assert steps[step.undoes].started_at is not None, "undone without having begun"
            ordinary = [each for each in steps.values() if not each.undoes]
            assert all(StepState(each.state).ended for each in ordinary)
            failed = any(each.state == StepState.FAILED for each in ordinary)
            assert failed or job.halt != Halt.NONE
            assert not any(each.point_of_no_return and each.started_at for each in ordinary)
            return
        for key in step.after:
            if job.halt == Halt.WIND_UP and step.kind == StepKind.GROUP:
                assert StepState(steps[key].state).ended, f"{step.key} began before {key} ended"
            else:
                assert steps[key].state in ENDED_WELL, f"{step.key} began before {key} ended well"
        if step.gate:
            assert "" in job.gates or step.gate in job.gates, f"{step.key} began at a shut gate"

    def _look_at_groups(
        self, jobs: Mapping[UUID, Job], steps: Mapping[UUID, Mapping[str, Step]]
    ) -> None:
        """A GROUP step that ended waited for all its members."""
        children = {job.child_key: job for job in jobs.values() if job.root_id is not None}
        for step in steps[self.root_id].values():
            if step.kind != StepKind.GROUP or step.state not in {*ENDED_WELL, StepState.FAILED}:
                continue
            for key in step.inputs["members"]:
                gate = step.inputs["gate"]
                if JobState(children[key].state).ended:
                    continue
                behind = [s for s in steps[children[key].id].values() if s.gate == gate]
                assert gate, f"{step.key} did not wait for {key}"
                assert all(StepState(s.state).ended for s in behind)

    def _look_at_hosts(self) -> None:
        """No host is at more commands at once than it may."""
        at_work = Command.objects.filter(root_id=self.root_id, claimed_at__isnull=False)
        at_work = at_work.filter(result=None).exclude(slot="").exclude(state="abandoned")
        for slot in HOSTS:
            assert at_work.filter(slot=slot).count() <= SLOTS, f"too much at once at {slot}"

    def look_at_the_end(self) -> None:
        """Nothing is left over."""
        root = Job.objects.get(id=self.root_id)
        assert (root.children_left, root.children_suspended) == (0, 0)
        for job in (root, *self._children()):
            assert JobState(job.state).ended
            assert not job.locks.exists()
            states = {step.state for step in job.steps.all()}
            assert not states & {StepState.NOT_STARTED, StepState.IN_PROGRESS}
            if job.state == JobState.SUCCEEDED and job.state_description != "Skipped":
                ordinary = job.steps.filter(undoes="")
                assert {step.state for step in ordinary} <= ENDED_WELL
        if root.state == JobState.SUCCEEDED:
            assert self.percents[root.id] == 100
        open_commands = Command.objects.filter(root_id=self.root_id).exclude(
            state__in=["finished", "abandoned"]
        )
        assert not open_commands.exists()
