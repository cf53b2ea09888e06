"""How a test failover came out."""

from __future__ import annotations

from enum import StrEnum


class DrillOutcome(StrEnum):
    """Of one test failover."""

    # Its job runs.
    IN_PROGRESS = "InProgress"
    # The test virtual machine runs.
    ACTIVE = "Active"
    # It ran and was cleaned up: it counts (SPEC FO-1).
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
