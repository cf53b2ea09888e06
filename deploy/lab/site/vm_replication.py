"""The replication of a VM that an operation needs to have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.lab.site.errors import invalid_state, not_found
from deploy.lab.site.replication_model import Replication, ReplicationMode

if TYPE_CHECKING:
    from deploy.lab.site.model import VirtualMachine
    from deploy.lab.site.replication_model import RecoveryPoint


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


def chosen_point(replication: Replication, point_id: str | None) -> RecoveryPoint | None:
    """The recovery point of a replica that is named; None for the latest.

    Raises:
        HyperVError: The replica has no such point.
    """
    if point_id is None:
        return None
    for point in replication.recovery_points:
        if point.id == point_id.lower():
            return point
    raise not_found("The recovery point was not found on the Replica virtual machine.", point_id)
