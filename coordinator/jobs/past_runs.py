"""How jobs went that ended well: their graphs, each step expecting what it took."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from coordinator.jobs.models import Job
from coordinator.jobs.states import JobState
from coordinator.jobs.steps import ChildJob, Graph, JobTarget, StepKind, StepSpec, TaskSpec

# So many of the newest; after the newest only while they have no more steps together than so many.
NEWEST_RUNS = 5
MOST_STEPS = 5_000

# What a provider had a command for, else from begin to end; what did not run took no time.
_STEPS = """
SELECT coalesce(job.child_key, ''), step.key, step.task, step.kind, step.action, step.after,
    CASE WHEN step.kind = 'group' THEN step.inputs END, step.gate, step.slot,
    CASE WHEN step.state <> 'Succeeded' OR step.kind = 'group' THEN 0.0
        ELSE extract(epoch FROM coalesce(
            command.finished_at - command.claimed_at, step.finished_at - step.started_at
        ))::float8
    END
FROM jobs_job AS job
JOIN jobs_step AS step ON step.job_id = job.id
LEFT JOIN LATERAL (
    SELECT claimed_at, finished_at FROM jobs_command
    WHERE step_id = step.id ORDER BY sequence DESC LIMIT 1
) AS command ON true
WHERE (job.id = %(root)s OR job.root_id = %(root)s) AND step.undoes = ''
ORDER BY job.id, step.position
"""


@dataclass(frozen=True)
class PastRun:
    """A job that ended well.

    Attributes:
        graph: What it was, its children included; `expected_seconds` of a step is what it took.
        seconds: From its beginning to its end.
    """

    graph: Graph
    seconds: float


def past_runs(vault_id: UUID, scenario: str, target_type: str) -> list[PastRun]:
    """The newest runs of a scenario in a vault that waited for nobody, newest first."""
    roots = Job.objects.filter(
        vault_id=vault_id,
        scenario=scenario,
        target_type=target_type,
        root=None,
        state=JobState.SUCCEEDED,
        started_at__isnull=False,
        finished_at__isnull=False,
    ).exclude(steps__kind=StepKind.MANUAL)
    found: list[PastRun] = []
    steps = 0
    for root in roots.order_by("-created_at")[:NEWEST_RUNS]:
        if root.started_at is None or root.finished_at is None:
            continue
        graph = _graph(root.id)
        steps += len(graph.steps) + sum(len(child.graph.steps) for child in graph.children)
        if found and steps > MOST_STEPS:
            break
        found.append(PastRun(graph, (root.finished_at - root.started_at).total_seconds()))
    return found


def _graph(root_id: UUID) -> Graph:
    steps: defaultdict[str, list[StepSpec]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_STEPS, {"root": root_id})
        for job, key, task, kind, action, after, inputs, gate, slot, seconds in cursor.fetchall():
            steps[job].append(
                StepSpec(
                    key=key,
                    task=task,
                    kind=StepKind(kind),
                    action=action,
                    after=tuple(json.loads(after)),
                    inputs=json.loads(inputs or "{}"),
                    gate=gate,
                    slot=slot,
                    expected_seconds=max(0.0, seconds or 0.0),
                )
            )
    own = tuple(steps.pop("", ()))
    children = tuple(_child(key, tuple(found)) for key, found in steps.items())
    return Graph((), own, children)


def _child(key: str, steps: tuple[StepSpec, ...]) -> ChildJob:
    tasks = tuple(TaskSpec(task, task) for task in dict.fromkeys(step.task for step in steps))
    target = JobTarget("", key, key)
    return ChildJob(
        key=key, scenario="", friendly_name="", target=target, graph=Graph(tasks, steps)
    )
