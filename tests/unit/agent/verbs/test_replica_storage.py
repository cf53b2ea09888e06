"""Moving a replica's storage: a move that goes on without the agent is waited for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from opensiterecovery.provider.v1.command_pb2 import VirtualMachineRef
from opensiterecovery.provider.v1.storage_pb2 import DiskDestination, MoveReplicaStorage

from agent.verbs.replica_storage import move_replica_storage
from tests.unit.agent.fake_hyperv import FakeHost, FakeHyperV, FakeMachine, Objects, failure
from tests.unit.agent.verbs.conftest import BEIJING, SHANGHAI, VM_ID, MakeContext

SHARE = r"\\Files\Gold"
TARGET = rf"{SHARE}\Hyper-V Replica\Virtual hard disks\{str(VM_ID).upper()}\App.vhdx"


class MovingHyperV(FakeHyperV):
    """Moves storage for a number of looks, and refuses a second move meanwhile."""

    def __init__(self, *fqdns: str, looks: int) -> None:
        super().__init__(*fqdns)
        self.looks = looks
        self.path = r"D:\VMs\App.vhdx"

    def _vm(self, host: FakeHost, machine: FakeMachine) -> dict[str, Any]:
        shown = super()._vm(host, machine)
        moving = self.looks > 0
        return shown | {
            "OperationalStatus": ["InService", "StorageMigrationPhaseOne"] if moving else ["Ok"]
        }

    def _get_vmharddiskdrive(self, parameters: Mapping[str, Any], objects: Objects) -> Objects:
        del parameters, objects
        if self.looks:
            self.looks -= 1
            if not self.looks:
                self.path = TARGET
        return [{"Path": self.path}]

    def _move_vmstorage(self, parameters: Mapping[str, Any], objects: Objects) -> Objects:
        del parameters, objects
        raise failure("InvalidState", "InvalidOperation", "Move-VMStorage")


@pytest.mark.spec("ST-2")
async def test_a_move_that_outlived_the_agent_is_waited_for_however_long_it_takes(
    context: MakeContext, replica: VirtualMachineRef
) -> None:
    hyperv = MovingHyperV(SHANGHAI, BEIJING, looks=100)
    hyperv.add(BEIJING, FakeMachine(VM_ID, "App", state="Off", mode="Replica"))
    request = MoveReplicaStorage(
        vm=replica, disks=[DiskDestination(file_name="App.vhdx", storage_location=SHARE)]
    )
    made = replace(context(resumed=True, limit_seconds=600), powershell=hyperv)
    moved = await move_replica_storage(request, made)
    assert list(moved.disk_paths) == [TARGET]
    assert not hyperv.ran("Move-VMStorage")
