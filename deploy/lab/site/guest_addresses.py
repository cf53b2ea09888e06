"""Addresses that a guest takes when it starts for the first time after a failover."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.lab.site.replication_model import ReplicationMode, ReplicationState

if TYPE_CHECKING:
    from deploy.lab.site.model import VirtualMachine

_FAILED_OVER = (ReplicationState.FAILED_OVER_WAITING_COMPLETION, ReplicationState.FAILED_OVER)


def take_failover_addresses(vm: VirtualMachine) -> dict[str, str]:
    """Puts the addresses of Set-VMNetworkAdapterFailoverConfiguration into the guest.

    Hyper-V does it through the key-value pair exchange once the guest runs, so it needs the
    integration services; a guest without them keeps what it has.

    Returns:
        By adapter id the address it took; empty when it took none.
    """
    replication = vm.replication
    failed_over = (
        replication is not None
        and replication.mode is ReplicationMode.REPLICA
        and replication.state in _FAILED_OVER
    )
    if not (failed_over or vm.test_replica_of) or not vm.integration_services_version:
        return {}
    taken: dict[str, str] = {}
    for adapter in vm.adapters:
        address = adapter.failover_ipv4.get("IPv4Address", "")
        if address:
            adapter.ip_addresses = [
                address,
                *(each for each in adapter.ip_addresses if ":" in each),
            ]
            taken[adapter.id] = address
    return taken
