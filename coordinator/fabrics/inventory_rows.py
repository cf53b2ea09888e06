"""From the wire's inventory objects to rows: pure conversion with its limits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opensiterecovery.provider.v1.inventory_pb2 import InventoryObject, InventoryUpdate

from coordinator.failures import refuse

# Names of the fields of InventoryObject, which are the kinds.
KINDS = tuple(field.name for field in InventoryObject.DESCRIPTOR.oneofs_by_name["object"].fields)
ID_LENGTH = 128
NAME_LENGTH = 255


@dataclass(frozen=True)
class Row:
    """One object: its key, and the columns of its table."""

    kind: str
    external_id: str
    name: str
    details: dict[str, Any]
    columns: dict[str, str] = field(default_factory=dict)


@dataclass
class Difference:
    """What a revision changes, each object once; what came last counts."""

    changed: dict[tuple[str, str], Row] = field(default_factory=dict)
    removed: set[tuple[str, str]] = field(default_factory=set)

    def rows(self, *kinds: str) -> list[Row]:
        return [row for row in self.changed.values() if row.kind in kinds]

    def leave(self, kind: str, external_ids: Iterable[str]) -> None:
        """Takes changed objects out."""
        for external_id in external_ids:
            self.changed.pop((kind, external_id), None)

    def removed_ids(self, kind: str) -> list[str]:
        return [external_id for removed, external_id in self.removed if removed == kind]


def read_difference(parts: Iterable[InventoryUpdate]) -> Difference:
    """All parts of a revision as one difference.

    Raises:
        RefusedError: InvalidInventory: an object has no id, or one that is too long.
    """
    difference = Difference()
    for part in parts:
        for changed in part.changed:
            kind = changed.WhichOneof("object")
            if kind is None:
                # A kind that only a newer agent knows.
                continue
            row = read_row(kind, getattr(changed, kind))
            key = row.kind, row.external_id
            difference.changed[key] = row
            difference.removed.discard(key)
        for removed in part.removed:
            key = removed.kind, removed.id
            if removed.kind not in KINDS:
                continue
            check_id(*key)
            difference.changed.pop(key, None)
            difference.removed.add(key)
    return difference


def read_row(kind: str, message: Message) -> Row:
    """One object, of a message that came through the gateway's door."""
    details = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    external_id = details["id"]
    check_id(kind, external_id)
    name = details.get("name") or details.get("fqdn") or external_id
    columns: dict[str, str] = {}
    if kind == "host":
        name = name.lower()
        columns = {
            "host_group_path": details["host_group_path"][:1024],
            "cluster_fqdn": details["cluster_fqdn"].lower()[:255],
        }
    elif kind == "virtual_machine":
        columns = {
            "vm_id": details["vm_id"].lower()[:36],
            "cloud_external_id": details["cloud_id"][:ID_LENGTH],
            "host_fqdn": details["host_fqdn"].lower()[:255],
            "state": details["state"][:64],
        }
    return Row(kind, external_id, name[:NAME_LENGTH], details, columns)


def check_id(kind: str, external_id: str) -> None:
    if 0 < len(external_id) <= ID_LENGTH and "\0" not in external_id:
        return
    raise refuse(
        "InvalidInventory",
        f'The inventory names an object of kind "{kind[:32]}" by an id that cannot be used.',
        causes=["VMM gives an object without an ID.", "The agent's version does not fit."],
        action="Refresh the object in VMM, and upgrade the agent.",
    )
