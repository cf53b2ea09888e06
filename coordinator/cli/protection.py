"""osr protect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Annotated, Any

import typer

from coordinator.cli.bulk_protection import (
    choose_table,
    enable_many,
    progress_table,
    wait_for_many,
)
from coordinator.cli.completion import (
    complete_clouds,
    complete_machines,
    complete_policies,
    complete_protected_machines,
)
from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.first_copy import choose_copy_display, wait_for_protection
from coordinator.cli.machines import CloudOption, ServerOption, list_machines
from coordinator.cli.names import (
    container_of,
    find_policy,
    find_protected_item,
    friendly_name,
    pick,
)
from coordinator.cli.operations import (
    DEFAULT_LIMIT_SECONDS,
    LimitOption,
    WaitOption,
    begin,
    follow,
    tell_clean_up,
)
from coordinator.cli.placement_details import PLACEMENT_DETAILS
from coordinator.cli.protection_details import RUNNING_DETAILS, tell_more
from coordinator.cli.session import Session, as_plain, command

app = typer.Typer(no_args_is_help=True, help="Protected machines.")

# So many failures are told one by one.
MOST_TOLD = 5
MachineArgument = Annotated[
    str,
    typer.Argument(
        metavar="VM", help="Name of the machine.", autocompletion=complete_protected_machines
    ),
]
COLUMNS = {
    "Name": lambda item: str(item.properties.friendly_name),
    "State": lambda item: str(item.properties.protection_state_description),
    "Active": lambda item: str(item.properties.active_location),
    "Health": lambda item: str(item.properties.replication_health),
    "Last replicated": lambda item: _time(item.properties.provider_specific_details),
    "First copy": lambda item: _copied(item.properties.provider_specific_details),
    "Allowed": lambda item: ", ".join(item.properties.allowed_operations or []),
}
DETAILS = {
    **COLUMNS,
    "Policy": lambda item: str(item.properties.policy_friendly_name),
    "Primary": lambda item: (
        f"{item.properties.primary_protection_container_friendly_name}"
        f" ({item.properties.primary_fabric_friendly_name})"
    ),
    "Recovery": lambda item: (
        f"{item.properties.recovery_protection_container_friendly_name}"
        f" ({item.properties.recovery_fabric_friendly_name})"
    ),
    **RUNNING_DETAILS,
    "Test failover": lambda item: _tested(item.properties),
    **PLACEMENT_DETAILS,
    "In progress": lambda item: _scenario(item.properties.current_scenario.scenario_name),
}


def _scenario(name: str | None) -> str:
    """ASR's word for no scenario is "None"."""
    return "-" if name in {None, "", "None"} else str(name)


