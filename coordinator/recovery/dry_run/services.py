"""Dry runs of recovery plans: checks and a forecast from what is known; nothing is touched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from coordinator.jobs.rules import all_steps
from coordinator.jobs.steps import StepKind
from coordinator.recovery.dry_run.checks import check
from coordinator.recovery.dry_run.durations import with_durations
from coordinator.recovery.dry_run.facts import Finding
from coordinator.recovery.dry_run.forecast import Forecast, forecast
from coordinator.recovery.dry_run.history import durations_of
from coordinator.recovery.dry_run.reading import read_run
from coordinator.recovery.models import RecoveryPlan
from coordinator.recovery.plans.runs.options import RunOptions

__all__ = ["DryRun", "RunOptions", "dry_run_plan"]


@dataclass(frozen=True)
class DryRun:
    """What a run would meet, and how long it would take.

    Attributes:
        forecast: Of the machines that could take part now; None when it is not known what would
            be done.
        machine_names: By the keys in the forecast.
    """

    findings: tuple[Finding, ...]
    forecast: Forecast | None
    machine_names: dict[str, str]


def dry_run_plan(plan: RecoveryPlan, options: RunOptions, now: datetime) -> DryRun:
    """Checks a run of a plan and forecasts how long it would take, without touching anything.

    Only what is known already is looked at: no server is asked, nothing is written.

    Args:
        plan: The plan.
        options: Test, planned or unplanned failover.
        now: Time of the request.

    Source: SPEC RP-6.
    """
    read = read_run(plan, options, now)
    facts, graph = read.facts, read.graph
    if graph is None:
        return DryRun(check(facts), None, {})
    durations = durations_of(plan.vault_id, all_steps(graph))
    measured = with_durations(graph, durations)
    unmeasured = {
        step.action
        for step in all_steps(graph)
        if step.kind is StepKind.COMMAND and not step.undoes and not durations.is_measured(step)
    }
    return DryRun(
        check(read.with_unmeasured(sorted(unmeasured))),
        forecast(measured, settings.CONFIGURATION.commands_per_host),
        {child.key: child.target.name for child in graph.children},
    )
