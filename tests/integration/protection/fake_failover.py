"""What fake hosts do with the commands of the failover family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from opensiterecovery.provider.v1 import command_pb2, failover_pb2, replication_pb2

if TYPE_CHECKING:
    from tests.integration.protection.fake_hyperv import Copy, FakeHyperV

Result = command_pb2.CommandResult
Ref = command_pb2.VirtualMachineRef


def failover_verbs(hyperv: FakeHyperV) -> Mapping[str, Callable[..., None]]:
    """The verbs, by name."""
    hosts = _FailoverHosts(hyperv)
    return {
        "prepare_failover": hosts.prepare,
        "start_failover": hosts.fail_over,
        "complete_failover": hosts.complete,
        "cancel_failover": hosts.cancel,
        "make_replica": hosts.make_replica,
        "reverse_replication": hosts.reverse,
    }


class _FailoverHosts:
    def __init__(self, hyperv: FakeHyperV) -> None:
        self._hyperv = hyperv

    def prepare(self, request: command_pb2.PrepareFailover, result: Result) -> None:
        copy = self._copy(request.vm)
        if copy.vm_state != "Off":
            result.failure.code = "VirtualMachineNotOff"
            return
        if copy.state != "PreparedForFailover":
            assert (copy.mode, copy.state) == ("Primary", "Replicating")
            copy.state = "PreparedForFailover"
            self._effect("failover.prepared", request.vm)
        self._tell(request.vm, result)

    def fail_over(self, request: command_pb2.StartFailover, result: Result) -> None:
        copy = self._copy(request.vm)
        if copy.state != "FailedOverWaitingCompletion":
            assert copy.mode == "Replica"
            assert copy.vm_state == "Off"
            assert copy.state in {"Replicating", "Error", "Suspended"}
            copy.state = "FailedOverWaitingCompletion"
            self._effect("failover.started", request.vm)
        self._tell(request.vm, result)
        chosen = _chosen(copy, request)
        if chosen is not None:
            result.replication.failed_over_to.CopyFrom(chosen)

    def complete(self, request: command_pb2.CompleteFailover, result: Result) -> None:
        copy = self._copy(request.vm)
        if copy.state != "FailedOver":
            assert copy.state == "FailedOverWaitingCompletion"
            copy.state = "FailedOver"
            copy.points = []
            self._effect("failover.completed", request.vm)
        self._tell(request.vm, result)

    def cancel(self, request: failover_pb2.CancelFailover, result: Result) -> None:
        copy = self._copy(request.vm)
        assert copy.state != "FailedOver"
        if copy.state in {"PreparedForFailover", "FailedOverWaitingCompletion"}:
            if copy.mode == "Replica":
                copy.vm_state = "Off"
            copy.state = "Replicating"
            self._effect("failover.cancelled", request.vm)
        self._tell(request.vm, result)

    def make_replica(self, request: failover_pb2.MakeReplica, result: Result) -> None:
        copy = self._copy(request.vm)
        if copy.mode != "Replica":
            assert copy.vm_state == "Off"
            copy.mode, copy.state = "Replica", "WaitingForInitialReplication"
            self._effect("replica.made", request.vm)
        self._tell(request.vm, result)

    def reverse(self, request: command_pb2.ReverseReplication, result: Result) -> None:
        copy, other = self._copy(request.vm), self._other(request.vm)
        if copy.mode != "Primary":
            assert copy.state == "FailedOver"
            in_step = (other.mode, other.state) == ("Primary", "PreparedForFailover")
            waits = (other.mode, other.state) == ("Replica", "WaitingForInitialReplication")
            assert in_step or waits
            copy.mode = "Primary"
            copy.state = "Replicating" if in_step else "ReadyForInitialReplication"
            copy.replica_server = request.replica_server
            copy.certificate_thumbprint = request.certificate_thumbprint
            other.mode, other.replica_server = "Replica", ""
            other.state = "Replicating" if in_step else "WaitingForInitialReplication"
            self._effect("replication.reversed", request.vm)
        self._tell(request.vm, result)

    def _copy(self, vm: Ref) -> Copy:
        return self._hyperv.copies[vm.host, vm.vm_id]

    def _other(self, vm: Ref) -> Copy:
        [other] = [
            copy
            for (host, vm_id), copy in self._hyperv.copies.items()
            if vm_id == vm.vm_id and host != vm.host
        ]
        return other

    def _effect(self, name: str, vm: Ref) -> None:
        self._hyperv.effects.append(f"{name} {vm.host}")

    def _tell(self, vm: Ref, result: Result) -> None:
        self._hyperv.tell(vm, result)


def _chosen(copy: Copy, request: command_pb2.StartFailover) -> replication_pb2.RecoveryPoint | None:
    points = {point.id: point for point in copy.points}
    if request.recovery_point_id:
        return points[request.recovery_point_id]
    kind = {
        failover_pb2.RECOVERY_TAG_LATEST_APPLICATION_CONSISTENT: "AppConsistentReplica",
        failover_pb2.RECOVERY_TAG_LATEST_CRASH_CONSISTENT: "Replica",
    }.get(request.recovery_tag)
    return next((point for point in reversed(copy.points) if point.type == kind), None)
