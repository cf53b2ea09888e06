"""Waiting for a job."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.mgmt.recoveryservicessiterecovery.models import Job
from rich.console import Console

from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.operations import job_failure, job_name_of
from coordinator.cli.waiting import (
    Bars,
    Lines,
    Silence,
    choose_display,
    seconds_between,
    wait_for_job,
)


def job(state: str, *task_states: str) -> Job:
    tasks = [
        {"name": f"t{index}", "friendlyName": f"Task {index}", "state": task_state, "percent": 50}
        for index, task_state in enumerate(task_states)
    ]
    return Job({"name": "job-1", "properties": {"state": state, "tasks": tasks}})


def readings(*jobs: Job) -> Any:
    each: Iterator[Job] = iter(jobs)
    return lambda: next(each)


def test_a_job_is_read_until_it_has_ended() -> None:
    read = readings(job("NotStarted"), job("InProgress"), job("Failed"), job("Succeeded"))
    ended = wait_for_job(read, Silence(), 60, interval_seconds=0)
    assert ended.properties.state == "Failed"


def test_a_job_that_does_not_end_is_left_running_when_the_time_is_over() -> None:
    with pytest.raises(CommandError) as error:
        wait_for_job(lambda: job("InProgress"), Silence(), 0.0, interval_seconds=1)
    assert error.value.exit_code is ExitCode.TIME_OVER
    assert "osr job watch job-1" in error.value.recommended_action


def test_without_a_terminal_each_change_of_a_task_is_one_line() -> None:
    text = io.StringIO()
    read = readings(
        job("InProgress", "InProgress", "NotStarted"),
        job("InProgress", "InProgress", "NotStarted"),
        job("Succeeded", "Succeeded", "Skipped"),
    )
    wait_for_job(read, Lines(Console(file=text)), 60, interval_seconds=0)
    assert text.getvalue().splitlines() == [
        "Task 0: InProgress",
        "Task 0: Succeeded",
        "Task 1: Skipped",
    ]


def test_on_a_terminal_every_task_has_a_bar() -> None:
    text = io.StringIO()
    display = Bars(Console(file=text, force_terminal=True, width=100))
    wait_for_job(readings(job("Succeeded", "Succeeded", "Failed")), display, 60)
    assert "Task 0" in text.getvalue()
    assert "Failed" in text.getvalue()


def test_programs_that_read_json_are_shown_nothing() -> None:
    assert isinstance(choose_display(Console(file=io.StringIO()), quiet=True), Silence)
    assert isinstance(choose_display(Console(file=io.StringIO()), quiet=False), Lines)


def test_a_time_that_never_came_makes_no_duration() -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    never = datetime(1, 1, 1)  # noqa: DTZ001 - as the SDK reads ASR's "never"
    assert seconds_between(noon, noon.replace(second=5)) == 5
    assert seconds_between(noon, never) is None
    assert seconds_between(noon, None) is None


def test_a_failed_job_says_what_the_service_said() -> None:
    failed = job("Failed")
    failed.properties = {  # type: ignore[assignment] # the SDK reads mappings
        "state": "Failed",
        "friendlyName": "Planned failover",
        "targetObjectName": "GoldVM1",
        "errors": [
            {
                "serviceErrorDetails": {
                    "code": "HostBusy",
                    "message": "hv1 is busy.",
                    "possibleCauses": "One.\nTwo.",
                    "recommendedAction": "Wait.",
                }
            }
        ],
    }
    error = job_failure(failed)
    assert error.exit_code is ExitCode.JOB_FAILED
    assert error.code == "HostBusy"
    assert "GoldVM1" in error.message
    assert list(error.possible_causes) == ["One.", "Two."]
    assert error.recommended_action == "Wait."


def test_a_job_can_be_named_by_its_id() -> None:
    assert job_name_of("/a/b/replicationJobs/j1") == "j1"
    assert job_name_of("j1") == "j1"
