"""osr plan add, move, remove and osr plan group: which machines are where."""

from __future__ import annotations

from typing import Annotated

import typer

from coordinator.cli.plan_access import (
    MachinesArgument,
    PlanArgument,
    find_machines,
    find_plan,
    groups_of,
    save,
)
from coordinator.cli.plan_edits import (
    add_group,
    boot_groups,
    machine_name,
    machines_of,
    matching,
    move_group,
    put_machines,
    remove_group,
    take_machines,
)
from coordinator.cli.session import Session, command

GroupOption = Annotated[
    int, typer.Option("--group", min=1, help="Number of the group; one more makes a new one.")
]
NumberArgument = Annotated[int, typer.Argument(min=1, help="Number of the group.")]

group_app = typer.Typer(no_args_is_help=True, help="Groups of a recovery plan.")


def add_to(app: typer.Typer) -> None:
    """Registers the commands below `osr plan`."""
    command(app)(add)
    command(app)(move)
    command(app)(remove)
    app.add_typer(group_app, name="group")


def add(
    session: Session, name: PlanArgument, machines: MachinesArgument, group: GroupOption = 1
) -> None:
    """Puts protected machines into a group of a plan."""
    plan = find_plan(session.clients, name)
    found = find_machines(session.clients, machines)
    save(session, plan, put_machines(groups_of(plan), found, group))


def move(
    session: Session, name: PlanArgument, machines: MachinesArgument, group: GroupOption
) -> None:
    """Moves machines of a plan to another of its groups."""
    plan = find_plan(session.clients, name)
    groups = groups_of(plan)
    inside = [machine for one in groups for machine in machines_of(one)]
    found = matching(machines, inside, machine_name, "machine of the plan")
    save(session, plan, put_machines(groups, found, group))


def remove(session: Session, name: PlanArgument, machines: MachinesArgument) -> None:
    """Takes machines out of a plan; they stay protected."""
    plan = find_plan(session.clients, name)
    groups = groups_of(plan)
    inside = [machine for one in groups for machine in machines_of(one)]
    found = matching(machines, inside, machine_name, "machine of the plan")
    save(session, plan, take_machines(groups, found))


@command(group_app, "add")
def add_new_group(
    session: Session,
    name: PlanArgument,
    machines: MachinesArgument,
    at: Annotated[
        int | None, typer.Option(min=1, help="Its number; default: after the last.")
    ] = None,
) -> None:
    """Makes a group of protected machines; they leave the group they are in."""
    plan = find_plan(session.clients, name)
    groups = groups_of(plan)
    found = find_machines(session.clients, machines)
    number = len(boot_groups(groups)) + 1 if at is None else at
    save(session, plan, add_group(groups, found, number))


@command(group_app, "move")
def move_one_group(
    session: Session,
    name: PlanArgument,
    number: NumberArgument,
    to: Annotated[int, typer.Option(min=1, help="Its new number.")],
) -> None:
    """Gives a group another place in the order."""
    plan = find_plan(session.clients, name)
    save(session, plan, move_group(groups_of(plan), number, to))


@command(group_app, "remove")
def remove_one_group(
    session: Session,
    name: PlanArgument,
    number: NumberArgument,
    into: Annotated[
        int | None,
        typer.Option(min=1, help="Group that takes its machines; default: they leave the plan."),
    ] = None,
) -> None:
    """Takes a group with its actions out of a plan."""
    plan = find_plan(session.clients, name)
    save(session, plan, remove_group(groups_of(plan), number, into))
