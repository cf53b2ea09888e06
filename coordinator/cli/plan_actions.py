"""osr plan action: scripts and manual actions before and after groups."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.plan_access import PlanArgument, find_plan, groups_of, save
from coordinator.cli.plan_edits import AFTER, BEFORE, add_action, take_action
from coordinator.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Scripts and manual actions of a recovery plan.")


class When(StrEnum):
    """On which side of a group."""

    BEFORE = "before"
    AFTER = "after"


class Run(StrEnum):
    """As what a plan runs."""

    TEST = "test"
    PLANNED = "planned"
    UNPLANNED = "unplanned"


class Way(StrEnum):
    """Which way a plan runs."""

    THERE = "there"
    BACK = "back"


class Side(StrEnum):
    """Whose VMM server runs a script."""

    PRIMARY = "Primary"
    RECOVERY = "Recovery"


class OnFailure(StrEnum):
    """What the failure of an action means."""

    STOP = "Stop"
    CONTINUE = "Continue"


LISTS = {When.BEFORE: BEFORE, When.AFTER: AFTER}
RUNS = {
    Run.TEST: "TestFailover",
    Run.PLANNED: "PlannedFailover",
    Run.UNPLANNED: "UnplannedFailover",
}
WAYS = {Way.THERE: "PrimaryToRecovery", Way.BACK: "RecoveryToPrimary"}

ActionArgument = Annotated[str, typer.Argument(help="Name of the action.")]
PlaceOption = Annotated[
    str, typer.Option("--group", help="Number of a group, or shutdown, or failover.")
]
WhenOption = Annotated[When, typer.Option("--when", help="Before or after the group.")]
PositionOption = Annotated[
    int | None, typer.Option(min=1, help="Place among the actions there; default: the last.")
]


@command(app)
def add(  # noqa: PLR0913, PLR0917 - each is an option of the command
    session: Session,
    name: PlanArgument,
    action: ActionArgument,
    group: PlaceOption,
    when: WhenOption = When.BEFORE,
    script: Annotated[
        str | None, typer.Option(help="Path in the library share: RPScripts\\Start.ps1")
    ] = None,
    manual: Annotated[str | None, typer.Option(help="What the operator is to do.")] = None,
    side: Annotated[Side, typer.Option(help="Whose VMM server runs the script.")] = Side.RECOVERY,
    run: Annotated[list[Run] | None, typer.Option(help="As what it runs; default: all.")] = None,
    way: Annotated[list[Way] | None, typer.Option(help="Which way; default: there.")] = None,
    time_limit: Annotated[
        str | None, typer.Option(help="Seconds, hh:mm:ss or PT10M; a script's is at most 600 s.")
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option(help="What a script must be when it is run; see Get-FileHash, or plan check."),
    ] = None,
    on_failure: Annotated[
        OnFailure | None,
        typer.Option(help="Default: a test and a planned failover stop, an unplanned goes on."),
    ] = None,
    position: PositionOption = None,
) -> None:
    """Adds a script or a manual action before or after a group."""
    wanted: dict[str, Any] = {
        "actionName": action,
        "failoverTypes": [RUNS[each] for each in run or list(Run)],
        "failoverDirections": [WAYS[each] for each in way or [Way.THERE]],
        "customDetails": _details(script, manual, side, time_limit, sha256),
        "failureRule": on_failure,
    }
    plan = find_plan(session.clients, name)
    save(session, plan, add_action(groups_of(plan), group, LISTS[when], wanted, position))


@command(app)
def move(  # noqa: PLR0913, PLR0917 - each is an option of the command
    session: Session,
    name: PlanArgument,
    action: ActionArgument,
    group: PlaceOption,
    when: WhenOption = When.BEFORE,
    to_group: Annotated[str | None, typer.Option(help="Default: the same.")] = None,
    to_when: Annotated[When | None, typer.Option(help="Default: the same.")] = None,
    position: PositionOption = None,
) -> None:
    """Moves an action to another place."""
    plan = find_plan(session.clients, name)
    groups, found = take_action(groups_of(plan), group, LISTS[when], action)
    place, side = to_group or group, LISTS[to_when or when]
    save(session, plan, add_action(groups, place, side, found, position))


@command(app)
def remove(
    session: Session,
    name: PlanArgument,
    action: ActionArgument,
    group: PlaceOption,
    when: WhenOption = When.BEFORE,
) -> None:
    """Takes an action away."""
    plan = find_plan(session.clients, name)
    groups, _ = take_action(groups_of(plan), group, LISTS[when], action)
    save(session, plan, groups)


def _details(
    script: str | None, manual: str | None, side: Side, time_limit: str | None, sha256: str | None
) -> dict[str, Any]:
    """ASR's customDetails.

    Raises:
        CommandError: It is neither a script nor a manual action, or both.
    """
    if (script is None) == (manual is None):
        raise CommandError(
            ExitCode.USAGE,
            "An action is a script or a manual action.",
            recommended_action="Give either --script or --manual.",
        )
    if manual is not None and sha256 is not None:
        raise CommandError(
            ExitCode.USAGE,
            "Only scripts have a SHA-256.",
            recommended_action="Leave --sha256 out, or give --script.",
        )
    if script is not None:
        return {
            "instanceType": "ScriptActionDetails",
            "path": script,
            "timeout": time_limit,
            "fabricLocation": side.value,
            "sha256": sha256,
        }
    return {"instanceType": "ManualActionDetails", "description": manual, "timeout": time_limit}
