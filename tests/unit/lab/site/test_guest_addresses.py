"""The address a guest takes when it starts after a failover."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from deploy.lab.site.guest_addresses import take_failover_addresses
from deploy.lab.site.model import NetworkAdapter, VirtualMachine
from deploy.lab.site.replication_model import (
    Replication,
    ReplicationMode,
    ReplicationState,
    ReplicationStatistics,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def machine(mode: ReplicationMode, state: ReplicationState) -> VirtualMachine:
    return VirtualMachine(
        vm_id="v",
        vmm_id="m",
        name="VM1",
        host_fqdn="h",
        created=NOW,
        adapters=[
            NetworkAdapter(
                id="a",
                vmm_id="b",
                ip_addresses=["10.1.0.10", "fe80::1"],
                failover_ipv4={"IPv4Address": "10.2.0.10", "IPv4SubnetMask": "255.255.255.0"},
            ),
            NetworkAdapter(id="c", vmm_id="d", ip_addresses=["10.1.0.11"]),
        ],
        replication=Replication(
            mode=mode,
            state=state,
            relationship_id="r",
            primary_server="p",
            replica_server="h",
            port=443,
            statistics=ReplicationStatistics(monitoring_start=NOW),
        ),
    )


@pytest.mark.spec("NW-8")
def test_a_failed_over_guest_takes_the_address_that_was_written() -> None:
    vm = machine(ReplicationMode.REPLICA, ReplicationState.FAILED_OVER_WAITING_COMPLETION)
    assert take_failover_addresses(vm) == {"a": "10.2.0.10"}
    assert vm.adapters[0].ip_addresses == ["10.2.0.10", "fe80::1"]
    assert vm.adapters[1].ip_addresses == ["10.1.0.11"]


@pytest.mark.spec("NW-8")
def test_other_guests_keep_what_they_have() -> None:
    for mode, state in (
        (ReplicationMode.PRIMARY, ReplicationState.REPLICATING),
        (ReplicationMode.REPLICA, ReplicationState.REPLICATING),
    ):
        assert take_failover_addresses(machine(mode, state)) == {}
    plain = machine(ReplicationMode.REPLICA, ReplicationState.FAILED_OVER)
    plain.integration_services_version = ""
    assert take_failover_addresses(plain) == {}
    plain.replication = None
    assert take_failover_addresses(plain) == {}
