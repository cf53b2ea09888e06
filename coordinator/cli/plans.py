"""osr plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.names import find_protected_item, find_server
from coordinator.cli.operations import (
    DEFAULT_LIMIT_SECONDS,
    LimitOption,
    WaitOption,
    begin,
    follow,
)
from coordinator.cli.plan_access import (
    PlanArgument,
    find_machines,
    find_plan,
    finish,
    path_of,
    save,
)
from coordinator.cli.plan_access import show as show_plan
from coordinator.cli.plan_edits import MACHINES, Groups
from coordinator.cli.plan_files import is_yaml, read_plan_file, write_plan_file
from coordinator.cli.plan_views import COLUMNS, HISTORY_COLUMNS
from coordinator.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Recovery plans: machines that fail over together.")

GroupsOption = Annotated[
    list[str],
    typer.Option(
        "--group",
        help="A group, in order: names of protected machines or patterns, with commas between "
        "('db-*,quorum'). A machine goes into the first group that names it.",
    ),
]


@command(app, "list")
def list_plans(session: Session) -> None:
    """Lists the recovery plans."""
    found = session.clients.site_recovery.replication_recovery_plans.list(*session.clients.scope)
    session.show(list(found), COLUMNS, whole="Name")


@command(app)
def show(session: Session, name: PlanArgument) -> None:
    """Shows a plan as it runs: its phases, groups, machines and actions."""
    show_plan(session, find_plan(session.clients, name))


@command(app)
def create(
    session: Session,
    name: PlanArgument,
    group: GroupsOption,
    primary: Annotated[
        str | None, typer.Option("--from", help="Server; default: the first machine's.")
    ] = None,
    recovery: Annotated[
        str | None, typer.Option("--to", help="Server; default: the first machine's.")
    ] = None,
) -> None:
    """Makes a plan of protected machines, in groups that start one after the other."""
    clients = session.clients
    groups: Groups = []
    seen: set[str] = set()
    for patterns in group:
        machines = [each for each in find_machines(clients, [patterns]) if each["id"] not in seen]
        seen |= {machine["id"] for machine in machines}
        groups.append({"groupType": "Boot", MACHINES: machines})
    first = next((each for one in groups for each in one[MACHINES]), None)
    if first is None:
        raise CommandError(
            ExitCode.USAGE,
            "A plan has at least one machine.",
            recommended_action="Name protected machines: --group 'db-*' --group 'web-*'.",
        )
    item = find_protected_item(clients, str(first["friendlyName"])).properties
    body = {
        "properties": {
            "primaryFabricId": find_server(
                clients, primary or item.primary_fabric_friendly_name
            ).id,
            "recoveryFabricId": find_server(
                clients, recovery or item.recovery_fabric_friendly_name
            ).id,
            "groups": groups,
        }
    }
    _refuse_known(session, name)
    plans = clients.site_recovery.replication_recovery_plans
    finish(session, begin(plans.begin_create, *clients.scope, name, body), name)


@command(app)
def clone(
    session: Session,
    name: PlanArgument,
    new_name: Annotated[str, typer.Argument(help="Name of the copy.")],
) -> None:
    """Makes a copy of a plan, to change it without touching the other."""
    clients = session.clients
    plan = find_plan(clients, name)
    body = {"properties": {"name": new_name}}
    finish(session, clients.start("POST", f"{path_of(plan)}/clone", body), new_name)


@command(app)
def delete(
    session: Session,
    name: PlanArgument,
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Deletes a plan; its machines stay protected."""
    clients = session.clients
    plan = find_plan(clients, name)
    text = f"This deletes the recovery plan {plan.name}; its machines stay protected."
    confirm(session, text, str(plan.name), yes=yes)
    plans = clients.site_recovery.replication_recovery_plans
    job_name = begin(plans.begin_delete, *clients.scope, plan.name)
    if job_name:
        follow(session, job_name, wait=wait, limit_seconds=limit_seconds)


@command(app)
def history(session: Session, name: PlanArgument) -> None:
    """Lists the kept saves of a plan, and what each changed."""
    clients = session.clients
    plan = find_plan(clients, name)
    found = clients.send("GET", f"{path_of(plan)}/revisions")
    session.show(found["value"], HISTORY_COLUMNS)


@command(app)
def restore(
    session: Session,
    name: PlanArgument,
    revision: Annotated[int, typer.Argument(help="Number of the save, from osr plan history.")],
) -> None:
    """Makes a plan what it was at a save; what it is now is kept too."""
    clients = session.clients
    plan = find_plan(clients, name)
    path = f"{path_of(plan)}/revisions/{revision}/restore"
    finish(session, clients.start("POST", path), str(plan.name))


@command(app)
def export(
    session: Session,
    name: PlanArgument,
    file: Annotated[
        Path | None, typer.Argument(help="JSON or YAML file; default: JSON on standard output.")
    ] = None,
) -> None:
    """Writes a plan as a file that names machines and servers by their names."""
    plan = find_plan(session.clients, name)
    text = write_plan_file(plan, as_yaml=file is not None and is_yaml(file))
    if file is None:
        print(text)
        return
    file.write_text(text + "\n", encoding="utf-8")
    session.tell(f"Recovery plan {name} is written to {file}.")


@command(app, "import")
def import_plan(
    session: Session,
    file: Annotated[Path, typer.Argument(help="JSON or YAML file as osr plan export writes it.")],
    name: Annotated[str | None, typer.Option(help="Name of the plan, if not the file's.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Give a plan of that name these groups.")
    ] = False,
) -> None:
    """Makes a plan from a file."""
    clients = session.clients
    wanted = read_plan_file(file, lambda patterns: find_machines(clients, patterns))
    plan_name = name or wanted.name
    plans = clients.site_recovery.replication_recovery_plans
    known = _known(session, plan_name)
    if known is not None and replace:
        save(session, known, wanted.groups)
        return
    _refuse_known(session, plan_name)
    body = {
        "properties": {
            "primaryFabricId": find_server(clients, wanted.primary_server).id,
            "recoveryFabricId": find_server(clients, wanted.recovery_server).id,
            "groups": wanted.groups,
        }
    }
    finish(session, begin(plans.begin_create, *clients.scope, plan_name, body), plan_name)


def _known(session: Session, name: str) -> Any:
    clients = session.clients
    plans = clients.site_recovery.replication_recovery_plans.list(*clients.scope)
    return next((plan for plan in plans if str(plan.name).casefold() == name.casefold()), None)


def _refuse_known(session: Session, name: str) -> None:
    """The API changes a plan that is there; a command that makes one must not."""
    if _known(session, name) is None:
        return
    raise CommandError(
        ExitCode.REFUSED,
        f"The vault has a recovery plan called {name} already.",
        code="NameInUse",
        recommended_action="Choose another name, or change that plan: osr plan add, move, remove; "
        "osr plan import --replace.",
    )
