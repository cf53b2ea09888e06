"""osr plan planned, unplanned, commit, reverse, cancel, abandon: running a recovery plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.failover import Direction, Tag
from coordinator.cli.operations import (
    DEFAULT_LIMIT_SECONDS,
    LimitOption,
    WaitOption,
    begin,
    follow,
)
from coordinator.cli.plan_access import PlanArgument, find_plan, path_of
from coordinator.cli.session import Session, command

commands = typer.Typer()

DirectionOption = Annotated[
    Direction | None,
    typer.Option(help="Needed when machines of the plan run on both sides."),
]


def add_to(app: typer.Typer) -> None:
    """Adds the commands to those of plans."""
    app.add_typer(commands)


@command(commands)
def planned(
    session: Session,
    name: PlanArgument,
    direction: DirectionOption = None,
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Moves all machines of a plan in its order, losing no data; stops at the first failure."""
    plan = find_plan(session.clients, name)
    confirm(
        session,
        f"The machines of {plan.name} are shut down and started at the other site.",
        str(plan.name),
        yes=yes,
    )
    body = {"properties": _direction(direction)}
    plans = session.clients.site_recovery.replication_recovery_plans
    _run(session, plan.name, plans.begin_planned_failover, body, wait=wait, limit=limit_seconds)


@command(commands)
def unplanned(  # noqa: PLR0913, PLR0917 - typer makes an option of each argument
    session: Session,
    name: PlanArgument,
    direction: DirectionOption = None,
    shut_down: Annotated[
        bool,
        typer.Option(
            "--shut-down/--no-shut-down",
            help="First shut the machines down and send their latest changes, if their site "
            "answers.",
        ),
    ] = True,
    to: Annotated[Tag, typer.Option("--to", help="Which recovery point of each machine.")] = (
        Tag.LATEST
    ),
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Starts the replicas of all machines of a plan whose site is lost; goes on at failures."""
    plan = find_plan(session.clients, name)
    confirm(
        session,
        f"Changes that the replicas of the machines of {plan.name} have not got are lost. Where "
        "the machines run now they are turned off, if their site answers.",
        str(plan.name),
        yes=yes,
    )
    body = {
        "properties": {
            **_direction(direction),
            "sourceSiteOperations": "Required" if shut_down else "NotRequired",
            "providerSpecificDetails": [
                {"instanceType": "HyperVReplica2012R2", "recoveryTag": to.word}
            ],
        }
    }
    plans = session.clients.site_recovery.replication_recovery_plans
    _run(session, plan.name, plans.begin_unplanned_failover, body, wait=wait, limit=limit_seconds)


@command(commands)
def commit(
    session: Session,
    name: PlanArgument,
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Makes the failovers of a plan's machines final: their other recovery points go."""
    plan = find_plan(session.clients, name)
    confirm(
        session,
        f"The other recovery points of the failed-over machines of {plan.name} are deleted.",
        str(plan.name),
        yes=yes,
    )
    plans = session.clients.site_recovery.replication_recovery_plans
    _run(session, plan.name, plans.begin_failover_commit, wait=wait, limit=limit_seconds)


@command(commands)
def reverse(
    session: Session,
    name: PlanArgument,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Protects a plan's failed-over machines towards the side they came from."""
    plans = session.clients.site_recovery.replication_recovery_plans
    _run(session, name, plans.begin_reprotect, wait=wait, limit=limit_seconds)


@command(commands)
def cancel(
    session: Session,
    name: PlanArgument,
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Takes the failovers of a plan's machines back: they run again where they came from."""
    plan = find_plan(session.clients, name)
    confirm(
        session,
        f"What the failed-over machines of {plan.name} have written since is lost.",
        str(plan.name),
        yes=yes,
    )
    plans = session.clients.site_recovery.replication_recovery_plans
    _run(session, plan.name, plans.begin_failover_cancel, wait=wait, limit=limit_seconds)


@command(commands)
def abandon(
    session: Session,
    name: PlanArgument,
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Starts a plan's machines where they came from when the site they went to is lost."""
    plan = find_plan(session.clients, name)
    confirm(
        session,
        f"The failed-over machines of {plan.name} are started where they were failed over from, as "
        "they were then. See that they are off where they were failed over to: nothing may be "
        "able to turn them off there. What was written in them there is lost in the end.",
        str(plan.name),
        yes=yes,
    )
    job_name = session.clients.start("POST", f"{path_of(plan)}/abandonFailover")
    follow(session, job_name, wait=wait, limit_seconds=limit_seconds)


def _direction(given: Direction | None) -> dict[str, str]:
    return {} if given is None else {"failoverDirection": given}


def _run(
    session: Session,
    name: str,
    operation: Callable[..., Any],
    body: dict[str, Any] | None = None,
    *,
    wait: bool,
    limit: float,
) -> None:
    clients = session.clients
    bodies = [] if body is None else [body]
    job_name = begin(operation, *clients.scope, name, *bodies)
    follow(session, job_name, wait=wait, limit_seconds=limit)
