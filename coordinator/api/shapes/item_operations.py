"""What can be done with a protected item, and what stands against the rest, in answers."""

from __future__ import annotations

from typing_extensions import TypedDict

from coordinator.jobs.models import Job
from coordinator.protection.models import ProtectedItem
from coordinator.protection.queries import picture_of
from coordinator.protection.rules import Operation, why_not
from coordinator.protection.services import is_tested
from coordinator.protection.states import ProtectionState


class ItemOperation(TypedDict):
    """An operation of an item: whether it is allowed, and if not, why and what would allow it."""

    name: str
    allowed: bool
    reason: str
    recommendedAction: str


class ItemOperations(TypedDict):
    """All operations of an item."""

    value: list[ItemOperation]


def item_operations(item: ProtectedItem, running: Job | None) -> list[ItemOperation]:
    """Every operation by its name.

    Args:
        item: The item.
        running: The job that works on it; None when none does.
    """
    state, picture = ProtectionState(item.state), picture_of(item)
    found: list[ItemOperation] = []
    for operation in Operation:
        answer = why_not(operation, state, picture, testing=is_tested(item))
        reason, remedy = ("", "") if answer is None else (answer.reason, answer.remedy)
        if running is not None:
            reason = f'Another operation, "{running.friendly_name}", is in progress.'
            remedy = f"Wait until the job {running.id} ends, or cancel it."
        found.append(
            {
                "name": operation.value,
                "allowed": not reason,
                "reason": reason,
                "recommendedAction": remedy,
            }
        )
    return found
