"""osr plan check: what a run of a plan would meet, and how long it would take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from coordinator.cli.failover import Direction
from coordinator.cli.plan_access import PlanArgument, find_plan, path_of
from coordinator.cli.plan_runs import DirectionOption
from coordinator.cli.session import Session, command

commands = typer.Typer()


class RunType(StrEnum):
    """As what a plan is run."""

    TEST = "test"
    PLANNED = "planned"
    UNPLANNED = "unplanned"


CHECK_COLUMNS: Mapping[str, Callable[[Any], str]] = {
    "Severity": lambda one: str(one["severity"]),
    "About": lambda one: str(one["objectName"]),
    "What": lambda one: str(one["message"]),
    "To do": lambda one: str(one["recommendedAction"]),
}
PATH_COLUMNS: Mapping[str, Callable[[Any], str]] = {
    "At": lambda one: f"{one['beginsSeconds']:.0f} s",
    "Takes": lambda one: f"{one['seconds']:.0f} s",
    "Machine": lambda one: str(one["machine"] or "-"),
    "Task": lambda one: str(one["taskName"]),
    "Host": lambda one: str(one["host"] or "-"),
    "Waited for": lambda one: str(one["waitedFor"]),
}


def add_to(app: typer.Typer) -> None:
    """Adds the command to those of plans."""
    app.add_typer(commands)


@command(commands)
def check(
    session: Session,
    name: PlanArgument,
    run: Annotated[RunType, typer.Option("--type", help="As what it would be run.")],
    direction: DirectionOption = None,
    shut_down: Annotated[
        bool,
        typer.Option("--shut-down/--no-shut-down", help="Of an unplanned failover."),
    ] = True,
) -> None:
    """Checks what a run of a plan would meet and forecasts how long it takes; touches nothing."""
    clients = session.clients
    plan = find_plan(clients, name)
    body = {"properties": _properties(run, direction, shut_down=shut_down)}
    found = clients.send("POST", f"{path_of(plan)}/dryRun", body)
    if session.as_json:
        session.show_json(found)
        return
    if found["checks"]:
        session.show(found["checks"], CHECK_COLUMNS)
    else:
        session.tell("Nothing stands against it.")
    forecast = found["forecast"]
    if forecast is None:
        session.tell("There is no forecast: what would be done is not known.")
        return
    session.tell(f"It would take about {forecast['seconds']:.0f} s. What that depends on:")
    session.show(forecast["criticalPath"], PATH_COLUMNS)


def _properties(run: RunType, direction: Direction | None, *, shut_down: bool) -> dict[str, str]:
    wanted = {"failoverType": f"{run.value.capitalize()}Failover"}
    if run is RunType.UNPLANNED:
        wanted["sourceSiteOperations"] = "Required" if shut_down else "NotRequired"
    return wanted if direction is None else {**wanted, "failoverDirection": direction}