@command(app)
def enable(  # noqa: PLR0913, PLR0917 - typer makes an option of each argument
    session: Session,
    machines: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VM...", help="Names of machines.", autocompletion=complete_machines
        ),
    ] = None,
    all_in: Annotated[
        str | None,
        typer.Option(
            "--all-in",
            metavar="CLOUD",
            help="All machines of a cloud that can be.",
            autocompletion=complete_clouds,
        ),
    ] = None,
    cloud: CloudOption = None,
    server: ServerOption = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="Policy; else that of the generation of each one's host.",
            autocompletion=complete_policies,
        ),
    ] = None,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Protects machines: enables replication and starts their first copies."""
    clients = session.clients
    known = list_machines(clients, all_in or cloud, server)
    if bool(machines) == bool(all_in):
        raise typer.BadParameter("Give names of machines, or --all-in CLOUD.")
    policy_id = None if policy is None else str(find_policy(clients, policy).id)
    many = partial(
        _enable_many, session, policy_id=policy_id, wait=wait, limit_seconds=limit_seconds
    )
    if all_in is not None:
        many(ready_machines(known))
        return
    found = [pick("machine", name, known) for name in machines or []]
    if len(found) > 1:
        many(found)
        return
    [one] = found
    wanted = {"properties": {"protectableItemId": one.id, "policyId": policy_id}}
    operation = clients.site_recovery.replication_protected_items.begin_create
    # The item is named after the machine's id, so that asking twice asks for the same item.
    job_name = begin(operation, *clients.scope, *container_of(one.id), one.name, wanted)
    if job_name:
        follow(session, job_name, wait=wait, limit_seconds=limit_seconds)


def ready_machines(machines: Iterable[Any]) -> list[Any]:
    """Those that are not protected and that nothing keeps from being so."""
    return [
        machine
        for machine in machines
        if machine.properties.protection_status == "Unprotected"
        and not machine.properties.protection_readiness_errors
    ]


def _enable_many(
    session: Session,
    machines: Sequence[Any],
    *,
    policy_id: str | None,
    wait: bool,
    limit_seconds: float,
) -> None:
    if not machines:
        session.tell("No machine is left to be protected.")
        return
    found = enable_many(session.clients, machines, policy_id)
    if wait:
        display = choose_table(session.notes, quiet=session.as_json)
        found = wait_for_many(session.clients, found, display, limit_seconds)
    if session.as_json:
        session.show_json([one.as_plain() for one in found])
    else:
        session.output.print(progress_table(found, len(found)))
    failed = [one for one in found if one.failed]
    if failed:
        raise CommandError(
            ExitCode.JOB_FAILED,
            f"{len(failed)} of {len(found)} machines are not being protected: "
            + "; ".join(f"{one.name}: {one.doing}" for one in failed[:MOST_TOLD]),
            recommended_action="Remove the causes, then enable protection of these again.",
        )


@command(app)
def start(session: Session, machine: MachineArgument) -> None:
    """Begins a first copy now that waits for its time of day; its turn it still waits for."""
    item = find_protected_item(session.clients, machine)
    server, cloud = container_of(item.id)
    session.clients.send(
        "POST",
        f"/replicationFabrics/{server}/replicationProtectionContainers/{cloud}"
        f"/replicationProtectedItems/{item.name}/startInitialReplication",
    )
    session.tell(f"The first copy of {friendly_name(item)} begins as soon as its hosts have room.")


@command(app)
def disable(
    session: Session,
    machine: MachineArgument,
    vault_only: Annotated[
        bool,
        typer.Option("--vault-only", help="Change nothing on the hosts, only forget the machine."),
    ] = False,
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Ends a machine's protection; the policy says whether its replica is deleted."""
    clients = session.clients
    item = find_protected_item(clients, machine)
    name = friendly_name(item)
    plans = ", ".join(item.properties.get("recoveryPlans") or ())
    left_out = f" These recovery plans leave it out from then on: {plans}." if plans else ""
    confirm(session, f"This ends the protection of {name}.{left_out}", name, yes=yes)
    items = clients.site_recovery.replication_protected_items
    where = (*clients.scope, *container_of(item.id), item.name)
    if vault_only:
        job_name = begin(items.begin_purge, *where)
    else:
        job_name = begin(items.begin_delete, *where, {"properties": {}})
    if not job_name:
        return
    follow(session, job_name, wait=wait, limit_seconds=limit_seconds)
    if vault_only:
        tell_clean_up(session, job_name)


@command(app, "list")
def list_items(session: Session) -> None:
    """Lists the protected machines."""
    items = session.clients.site_recovery.replication_protected_items
    session.show(list(items.list(*session.clients.scope)), COLUMNS)


@command(app)
def show(session: Session, machine: MachineArgument) -> None:
    """Shows a protected machine: state, health, recovery points, RPO now and over the last day."""
    item = find_protected_item(session.clients, machine)
    session.show_one(item, DETAILS)
    tell_more(session, item)


@command(app)
def watch(
    session: Session,
    machine: MachineArgument,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Follows a machine's first copy until it is protected and can fail over."""
    display = choose_copy_display(session.notes, quiet=session.as_json)

    def read() -> Any:
        return find_protected_item(session.clients, machine)

    item = wait_for_protection(machine, read, display, limit_seconds)
    if session.as_json:
        session.show_json(as_plain(item))
    session.tell(f"{friendly_name(item)} is protected.")


def _tested(item: Any) -> str:
    """Where its test failover stands, or when it was last tested well."""
    if str(item.test_failover_state) != "None":
        return str(item.test_failover_state_description)
    tested = item.last_successful_test_failover_time
    return f"last {tested}" if tested else "never"


def _time(details: Any) -> str:
    time = details.last_replicated_time
    return f"{time:%Y-%m-%d %H:%M:%S}" if hasattr(time, "year") else "never"


def _copied(details: Any) -> str:
    percent = details.initial_replication_details.initial_replication_progress_percentage
    return "-" if percent is None else f"{percent} %"
