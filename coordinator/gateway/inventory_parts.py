"""Collecting the parts of an inventory revision until the last is there."""

from __future__ import annotations

from opensiterecovery.provider.v1.inventory_pb2 import InventoryUpdate


class PartMissingError(Exception):
    """A part did not come, or the revision is too large: it has to be sent anew."""


class InventoryParts:
    """The parts of the revision that is being received; a newer revision replaces it."""

    def __init__(self, most_objects: int) -> None:
        """Makes a collector.

        Args:
            most_objects: Changed and removed ones of a revision; limits what an agent can make
                the gateway keep in memory.
        """
        self._most_objects = most_objects
        self._parts: list[InventoryUpdate] = []
        self._objects = 0

    def add(self, part: InventoryUpdate) -> list[InventoryUpdate] | None:
        """Takes a part.

        Returns:
            All parts of the revision when this was the last one, else None.

        Raises:
            PartMissingError: This is not the next part, or there is too much; what was collected
                is dropped.
        """
        if part.part == 0:
            self._clear()
        first = self._parts[0] if self._parts else part
        self._objects += len(part.changed) + len(part.removed)
        if (
            part.part != len(self._parts)
            or (part.base_revision, part.revision) != (first.base_revision, first.revision)
            or self._objects > self._most_objects
        ):
            self._clear()
            raise PartMissingError
        self._parts.append(part)
        if not part.last_part:
            return None
        whole = self._parts
        self._clear()
        return whole

    def _clear(self) -> None:
        self._parts = []
        self._objects = 0
