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
from coordinator.cli.job_displays import Bars, Lines, choose_display
from coordinator.cli.job_readings import JobReadings, MachineRow, counted, seconds_between
from coordinator.cli.operations import job_failure, job_name_of
from coordinator.cli.waiting import Silence, wait_for_job


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
    ended = wait_for_job("job-1", read, Silence(), 60, interval_seconds=0)
    assert ended.properties.state == "Failed"


def test_a_job_that_does_not_end_is_left_running_when_the_time_is_over() -> None:
    with pytest.raises(CommandError) as error:
        wait_for_job("job-1", lambda: job("InProgress"), Silence(), 0.0, interval_seconds=1)
    assert error.value.exit_code is ExitCode.TIME_OVER
    assert "osr job watch job-1" in error.value.recommended_action


def test_without_a_terminal_each_change_of_a_task_is_one_line() -> None:
    text = io.StringIO()
    read = readings(
        job("InProgress", "InProgress", "NotStarted"),
        job("InProgress", "InProgress", "NotStarted"),
        job("Succeeded", "Succeeded", "Skipped"),
    )
    wait_for_job("job-1", read, Lines(Console(file=text)), 60, interval_seconds=0)
    assert text.getvalue().splitlines() == [
        "Task 0: InProgress",
        "Task 0: Succeeded",
        "Task 1: Skipped",
    ]


def test_on_a_terminal_every_task_has_a_bar() -> None:
    text = io.StringIO()
    display = Bars(Console(file=text, force_terminal=True, width=100))
    wait_for_job("job-1", readings(job("Succeeded", "Succeeded", "Failed")), display, 60)
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


def test_ctrl_c_leaves_the_job_running_and_says_how_to_look_at_it_again() -> None:
    def read() -> Job:
        raise KeyboardInterrupt

    with pytest.raises(CommandError) as error:
        wait_for_job("job-1", read, Silence(), 60)
    assert error.value.exit_code is ExitCode.INTERRUPTED
    assert "it goes on" in error.value.message
    assert error.value.recommended_action == "Look at it again with: osr job watch job-1"


def plan_job(*members: str, percent: int = 40) -> Job:
    children = [
        {
            "taskId": f"group-1/{number}",
            "name": "group-1",
            "friendlyName": f"VM{number}",
            "state": state,
            "customDetails": {
                "instanceType": "VirtualMachineTaskDetails",
                "jobTask": {"jobId": f"/jobs/child-{number}"},
            },
        }
        for number, state in enumerate(members, start=1)
    ]
    group = {
        "instanceType": "RecoveryPlanGroupTaskDetails",
        "name": "Group 1",
        "groupId": "group-1",
        "rpGroupType": "Boot",
        "childTasks": children,
    }
    tasks = [
        {"name": "check", "friendlyName": "Check", "state": "Succeeded", "percent": 100},
        {
            "name": "group-1",
            "friendlyName": "Group 1",
            "state": "InProgress",
            "percent": 30,
            "groupTaskCustomDetails": group,
        },
    ]
    properties = {
        "state": "InProgress",
        "friendlyName": "Planned failover",
        "percent": percent,
        "startTime": "2026-07-01T12:00:00Z",
        "tasks": tasks,
    }
    return Job({"name": "job-1", "properties": properties})


class Coordinator:
    """Has a plan's job, and jobs of its machines; counts what is read."""

    def __init__(self, *members: str) -> None:
        self.members = members
        self.whole = 0
        self.seconds = 0.0

    def get(self, name: str, with_machines: bool) -> Job:
        if name != "job-1":
            return Job({"name": name, "properties": {"percent": 7, "state": "InProgress"}})
        self.whole += with_machines
        return plan_job(*self.members if with_machines else ())

    def clock(self) -> float:
        return self.seconds

    def readings(self) -> JobReadings:
        return JobReadings(self.get, "job-1", with_machines=True, clock=self.clock)


def test_machines_of_a_plan_are_read_less_often_than_its_job() -> None:
    coordinator = Coordinator("Succeeded", "InProgress", "Failed", "NotStarted")
    readings = coordinator.readings()
    for _ in range(3):
        readings.read()
    assert coordinator.whole == 1
    rows = readings.machines["group-1"]
    assert [(row.name, row.state, row.percent) for row in rows] == [
        ("VM1", "Succeeded", None),
        ("VM2", "InProgress", 7),
        ("VM3", "Failed", None),
        ("VM4", "NotStarted", None),
    ]
    coordinator.seconds += 3
    readings.read()
    assert coordinator.whole == 2
    assert counted(rows) == "1 of 4 machines, 1 failed"
    assert counted([]) == ""


def test_on_a_terminal_the_job_its_tasks_and_its_machines_have_bars() -> None:
    text = io.StringIO()
    coordinator = Coordinator("Succeeded", "InProgress", "Failed")
    readings = coordinator.readings()
    display = Bars(
        Console(file=text, force_terminal=True, width=120, height=40), lambda: readings.machines
    )
    display.update(readings.read())
    coordinator.members = ("Succeeded", "Succeeded", "Failed")
    coordinator.seconds += 3
    display.update(readings.read())
    display.close()
    shown = text.getvalue()
    for words in ("Planned failover", "40 %", "Check", "Group 1", "VM2 (Group 1)", "7 %"):
        assert words in shown, words
    assert "1 of 3 machines, 1 failed" in shown
    assert "2 of 3 machines, 1 failed" in shown
    assert "VM1 (Group 1)" not in shown
    # Times are the coordinator's: the job began long ago.
    assert "0:00:00" not in shown.split("Planned failover")[-1].splitlines()[0]


def test_a_small_terminal_shows_what_is_not_over() -> None:
    text = io.StringIO()
    display = Bars(Console(file=text, force_terminal=True, width=80, height=7))
    display.update(job("InProgress", *["Succeeded"] * 10, "InProgress"))
    display.close()
    last = text.getvalue().rsplit("\x1b[2K", maxsplit=1)[1]
    assert "Task 10" in last
    assert "Task 0" not in last


def test_in_a_log_machines_are_counted_and_failed_ones_are_named() -> None:
    text = io.StringIO()
    coordinator = Coordinator("Succeeded", "InProgress", "Failed")
    readings = coordinator.readings()
    lines = Lines(Console(file=text), lambda: readings.machines)
    for _ in range(2):
        lines.update(readings.read())
    assert text.getvalue().splitlines() == [
        "Check: Succeeded (40 % of all)",
        "Group 1: InProgress (40 % of all)",
        "Group 1: 1 of 3 machines, 1 failed (40 % of all)",
        "Group 1: VM3: Failed",
    ]
    assert MachineRow("VM3", "Failed") in readings.machines["group-1"]
