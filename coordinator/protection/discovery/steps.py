"""What the engine may call of discovery."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.jobs.registry import Condition, RecordFunction
from coordinator.protection.discovery.records import check_consistency, inventory_stored

RECORDS: Mapping[str, RecordFunction] = {"protection.check_consistency": check_consistency}
CONDITIONS: Mapping[str, Condition] = {"protection.inventory_stored": inventory_stored}
