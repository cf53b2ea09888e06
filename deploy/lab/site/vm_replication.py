"""The replication of a VM that an operation needs to have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.lab.site.errors import invalid_state
from deploy.lab.site.replication_model import Replication, ReplicationMode

if TYPE_CHECKING:
    from deploy.lab.site.model import VirtualMachine


def replication_of(vm: VirtualMachine, mode: ReplicationMode | None = None) -> Replication:
    """The VM's replication.

    Raises:
        HyperVError: Replication is not enabled, or the VM is the other end.
    """
    if vm.replication is None:
        raise invalid_state(
            f"Replication is not enabled for virtual machine '{vm.name}'. "
            f"(Virtual machine ID {vm.vm_id.upper()})"
        )
    if mode is not None and vm.replication.mode is not mode:
        raise invalid_state(
            f"The operation is not possible on the {vm.replication.mode} virtual machine "
            f"'{vm.name}'. (Virtual machine ID {vm.vm_id.upper()})"
        )
    return vm.replication


def is_replica(vm: VirtualMachine) -> bool:
    return vm.replication is not None and vm.replication.mode is ReplicationMode.REPLICA
