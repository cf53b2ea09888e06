"""osr failover; osr commit, osr reverse."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.names import container_of, find_protected_item, friendly_name
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


class Tag(StrEnum):
    """ASR's recovery tags, shorter."""

    LATEST = "latest"
    APPLICATION_CONSISTENT = "latest-application-consistent"
    CRASH_CONSISTENT = "latest-crash-consistent"

    @property
    def word(self) -> str:
        """ASR's name."""
        return {
            Tag.LATEST: "Latest",
            Tag.APPLICATION_CONSISTENT: "LatestAvailableApplicationConsistent",
            Tag.CRASH_CONSISTENT: "LatestAvailableCrashConsistent",
        }[self]


PointOption = Annotated[
    str | None,
    typer.Option(
        "--point", metavar="POINT", help="A recovery point by its id: see osr failover points."
    ),
]
POINT_COLUMNS = {
    "Point": lambda point: str(point.name),
    "Time": lambda point: str(point.properties.recovery_point_time),
    "Type": lambda point: str(point.properties.recovery_point_type),
}


@command(app)
def planned(
    session: Session,
    machine: MachineArgument,
    direction: Annotated[
        Direction | None, typer.Option(help="Default: away from where the machine runs.")
    ] = None,
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Shuts a machine down, sends the rest, starts it at the other site; loses no data."""
    clients = session.clients
    item = find_protected_item(clients, machine)
    name = friendly_name(item)
    confirm(session, f"{name} is shut down and started at the other site.", name, yes=yes)
    chosen = direction or direction_from(item.properties.active_location)
    wanted = {"properties": {"failoverDirection": chosen}}
    operation = clients.site_recovery.replication_protected_items.begin_planned_failover
    job_name = begin(operation, *clients.scope, *container_of(item.id), item.name, wanted)
    follow(session, job_name, wait=wait, limit_seconds=limit_seconds)


@command(app)
def unplanned(  # noqa: PLR0913, PLR0917 - typer makes an option of each argument
    session: Session,
    machine: MachineArgument,
    direction: Annotated[
        Direction | None, typer.Option(help="Default: away from where the machine runs.")
    ] = None,
    shut_down: Annotated[
        bool,
        typer.Option(
            "--shut-down/--no-shut-down",
            help="First shut the machine down and send its latest changes, if its site answers.",
        ),
    ] = True,
    to: Annotated[
        Tag, typer.Option("--to", help="Which recovery point, unless --point names one.")
    ] = Tag.LATEST,
    point: PointOption = None,
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Starts the replica of a machine whose site is lost; says which changes are lost with it."""
    item = find_protected_item(session.clients, machine)
    replicated = item.properties.provider_specific_details.last_replicated_time
    confirm(
        session,
        f"Changes of {friendly_name(item)} that its replica has not got are lost; the last ones "
        f"it got are of {replicated or 'a time nobody told'}. Where the machine runs now it is "
        "turned off, if its site answers.",
        friendly_name(item),
        yes=yes,
    )
    details = {"instanceType": "HyperVReplica2012R2", **chosen_point(session, item, to, point)}
    properties = {
        "failoverDirection": direction or direction_from(item.properties.active_location),
        "sourceSiteOperations": "Required" if shut_down else "NotRequired",
        "providerSpecificDetails": details,
    }
    operation = session.clients.site_recovery.replication_protected_items.begin_unplanned_failover
    run_operation(
        session, item, operation, {"properties": properties}, wait=wait, limit=limit_seconds
    )


@command(app, name="change-point")
def change_point(  # noqa: PLR0913, PLR0917 - typer makes an option of each argument
    session: Session,
    machine: MachineArgument,
    to: Annotated[
        Tag, typer.Option("--to", help="Which recovery point, unless --point names one.")
    ] = Tag.LATEST,
    point: PointOption = None,
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Takes a machine that was failed over to another recovery point, until the commit."""
    item = find_protected_item(session.clients, machine)
    confirm(
        session,
        f"{friendly_name(item)} is stopped, and what was written in it since its failover is lost.",
        friendly_name(item),
        yes=yes,
    )
    chosen = chosen_point(session, item, to, point)
    properties = {
        "recoveryPointId": chosen.get("recoveryPointId"),
        "providerSpecificDetails": {"instanceType": "HyperVReplica2012R2", **chosen},
    }
    operation = session.clients.site_recovery.replication_protected_items.begin_apply_recovery_point
    run_operation(
        session, item, operation, {"properties": properties}, wait=wait, limit=limit_seconds
    )


@command(app)
def cancel(
    session: Session,
    machine: MachineArgument,
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Takes a failover back that was not committed: the machine runs where it came from."""
    item = find_protected_item(session.clients, machine)
    confirm(
        session,
        f"{friendly_name(item)} is turned off where it was failed over to, and what was written in "
        "it there is lost.",
        friendly_name(item),
        yes=yes,
    )
    operation = session.clients.site_recovery.replication_protected_items.begin_failover_cancel
    run_operation(session, item, operation, wait=wait, limit=limit_seconds)


@command(app)
def abandon(
    session: Session,
    machine: MachineArgument,
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Starts a machine where it came from when the site it was failed over to is lost."""
    item = find_protected_item(session.clients, machine)
    name = friendly_name(item)
    confirm(
        session,
        f"{name} is started where it was failed over from, as it was then. See that it is off "
        "where it was failed over to: nothing may be able to turn it off there. What was written "
        "in it there is lost in the end.",
        name,
        yes=yes,
    )
    job_name = session.clients.start("POST", f"{address_of(item)}/abandonFailover")
    follow(session, job_name, wait=wait, limit_seconds=limit_seconds)


@command(app)
def points(session: Session, machine: MachineArgument) -> None:
    """Lists the recovery points of a machine, newest first; its latest state comes on top."""
    clients = session.clients
    item = find_protected_item(clients, machine)
    found = clients.site_recovery.recovery_points.list_by_replication_protected_items(
        *clients.scope, *container_of(item.id), item.name
    )
    session.show(list(found), POINT_COLUMNS)


@command(app)
def operations(session: Session, machine: MachineArgument) -> None:
    """Lists what can be done with a machine now, and why not what cannot."""
    item = find_protected_item(session.clients, machine)
    told = session.clients.send("GET", f"{address_of(item)}/operations")["value"]
    if session.as_json:
        session.show_json(told)
        return
    for each in sorted(told, key=lambda one: not one["allowed"]):
        if each["allowed"]:
            session.tell(f"{each['name']}: allowed")
        else:
            session.tell(f"{each['name']}: {each['reason']} {each['recommendedAction']}")


@command(app, name="commit")
def commit_failover(
    session: Session,
    machine: MachineArgument,
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Commits a failover: removes the other recovery points."""
    _commit(session, machine, yes=yes, wait=wait, limit=limit_seconds)


@command(app, name="reverse")
def reverse_failover(
    session: Session,
    machine: MachineArgument,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Lets a machine that was failed over replicate back."""
    _reverse(session, machine, wait=wait, limit=limit_seconds)


@command(commands)
def commit(
    session: Session,
    machine: MachineArgument,
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Commits a failover: removes the other recovery points."""
    _commit(session, machine, yes=yes, wait=wait, limit=limit_seconds)


@command(commands)
def reverse(
    session: Session,
    machine: MachineArgument,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Lets a machine that was failed over replicate back."""
    _reverse(session, machine, wait=wait, limit=limit_seconds)


def direction_from(active_location: str | None) -> Direction:
    """The direction that leads away from where the machine runs."""
    if active_location == "Recovery":
        return Direction.RECOVERY_TO_PRIMARY
    return Direction.PRIMARY_TO_RECOVERY


def _commit(session: Session, machine: str, *, yes: bool, wait: bool, limit: float) -> None:
    item = find_protected_item(session.clients, machine)
    name = friendly_name(item)
    confirm(session, f"The other recovery points of {name} are deleted.", name, yes=yes)
    operation = session.clients.site_recovery.replication_protected_items.begin_failover_commit
    run_operation(session, item, operation, wait=wait, limit=limit)


def _reverse(session: Session, machine: str, *, wait: bool, limit: float) -> None:
    item = find_protected_item(session.clients, machine)
    direction = direction_from(item.properties.active_location)
    wanted = {"properties": {"failoverDirection": direction}}
    operation = session.clients.site_recovery.replication_protected_items.begin_reprotect
    run_operation(session, item, operation, wanted, wait=wait, limit=limit)


def run_operation(
    session: Session, item: Any, operation: Any, *body: object, wait: bool, limit: float
) -> None:
    """Begins an operation of an item, and follows its job."""
    clients = session.clients
    job_name = begin(operation, *clients.scope, *container_of(item.id), item.name, *body)
    follow(session, job_name, wait=wait, limit_seconds=limit)


def chosen_point(session: Session, item: Any, to: Tag, point: str | None) -> dict[str, str]:
    """The chosen point as a request names it.

    Raises:
        CommandError: The machine has no such point.
    """
    if point is None:
        return {"recoveryTag": to.word}
    clients = session.clients
    found = list(
        clients.site_recovery.recovery_points.list_by_replication_protected_items(
            *clients.scope, *container_of(item.id), item.name
        )
    )
    for known in found:
        if str(known.name).casefold() == point.casefold():
            return {"recoveryPointId": str(known.id)}
    raise CommandError(
        ExitCode.NOT_FOUND,
        f"{friendly_name(item)} has no recovery point {point}.",
        recommended_action="Choose one of: osr failover points. Or leave --point out.",
    )


def address_of(item: Any) -> str:
    """Where an item is below its vault."""
    path: str = item.id
    return path[path.lower().index("/replicationfabrics/") :]
