"""Differences lead from what the coordinator has to what is there, in bounded parts."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from opensiterecovery.provider.v1 import inventory_pb2

from agent.fabric.differences import Difference, Step, difference, digests, parts
from agent.fabric.inventory import Inventory, ObjectKey, inventory_of

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


def cloud(object_id: str, name: str) -> inventory_pb2.InventoryObject:
    return inventory_pb2.InventoryObject(cloud=inventory_pb2.Cloud(id=object_id, name=name))


def network(object_id: str, name: str) -> inventory_pb2.InventoryObject:
    return inventory_pb2.InventoryObject(
        vm_network=inventory_pb2.VmNetwork(id=object_id, name=name)
    )


OBJECTS = st.builds(
    lambda make, object_id, name: make(object_id, name),
    st.sampled_from([cloud, network]),
    st.sampled_from("abcdefgh"),
    st.text(max_size=30),
)
INVENTORIES = st.lists(OBJECTS, max_size=12).map(inventory_of)


def apply(base: Inventory, updates: list[inventory_pb2.InventoryUpdate]) -> Inventory:
    """What a coordinator does with the parts of a revision."""
    result = dict(base) if updates[0].base_revision else {}
    for update in updates:
        for gone in update.removed:
            del result[ObjectKey(gone.kind, gone.id)]
        result.update(inventory_of(update.changed))
    return result


@given(INVENTORIES, INVENTORIES, st.integers(1, 5), st.integers(1, 200))
def test_applying_the_difference_gives_what_is_there(
    base: Inventory, now: Inventory, most_objects: int, most_bytes: int
) -> None:
    found = difference(digests(base), now, digests(now))
    updates = list(parts(found, Step(7, 8, BEGAN), most_objects, most_bytes))
    assert apply(base, updates) == now
    assert [update.part for update in updates] == list(range(len(updates)))
    assert [update.last_part for update in updates] == [False] * (len(updates) - 1) + [True]
    assert {(update.base_revision, update.revision) for update in updates} == {(7, 8)}
    assert {update.look_began_at.ToDatetime(tzinfo=UTC) for update in updates} == {BEGAN}
    for update in updates:
        objects = len(update.changed) + len(update.removed)
        assert objects <= most_objects
        assert objects == 1 or sum(item.ByteSize() for item in update.changed) <= most_bytes


@given(INVENTORIES, INVENTORIES)
def test_from_nothing_everything_is_sent(base: Inventory, now: Inventory) -> None:
    found = difference({}, now, digests(now))
    assert apply(base, list(parts(found, Step(0, 1, BEGAN)))) == now


@given(INVENTORIES)
def test_without_a_change_there_is_no_difference(now: Inventory) -> None:
    assert not difference(digests(now), now, digests(now))


def test_only_what_changed_is_sent() -> None:
    base = inventory_of([cloud("a", "Gold"), cloud("b", "Silver"), cloud("c", "Bronze")])
    now = inventory_of([cloud("a", "Gold"), cloud("b", "Platinum"), network("a", "Gold")])
    found = difference(digests(base), now, digests(now))
    assert list(found.changed) == [cloud("b", "Platinum"), network("a", "Gold")]
    assert list(found.removed) == [ObjectKey("cloud", "c")]


def test_an_empty_difference_is_one_message_that_says_so() -> None:
    [update] = parts(Difference([], []), Step(0, 3, BEGAN))
    assert update.last_part
    assert (update.revision, len(update.changed), len(update.removed)) == (3, 0, 0)
