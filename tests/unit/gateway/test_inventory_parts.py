"""A revision is handed on when all its parts came in order, and not otherwise."""

from __future__ import annotations

import pytest
from opensiterecovery.provider.v1.inventory_pb2 import InventoryKey, InventoryUpdate

from coordinator.gateway.inventory_parts import InventoryParts, PartMissingError


def part(number: int, revision: int = 7, *, last: bool = False) -> InventoryUpdate:
    removed = [InventoryKey(kind="cloud", id=str(number))]
    return InventoryUpdate(
        base_revision=3, revision=revision, part=number, last_part=last, removed=removed
    )


def test_all_parts_are_handed_on_with_the_last() -> None:
    parts = InventoryParts(10)
    assert parts.add(part(0)) is None
    assert parts.add(part(1)) is None
    assert parts.add(part(2, last=True)) == [part(0), part(1), part(2, last=True)]
    assert parts.add(part(0, 8, last=True)) == [part(0, 8, last=True)]


def test_a_new_revision_replaces_one_that_was_not_finished() -> None:
    parts = InventoryParts(10)
    parts.add(part(0, 7))
    parts.add(part(0, 8))
    assert parts.add(part(1, 8, last=True)) == [part(0, 8), part(1, 8, last=True)]


@pytest.mark.parametrize(
    "unfit", [part(2), part(1, revision=8), part(3, last=True)], ids=["gap", "other", "last"]
)
def test_a_part_that_does_not_follow_drops_the_revision(unfit: InventoryUpdate) -> None:
    parts = InventoryParts(10)
    parts.add(part(0))
    with pytest.raises(PartMissingError):
        parts.add(unfit)
    with pytest.raises(PartMissingError):
        parts.add(part(1))


def test_too_many_objects_are_not_kept() -> None:
    parts = InventoryParts(2)
    parts.add(part(0))
    parts.add(part(1))
    with pytest.raises(PartMissingError):
        parts.add(part(2))
