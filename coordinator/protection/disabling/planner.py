"""The graphs of DisableDr and of removing an item from the vault only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coordinator.jobs.steps import FailureRule, Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.protection.networks.planner import Release, release_steps

SCENARIO = "DisableDr"
FRIENDLY_NAME = "Disable protection"
# No recording shows ASR's name of it.
PURGE_SCENARIO = "PurgeDr"
PURGE_FRIENDLY_NAME = "Remove from the vault only"

PRIMARY = "DisableProtectionOnPrimary"
SECONDARY = "DisableProtectionOnSecondary"
UPDATE = "UpdateDraState"

NO_REPLICA = "No recovery host was chosen: there is nothing to remove."
# Of a provider that is there: merging what was copied may take a while.
REMOVAL_SECONDS = 3600
# Of one that is away: its site may be down for long, and nothing is lost by waiting.
PATIENCE_SECONDS = 90 * 24 * 3600


@dataclass(frozen=True)
class DisablingSide:
    """One copy of the machine: who reaches its host."""

    provider_id: str
    host: str


@dataclass(frozen=True, kw_only=True)
class DisablingSnapshot:
    """What there is to take apart.

    Attributes:
        active: The side the machine runs on.
        passive: The other side; None when nothing was ever placed there.
        complete_failover: A failover is not committed, and Hyper-V removes no replication then.
        delete_replica: The copy on the passive side is known to be a replica and is to go.
        clear_mark: VMM requires the machine's protection and would go on doing so.
        releases: Addresses that are kept for the copy on the passive side.
        role_epoch: Of the item: an agent that was not told yet that the copy is a replica again,
            as right after a cancelled failover, learns it from the commands.
    """

    vm_id: str
    role_epoch: int
    active: DisablingSide
    passive: DisablingSide | None
    complete_failover: bool
    delete_replica: bool
    clear_mark: bool = False
    releases: tuple[Release, ...] = ()

    def at(self, side: DisablingSide) -> dict[str, object]:
        """The wire's VirtualMachineRef of the machine on a side."""
        return {"vm_id": self.vm_id, "host": side.host, "role_epoch": self.role_epoch}


def plan_disabling(snapshot: DisablingSnapshot) -> Graph:
    """Removes replication where the machine runs, then on the other side, where its copy may go.

    The sending side comes first, so that it sends nothing to a side that no longer receives.
    Nothing is deleted before both sides have said how they are, the one with the machine last:
    weeks may have passed since its replication was removed, and the machine may be lost.

    Source: SPEC RE-7; ASR's DisableDr.
    """
    return Graph(
        tasks=(
            TaskSpec(PRIMARY, "Disabling protection on the primary virtual machine"),
            TaskSpec(
                SECONDARY,
                "Disabling protection on the recovery virtual machine",
                "" if snapshot.passive is not None else NO_REPLICA,
            ),
            TaskSpec(UPDATE, "Updating the provider states"),
        ),
        steps=tuple(_steps(snapshot)),
    )


def plan_purge() -> Graph:
    """Tells what is left on the hosts; the vault has forgotten the item already."""
    return Graph(
        tasks=(TaskSpec(UPDATE, "Updating the provider states"),),
        steps=(
            StepSpec(
                key="update/record",
                task=UPDATE,
                kind=StepKind.RECORD,
                action="protection.removed_from_vault",
            ),
        ),
    )


def _steps(snapshot: DisablingSnapshot) -> Iterator[StepSpec]:
    yield from _active_steps(snapshot)
    last = "primary/remove"
    if snapshot.passive is not None:
        yield _removal(snapshot, snapshot.passive, "secondary/remove", SECONDARY, after=(last,))
        last = "secondary/remove"
        provider_id = snapshot.passive.provider_id
        yield from release_steps(provider_id, snapshot.releases, SECONDARY, after=(last,))
        if snapshot.delete_replica:
            yield from _deletion_steps(snapshot, snapshot.passive)
            last = "secondary/delete"
    yield StepSpec(
        key="update/record",
        task=UPDATE,
        kind=StepKind.RECORD,
        action="protection.disabled",
        after=(last,),
    )
    for name, side in (("active", snapshot.active), ("passive", snapshot.passive)):
        if side is not None:
            yield _refresh(name, side)


def _active_steps(snapshot: DisablingSnapshot) -> Iterator[StepSpec]:
    if snapshot.complete_failover:
        yield StepSpec(
            key="primary/complete",
            task=PRIMARY,
            kind=StepKind.COMMAND,
            action="complete_failover",
            provider=snapshot.active.provider_id,
            inputs={"vm": snapshot.at(snapshot.active)},
            time_limit_seconds=REMOVAL_SECONDS,
            patience_seconds=PATIENCE_SECONDS,
        )
        yield StepSpec(
            key="primary/completed",
            task=PRIMARY,
            kind=StepKind.RECORD,
            action="protection.failover_completed",
            after=("primary/complete",),
        )
    before = ("primary/completed",) if snapshot.complete_failover else ()
    yield _removal(snapshot, snapshot.active, "primary/remove", PRIMARY, after=before)
    if snapshot.clear_mark:
        yield StepSpec(
            key="primary/clear-mark",
            task=PRIMARY,
            kind=StepKind.COMMAND,
            action="clear_dr_protection",
            provider=snapshot.active.provider_id,
            inputs={"vm": snapshot.at(snapshot.active)},
            after=("primary/remove",),
            # Protection ends all the same, and a mark that stays begins none anew.
            on_failure=FailureRule.WARN,
            time_limit_seconds=300,
        )


def _removal(
    snapshot: DisablingSnapshot, side: DisablingSide, key: str, task: str, *, after: tuple[str, ...]
) -> StepSpec:
    return StepSpec(
        key=key,
        task=task,
        kind=StepKind.COMMAND,
        action="remove_replication",
        provider=side.provider_id,
        inputs={"vm": snapshot.at(side)},
        after=after,
        time_limit_seconds=REMOVAL_SECONDS,
        patience_seconds=PATIENCE_SECONDS,
    )


def _deletion_steps(snapshot: DisablingSnapshot, passive: DisablingSide) -> Iterator[StepSpec]:
    # There is nothing left to remove: it says how the machine is now.
    yield _removal(
        snapshot, snapshot.active, "secondary/machine", SECONDARY, after=("secondary/remove",)
    )
    yield StepSpec(
        key="secondary/check",
        task=SECONDARY,
        kind=StepKind.RECORD,
        action="protection.check_replica",
        inputs={
            "machine": Output("secondary/machine", "vm_state"),
            "replica": Output("secondary/remove", "vm_state"),
        },
        after=("secondary/machine",),
    )
    yield StepSpec(
        key="secondary/delete",
        task=SECONDARY,
        kind=StepKind.COMMAND,
        action="delete_replica",
        provider=passive.provider_id,
        inputs={"vm": snapshot.at(passive)},
        after=("secondary/check",),
        time_limit_seconds=1800,
        patience_seconds=PATIENCE_SECONDS,
        point_of_no_return=True,
    )


def _refresh(name: str, side: DisablingSide) -> StepSpec:
    return StepSpec(
        key=f"update/refresh-{name}",
        task=UPDATE,
        kind=StepKind.COMMAND,
        action="refresh_host",
        provider=side.provider_id,
        inputs={"host": side.host},
        after=("update/record",),
        # VMM looks at its hosts by itself too; the machine is unprotected either way.
        on_failure=FailureRule.WARN,
        time_limit_seconds=300,
    )
