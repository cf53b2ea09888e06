"""osr failover, osr commit, osr reverse."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from azure.mgmt.recoveryservicessiterecovery.models import (
    PlannedFailoverInput,
    PlannedFailoverInputProperties,
    ReverseReplicationInput,
    ReverseReplicationInputProperties,
)

from coordinator.cli.names import container_of, find_protected_item
from coordinator.cli.operations import (
    DEFAULT_LIMIT_SECONDS,
    LimitOption,
    WaitOption,
    begin,
    follow,
)
from coordinator.cli.protection import MachineArgument
from coordinator.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Failing protected machines over.")
# Commands of the top level.
commands = typer.Typer()


class Direction(StrEnum):
    """ASR's names."""

    PRIMARY_TO_RECOVERY = "PrimaryToRecovery"
    RECOVERY_TO_PRIMARY = "RecoveryToPrimary"


@command(app)
def planned(
    session: Session,
    machine: MachineArgument,
    direction: Annotated[
        Direction | None, typer.Option(help="Default: away from where the machine runs.")
    ] = None,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Shuts a machine down, sends the rest, starts it at the other site; loses no data."""
    clients = session.clients
    item = find_protected_item(clients, machine)
    wanted = PlannedFailoverInput(
        properties=PlannedFailoverInputProperties(
            failover_direction=direction or direction_from(item.properties.active_location)
        )
    )
    operation = clients.site_recovery.replication_protected_items.begin_planned_failover
    job_name = begin(operation, *clients.scope, *container_of(item.id), item.name, wanted)
    follow(session, job_name, wait=wait, limit_seconds=limit_seconds)


@command(commands)
def commit(
    session: Session,
    machine: MachineArgument,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Commits a failover: removes the other recovery points."""
    clients = session.clients
    item = find_protected_item(clients, machine)
    operation = clients.site_recovery.replication_protected_items.begin_failover_commit
    job_name = begin(operation, *clients.scope, *container_of(item.id), item.name)
    follow(session, job_name, wait=wait, limit_seconds=limit_seconds)


@command(commands)
def reverse(
    session: Session,
    machine: MachineArgument,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Lets a machine that was failed over replicate back."""
    clients = session.clients
    item = find_protected_item(clients, machine)
    direction = direction_from(item.properties.active_location)
    wanted = ReverseReplicationInput(
        properties=ReverseReplicationInputProperties(failover_direction=direction)
    )
    operation = clients.site_recovery.replication_protected_items.begin_reprotect
    job_name = begin(operation, *clients.scope, *container_of(item.id), item.name, wanted)
    follow(session, job_name, wait=wait, limit_seconds=limit_seconds)


def direction_from(active_location: str | None) -> Direction:
    """The direction that leads away from where the machine runs."""
    if active_location == "Recovery":
        return Direction.RECOVERY_TO_PRIMARY
    return Direction.PRIMARY_TO_RECOVERY
