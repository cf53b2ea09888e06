"""What a dry run looks at: a run as it would begin now, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from coordinator.failures import Failure
from coordinator.protection.rules import Operation
from coordinator.protection.states import FailoverDirection

PLAN, MACHINE, SERVER, HOST = "RecoveryPlan", "ProtectionEntity", "Server", "Host"
SCRIPT, STORAGE = "Script", "Storage"


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
        object_type: One of the words above.
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
class PlaceFacts:
    """A share or volume where machines go to.

    Attributes:
        name: Its path, and the host where that means another place on each.
        free_bytes: None when VMM does not tell.
    """

    name: str
    free_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class DiskFacts:
    """A disk of a replica.

    Attributes:
        place: Name of the share or volume it lies in; empty when VMM knows none there.
        size_bytes: Of the disk's file now.
    """

    place: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class PoolFacts:
    """A static address pool where machines go to.

    Attributes:
        given: Which adapter has each address, by the last look at the server; None before one.
            The adapter is empty when VMM names none.
        size: How many addresses it has to give in all.
    """

    name: str
    size: int = 0
    given: Mapping[str, str] | None = None

    @property
    def free(self) -> int | None:
        """How many are left; None when nobody has looked."""
        return None if self.given is None else max(0, self.size - len(self.given))


@dataclass(frozen=True, kw_only=True)
class AdapterFacts:
    """An adapter of a machine and what it would be connected to where the machine goes.

    Attributes:
        source_network: Empty while it is connected to nothing.
        target_network: Empty for none.
        target_known: VMM has that network.
        connected: The replica's adapter has been seen connected to it.
        problem: What people should mend; empty when nothing.
        lacks_address: It has a static address, and none is kept for it where it goes.
        address: What is kept for it where it goes; empty for nothing.
        adapter_id: VMM's id of the replica's adapter, lower case; empty when it is not known.
        pool_id: VMM's id of the pool of its address, or that one would come from; empty for none.
        test_pool_id: Of the pool that its address in a test would come from; empty for none.
    """

    source_network: str
    target_network: str
    target_known: bool = True
    connected: bool = True
    problem: str = ""
    lacks_address: bool = False
    address: str = ""
    adapter_id: str = ""
    pool_id: str = ""
    test_pool_id: str = ""


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
        disks: Of the copy where it goes; empty when the inventory does not tell.
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
    disks: tuple[DiskFacts, ...] = ()
    adapters: tuple[AdapterFacts, ...] = ()

    @property
    def takes_part(self) -> bool:
        return self.refusal is None and not self.over


@dataclass(frozen=True, kw_only=True)
class SeenScript:
    """A script as it was when its server was last looked at.

    Attributes:
        runnable: The provider's account may run it; None when its provider does not look at that.
        sha256: Empty when it could not be read.
        problem: Why it cannot be run; empty when it can.
    """

    looked_at: datetime
    exists: bool
    readable: bool
    runnable: bool | None = None
    sha256: str = ""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class ScriptFacts:
    """A script that a run would run.

    Attributes:
        place: Of the action in the plan, for example "group-1/start/2".
        server: Whose library share it is in.
        sha256: What the plan wants the file to be; empty: anything.
        stops: Its failure stops the run.
        seen: None before its server was looked at, or when the plan had no such script then.
    """

    name: str
    path: str
    place: str = ""
    server: str = ""
    sha256: str = ""
    stops: bool = True
    seen: SeenScript | None = None


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """A run as it would begin now.

    Attributes:
        plan: Its name, or that of the machine that is failed over alone.
        alone: It is of one machine and of no plan.
        refusals: Why the run as a whole would be refused.
        remarks: What may stand in its way for a moment only.
        direction: None when it is not known which way it would go.
        source: The server that the machines leave; None as before.
        places: Shares and volumes that the machines' disks lie in where they go.
        pools: Of addresses, by VMM's id.
        scripts: Those that would run.
        manual_actions: How many.
        unmeasured: Verbs that have never been carried out in this vault.
    """

    plan: str
    operation: Operation
    alone: bool = False
    refusals: tuple[Failure, ...] = ()
    remarks: tuple[Failure, ...] = ()
    direction: FailoverDirection | None = None
    source: ServerFacts | None = None
    target: ServerFacts | None = None
    hosts: tuple[HostFacts, ...] = ()
    machines: tuple[MachineFacts, ...] = ()
    places: tuple[PlaceFacts, ...] = ()
    pools: Mapping[str, PoolFacts] = field(default_factory=dict)
    scripts: tuple[ScriptFacts, ...] = ()
    manual_actions: int = 0
    unmeasured: tuple[str, ...] = ()
