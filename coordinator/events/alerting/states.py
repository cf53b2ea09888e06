"""How a delivery stands."""

from __future__ import annotations

from enum import StrEnum


class DeliveryState(StrEnum):
    """What has become of an alert on its way to one place."""

    # It is tried, perhaps again, when its time has come.
    PENDING = "Pending"
    DELIVERED = "Delivered"
    # It was given up; somebody may have it delivered again.
    DEAD = "Dead"
