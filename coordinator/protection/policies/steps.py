"""What the engine may call of policies, by the names its graphs use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from coordinator.jobs.registry import Finisher, RecordFunction
from coordinator.protection.policies import update_planner, updating

RECORDS: Mapping[str, RecordFunction] = {
    "protection.policy_hosts_configured": updating.policy_hosts_configured,
}

FINISHERS: Mapping[str, Finisher] = {update_planner.SCENARIO: updating.update_finished}

TASKS: Mapping[str, Callable[..., None]] = {updating.APPLY_TASK: updating.apply_policies}

PERIODIC: Mapping[str, timedelta] = {updating.APPLY_TASK: timedelta(minutes=1)}
