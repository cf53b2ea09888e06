"""What the engine and the sweep may call of network mapping."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from coordinator.jobs.registry import Finisher, RecordFunction
from coordinator.protection.networks import failover, pending, planner, records

RECORDS: Mapping[str, RecordFunction] = {
    "protection.network_mapped": records.network_mapped,
    "protection.network_unmapped": records.network_unmapped,
    "protection.match_adapters": records.match,
    "protection.networks_attached": records.attached,
    "protection.decide_way_back": failover.decide_way_back,
}

FINISHERS: Mapping[str, Finisher] = {planner.ATTACH_SCENARIO: records.attaching_finished}

TASKS: Mapping[str, Callable[..., None]] = {pending.ATTACH_TASK: pending.attach_pending}

PERIODIC: Mapping[str, timedelta] = {pending.ATTACH_TASK: timedelta(seconds=10)}
