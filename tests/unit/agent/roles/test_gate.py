"""What a command may not do to a copy, whatever the coordinator believes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opensiterecovery.provider.v1 import role_pb2
from opensiterecovery.provider.v1.virtual_machine_pb2 import VirtualMachineRef

from agent.journal.database import Database
from agent.journal.roles import RoleStore
from agent.roles.gate import RoleGate

VM_ID = "0b0c3a4e-6d3f-4a39-9a57-0a4c9f3f2a11"
HOST, OTHER = "hv1.beijing.test", "hv2.beijing.test"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RoleStore]:
    database = Database(tmp_path / "journal.sqlite3")
    yield RoleStore(database)
    database.close()


def role(
    role_: role_pb2.Role.ValueType, host: str = HOST, location: str = "Recovery"
) -> role_pb2.RoleAssignment:
    return role_pb2.RoleAssignment(
        item_id="i", vm_id=VM_ID, location=location, host=host, epoch=3, role=role_
    )


def copy_on(host: str = HOST, epoch: int = 0) -> VirtualMachineRef:
    return VirtualMachineRef(vm_id=VM_ID.upper(), host=host.upper(), role_epoch=epoch)


@pytest.mark.spec("RE-7")
async def test_the_copy_that_is_the_machine_is_never_deleted(store: RoleStore) -> None:
    """Off and without replication, as after a commit by hand, it looks like a former replica."""
    store.replace([role(role_pb2.ROLE_ACTIVE)])
    gate = RoleGate(store)
    refusal = await gate.refusal("delete_replica", copy_on())
    assert refusal is not None
    assert refusal.code == "VirtualMachineActive"
    assert refusal.recommended_action
    assert await gate.refusal("remove_replication", copy_on()) is None


@pytest.mark.parametrize(
    "assignments",
    [
        [],
        [role(role_pb2.ROLE_REPLICA)],
        [role(role_pb2.ROLE_HELD)],
        [role(role_pb2.ROLE_UNDECIDED)],
        # One server manages both sides.
        [role(role_pb2.ROLE_ACTIVE, OTHER, "Primary"), role(role_pb2.ROLE_REPLICA)],
    ],
)
async def test_what_is_only_a_copy_may_go(
    store: RoleStore, assignments: list[role_pb2.RoleAssignment]
) -> None:
    store.replace(assignments)
    assert await RoleGate(store).refusal("delete_replica", copy_on()) is None


async def test_a_copy_that_a_newer_epoch_may_have_made_a_replica_may_go(store: RoleStore) -> None:
    store.replace([role(role_pb2.ROLE_ACTIVE)])
    assert await RoleGate(store).refusal("delete_replica", copy_on(epoch=4)) is None


async def test_a_copy_whose_protection_is_over_may_go(store: RoleStore) -> None:
    store.replace([role(role_pb2.ROLE_ACTIVE)])
    store.replace([])
    assert await RoleGate(store).refusal("delete_replica", copy_on()) is None
