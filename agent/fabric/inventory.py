"""The fabric's inventory in memory: objects by their kind and VMM's id."""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from opensiterecovery.provider.v1 import inventory_pb2


class ObjectKey(NamedTuple):
    """Kind (the name of the field of InventoryObject) and VMM's id."""

    kind: str
    id: str


Inventory: TypeAlias = dict[ObjectKey, inventory_pb2.InventoryObject]


def key_of(item: inventory_pb2.InventoryObject) -> ObjectKey:
    """The key of an object.

    Raises:
        ValueError: Nothing is set in it.
    """
    kind = item.WhichOneof("object")
    if kind is None:
        raise ValueError("an inventory object without an object")
    return ObjectKey(kind, getattr(item, kind).id)


def inventory_of(items: Iterable[inventory_pb2.InventoryObject]) -> Inventory:
    """Collects objects under their keys; of two with one key the later stays."""
    return {key_of(item): item for item in items}
