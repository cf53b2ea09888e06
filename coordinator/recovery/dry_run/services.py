"""Dry runs: checks and a forecast of a plan's run or of one machine's failover; nothing is touched.

A dry run looks at what the coordinator knows. Having the servers looked at first is a job of its
own, see `look_for_plan` and `look_for_machine`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from coordinator.jobs.queries import PastRun, past_runs
from coordinator.jobs.rules import all_steps
from coordinator.jobs.steps import StepKind
from coordinator.protection.models import ProtectedItem
from coordinator.protection.states import ActiveLocation
from coordinator.recovery.dry_run.calibration import calibrated
from coordinator.recovery.dry_run.checks import check
from coordinator.recovery.dry_run.durations import with_durations
from coordinator.recovery.dry_run.facts import Finding, ScriptFacts
from coordinator.recovery.dry_run.forecast import Forecast, forecast
from coordinator.recovery.dry_run.history import durations_of
from coordinator.recovery.dry_run.looking import look_for_machine, look_for_plan
from coordinator.recovery.dry_run.plan_reading import read_plan_run
from coordinator.recovery.dry_run.reading import ReadRun
from coordinator.recovery.dry_run.single_reading import read_single_run
from coordinator.recovery.models import RecoveryPlan
from coordinator.recovery.plans.runs.machines import ENTITY, SCENARIOS
from coordinator.recovery.plans.runs.options import RunOptions
from coordinator.recovery.plans.services import TARGET_TYPE

__all__ = [
    "DryRun",
    "RunOptions",
    "dry_run_machine",
    "dry_run_plan",
    "look_for_machine",
    "look_for_plan",
]


@dataclass(frozen=True)
class DryRun:
    """What a run would meet, and how long it would take.

    Attributes:
        forecast: Of the machines that could take part now; None when it is not known what would
            be done.
        machine_names: By the keys in the forecast.
        scripts: That would run, in the plan's order.
        looked_at: When each side's server was last looked at for this; sides that never were have
            no entry.
    """

    findings: tuple[Finding, ...]
    forecast: Forecast | None
    machine_names: Mapping[str, str] = field(default_factory=dict)
    scripts: tuple[ScriptFacts, ...] = ()
    looked_at: Mapping[ActiveLocation, datetime] = field(default_factory=dict)


def dry_run_plan(plan: RecoveryPlan, options: RunOptions, now: datetime) -> DryRun:
    """Checks a run of a plan and forecasts how long it would take, without touching anything.

    Only what is known already is looked at: no server is asked, nothing is written.

    Args:
        plan: The plan.
        options: Test, planned or unplanned failover.
        now: Time of the request.

    Source: SPEC RP-6.
    """
    with _nothing_written():
        read = read_plan_run(plan, options, now)
        runs = past_runs(plan.vault_id, SCENARIOS[options.operation], TARGET_TYPE)
        return _dry_run(plan.vault_id, read, runs)


def dry_run_machine(item: ProtectedItem, options: RunOptions, now: datetime) -> DryRun:
    """Checks a failover of one machine as `dry_run_plan` does that of a plan's.

    Source: SPEC RP-6.
    """
    with _nothing_written():
        read = read_single_run(item, options, now)
        runs = past_runs(item.vault_id, SCENARIOS[options.operation], ENTITY)
        found = _dry_run(item.vault_id, read, runs)
    # The steps of a job of one machine are its own, as those of a plan are the plan's.
    return DryRun(found.findings, found.forecast, {"": item.friendly_name}, (), found.looked_at)


def _dry_run(vault_id: UUID, read: ReadRun, runs: Sequence[PastRun]) -> DryRun:
    facts, graph = read.facts, read.graph
    if graph is None:
        return DryRun(check(facts), None, {}, facts.scripts, read.looked_at)
    slots = settings.CONFIGURATION.commands_per_host
    durations = calibrated(durations_of(vault_id, all_steps(graph)), runs, slots)
    measured = with_durations(graph, durations)
    unmeasured = {
        step.action
        for step in all_steps(graph)
        if step.kind is StepKind.COMMAND and not step.undoes and not durations.is_measured(step)
    }
    return DryRun(
        check(read.with_unmeasured(sorted(unmeasured))),
        forecast(measured, slots, durations),
        {child.key: child.target.name for child in graph.children},
        facts.scripts,
        read.looked_at,
    )


@contextmanager
def _nothing_written() -> Iterator[None]:
    """PostgreSQL refuses whatever would be written inside; the transaction around is as before."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        yield
