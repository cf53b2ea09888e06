"""What fake hosts and their VMM do with the commands of test failover."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from opensiterecovery.provider.v1 import command_pb2, network_pb2
from opensiterecovery.provider.v1 import test_failover_pb2 as wire

if TYPE_CHECKING:
    from tests.integration.protection.fake_hyperv import FakeHyperV

Result = command_pb2.CommandResult


def drill_verbs(hyperv: FakeHyperV) -> Mapping[str, Callable[..., None]]:
    """The verbs, by name."""
    hosts = _TestingHosts(hyperv)
    return {
        "start_test_failover": hosts.start,
        "stop_test_failover": hosts.stop,
        "create_test_network": hosts.create,
        "remove_test_network": hosts.remove,
    }


def machine_of_test(host: str, vm_id: str) -> str:
    """Hyper-V's id that a machine's test virtual machine gets on a host."""
    return str(uuid5(UUID(vm_id), host))


class _TestingHosts:
    def __init__(self, hyperv: FakeHyperV) -> None:
        self._hyperv = hyperv

    def start(self, request: wire.StartTestFailover, result: Result) -> None:
        host, vm_id = request.vm.host, request.vm.vm_id
        replica = self._hyperv.copies[host, vm_id]
        assert replica.mode == "Replica"
        assert replica.state != "FailedOverWaitingCompletion"
        test_id = machine_of_test(host, vm_id)
        if not replica.test_vm_id:
            replica.test_vm_id = test_id
            self._hyperv.copies[host, test_id] = type(replica)(mode="TestReplica")
            self._hyperv.networks.adapters[host, test_id] = [
                network_pb2.NetworkAdapter(
                    id=f"test-{adapter.id}", device_id=f"test-{adapter.device_id}"
                )
                for adapter in self._hyperv.networks.on(host, vm_id)
            ]
            self._hyperv.effects.append(f"test.started {host}")
        told = result.test_virtual_machine
        told.vm_id, told.host, told.test_vm_id = vm_id, host, test_id
        told.test_vm_name = "Machine - Test"
        if replica.replicated_at is not None:
            told.last_replication_time.FromDatetime(replica.replicated_at)
        for point in replica.points:
            if point.id == request.recovery_point_id:
                told.failed_over_to.CopyFrom(point)

    def stop(self, request: wire.StopTestFailover, result: Result) -> None:
        host, vm_id = request.vm.host, request.vm.vm_id
        result.test_virtual_machine_removed.vm_id = vm_id
        replica = self._hyperv.copies.get((host, vm_id))
        if replica is None or not replica.test_vm_id:
            return
        self._hyperv.copies.pop((host, replica.test_vm_id), None)
        gone = self._hyperv.networks.adapters.pop((host, replica.test_vm_id), [])
        for given in self._hyperv.networks.allocated.values():
            for address in [each for each, who in given.items() if who in {a.id for a in gone}]:
                del given[address]
        replica.test_vm_id = ""
        self._hyperv.effects.append(f"test.stopped {host}")

    def create(self, request: wire.CreateTestNetwork, result: Result) -> None:
        made = self._hyperv.test_networks.setdefault(request.name, request)
        assert made.description == request.description
        told = result.test_network
        told.vm_network_id, told.name = f"id of {request.name}", request.name
        wanted = list(request.subnets)
        if request.isolation_type == "VLANNetwork":
            wanted = [wire.TestSubnet(name=request.name, subnet="10.2.90.0/24")]
        for subnet in wanted:
            shown = told.subnets.add(
                vm_subnet_id=f"id of {subnet.name}", name=subnet.name, subnet=subnet.subnet
            )
            for pool in subnet.pools:
                pool_id = f"pool of {subnet.name}"
                told.static_address_pool_ids.append(pool_id)
                shown.pools.add(
                    static_address_pool_id=pool_id,
                    name=pool.name,
                    first_address=pool.first_address,
                    last_address=pool.last_address,
                    default_gateways=pool.default_gateways,
                    dns_servers=pool.dns_servers,
                )

    def remove(self, request: wire.RemoveTestNetwork, result: Result) -> None:
        result.test_network_removed.name = request.name
        used = f"id of {request.name}"
        for adapters in self._hyperv.networks.adapters.values():
            assert all(adapter.vm_network_id != used for adapter in adapters)
        self._hyperv.test_networks.pop(request.name, None)
