"""What a dry run looks at: a run as it would begin now, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from coordinator.failures import Failure
from coordinator.protection.rules import Operation
from coordinator.protection.states import FailoverDirection


class Severity(StrEnum):
    """What a finding means for the run."""

    # The run would be refused, or would fail.
    ERROR = "Error"
    # It would run, and not do everything that is wanted of it.
    WARNING = "Warning"
    INFORMATION = "Information"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that people should know before they run a plan.

    Attributes:
        object_type: "RecoveryPlan", "Server", "Host", "ProtectionEntity" or "Script".
        object_name: For people.
    """

    severity: Severity
    failure: Failure
    object_type: str
    object_name: str


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """One of the two servers of a plan."""

    name: str
    registered: bool
    connected: bool


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """A host that machines would go to.

    Attributes:
        known: VMM has it.
        total_memory_bytes: 0 when the inventory does not tell.
        available_memory_bytes: Not used by what runs there now.
    """

    name: str
    known: bool = True
    maintenance: bool = False
    total_memory_bytes: int = 0
    available_memory_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class AdapterFacts:
    """An adapter of a machine and what it would be connected to where the machine goes.

    Attributes:
        source_network: Empty while it is connected to nothing.
        target_network: Empty for none.
        problem: What people should mend; empty when nothing.
        lacks_address: It has a static address, and none is kept for it where it goes.
    """

    source_network: str
    target_network: str
    problem: str = ""
    lacks_address: bool = False


@dataclass(frozen=True, kw_only=True)
class MachineFacts:
    """A machine of a plan.

    Attributes:
        refusal: Why it would not take part; None when it would.
        over: It is where the run goes already, in words; empty when it is not.
        source: Mode and state of the side it runs on; None before it was told.
        target: The same of its replica.
        health: ASR's replicationHealth.
        health_errors: Messages.
        rpo_seconds: None when there is nothing to measure.
        frequency_seconds: Of its policy.
        recovery_points: How many its replica has.
        target_host: Empty when none has been chosen.
        memory_bytes: 0 when the inventory does not tell.
    """

    name: str
    refusal: Failure | None = None
    over: str = ""
    source: tuple[str, str] | None = None
    target: tuple[str, str] | None = None
    health: str = "Normal"
    health_errors: tuple[str, ...] = ()
    rpo_seconds: int | None = None
    frequency_seconds: int = 300
    recovery_points: int = 1
    target_host: str = ""
    memory_bytes: int = 0
    adapters: tuple[AdapterFacts, ...] = ()

    @property
    def takes_part(self) -> bool:
        return self.refusal is None and not self.over


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """A run as it would begin now.

    Attributes:
        refusals: Why the plan as a whole would be refused.
        direction: None when it is not known which way it would go.
        source: The server that the machines leave; None as before.
        scripts: Name and path of each that would run.
        manual_actions: How many.
        unmeasured: Verbs that have never been carried out in this vault.
    """

    plan: str
    operation: Operation
    refusals: tuple[Failure, ...] = ()
    direction: FailoverDirection | None = None
    source: ServerFacts | None = None
    target: ServerFacts | None = None
    hosts: tuple[HostFacts, ...] = ()
    machines: tuple[MachineFacts, ...] = ()
    scripts: tuple[tuple[str, str], ...] = ()
    manual_actions: int = 0
    unmeasured: tuple[str, ...] = ()
