"""osr storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from coordinator.cli.completion import complete_classifications, complete_servers
from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.failures import not_found
from coordinator.cli.machines import ServerOption
from coordinator.cli.names import find_server, friendly_name, pick, segment_after
from coordinator.cli.pairs import mapping_name
from coordinator.cli.session import Session, command

app = typer.Typer(
    no_args_is_help=True, help="Storage classifications, and what they are mapped to."
)

GIBIBYTE = 1024**3
CLASSIFICATION_COLUMNS = {
    "Name": friendly_name,
    "Server": lambda one: str(one.properties.get("fabricFriendlyName") or ""),
    "Places": lambda one: ", ".join(_places(one)) or "-",
    "Id": lambda one: str(one.name),
}

SourceArgument = Annotated[
    str, typer.Argument(help="Classification to protect.", autocompletion=complete_classifications)
]
TargetServerOption = Annotated[
    str | None,
    typer.Option(
        "--target-server",
        help="Server of the target classification.",
        autocompletion=complete_servers,
    ),
]


@command(app, "list")
def list_classifications(session: Session, server: ServerOption = None) -> None:
    """Lists the storage classifications, with the shares and volumes that carry them."""
    session.show(classifications(session, server), CLASSIFICATION_COLUMNS)


@command(app, "map")
def map_classification(
    session: Session,
    source: SourceArgument,
    target: Annotated[
        str,
        typer.Argument(
            help="Classification to put replicas on.", autocompletion=complete_classifications
        ),
    ],
    server: ServerOption = None,
    target_server: TargetServerOption = None,
) -> None:
    """Maps a classification: replicas placed from now on go to storage of the other."""
    clients = session.clients
    mappings = clients.site_recovery.replication_storage_classification_mappings
    one = pick("storage classification", source, classifications(session, server))
    other = pick("storage classification", target, classifications(session, target_server))
    wanted = {"properties": {"targetStorageClassificationId": other.id}}
    name = mapping_name(friendly_name(one), friendly_name(other))
    where = (*clients.scope, _fabric(one.id), one.name, name)
    mappings.begin_create(*where, wanted, polling=False)
    session.tell(f"{friendly_name(one)} is mapped to {friendly_name(other)}.")


@command(app, "unmap")
def unmap_classification(
    session: Session,
    source: SourceArgument,
    server: ServerOption = None,
    target_server: TargetServerOption = None,
    yes: YesOption = False,
) -> None:
    """Deletes the mapping of a classification; replicas stay where they are."""
    clients = session.clients
    mappings = clients.site_recovery.replication_storage_classification_mappings
    one = pick("storage classification", source, classifications(session, server))
    found: list[Any] = list(
        mappings.list_by_replication_storage_classifications(
            *clients.scope, _fabric(one.id), one.name
        )
    )
    if target_server is not None:
        wanted = find_server(clients, target_server).name
        found = [
            each
            for each in found
            if _fabric(each.properties.target_storage_classification_id).lower() == wanted.lower()
        ]
    if not found:
        raise not_found("mapping of", friendly_name(one), [])
    shown = friendly_name(one)
    confirm(session, f"This ends the mapping of {shown}; replicas stay.", shown, yes=yes)
    for each in found:
        where = (*clients.scope, _fabric(one.id), one.name, each.name)
        mappings.begin_delete(*where, polling=False)
    session.tell(f"{friendly_name(one)} is no longer mapped.")


@command(app, "maps")
def list_mappings(session: Session) -> None:
    """Lists the mappings."""
    clients = session.clients
    mappings = clients.site_recovery.replication_storage_classification_mappings
    names = {one.id.lower(): one for one in classifications(session, None)}

    def shown(classification_id: str) -> str:
        known: Any = names.get(classification_id.lower())
        if known is None:
            return f"{segment_after('replicationStorageClassifications', classification_id)} (gone)"
        return f"{friendly_name(known)} ({known.properties.get('fabricFriendlyName')})"

    session.show(
        list(mappings.list(*clients.scope)),
        {
            "Name": lambda each: str(each.name),
            "Source": lambda each: shown(
                each.id.split("/replicationStorageClassificationMappings/")[0]
            ),
            "Target": lambda each: shown(each.properties.target_storage_classification_id),
        },
    )


def classifications(session: Session, server: str | None) -> Sequence[Any]:
    """The storage classifications of all servers, or of one."""
    clients = session.clients
    found = clients.site_recovery.replication_storage_classifications
    if server is None:
        return list(found.list(*clients.scope))
    fabric = find_server(clients, server).name
    return list(found.list_by_replication_fabrics(*clients.scope, fabric))


def _fabric(resource_id: str) -> str:
    return segment_after("replicationFabrics", resource_id)


def _places(classification: Any) -> list[str]:
    places = {}
    for place in classification.properties.get("locations") or []:
        free = place["freeBytes"]
        places[place["path"]] = "" if free is None else f" ({free / GIBIBYTE:.0f} GiB free)"
    return [f"{path}{free}" for path, free in places.items()]
