"""What can be chosen about a test failover and its clean-up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from coordinator.protection.states import FailoverDirection
from coordinator.recovery.options import RecoveryTag


class NetworkChoice(StrEnum):
    """What the test virtual machine is connected to: ASR's networkType."""

    NONE = "NoNetworkAttachAsInput"
    # A VM network that is there.
    EXISTING = "VmNetworkAsInput"
    # A VM network that is made on a logical network for the test, and removed after it.
    CREATED = "LogicalNetworkAsInput"


@dataclass(frozen=True, kw_only=True)
class DrillOptions:
    """How a machine is tested.

    Attributes:
        direction: None: to the side the machine does not run on, which is the only way there is.
        network: What its test virtual machine is connected to.
        network_id: VMM's id of the VM network or of the logical network; empty for none.
        recovery_tag: Which point, unless one is given.
        recovery_point_id: Id of a point of the item; empty: by the tag.
    """

    direction: FailoverDirection | None = None
    network: NetworkChoice = NetworkChoice.NONE
    network_id: str = ""
    recovery_tag: RecoveryTag = RecoveryTag.LATEST
    recovery_point_id: str = ""
