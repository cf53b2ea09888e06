"""From the names people use to the resources the API knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from coordinator.cli.clients import Clients
from coordinator.cli.failures import CommandError, ExitCode, not_found


def find_server(clients: Clients, name: str) -> Any:
    """The fabric with that friendly name or name."""
    return pick("server", name, clients.site_recovery.replication_fabrics.list(*clients.scope))


def find_cloud(clients: Clients, name: str, server: str | None = None) -> Any:
    """The protection container with that friendly name or name, of any server or of one."""
    return pick("cloud", name, list_clouds(clients, server))


def list_clouds(clients: Clients, server: str | None) -> list[Any]:
    """All clouds of the vault, or of one server."""
    containers = clients.site_recovery.replication_protection_containers
    if server is None:
        return list(containers.list(*clients.scope))
    fabric = find_server(clients, server)
    return list(containers.list_by_replication_fabrics(*clients.scope, fabric.name))


def find_policy(clients: Clients, name: str) -> Any:
    return pick("policy", name, clients.site_recovery.replication_policies.list(*clients.scope))


def find_protected_item(clients: Clients, name: str) -> Any:
    """The protected item with that friendly name (the machine's) or name."""
    items = clients.site_recovery.replication_protected_items.list(*clients.scope)
    return pick("protected machine", name, items)


def pick(kind: str, name: str, resources: Iterable[Any]) -> Any:
    """The one resource with that friendly name or name, whatever the case.

    Raises:
        CommandError: None has it, or several have.
    """
    everything = list(resources)
    wanted = name.casefold()
    found = [
        resource
        for resource in everything
        if wanted in {friendly_name(resource).casefold(), str(resource.name).casefold()}
    ]
    if not found:
        raise not_found(kind, name, [friendly_name(resource) for resource in everything])
    if len(found) > 1:
        raise CommandError(
            ExitCode.NOT_FOUND,
            f'{len(found)} {kind}s are called "{name}".',
            possible_causes=["The name is used on several servers."],
            recommended_action="Use one of these names instead: "
            + ", ".join(str(resource.name) for resource in found),
        )
    return found[0]


def friendly_name(resource: Any) -> str:
    return str(getattr(resource.properties, "friendly_name", None) or resource.name)


def segment_after(word: str, resource_id: str) -> str:
    """The name that follows a word in an ARM id, for example the fabric's."""
    segments = resource_id.split("/")
    lowered = [segment.lower() for segment in segments]
    position = lowered.index(word.lower()) if word.lower() in lowered else len(segments)
    return segments[position + 1] if position + 1 < len(segments) else ""


def container_of(resource_id: str) -> tuple[str, str]:
    """Names of fabric and protection container in an id below one."""
    return (
        segment_after("replicationFabrics", resource_id),
        segment_after("replicationProtectionContainers", resource_id),
    )
