"""Finding recovery plans and the machines they may have, and sending changed groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import quote

import typer

from coordinator.cli.clients import Clients
from coordinator.cli.completion import complete_plans, complete_protected_machines
from coordinator.cli.names import friendly_name, pick
from coordinator.cli.operations import begin, follow
from coordinator.cli.outputs import OutputFormat
from coordinator.cli.plan_edits import Groups, matching
from coordinator.cli.plan_views import plan_tree
from coordinator.cli.session import Session, as_plain

PlanArgument = Annotated[
    str, typer.Argument(help="Name of the recovery plan.", autocompletion=complete_plans)
]
MachinesArgument = Annotated[
    list[str],
    typer.Argument(
        help="Names of protected machines, or patterns such as 'web-*'.",
        autocompletion=complete_protected_machines,
    ),
]


def find_plan(clients: Clients, name: str) -> Any:
    """The recovery plan of that name."""
    plans = clients.site_recovery.replication_recovery_plans.list(*clients.scope)
    return pick("recovery plan", name, plans)


def path_of(plan: Any) -> str:
    """Where a plan is below its vault, for calls that Microsoft's client has no method for."""
    return f"/replicationRecoveryPlans/{quote(str(plan.name), safe='')}"


def groups_of(plan: Any) -> Groups:
    """The plan's groups as the JSON they came as."""
    groups: Groups = as_plain(plan)["properties"]["groups"]
    return groups


def find_machines(clients: Clients, patterns: Iterable[str]) -> list[dict[str, Any]]:
    """Protected machines by names and patterns, as members of a group.

    Raises:
        CommandError: A name or pattern means none.
    """
    wanted = [part for pattern in patterns for part in pattern.split(",") if part.strip()]
    items = list(clients.site_recovery.replication_protected_items.list(*clients.scope))
    found = matching(wanted, items, friendly_name, "protected machine")
    return [{"id": str(item.id), "friendlyName": friendly_name(item)} for item in found]


def save(session: Session, plan: Any, groups: Groups, *, limit_seconds: float = 600.0) -> None:
    """Gives a plan other groups, unless somebody else has changed it meanwhile, and shows it."""
    clients = session.clients
    plans = clients.site_recovery.replication_recovery_plans
    job_name = begin(
        plans.begin_update,
        *clients.scope,
        plan.name,
        {"properties": {"groups": groups}},
        headers={"If-Match": str(plan["etag"])},
    )
    finish(session, job_name, plan.name, limit_seconds=limit_seconds)


def finish(session: Session, job_name: str, name: str, *, limit_seconds: float = 600.0) -> None:
    """Waits for the job of a save and shows what the plan is now."""
    clients = session.clients
    if job_name:
        # What the command says is the plan; how its job goes is told beside that.
        beside = replace(session, format=OutputFormat.TABLE, output=session.notes)
        follow(beside, job_name, wait=True, limit_seconds=limit_seconds)
    show(session, clients.site_recovery.replication_recovery_plans.get(*clients.scope, name))


def show(session: Session, plan: Any) -> None:
    """A plan as a tree, or as JSON."""
    plain = as_plain(plan)
    if session.as_json:
        session.show_json(plain)
        return
    session.output.print(plan_tree(plain), highlight=False)
