"""What the engine may call of storage, by the names its graphs use."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.jobs.registry import RecordFunction
from coordinator.protection.storage import moving

RECORDS: Mapping[str, RecordFunction] = {"protection.storage_moved": moving.storage_moved}
