"""What fake hosts do with a replication as it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from opensiterecovery.provider.v1 import command_pb2, replication_pb2

if TYPE_CHECKING:
    from tests.integration.protection.fake_hyperv import FakeHyperV

Result = command_pb2.CommandResult


def running_verbs(hyperv: FakeHyperV) -> Mapping[str, Callable[..., None]]:
    """The verbs, by name."""

    def tell(vm: command_pb2.VirtualMachineRef, result: Result) -> None:
        copy = hyperv.copies[vm.host, vm.vm_id]
        result.replication.vm_id, result.replication.host = vm.vm_id, vm.host
        result.replication.mode, result.replication.state = copy.mode, copy.state

    def suspend(request: replication_pb2.SuspendReplication, result: Result) -> None:
        copy = hyperv.copies[request.vm.host, request.vm.vm_id]
        if copy.state != "Suspended":
            copy.state = "Suspended"
            hyperv.effects.append(f"replication.suspended {request.vm.host}")
        tell(request.vm, result)

    def resume(request: replication_pb2.ResumeReplication, result: Result) -> None:
        copy = hyperv.copies[request.vm.host, request.vm.vm_id]
        wanted = "Resynchronizing" if request.resynchronize else "Replicating"
        if copy.state != wanted:
            copy.state = wanted
            hyperv.effects.append(f"replication.{wanted.lower()} {request.vm.host}")
        tell(request.vm, result)

    return {"suspend_replication": suspend, "resume_replication": resume}


def tell_disks(hyperv: FakeHyperV, state: replication_pb2.ReplicationState) -> None:
    """Adds a primary's disks to what its host reports."""
    for path, replicated in hyperv.disks.get(state.vm_id, {}).items():
        state.disks.add(path=path, replicated=replicated)


def change_disks(hyperv: FakeHyperV, request: replication_pb2.ChangeReplication) -> None:
    """As Set-VMReplication -ReplicatedDiskPaths does."""
    wanted = set(request.replicated_disk_paths)
    disks = hyperv.disks.get(request.vm.vm_id, {})
    if wanted:
        assert wanted <= disks.keys()
        hyperv.disks[request.vm.vm_id] = {path: path in wanted for path in disks}
