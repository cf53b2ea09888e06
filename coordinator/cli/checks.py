"""osr plan check, osr failover check: what a failover would meet, and how long it would take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import typer

from coordinator.cli.failover import Direction, address_of
from coordinator.cli.failures import CommandError
from coordinator.cli.names import find_protected_item
from coordinator.cli.operations import follow
from coordinator.cli.outputs import OutputFormat
from coordinator.cli.plan_access import PlanArgument, find_plan, path_of
from coordinator.cli.plan_runs import DirectionOption
from coordinator.cli.protection import MachineArgument
from coordinator.cli.session import Session, command
from coordinator.cli.test_failover import LogicalNetworkOption, NetworkOption, network_properties

of_machines = typer.Typer()
of_plans = typer.Typer()


class RunType(StrEnum):
    """As what something is failed over."""

    TEST = "test"
    PLANNED = "planned"
    UNPLANNED = "unplanned"


TypeOption = Annotated[RunType, typer.Option("--type", help="As what it would be run.")]
ShutDownOption = Annotated[
    bool, typer.Option("--shut-down/--no-shut-down", help="Of an unplanned failover.")
]
KnownOption = Annotated[
    bool,
    typer.Option("--known", help="Do not look at the servers now: check what is known already."),
]
LOOK_LIMIT_SECONDS = 900.0


def _as_wanted(script: Mapping[str, Any]) -> str:
    if not script["expectedSha256"]:
        return "any"
    return "yes" if script["sha256"] == script["expectedSha256"] else "no"


CHECK_COLUMNS: Mapping[str, Callable[[Any], str]] = {
    "Severity": lambda one: str(one["severity"]),
    "About": lambda one: str(one["objectName"]),
    "What": lambda one: str(one["message"]),
    "To do": lambda one: str(one["recommendedAction"]),
}
SCRIPT_COLUMNS: Mapping[str, Callable[[Any], str]] = {
    "Script": lambda one: str(one["path"]),
    "Where": lambda one: f"{one['place']} on {one['server']}",
    "SHA-256": lambda one: str(one["sha256"] or "-"),
    "As wanted": _as_wanted,
    "Looked at": lambda one: str(one["lookedAtTime"] or "never"),
}
PATH_COLUMNS: Mapping[str, Callable[[Any], str]] = {
    "At": lambda one: f"{one['beginsSeconds']:.0f} s",
    "Takes": lambda one: f"{one['seconds']:.0f} s",
    "Machine": lambda one: str(one["machine"] or "-"),
    "Task": lambda one: str(one["taskName"]),
    "Host": lambda one: str(one["host"] or "-"),
    "Waited for": lambda one: str(one["waitedFor"]),
}


def add_to(failover: typer.Typer, plan: typer.Typer) -> None:
    """Adds the commands to those of machines and of plans."""
    failover.add_typer(of_machines)
    plan.add_typer(of_plans)


@command(of_plans, name="check")
def check_plan(  # noqa: PLR0913, PLR0917 - typer makes an option of each argument
    session: Session,
    name: PlanArgument,
    run: TypeOption,
    direction: DirectionOption = None,
    shut_down: ShutDownOption = True,
    network: NetworkOption = None,
    new_network_on: LogicalNetworkOption = None,
    known: KnownOption = False,
) -> None:
    """Checks what a run of a plan would meet and forecasts how long it takes; touches nothing."""
    path = path_of(find_plan(session.clients, name))
    wanted = _properties(run, direction, shut_down=shut_down)
    wanted |= network_properties(session, network, new_network_on)
    _check(session, path, wanted, known=known)


@command(of_machines, name="check")
def check_machine(  # noqa: PLR0913, PLR0917 - typer makes an option of each argument
    session: Session,
    machine: MachineArgument,
    run: TypeOption = RunType.PLANNED,
    direction: DirectionOption = None,
    shut_down: ShutDownOption = True,
    network: NetworkOption = None,
    new_network_on: LogicalNetworkOption = None,
    known: KnownOption = False,
) -> None:
    """Checks what a failover of a machine would meet, and how long it takes; touches nothing."""
    path = address_of(find_protected_item(session.clients, machine))
    wanted = _properties(run, direction, shut_down=shut_down)
    wanted |= network_properties(session, network, new_network_on)
    _check(session, path, wanted, known=known)


def _check(session: Session, path: str, wanted: Mapping[str, Any], *, known: bool) -> None:
    if not known:
        _look(session, path, wanted)
    found = session.clients.send("POST", f"{path}/dryRun", {"properties": wanted})
    if session.as_json:
        session.show_json(found)
        return
    if found["checks"]:
        session.show(found["checks"], CHECK_COLUMNS)
    else:
        session.tell("Nothing stands against it.")
    if found["scripts"]:
        session.show(found["scripts"], SCRIPT_COLUMNS)
    forecast = found["forecast"]
    if forecast is None:
        session.tell("There is no forecast: what would be done is not known.")
        return
    session.tell(
        f"It would take about {forecast['seconds']:.0f} s ({forecast['lowSeconds']:.0f} to "
        f"{forecast['highSeconds']:.0f} s). What that depends on:"
    )
    session.show(forecast["criticalPath"], PATH_COLUMNS)


def _look(session: Session, path: str, wanted: Mapping[str, Any]) -> None:
    """Has the servers looked at; what cannot be seen now is checked as it is known."""
    existing = wanted.get("networkType") == "VmNetworkAsInput"
    body = {"properties": {"networkId": wanted["networkId"]} if existing else {}}
    job_name = session.clients.start("POST", f"{path}/lookBeforeFailover", body)
    # What the command says is what was found; how the look goes is told beside that.
    beside = replace(session, format=OutputFormat.TABLE, output=session.notes)
    try:
        follow(beside, job_name, wait=True, limit_seconds=LOOK_LIMIT_SECONDS)
    except CommandError as problem:
        session.tell(f"Not everything could be looked at now: {problem}")


def _properties(run: RunType, direction: Direction | None, *, shut_down: bool) -> dict[str, Any]:
    wanted: dict[str, Any] = {"failoverType": f"{run.value.capitalize()}Failover"}
    if run is RunType.UNPLANNED:
        wanted["sourceSiteOperations"] = "Required" if shut_down else "NotRequired"
    return wanted if direction is None else {**wanted, "failoverDirection": direction}
