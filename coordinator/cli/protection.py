"""osr protect."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from azure.mgmt.recoveryservicessiterecovery.models import (
    DisableProtectionInput,
    DisableProtectionInputProperties,
    EnableProtectionInput,
    EnableProtectionInputProperties,
)

from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.first_copy import choose_copy_display, wait_for_protection
from coordinator.cli.machines import CloudOption, ServerOption, list_machines
from coordinator.cli.names import container_of, find_protected_item, friendly_name, pick
from coordinator.cli.operations import (
    DEFAULT_LIMIT_SECONDS,
    LimitOption,
    WaitOption,
    begin,
    follow,
    tell_clean_up,
)
from coordinator.cli.session import Session, as_plain, command

app = typer.Typer(no_args_is_help=True, help="Protected machines.")

MachineArgument = Annotated[str, typer.Argument(metavar="VM", help="Name of the machine.")]
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
    "In progress": lambda item: _scenario(item.properties.current_scenario.scenario_name),
}


def _scenario(name: str | None) -> str:
    """ASR's word for no scenario is "None"."""
    return "-" if name in {None, "", "None"} else str(name)


@command(app)
def enable(
    session: Session,
    machine: MachineArgument,
    cloud: CloudOption = None,
    server: ServerOption = None,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Protects a machine: enables replication and starts the first copy."""
    clients = session.clients
    found = pick("machine", machine, list_machines(clients, cloud, server))
    wanted = EnableProtectionInput(
        properties=EnableProtectionInputProperties(protectable_item_id=found.id)
    )
    operation = clients.site_recovery.replication_protected_items.begin_create
    # The item is named after the machine's id, so that asking twice asks for the same item.
    job_name = begin(operation, *clients.scope, *container_of(found.id), found.name, wanted)
    if job_name:
        follow(session, job_name, wait=wait, limit_seconds=limit_seconds)


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
    confirm(session, f"This ends the protection of {name}.", name, yes=yes)
    items = clients.site_recovery.replication_protected_items
    where = (*clients.scope, *container_of(item.id), item.name)
    if vault_only:
        job_name = begin(items.begin_purge, *where)
    else:
        wanted = DisableProtectionInput(properties=DisableProtectionInputProperties())
        job_name = begin(items.begin_delete, *where, wanted)
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
    """Shows a protected machine."""
    session.show_one(find_protected_item(session.clients, machine), DETAILS)


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

    item = wait_for_protection(read, display, limit_seconds)
    if session.as_json:
        session.show_json(as_plain(item))
    session.tell(f"{friendly_name(item)} is protected.")


def _time(details: Any) -> str:
    time = details.last_replicated_time
    return f"{time:%Y-%m-%d %H:%M:%S}" if hasattr(time, "year") else "never"


def _copied(details: Any) -> str:
    percent = details.initial_replication_details.initial_replication_progress_percentage
    return "-" if percent is None else f"{percent} %"
