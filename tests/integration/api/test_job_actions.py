"""Cancelling, restarting and resuming jobs with Microsoft's client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.jobs.engine import advance
from coordinator.jobs.models import Job
from coordinator.jobs.registry import Registry
from coordinator.jobs.services import BeginJob, JobTarget, QueueName, begin_job
from coordinator.jobs.steps import ChildJob, Graph, StepKind, StepSpec, TaskSpec
from coordinator.vaults.models import Vault
from tests.integration.api.programs import Program, error_of
from tests.integration.api.sites import Sites

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("JB-2", "AP-1")]

TASK = TaskSpec("Cables", "Manual action before group 1: Cables")
REGISTRY = Registry(records={})


def manual(key: str = "ask") -> StepSpec:
    return StepSpec(
        key=key,
        task="Cables",
        kind=StepKind.MANUAL,
        action="",
        inputs={"name": "Cables", "instructions": "Plug them in."},
        time_limit_seconds=0,
    )


def begin(vault: Vault, steps: Sequence[StepSpec], *children: ChildJob) -> Job:
    tasks = (TASK, TaskSpec("Group1", "Group 1: Start (2)"))
    job = begin_job(
        BeginJob(
            vault_id=vault.id,
            scenario="PlannedFailover",
            friendly_name="Planned failover",
            target=JobTarget("RecoveryPlan", "plan-1", "Plan-1"),
            graph=Graph(tasks, tuple(steps), children),
            queue=QueueName.FAILOVER,
            started_by="tests",
        ),
        timezone.now(),
    )
    run(job)
    return job


def run(job: Job) -> None:
    advance(job.id, REGISTRY, timezone.now)
    job.refresh_from_db()


def read(program: Program, job: Job) -> Any:
    return program.site_recovery.replication_jobs.get(*program.scope, str(job.id)).properties


def test_a_suspended_job_says_what_it_asks_for_and_goes_on_with_the_note(
    program: Program, sites: Sites
) -> None:
    job = begin(sites.vault, [manual()])
    shown = read(program, job)
    assert (shown.state, shown.allowed_actions) == ("Suspended", ["Cancel", "Resume"])
    assert shown.tasks[0].custom_details.instructions == "Plug them in."
    assert shown.tasks[0].allowed_actions == ["Resume"]
    comments = asr.ResumeJobParamsProperties(comments="They are in.")
    program.site_recovery.replication_jobs.begin_resume(
        *program.scope, str(job.id), asr.ResumeJobParams(properties=comments)
    ).result()
    run(job)
    shown = read(program, job)
    assert (shown.state, shown.allowed_actions) == ("Succeeded", [])
    assert shown.tasks[0].custom_details.observation == "They are in."


def test_a_job_is_cancelled(program: Program, sites: Sites) -> None:
    job = begin(sites.vault, [manual()])
    answer = program.site_recovery.replication_jobs.begin_cancel(
        *program.scope, str(job.id)
    ).result()
    assert answer.properties.state_description == "Cancelling"
    run(job)
    assert read(program, job).state == "Cancelled"


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("begin_cancel", "CancelNotPossible"),
        ("begin_restart", "RestartNotPossible"),
        ("begin_resume", "ResumeNotPossible"),
    ],
)
def test_what_an_ended_job_does_not_allow_is_refused_in_four_parts(
    program: Program, sites: Sites, action: str, code: str
) -> None:
    job = begin(sites.vault, [])
    body = [{"properties": {"comments": ""}}] if action == "begin_resume" else []
    with pytest.raises(ResourceExistsError) as refused:
        getattr(program.site_recovery.replication_jobs, action)(
            *program.scope, str(job.id), *body
        ).result()
    error = error_of(refused.value)
    assert error["code"] == code
    assert error["details"][0]["possibleCauses"]
    assert error["details"][0]["recommendedAction"]


def test_a_job_that_is_not_there_is_not_acted_on(program: Program, sites: Sites) -> None:
    with pytest.raises(ResourceNotFoundError):
        program.site_recovery.replication_jobs.begin_cancel(*program.scope, str(uuid4())).result()


@pytest.mark.spec("RP-5")
def test_a_plan_s_job_shows_its_machines_in_their_group(program: Program, sites: Sites) -> None:
    group = StepSpec(
        key="group1",
        task="Group1",
        kind=StepKind.GROUP,
        action="",
        inputs={"members": ["a", "b"], "gate": "", "type": "Boot"},
    )
    graph = Graph((TASK,), (manual(),))
    target = JobTarget("ProtectionEntity", "item-a", "GoldVM1")
    asking = ChildJob(
        key="a", scenario="X", friendly_name="Planned failover", target=target, graph=graph
    )
    skipped = ChildJob(
        key="b",
        scenario="X",
        friendly_name="Planned failover",
        target=target,
        graph=graph,
        skipped_reason="It is failed over already.",
    )
    job = begin(sites.vault, [group], asking, skipped)
    first, second = read(program, job).tasks[1].group_task_custom_details.child_tasks
    assert (first.state, second.state) == ("InProgress", "Skipped")
    # Which subclass of TaskTypeDetails the client makes of it depends on what it has read before.
    assert second.custom_details["instanceType"] == "VirtualMachineTaskDetails"
    assert second.custom_details["skippedReason"] == "It is failed over already."
    child_id = first.custom_details["jobTask"]["jobId"].rpartition("/")[2]
    child = program.site_recovery.replication_jobs.get(*program.scope, child_id)
    assert child.properties.state == "Suspended"
    assert child["properties"]["parentJobId"].endswith(str(job.id))
    without = program.site_recovery.replication_jobs.get(
        *program.scope, str(job.id), params={"childTasks": "none"}
    )
    assert without.properties.tasks[1].group_task_custom_details is None
