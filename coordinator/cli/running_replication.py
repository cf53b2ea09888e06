"""osr protect pause, resume, resync, repair, disks: a replication as it runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.names import container_of, find_protected_item, friendly_name
from coordinator.cli.operations import DEFAULT_LIMIT_SECONDS, LimitOption, WaitOption, follow
from coordinator.cli.protection import MachineArgument
from coordinator.cli.session import Session, as_plain, command

WINDOW = "18:30-06:00"


def pause(
    session: Session,
    machine: MachineArgument,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Pauses a machine's replication; changes are tracked meanwhile."""
    _run(session, machine, "pauseReplication", wait=wait, limit=limit_seconds)


def resume(
    session: Session,
    machine: MachineArgument,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Lets a machine's replication go on."""
    _run(session, machine, "resumeReplication", wait=wait, limit=limit_seconds)


def repair(
    session: Session,
    machine: MachineArgument,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Resumes or resynchronizes a machine, whichever it needs."""
    _run(session, machine, "repairReplication", wait=wait, limit=limit_seconds)


def resync(  # noqa: PLR0913, PLR0917 - typer makes an option of each argument
    session: Session,
    machine: MachineArgument,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="When: 2026-01-31T22:00Z; none: not any more."),
    ] = None,
    automatic: Annotated[
        bool | None,
        typer.Option("--auto/--no-auto", help="Whether Hyper-V does it by itself when it must."),
    ] = None,
    window: Annotated[
        str, typer.Option("--window", metavar="FROM-TO", help="When it may, by its host's clock.")
    ] = WINDOW,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Compares both copies of a machine and sends what differs; recovery points are lost."""
    if automatic is not None:
        body = {"properties": {"enabled": automatic, **_window(window)}}
        name = "automaticResynchronization"
        _run(session, machine, name, body, wait=wait, limit=limit_seconds)
        return
    if at is None:
        _run(session, machine, "resynchronize", wait=wait, limit=limit_seconds)
        return
    item = find_protected_item(session.clients, machine)
    time = "" if at == "none" else at
    shown = session.clients.send(
        "POST", f"{_address(item)}/resynchronize", {"properties": {"startTime": time}}
    )
    if session.as_json:
        session.show_json(shown)
    planned = shown["properties"]["providerSpecificDetails"]["resynchronizationTime"]
    session.tell(
        f"{friendly_name(item)} is resynchronized at {planned}."
        if planned
        else f"{friendly_name(item)} is not resynchronized at any set time."
    )


def disks(
    session: Session,
    machine: MachineArgument,
    add: Annotated[
        list[str] | None, typer.Option("--add", metavar="PATH", help="Disk to replicate too.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="PATH", help="Disk to leave out.")
    ] = None,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Shows which disks of a machine replicate, adds some or leaves some out."""
    if add and remove:
        raise typer.BadParameter("Give --add or --remove, not both.")
    if add or remove:
        details = {"instanceType": "HyperVReplica2012R2", "vhdIds": add or remove}
        body = {"properties": {"providerSpecificDetails": details}}
        name = "addDisks" if add else "removeDisks"
        _run(session, machine, name, body, wait=wait, limit=limit_seconds)
        return
    item = find_protected_item(session.clients, machine)
    found = as_plain(item)["properties"]["providerSpecificDetails"].get("vMDiskDetails") or []
    session.show(found, {"Disk": lambda disk: str(disk["vhdId"]), "Replicates": _replicates})


def add_to(app: typer.Typer) -> None:
    """Adds the commands to `osr protect`."""
    for function in (pause, resume, resync, repair, disks):
        command(app, function.__name__)(function)


def _replicates(disk: Any) -> str:
    if disk.get("replicated"):
        return "yes"
    return "left out" if disk.get("leftOut") else "no"


def _window(text: str) -> dict[str, str]:
    begin, separator, end = text.partition("-")
    try:
        for part in (begin, end):
            datetime.strptime(part, "%H:%M")  # noqa: DTZ007 - a time of day of another machine
    except ValueError:
        separator = ""
    if not separator:
        raise CommandError(
            ExitCode.USAGE, f"{text} is no window.", recommended_action=f"Write it as {WINDOW}."
        )
    return {"startTime": begin, "endTime": end}


def _address(item: Any) -> str:
    server, cloud = container_of(item.id)
    return (
        f"/replicationFabrics/{server}/replicationProtectionContainers/{cloud}"
        f"/replicationProtectedItems/{item.name}"
    )


def _run(
    session: Session, machine: str, operation: str, body: object = None, *, wait: bool, limit: float
) -> None:
    item = find_protected_item(session.clients, machine)
    job_name = session.clients.start("POST", f"{_address(item)}/{operation}", body)
    follow(session, job_name, wait=wait, limit_seconds=limit)
