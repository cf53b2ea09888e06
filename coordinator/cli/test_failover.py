"""osr failover test, cleanup, drills; osr plan test, cleanup: testing machines, and cleaning up."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.failover import (
    PointOption,
    Tag,
    address_of,
    chosen_point,
    run_operation,
)
from coordinator.cli.names import find_protected_item, friendly_name, pick
from coordinator.cli.operations import (
    DEFAULT_LIMIT_SECONDS,
    LimitOption,
    WaitOption,
    begin,
    follow,
)
from coordinator.cli.plan_access import PlanArgument, find_plan
from coordinator.cli.protection import MachineArgument
from coordinator.cli.session import Session, command

# Commands of osr failover, and of osr plan.
of_machines = typer.Typer()
of_plans = typer.Typer()

NetworkOption = Annotated[
    str | None,
    typer.Option("--network", help="VM network to test in; it should be isolated."),
]
LogicalNetworkOption = Annotated[
    str | None,
    typer.Option(
        "--new-network-on",
        metavar="LOGICAL-NETWORK",
        help="Make a VM network on this logical network for the test; clean-up removes it.",
    ),
]
TagOption = Annotated[
    Tag, typer.Option("--to", help="Which recovery point, unless --point names one.")
]
NotesOption = Annotated[
    str, typer.Option("--notes", help="What the test showed; kept with its record.")
]
COLUMNS = {
    "Started": lambda row: str(row["startTime"] or ""),
    "Outcome": lambda row: str(row["outcome"]),
    "Cleaned up": lambda row: str(row["endTime"] or "-"),
    "Test VM": lambda row: str(row["testVmFriendlyName"] or "-"),
    "Network": lambda row: str(row["networkFriendlyName"] or "-"),
    "Point": lambda row: str(row["recoveryPointTime"] or "-"),
    "Notes": lambda row: str(row["notes"]),
}


def add_to(failover: typer.Typer, plan: typer.Typer) -> None:
    """Adds the commands to those of machines and of plans."""
    failover.add_typer(of_machines)
    plan.add_typer(of_plans)


@command(of_machines, name="test")
def drill_machine(  # noqa: PLR0913, PLR0917 - typer makes an option of each argument
    session: Session,
    machine: MachineArgument,
    network: NetworkOption = None,
    new_network_on: LogicalNetworkOption = None,
    to: TagOption = Tag.LATEST,
    point: PointOption = None,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Starts a copy of a machine at the other site for a test; the machine itself is not touched.

    Without a network the copy is connected to none.
    """
    item = find_protected_item(session.clients, machine)
    properties = {
        **network_properties(session, network, new_network_on),
        "providerSpecificDetails": {
            "instanceType": "HyperVReplica2012R2",
            **chosen_point(session, item, to, point),
        },
    }
    operation = session.clients.site_recovery.replication_protected_items.begin_test_failover
    run_operation(
        session, item, operation, {"properties": properties}, wait=wait, limit=limit_seconds
    )


@command(of_machines, name="cleanup")
def clean_up_machine(
    session: Session,
    machine: MachineArgument,
    notes: NotesOption = "",
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Ends the test of a machine: removes its copy and what was made for it; only now it counts."""
    item = find_protected_item(session.clients, machine)
    confirm(
        session,
        f"The test virtual machine of {friendly_name(item)} is turned off and deleted, with all "
        "that was written in it.",
        friendly_name(item),
        yes=yes,
    )
    items = session.clients.site_recovery.replication_protected_items
    body = {"properties": {"comments": notes}}
    operation = items.begin_test_failover_cleanup
    run_operation(session, item, operation, body, wait=wait, limit=limit_seconds)


@command(of_machines)
def drills(session: Session, machine: MachineArgument) -> None:
    """Lists the tests of a machine, newest first, with their notes."""
    item = find_protected_item(session.clients, machine)
    session.show(
        list(session.clients.send("GET", f"{address_of(item)}/testFailovers")["value"]), COLUMNS
    )


@command(of_plans, name="test")
def drill_plan(  # noqa: PLR0913, PLR0917 - typer makes an option of each argument
    session: Session,
    name: PlanArgument,
    network: NetworkOption = None,
    new_network_on: LogicalNetworkOption = None,
    to: TagOption = Tag.LATEST,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Tests all machines of a plan in its order; the machines themselves are not touched."""
    plan = find_plan(session.clients, name)
    properties = {
        **network_properties(session, network, new_network_on),
        "providerSpecificDetails": [
            {"instanceType": "HyperVReplica2012R2", "recoveryTag": to.word}
        ],
    }
    clients = session.clients
    operation = clients.site_recovery.replication_recovery_plans.begin_test_failover
    job_name = begin(operation, *clients.scope, plan.name, {"properties": properties})
    follow(session, job_name, wait=wait, limit_seconds=limit_seconds)


@command(of_plans, name="cleanup")
def clean_up_plan(
    session: Session,
    name: PlanArgument,
    notes: NotesOption = "",
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Ends the tests of a plan's machines and removes what was made for them."""
    plan = find_plan(session.clients, name)
    confirm(
        session,
        f"The test virtual machines of {plan.name} are turned off and deleted, with all that was "
        "written in them.",
        str(plan.name),
        yes=yes,
    )
    clients = session.clients
    operation = clients.site_recovery.replication_recovery_plans.begin_test_failover_cleanup
    body = {"properties": {"comments": notes}}
    job_name = begin(operation, *clients.scope, plan.name, body)
    follow(session, job_name, wait=wait, limit_seconds=limit_seconds)


def network_properties(
    session: Session, network: str | None, new_network_on: str | None
) -> dict[str, Any]:
    """ASR's networkType and networkId for what was chosen.

    Raises:
        CommandError: There is no such network.
    """
    if network is not None and new_network_on is not None:
        raise typer.BadParameter("Give --network or --new-network-on, not both.")
    clients = session.clients
    if network is not None:
        known = clients.site_recovery.replication_networks.list(*clients.scope)
        found = pick("network", network, list(known))
        return {"networkType": "VmNetworkAsInput", "networkId": found.id}
    if new_network_on is not None:
        fabrics = clients.site_recovery.replication_fabrics.list(*clients.scope)
        logical = clients.site_recovery.replication_logical_networks
        rows = [
            each
            for fabric in fabrics
            for each in logical.list_by_replication_fabrics(*clients.scope, str(fabric.name))
        ]
        found = pick("logical network", new_network_on, rows)
        return {"networkType": "LogicalNetworkAsInput", "networkId": found.id}
    return {"networkType": "NoNetworkAttachAsInput"}
