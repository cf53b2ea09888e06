"""What the fake hosts do with the cmdlets of the failover family, and how they refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agent.powershell.errors import ErrorDetail, PowerShellFailure

Objects = list[dict[str, Any]]


class FailoverCmdlets:
    """A part of FakeHyperV, by the names of its dispatch."""

    transitions: Mapping[str, Callable[[Any], None]]

    def _effect(self, name: str, target: object) -> None:
        raise LookupError(f"{name} of {target} has nobody to note it")

    def _start_vmfailover(self, parameters: Mapping[str, Any], objects: Objects) -> Objects:
        machine = objects[0]["_machine"]
        if parameters.get("Prepare"):
            if machine.replication_state != "Replicating" or machine.state != "Off":
                raise failure("InvalidState", "InvalidOperation", "Start-VMFailover")
            machine.replication_state = "PreparedForFailover"
            self._effect("failover.prepared", machine.vm_id)
            return []
        if machine.mode != "Replica" or machine.replication_state != "Replicating":
            raise failure("InvalidState", "InvalidOperation", "Start-VMFailover")
        # That Hyper-V refuses a failover while a test machine is there is not documented.
        machine.replication_state = (
            "RecoveryInProgress"
            if "RecoveryInProgress" in self.transitions
            else "FailedOverWaitingCompletion"
        )
        self._effect("failover.started", objects[0].get("Id"))
        return []

    def _complete_vmfailover(self, _: Mapping[str, Any], objects: Objects) -> Objects:
        machine = objects[0]["_machine"]
        if machine.replication_state != "FailedOverWaitingCompletion":
            raise failure("InvalidState", "InvalidOperation", "Complete-VMFailover")
        machine.replication_state = "FailedOver"
        self._effect("failover.completed", machine.vm_id)
        return []

    def _stop_vmfailover(self, _: Mapping[str, Any], objects: Objects) -> Objects:
        """Of a replica that is tested and failed over too it takes back the failover: the worst."""
        machine = objects[0]["_machine"]
        settled = machine.replication_state in {"Replicating", "FailedOver"}
        if machine.test_vm_id is not None and settled:
            del objects[0]["_host"].machines[machine.test_vm_id]
            self._effect("test_failover.stopped", machine.vm_id)
            machine.test_vm_id = None
            return []
        if machine.replication_state not in {"PreparedForFailover", "FailedOverWaitingCompletion"}:
            raise failure("InvalidState", "InvalidOperation", "Stop-VMFailover")
        if machine.mode == "Replica":
            machine.state = "Off"
        machine.replication_state = "Replicating"
        self._effect("failover.cancelled", machine.vm_id)
        return []

    def _set_vmreplication(self, parameters: Mapping[str, Any], objects: Objects) -> Objects:
        machine = objects[0]["_machine"]
        if parameters.get("AsReplica"):
            if machine.mode != "Primary" or machine.state != "Off":
                raise failure("InvalidState", "InvalidOperation", "Set-VMReplication")
            machine.mode, machine.replication_state = "Replica", "WaitingForInitialReplication"
            self._effect("replication.changed", machine.vm_id)
            return []
        assert parameters["Reverse"] is True
        if not machine.replication_state.startswith("FailedOver"):
            raise failure("InvalidState", "InvalidOperation", "Set-VMReplication")
        machine.mode, machine.replication_state = "Primary", "Replicating"
        machine.replica_server = parameters["ReplicaServerName"]
        self._effect("replication.reversed", machine.vm_id)
        return []


def text_of_test_machine(machine: Any) -> str | None:
    """As a replica's TestVirtualMachine arrives: too deep for an object."""
    if machine.test_vm_id is None:
        return None
    return f"VirtualMachine (Name = '{machine.name} - Test') [Id = '{machine.test_vm_id}']"


def failure(error_id: str, category: str, cmdlet: str) -> PowerShellFailure:
    return PowerShellFailure(
        ErrorDetail(
            error_id=f"{error_id},Microsoft.HyperV.PowerShell.Commands.{cmdlet.replace('-', '')}",
            category=category,
            message="The operation cannot be performed.",
            cmdlet=cmdlet,
        )
    )
