"""What changed between the inventory the coordinator has and the one seen now."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from opensiterecovery.provider.v1 import inventory_pb2

from agent.clock import to_timestamp
from agent.fabric.inventory import Inventory, ObjectKey

PART_OBJECTS: Final = 500
PART_BYTES: Final = 1024 * 1024
_DIGEST_BYTES: Final = 16

Digests = Mapping[ObjectKey, bytes]


@dataclass(frozen=True)
class Step:
    """From which revision a difference leads to which, and when the look began that saw it."""

    base_revision: int
    revision: int
    look_began_at: datetime

    def part(self, number: int) -> inventory_pb2.InventoryUpdate:
        """An empty part."""
        return inventory_pb2.InventoryUpdate(
            base_revision=self.base_revision,
            revision=self.revision,
            part=number,
            look_began_at=to_timestamp(self.look_began_at),
        )


@dataclass(frozen=True)
class Difference:
    """Objects that are new or other than before, and keys of those that are gone; sorted."""

    changed: Sequence[inventory_pb2.InventoryObject]
    removed: Sequence[ObjectKey]

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed)


def digest(item: inventory_pb2.InventoryObject) -> bytes:
    """Tells two versions of an object apart; 16 bytes."""
    content = item.SerializeToString(deterministic=True)
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def digests(inventory: Inventory) -> dict[ObjectKey, bytes]:
    """The digest of each object."""
    return {key: digest(item) for key, item in inventory.items()}


def difference(known: Digests, now: Inventory, now_digests: Digests) -> Difference:
    """Compares; pure.

    Args:
        known: Digests of what the coordinator has.
        now: What was seen.
        now_digests: Its digests.
    """
    return Difference(
        changed=[now[key] for key in sorted(now) if known.get(key) != now_digests[key]],
        removed=sorted(key for key in known if key not in now),
    )


def parts(
    found: Difference,
    step: Step,
    most_objects: int = PART_OBJECTS,
    most_bytes: int = PART_BYTES,
) -> Iterator[inventory_pb2.InventoryUpdate]:
    """Cuts a difference into messages of bounded size.

    Args:
        found: May be empty: that is one message which says so.
        step: From nothing, when its base revision is 0.
        most_objects: Changed and removed ones together, in one part.
        most_bytes: Of the changed objects in one part; a larger object stands alone.
    """
    part = step.part(0)
    size_bytes = 0
    items: list[inventory_pb2.InventoryObject | ObjectKey] = [*found.changed, *found.removed]
    for item in items:
        item_bytes = 0 if isinstance(item, ObjectKey) else item.ByteSize()
        objects = len(part.changed) + len(part.removed)
        if objects and (objects >= most_objects or size_bytes + item_bytes > most_bytes):
            yield part
            part = step.part(part.part + 1)
            size_bytes = 0
        if isinstance(item, ObjectKey):
            part.removed.add(kind=item.kind, id=item.id)
        else:
            part.changed.append(item)
            size_bytes += item_bytes
    part.last_part = True
    yield part
