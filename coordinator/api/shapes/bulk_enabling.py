"""What became of each machine of a request to protect many, in answers."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from coordinator.api.shapes.envelope import ArmId
from coordinator.api.shapes.errors import ErrorBody


class AcceptedMachine(TypedDict):
    """A machine whose protection was begun."""

    protectableItemId: str
    status: Literal["Accepted"]
    protectedItemId: ArmId
    jobId: ArmId


class RefusedMachine(TypedDict):
    """A machine that cannot be protected, and why."""

    protectableItemId: str
    status: Literal["Refused"]
    error: ErrorBody


class BulkAnswer(TypedDict):
    """An answer for each machine, in the order of the request. Beyond ASR's model."""

    value: list[AcceptedMachine | RefusedMachine]
