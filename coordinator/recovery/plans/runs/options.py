"""What can be chosen about a run of a plan."""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.protection.rules import Operation
from coordinator.protection.states import FailoverDirection
from coordinator.recovery.options import RecoveryTag
from coordinator.recovery.test_failover.options import NetworkChoice


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """One run of a plan, as it is asked for.

    Attributes:
        operation: Of the failover family; a plan has no change of recovery point.
        direction: Of failovers; None: the only way there is.
        source_site_operations: Of unplanned failovers: shut the machines down and send the latest
            changes first, as far as their site answers.
        recovery_tag: Of unplanned failovers and tests: which point of each machine.
        network: Of tests: what the machines are connected to; one that is made is made once.
        network_id: VMM's id of the VM network or of the logical network; empty for none.
        comments: Of clean-ups, kept with the tests.
    """

    operation: Operation
    direction: FailoverDirection | None = None
    source_site_operations: bool = False
    recovery_tag: RecoveryTag = RecoveryTag.LATEST
    network: NetworkChoice = NetworkChoice.NONE
    network_id: str = ""
    comments: str = ""
