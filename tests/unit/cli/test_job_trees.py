"""A job shown as a tree, and what it asks for while somebody waits for it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from azure.mgmt.recoveryservicessiterecovery.models import Job
from rich.console import Console

from coordinator.cli.job_displays import Bars, Lines
from coordinator.cli.job_trees import job_tree

pytestmark = pytest.mark.spec("JB-1", "RP-5")


def member(number: int, state: str, reason: str = "") -> dict[str, Any]:
    return {
        "name": "Group1",
        "friendlyName": f"VM{number}",
        "state": state,
        "customDetails": {
            "instanceType": "VirtualMachineTaskDetails",
            "skippedReason": reason,
            "jobTask": {"jobId": f"/x/replicationJobs/job-{number}"},
        },
    }


def plan_job(*members: dict[str, Any]) -> Job:
    asking = {
        "name": "Cables",
        "friendlyName": "Manual action before group 1: Cables",
        "state": "InProgress",
        "allowedActions": ["Resume"],
        "customDetails": {
            "instanceType": "ManualActionTaskDetails",
            "instructions": "Plug them in.",
            "observation": "",
        },
    }
    group = {
        "name": "Group1",
        "friendlyName": "Group 1: Start",
        "state": "NotStarted",
        "groupTaskCustomDetails": {
            "instanceType": "RecoveryPlanGroupTaskDetails",
            "childTasks": list(members),
        },
    }
    properties = {
        "friendlyName": "Planned failover",
        "targetObjectName": "Plan-1",
        "state": "Suspended",
        "percent": 40,
        "tasks": [asking, group],
    }
    return Job({"name": "job-1", "properties": properties})


def shown(job: Job, members: int | None) -> str:
    text = io.StringIO()
    console = Console(file=text, width=120)
    console.print(job_tree(job, members))
    return text.getvalue()


def test_a_tree_has_tasks_machines_and_their_jobs() -> None:
    text = shown(plan_job(member(1, "Succeeded"), member(2, "Skipped", "Done already.")), None)
    assert "Planned failover of Plan-1: Suspended" in text
    assert "To do: Plug them in." in text
    assert "VM1: Succeeded" in text
    assert "job job-1" in text
    assert "Done already." in text


def test_of_many_machines_those_that_need_a_look_are_shown() -> None:
    members = [member(number, "Succeeded") for number in range(50)]
    text = shown(plan_job(*members, member(50, "Failed")), 5)
    assert "VM50: Failed" in text
    assert "and 46 more" in text
    assert "VM49" in shown(plan_job(*members), None)


@pytest.mark.spec("RP-2")
@pytest.mark.parametrize("display", [Lines, Bars])
def test_who_waits_is_told_once_what_a_job_asks_for(display: type[Lines | Bars]) -> None:
    text = io.StringIO()
    shows = display(Console(file=text, width=200))
    for _ in range(3):
        shows.update(plan_job())
    shows.close()
    assert text.getvalue().count("Plug them in.") == 1
    assert "osr job resume job-1" in text.getvalue()
    assert "40 %" in text.getvalue()
