"""What can be chosen about an operation of the failover family."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from coordinator.protection.states import FailoverDirection


class RecoveryTag(StrEnum):
    """ASR's names of recovery points that are chosen when the failover begins."""

    # Whatever the replica has; with source site operations, everything.
    LATEST = "Latest"
    # Whatever the replica has.
    LATEST_AVAILABLE = "LatestAvailable"
    LATEST_APPLICATION_CONSISTENT = "LatestAvailableApplicationConsistent"
    LATEST_CRASH_CONSISTENT = "LatestAvailableCrashConsistent"


@dataclass(frozen=True, kw_only=True)
class PlannedFailoverOptions:
    """How a machine is moved.

    Attributes:
        direction: None: away from the side the machine runs on, which is the only way there is.
    """

    direction: FailoverDirection | None = None


@dataclass(frozen=True, kw_only=True)
class UnplannedFailoverOptions:
    """How a machine is brought up on its other side without counting on the one it ran on.

    Attributes:
        direction: As with a planned failover.
        source_site_operations: Shut the machine down and send the latest changes first, as far as
            its site answers.
        recovery_tag: Which point, unless one is given.
        recovery_point_id: Id of a point of the item; empty: by the tag.
    """

    direction: FailoverDirection | None = None
    source_site_operations: bool = False
    recovery_tag: RecoveryTag = RecoveryTag.LATEST
    recovery_point_id: str = ""


@dataclass(frozen=True, kw_only=True)
class ChangePointOptions:
    """Where a failed-over machine is taken to.

    Attributes:
        recovery_tag: Which point, unless one is given.
        recovery_point_id: Id of a point of the item; empty: by the tag.
    """

    recovery_tag: RecoveryTag = RecoveryTag.LATEST
    recovery_point_id: str = ""
