"""Bringing families on as far as no function of a domain is needed: a fixed number of statements.

For whoever stores results. What comes after a command is mostly the next command; all else is left
as it is, due at once, for the engine's `advance`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from coordinator.jobs import command_rows, job_rows, step_rows
from coordinator.jobs.claims import LOCK_SESSIONS, lock_key
from coordinator.jobs.engine import by_job, carry_on
from coordinator.jobs.family import Family
from coordinator.jobs.job_rows import jobs_in, jobs_of
from coordinator.jobs.models import Job
from coordinator.jobs.registry import Registry
from coordinator.jobs.results import Result, end_steps
from coordinator.jobs.run import Advance, Line
from coordinator.jobs.statements import Arguments, Rows
from coordinator.jobs.states import JobState
from coordinator.jobs.step_rows import StepRow, read_steps, steps_in

UNLOCK = "DELETE FROM jobs_operationlock WHERE job_id = ANY(%s::uuid[])"
# The sessions' locks come with the writing, so that no statement is needed for them alone.
WRITE = f"""
WITH steps AS ({step_rows.UPDATE}), commands AS ({command_rows.INSERT}),
    jobs AS ({job_rows.UPDATE}), unlocked AS ({UNLOCK}), {LOCK_SESSIONS}
"""


@dataclass(frozen=True)
class LightAdvance:
    """What is to be written of families that were brought on.

    Attributes:
        families: As they are now, in memory.
        held: Roots of families of which something is left to do now.
    """

    families: tuple[Family, ...] = ()
    held: tuple[Job, ...] = ()

    @property
    def lines(self) -> list[Line]:
        """Of the log, to be written after the commit."""
        return [line for family in self.families for line in family.shared.lines]

    @property
    def providers(self) -> set[UUID]:
        """Those that there are new commands for."""
        return {
            command.provider_id for family in self.families for command in family.shared.commands
        }


@dataclass
class ReadRows:
    """What has been read of families already, under their roots' locks.

    Attributes:
        steps: Of jobs whose steps have been read, all of them.
    """

    jobs: dict[UUID, Job] = field(default_factory=dict)
    steps: dict[UUID, list[StepRow]] = field(default_factory=dict)

    @staticmethod
    def statements(
        root_ids: Collection[UUID], job_ids: Collection[UUID]
    ) -> tuple[tuple[str, Arguments], tuple[str, Arguments]]:
        """What reads the rows of roots and jobs, and the steps of jobs; answers are for `add`."""
        both = {*root_ids, *job_ids}
        return (job_rows.JOBS, [list(both)]), (step_rows.READ, [list(job_ids)])

    def add(self, jobs: Rows, steps: Rows, job_ids: Collection[UUID]) -> None:
        """Takes the answers to `statements`."""
        self.jobs.update({job.id: job for job in jobs_in(jobs)})
        self.steps.update(steps_in(steps, job_ids))

    def complete(self, job_ids: Collection[UUID], step_job_ids: Collection[UUID]) -> None:
        """Reads what is missing of these."""
        missing = [job_id for job_id in job_ids if job_id not in self.jobs]
        if missing:
            self.jobs.update({job.id: job for job in jobs_of(missing)})
        without = [job_id for job_id in step_job_ids if job_id not in self.steps]
        if without:
            self.steps.update(read_steps([one for one in without if one in self.jobs]))


def advance_lightly(
    results: Mapping[UUID, Sequence[Result]],
    read: ReadRows,
    registry: Registry,
    clock: Callable[[], datetime],
    new_id: Callable[[], UUID],
) -> LightAdvance:
    """Brings on the jobs that results are for, in memory.

    Args:
        results: By root; the roots are locked, and the results count as taken.
        read: What has been read of their families since.
        registry: Says which scenarios end with a function of a domain.
        clock: Gives the time, UTC.
        new_id: Gives random UUIDs.
    """
    if not results:
        return LightAdvance()
    wanted = {result.job_id for own in results.values() for result in own}
    read.complete([*results, *wanted], wanted)
    jobs = read.jobs
    families = []
    for root_id, own in results.items():
        root = jobs.get(root_id)
        if root is None or JobState(root.state).ended:
            continue
        shared = Advance(registry, clock, clock(), new_id, light=True)
        family = Family(shared, root, read=dict(read.steps))
        _bring_on(family, own, jobs)
        families.append(family)
    held = [family.root for family in families if any(run.held for run in family.runs.values())]
    return LightAdvance(tuple(families), tuple(held))


def write_statement(advance: LightAdvance, provider_ids: Collection[UUID]) -> tuple[str, Arguments]:
    """Writes what was brought on, and locks the claims of providers."""
    for family in advance.families:
        family.root.children_seconds_done += family.shared.seconds_done
        family.jobs[family.root.id] = family.root
    families = advance.families
    arguments = [
        *step_rows.columns([s for one in families for s in one.shared.changed.values()]),
        *command_rows.columns([c for one in families for c in one.shared.commands]),
        *job_rows.columns([j for one in families for j in one.jobs.values() if one.has_changed(j)]),
        [job_id for one in families for job_id in one.ended],
        sorted(map(lock_key, provider_ids)),
    ]
    return WRITE, arguments


def _bring_on(family: Family, results: Collection[Result], jobs: Mapping[UUID, Job]) -> None:
    own = by_job(results)
    touched = [jobs[job_id] for job_id in own if job_id in jobs]
    family.take_up([job for job in touched if not JobState(job.state).ended])
    for job_id, results_of_job in own.items():
        if job_id in family.runs:
            end_steps(family.runs[job_id], results_of_job)
    carry_on(family)
