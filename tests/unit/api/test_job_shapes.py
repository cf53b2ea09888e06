"""Jobs as Microsoft's SDK reads them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from azure.mgmt.recoveryservicessiterecovery import models as asr

from coordinator.api.paths import VaultId
from coordinator.api.shapes.jobs import job_resource, operation_status
from coordinator.failures import Failure, ProviderError
from coordinator.jobs.job_actions import JobFacts
from coordinator.jobs.queries import GroupView, JobError, JobView, MemberView, StepView
from coordinator.jobs.states import JobState, StepState
from coordinator.jobs.task_views import TaskView

IDS = VaultId("5d8c6a3e-0000-4000-8000-000000000001", "group-1", "Vault-1")
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
FAILURE = Failure("HostBusy", "hv1 is busy.", ("A checkpoint merges.", "It is slow."), "Wait.")


def task(name: str, state: StepState, *, begun: bool = True) -> TaskView:
    ended = NOON if state.ended else None
    start = NOON if begun else None
    return TaskView(name, f"Friendly {name}", state, "", start, ended, 40, "copying", ())


def job(state: JobState, *errors: JobError) -> JobView:
    return JobView(
        id=UUID(int=7),
        vault_id=UUID(int=1),
        scenario="PlannedFailover",
        friendly_name="Planned failover",
        state=state,
        state_description="",
        target_type="ProtectionEntity",
        target_id="item",
        target_name="GoldVM1",
        target_resource="",
        started_by="program",
        client_request_id="",
        created_at=NOON,
        started_at=NOON,
        finished_at=NOON if state.ended else None,
        percent=50,
        facts=JobFacts(
            name="Planned failover",
            target="GoldVM1",
            state=state,
            halted=False,
            past_return=False,
            held_up=False,
            asks=False,
            restartable=False,
            child=False,
        ),
        errors=errors,
        tasks=(
            task("VmFailover", StepState.IN_PROGRESS),
            task("VmFoStartVmOnSecondary", StepState.NOT_STARTED, begun=False),
        ),
        steps=(),
    )


def test_the_sdk_reads_every_part_of_a_job() -> None:
    read = asr.Job(
        job_resource(IDS, job(JobState.FAILED, JobError(FAILURE, "VmFailover", "", NOON)))
    )
    assert read.properties is not None
    assert read.properties.scenario_name == "PlannedFailover"
    assert read.properties.start_time == NOON
    assert isinstance(read.properties.custom_details, asr.FailoverJobDetails)
    tasks = read.properties.tasks or []
    assert [str(task.state) for task in tasks] == ["InProgress", "NotStarted"]
    assert tasks[1].start_time is not None
    assert tasks[1].start_time.year == 1
    errors = read.properties.errors or []
    details = errors[0].service_error_details
    assert details is not None
    assert (details.code, details.message) == ("HostBusy", "hv1 is busy.")
    assert details.possible_causes == "A checkpoint merges.\nIt is slow."


def test_the_sdk_reads_what_powershell_said() -> None:
    said = ProviderError("InvalidState,StartVMFailover", "InvalidOperation", "It cannot be done.")
    failure = replace(FAILURE, provider_error=said)
    read = asr.Job(job_resource(IDS, job(JobState.FAILED, JobError(failure, "t", "", NOON))))
    assert read.properties is not None
    (error,) = read.properties.errors or []
    details = error.provider_error_details
    assert details is not None
    assert (details.error_id, details.error_message) == (said.error_id, said.message)
    assert details["category"] == "InvalidOperation"


def test_a_cancelled_job_ends_the_operation_in_the_word_clients_know() -> None:
    # With two l's the SDK would poll for ever.
    assert operation_status(IDS, job(JobState.CANCELLED))["status"] == "Canceled"
    assert operation_status(IDS, job(JobState.SUCCEEDED))["status"] == "Succeeded"
    assert operation_status(IDS, job(JobState.FAILED))["status"] == "Failed"


def test_an_operation_that_has_not_ended_is_in_progress_and_has_no_error() -> None:
    for state in (JobState.NOT_STARTED, JobState.IN_PROGRESS, JobState.SUSPENDED):
        document = operation_status(IDS, job(state))
        assert document["status"] == "InProgress"
        assert "error" not in document


def test_a_failed_operation_says_why_even_when_no_step_did() -> None:
    document = operation_status(IDS, job(JobState.FAILED))
    error = document["error"]
    assert isinstance(error, dict)
    assert error["code"] == "JobFailed"
    assert "Planned failover" in error["message"]


@pytest.mark.spec("JB-2")
@pytest.mark.parametrize(
    ("state", "allowed"),
    [
        (JobState.IN_PROGRESS, ["Cancel"]),
        (JobState.FAILED, ["Restart"]),
        (JobState.SUCCEEDED, []),
        (JobState.CANCELLED, []),
    ],
)
def test_the_allowed_actions_follow_from_the_state(state: JobState, allowed: list[str]) -> None:
    read = asr.Job(job_resource(IDS, job(state), {"PlannedFailover"}))
    assert read.properties is not None
    assert read.properties.allowed_actions == allowed


@pytest.mark.spec("RP-5")
def test_the_sdk_reads_the_machines_of_a_group_with_their_jobs() -> None:
    skipped = MemberView(
        job_id=UUID(int=9),
        key="vm1",
        scenario="PlannedFailover",
        friendly_name="Planned failover",
        target_type="ProtectionEntity",
        target_id="item-1",
        target_name="GoldVM1",
        state=StepState.SKIPPED,
        skipped_reason="It is failed over already.",
        started_at=NOON,
        finished_at=NOON,
        failures=(),
    )
    failed = replace(skipped, state=StepState.FAILED, skipped_reason="", failures=(FAILURE,))
    group = GroupView("VmFailover", "group1", "Boot", (skipped, failed))
    read = asr.Job(job_resource(IDS, replace(job(JobState.IN_PROGRESS), groups=(group,))))
    assert read.properties is not None
    tasks = read.properties.tasks or []
    details = tasks[0].group_task_custom_details
    assert isinstance(details, asr.RecoveryPlanGroupTaskDetails)
    assert details.rp_group_type == "Boot"
    first, second = details.child_tasks or []
    of_machine = asr.VirtualMachineTaskDetails(first["customDetails"])
    assert of_machine.skipped_reason == "It is failed over already."
    assert of_machine.job_task is not None
    assert str(of_machine.job_task.job_id).endswith(str(UUID(int=9)))
    assert (second.state, len(second.errors or [])) == ("Failed", 1)
    assert tasks[1].group_task_custom_details is None


@pytest.mark.spec("RP-2")
def test_the_sdk_reads_what_a_manual_action_asks_for() -> None:
    asking = StepView(
        key="ask",
        task="VmFailover",
        kind="manual",
        action="",
        provider_id=None,
        state=StepState.IN_PROGRESS,
        attempts=1,
        percent=0,
        activity="",
        point_of_no_return=False,
        started_at=NOON,
        finished_at=None,
        failure=None,
        details={
            "instanceType": "ManualActionTaskDetails",
            "name": "Cables",
            "instructions": "Plug them in.",
            "observation": "",
        },
    )
    read = asr.Job(job_resource(IDS, replace(job(JobState.SUSPENDED), steps=(asking,))))
    assert read.properties is not None
    task = (read.properties.tasks or [])[0]
    assert task.allowed_actions == ["Resume"]
    assert isinstance(task.custom_details, asr.ManualActionTaskDetails)
    assert task.custom_details.instructions == "Plug them in."
