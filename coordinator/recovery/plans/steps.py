"""What the engine may call of recovery plans, by the names their graphs use."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.jobs.registry import (
    FinishedJob,
    Finisher,
    RecordCall,
    RecordFunction,
    Restarter,
)
from coordinator.recovery.plans import planner
from coordinator.recovery.plans.runs import actions, records
from coordinator.recovery.plans.runs import planner as run_planner
from coordinator.recovery.plans.runs.machines import SCENARIOS


def plan_changed(call: RecordCall) -> Mapping[str, object]:
    """What the request did is told by the job: it had been done when the job began."""
    del call
    return {}


RECORDS: Mapping[str, RecordFunction] = {
    planner.TOLD: plan_changed,
    run_planner.RUN_BEGINS: records.plan_run_begins,
    run_planner.RUN_ENDS: records.plan_run_ends,
    run_planner.TELL_LEFT_OUT: records.tell_left_out,
    actions.KEEP_OUTPUT: records.keep_plan_script_output,
    actions.JUDGE_SCRIPT: records.judge_plan_script,
}


def finishers(of_machines: Mapping[str, Finisher]) -> dict[str, Finisher]:
    """Finishers of scenarios that plans have as well: the job's arguments say whose it is."""
    return {scenario: _finisher(of_machines.get(scenario)) for scenario in SCENARIOS.values()}


def restarters(of_machines: Mapping[str, Restarter]) -> dict[str, Restarter]:
    """Restarters of scenarios that plans have as well."""
    return {scenario: _restarter(each) for scenario, each in of_machines.items()}


def _finisher(of_machine: Finisher | None) -> Finisher:
    def finish(job: FinishedJob) -> str | None:
        if of_plan(job):
            return records.plan_run_finished(job)
        return None if of_machine is None else of_machine(job)

    return finish


def _restarter(of_machine: Restarter) -> Restarter:
    def restart(job: FinishedJob) -> None:
        (records.plan_run_restarts if of_plan(job) else of_machine)(job)

    return restart


def of_plan(job: FinishedJob) -> bool:
    """Whether the job is a run of a plan, and not one of its machines'."""
    return "plan_id" in job.arguments
