"""osr events."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from coordinator.cli.session import Session, command

app = typer.Typer(
    no_args_is_help=True, help="Events: what is wrong, or went wrong, and what to do about it."
)

EVENT = "Event"


def _over(event: Any) -> str:
    time = event.properties.get("timeOfClearing")
    return "open" if time is None else str(time)[:19].replace("T", " ")


def _of_error(name: str) -> Any:
    def text(event: Any) -> str:
        errors = event.properties.health_errors or []
        return str(getattr(errors[0], name) or "-") if errors else "-"

    return text


COLUMNS = {
    EVENT: lambda event: str(event.name),
    "Severity": lambda event: str(event.properties.severity),
    "Type": lambda event: str(event.properties.event_type),
    "Object": lambda event: str(event.properties.affected_object_friendly_name),
    "Code": lambda event: str(event.properties.event_code),
    "Occurred": lambda event: f"{event.properties.time_of_occurrence:%Y-%m-%d %H:%M:%S}",
    "Over": _over,
}
DETAILS = {
    **COLUMNS,
    "Message": lambda event: str(event.properties.description),
    "Possible causes": _of_error("possible_causes"),
    "Recommended action": _of_error("recommended_action"),
}


@command(app, "list")
def list_events(
    session: Session,
    severity: Annotated[str | None, typer.Option(help="Critical, Warning or Info.")] = None,
    kind: Annotated[
        str | None, typer.Option("--type", help="VmHealth, ServerHealth, AgentHealth, JobStatus.")
    ] = None,
    about: Annotated[
        str | None, typer.Option("--object", help="Only about this machine or server.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is over.")] = False,
    count: Annotated[int, typer.Option("--count", min=1, help="At most so many.")] = 100,
) -> None:
    """Lists what is wrong now, newest first."""
    wanted = {
        "severity": severity,
        "eventType": kind,
        "affectedObjectFriendlyName": about,
        "isOpen": None if everything else "true",
    }
    clauses = [f"{name} eq '{quoted(value)}'" for name, value in wanted.items() if value]
    clients = session.clients
    found: list[Any] = []
    for event in clients.site_recovery.replication_events.list(
        *clients.scope, filter=" and ".join(clauses) or None
    ):
        found.append(event)
        if len(found) == count:
            break
    session.show(found, COLUMNS, whole=EVENT)


@command(app)
def show(session: Session, event: Annotated[str, typer.Argument(help="The event's id.")]) -> None:
    """Shows an event with its causes and what to do."""
    clients = session.clients
    name = event.rstrip("/").rpartition("/")[2]
    found: Any = clients.site_recovery.replication_events.get(*clients.scope, name)
    session.show_one(found, DETAILS)


def quoted(value: str) -> str:
    """A value inside the quotes of a filter."""
    return value.replace("'", "''")
