"""osr protect import and export: first copies that are carried."""

from __future__ import annotations

from typing import Annotated

import typer

from coordinator.cli.names import container_of, find_protected_item
from coordinator.cli.operations import DEFAULT_LIMIT_SECONDS, LimitOption, WaitOption, follow
from coordinator.cli.protection import MachineArgument
from coordinator.cli.session import Session, command


def import_copy(
    session: Session,
    machine: MachineArgument,
    path: Annotated[
        str, typer.Option("--path", help="Where the folder is; the policy's path unless given.")
    ] = "",
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Imports a machine's first copy that was carried to the recovery side."""
    body = {"properties": {"importPath": path} if path else {}}
    _run(session, machine, "importInitialReplication", body, wait=wait, limit=limit_seconds)


def export_copy(
    session: Session,
    machine: MachineArgument,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Exports a machine's first copy again, after its export was broken off."""
    _run(session, machine, "exportInitialReplication", None, wait=wait, limit=limit_seconds)


def add_to(app: typer.Typer) -> None:
    """Adds both commands to `osr protect`."""
    command(app, "import")(import_copy)
    command(app, "export")(export_copy)


def _run(
    session: Session, machine: str, operation: str, body: object, *, wait: bool, limit: float
) -> None:
    item = find_protected_item(session.clients, machine)
    server, cloud = container_of(item.id)
    job_name = session.clients.start(
        "POST",
        f"/replicationFabrics/{server}/replicationProtectionContainers/{cloud}"
        f"/replicationProtectedItems/{item.name}/{operation}",
        body,
    )
    follow(session, job_name, wait=wait, limit_seconds=limit)
