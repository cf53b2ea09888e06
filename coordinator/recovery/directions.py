"""Which way a machine can fail over."""

from __future__ import annotations

from coordinator.failures import refuse
from coordinator.protection.models import ProtectedItem
from coordinator.protection.states import ActiveLocation, FailoverDirection


def check_direction(item: ProtectedItem, direction: FailoverDirection | None) -> None:
    """Refuses a failover towards the side that a machine runs on.

    Args:
        item: The protected item.
        direction: None: the only one there is.

    Raises:
        RefusedError: FailoverDirectionNotPossible, status 409.
    """
    active = ActiveLocation(item.active_location)
    if direction is not None and direction.source is not active:
        raise refuse(
            "FailoverDirectionNotPossible",
            f"{item.friendly_name} cannot fail over {direction}: it runs on the {active} side.",
            causes=["A failover goes from the side a machine runs on to the other."],
            action="Choose the other direction.",
            status=409,
            field="failoverDirection",
        )
