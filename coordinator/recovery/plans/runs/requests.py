"""What the planner of a run is given: the plan, and its machines and servers as they are now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coordinator.jobs.steps import ChildJob, StepSpec
from coordinator.protection.rules import Operation
from coordinator.protection.states import ActiveLocation, FailoverDirection
from coordinator.recovery.plans.records import FailoverType, PlanRecord


@dataclass(frozen=True, kw_only=True)
class RunServer:
    """One of the two servers of a plan, as scripts need it.

    Attributes:
        name: For people.
        provider_id: Empty when it has none registered.
        connected: Whether the provider was connected when the run was planned.
    """

    name: str
    provider_id: str
    connected: bool


@dataclass(frozen=True, kw_only=True)
class RunMachine:
    """A machine of a plan in one run.

    Attributes:
        child: Its job; with a reason it is skipped.
        source_host: Host of the side that the run leaves.
        target_host: Host of the other side.
        addresses: IP addresses that the machine is to have where it goes, as far as known.
    """

    child: ChildJob
    vm_id: str
    name: str
    source_host: str
    target_host: str
    addresses: tuple[str, ...] = ()

    @property
    def skipped_reason(self) -> str:
        return self.child.skipped_reason


@dataclass(frozen=True)
class Environment:
    """What has to be made for a run, and taken away after it.

    Attributes:
        steps: Of the task that creates the environment, in their own order; the run waits for all.
        removal: Of the task that ends the run.
    """

    steps: tuple[StepSpec, ...] = ()
    removal: tuple[StepSpec, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """One run of a plan.

    Attributes:
        operation: Of the failover family.
        direction: None for operations that have none.
        source_site_operations: Unplanned failovers only: the machines are shut down first.
        machines: By item id; every machine of the plan.
        servers: By side.
        environment: Of tests with networks of their own.
        left_out: Ids of machines that an unplanned failover goes without.
    """

    plan: PlanRecord
    operation: Operation
    direction: FailoverDirection | None
    source_site_operations: bool = False
    machines: Mapping[str, RunMachine]
    servers: Mapping[ActiveLocation, RunServer]
    environment: Environment = field(default_factory=Environment)
    left_out: frozenset[str] = frozenset()

    @property
    def failover_type(self) -> FailoverType | None:
        """As what the plan runs; None for operations that are no failover and have no actions."""
        return next((kind for kind in FailoverType if str(kind) == str(self.operation)), None)

    @property
    def shuts_down(self) -> bool:
        """Whether there is a phase in which machines are shut down."""
        if self.operation is Operation.UNPLANNED_FAILOVER:
            return self.source_site_operations
        return self.operation is Operation.PLANNED_FAILOVER
