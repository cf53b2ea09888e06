"""What the engine may call of recovery plans, by the names their graphs use."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.jobs.registry import RecordCall, RecordFunction
from coordinator.recovery.plans import planner


def plan_changed(call: RecordCall) -> Mapping[str, object]:
    """What the request did is told by the job: it had been done when the job began."""
    del call
    return {}


RECORDS: Mapping[str, RecordFunction] = {planner.TOLD: plan_changed}
