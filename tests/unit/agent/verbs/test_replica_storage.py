"""Moving a replica's storage: a move that goes on without the agent is waited for."""

from __future__ import annotations

import ntpath
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


class StoringHyperV(FakeHyperV):
    """A replica's disks that can be moved, as Hyper-V moves them: no two to one path."""

    def __init__(self, *paths: str) -> None:
        super().__init__(SHANGHAI, BEIJING)
        self.paths = list(paths)
        self.moved: dict[str, str] = {}

    def _get_vmharddiskdrive(self, parameters: Mapping[str, Any], objects: Objects) -> Objects:
        del parameters, objects
        return [{"Path": path} for path in self.paths]

    def _move_vmstorage(self, parameters: Mapping[str, Any], objects: Objects) -> Objects:
        del objects
        moves = {each["SourceFilePath"]: each["DestinationFilePath"] for each in parameters["Vhds"]}
        for source, target in moves.items():
            assert ntpath.basename(source) == ntpath.basename(target)
        after = [moves.get(path, path) for path in self.paths]
        assert len({path.casefold() for path in after}) == len(after)
        assert not {path.casefold() for path in moves.values()} & {
            path.casefold() for path in self.paths
        }
        self.paths = after
        self.moved |= moves
        return []


def place(volume: str, name: str) -> str:
    return rf"{volume}\Hyper-V Replica\Virtual hard disks\{str(VM_ID).upper()}\{name}"


@pytest.mark.spec("ST-2")
@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        # Two disks of one name come together.
        ([r"D:\A\Disk.vhdx", r"D:\B\Disk.vhdx"], [("Disk.vhdx", SHARE), ("disk.vhdx", SHARE)]),
        # One of them lies there already.
        ([place(SHARE, "Disk.vhdx"), r"D:\B\Disk.vhdx"], [("Disk.vhdx", SHARE)] * 2),
        # Each to another place, in which only the second lies, and is left.
        (
            [r"D:\A\Disk.vhdx", place(SHARE, "Disk.vhdx")],
            [("Disk.vhdx", r"E:\Silver"), ("Disk.vhdx", SHARE)],
        ),
    ],
)
async def test_disks_of_one_name_never_get_into_each_others_way(
    context: MakeContext,
    replica: VirtualMachineRef,
    there: list[str],
    wanted: list[tuple[str, str]],
) -> None:
    hyperv = StoringHyperV(*there)
    hyperv.add(BEIJING, FakeMachine(VM_ID, "App", state="Off", mode="Replica"))
    disks = [DiskDestination(file_name=name, storage_location=at) for name, at in wanted]
    request = MoveReplicaStorage(vm=replica, disks=disks)
    await move_replica_storage(request, replace(context(), powershell=hyperv))
    moved = await move_replica_storage(request, replace(context(), powershell=hyperv))
    assert len(hyperv.ran("Move-VMStorage")) == 1
    folders = sorted(ntpath.splitdrive(path)[0] for path in moved.disk_paths)
    assert folders == sorted(ntpath.splitdrive(at)[0] for _, at in wanted)
    stayed = [path for path in there if path.startswith((SHARE, "E:"))]
    assert not set(stayed) & set(hyperv.moved)
