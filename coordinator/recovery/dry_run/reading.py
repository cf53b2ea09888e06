"""What runs of plans and of single machines have in common when they are read; writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from coordinator.fabrics.models import Fabric
from coordinator.failures import Failure, RefusedError
from coordinator.jobs.models import Job
from coordinator.jobs.queries import refuse_unless_capable, running_jobs_for
from coordinator.jobs.rules import all_steps
from coordinator.jobs.steps import Graph
from coordinator.protection.models import ProtectedItem
from coordinator.protection.services import is_housekeeping
from coordinator.protection.states import ActiveLocation, FailoverDirection
from coordinator.recovery.dry_run.address_reading import Addresses
from coordinator.recovery.dry_run.facts import RunFacts, ServerFacts
from coordinator.recovery.dry_run.looks import Looks
from coordinator.recovery.dry_run.machine_reading import read_machines
from coordinator.recovery.plans.runs.options import RunOptions
from coordinator.recovery.plans.runs.services import run_server
from coordinator.recovery.test_failover.choosing import Surroundings
from coordinator.recovery.test_failover.options import NetworkChoice


@dataclass(frozen=True)
class ReadRun:
    """A run as it would begin now.

    Attributes:
        graph: Of the machines that could take part; None when it is not known what would be done.
        looked_at: When each side was last looked at for this; sides that never were have no entry.
    """

    facts: RunFacts
    graph: Graph | None
    looked_at: Mapping[ActiveLocation, datetime] = field(default_factory=dict)

    def with_unmeasured(self, verbs: Sequence[str]) -> RunFacts:
        return replace(self.facts, unmeasured=tuple(verbs))


@dataclass(frozen=True, kw_only=True)
class Going:
    """The machines of a run, and the way they go.

    Attributes:
        items: From `items_together`.
        refused: By item id why it would not take part.
        over: By item id, in words, of those that are where the run goes already.
    """

    items: Sequence[ProtectedItem]
    way: FailoverDirection
    source: Fabric
    target: Fabric
    refused: Mapping[str, Failure] = field(default_factory=dict)
    over: Mapping[str, str] = field(default_factory=dict)


def with_going(
    facts: RunFacts, going: Going, options: RunOptions, looks: Looks, now: datetime
) -> RunFacts:
    """The facts, with all that is known of the machines and of where they go."""
    existing = options.network is NetworkChoice.EXISTING
    addresses = Addresses(
        Surroundings.of(going.items), options.network_id.casefold() if existing else ""
    )
    read = read_machines(going.items, going.target.id, going.way, addresses, now)
    given = looks.given.get(going.way.source.other, {})
    return replace(
        facts,
        direction=going.way,
        source=_server(going.source, now),
        target=_server(going.target, now),
        hosts=read.hosts,
        places=read.places,
        pools=addresses.pools(going.items, given),
        machines=tuple(
            replace(machine, refusal=going.refused.get(key), over=going.over.get(key, ""))
            for key, machine in read.machines.items()
        ),
    )


def busy(locks: Mapping[str, str]) -> tuple[tuple[Failure, ...], tuple[Failure, ...]]:
    """Jobs that hold locks now.

    Args:
        locks: Names of what they are of, by key.

    Returns:
        Those that would refuse a failover, and those that it ends while they only wait.
    """
    refusals, remarks = [], []
    for key, job in sorted(running_jobs_for(locks).items()):
        if is_housekeeping(job):
            remarks.append(_at_work(job, locks[key]))
        else:
            refusals.append(_in_progress(job, locks[key]))
    return tuple(refusals), tuple(remarks)


def incapable(graph: Graph) -> tuple[Failure, ...]:
    """Why providers cannot carry out what the run would ask of them."""
    try:
        refuse_unless_capable([step for step in all_steps(graph) if step.provider])
    except RefusedError as error:
        return (error.failure,)
    return ()


def _in_progress(job: Job, name: str) -> Failure:
    return Failure(
        "532",
        f'Another operation, "{job.friendly_name}", is in progress on {name}.',
        (f"The job {job.id} has not ended.",),
        "Wait until it ends, or cancel it.",
    )


def _at_work(job: Job, name: str) -> Failure:
    return Failure(
        "MachineIsBeingLookedAfter",
        f'"{job.friendly_name}" is in progress on {name}; a failover ends it, or takes the machine '
        "from it, while it only waits.",
        (f"The job {job.id} keeps the machine's replication or networks in order.",),
        "Nothing has to be done. If a failover is refused with 532, ask again a moment later.",
    )


def _server(fabric: Fabric, now: datetime) -> ServerFacts:
    server = run_server(fabric, now)
    return ServerFacts(
        name=server.name, registered=bool(server.provider_id), connected=server.connected
    )
