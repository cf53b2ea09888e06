"""VMM's networks of both sites, as far as the coordinator can tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from opensiterecovery.provider.v1 import command_pb2, network_pb2

Result = command_pb2.CommandResult
Request = Callable[..., None]


@dataclass
class FakeNetworks:
    """Adapters, addresses that are given out, failover addresses.

    Attributes:
        adapters: By (host, vm id).
        allocated: By pool, addresses with the adapter that has each.
        failover: By (host, device id), what was written.
        done: Every command that reached a provider, in order, as "verb what".
    """

    adapters: dict[tuple[str, str], list[network_pb2.NetworkAdapter]] = field(default_factory=dict)
    allocated: dict[str, dict[str, str]] = field(default_factory=dict)
    failover: dict[tuple[str, str], network_pb2.WriteFailoverAddress] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    def verbs(self) -> dict[str, Request]:
        return {
            "read_network_adapters": self._read,
            "connect_network_adapter": self._connect,
            "reserve_address": self._reserve,
            "release_address": self._release,
            "write_failover_address": self._write,
        }

    def on(self, host: str, vm_id: str) -> list[network_pb2.NetworkAdapter]:
        return self.adapters.setdefault((host, vm_id), [])

    def _read(self, request: network_pb2.ReadNetworkAdapters, result: Result) -> None:
        self.done.append(f"read {request.vm.host}")
        told = result.network_adapters
        told.vm_id, told.host = request.vm.vm_id, request.vm.host
        found = self.on(request.vm.host, request.vm.vm_id)
        told.adapters.extend(found)
        own = {adapter.id for adapter in found}
        for pool_id in request.static_address_pool_ids:
            given = self.allocated.get(pool_id, {})
            told.pools.add(
                static_address_pool_id=pool_id,
                allocated=sorted(address for address, who in given.items() if who not in own),
            )

    def _connect(self, request: network_pb2.ConnectNetworkAdapter, result: Result) -> None:
        self.done.append(f"connect {request.adapter_id} {request.vm_network_id}")
        for adapter in self.on(request.vm.host, request.vm.vm_id):
            if adapter.id == request.adapter_id:
                if not request.leave_as_it_is:
                    adapter.vm_network_id = request.vm_network_id
                    adapter.vm_subnet_id = request.vm_subnet_id
                result.network_adapter.CopyFrom(adapter)
                return
        result.failure.code = "NetworkAdapterNotFound"
        result.failure.message = "No such adapter."

    def _reserve(self, request: network_pb2.ReserveAddress, result: Result) -> None:
        self.done.append(f"reserve {request.address}")
        result.reserved_address.adapter_id = request.adapter_id
        if not (request.static_address_pool_id and request.address):
            return
        given = self.allocated.setdefault(request.static_address_pool_id, {})
        if given.setdefault(request.address, request.adapter_id) != request.adapter_id:
            result.failure.code = "AddressTaken"
            result.failure.message = "Taken."
            return
        result.reserved_address.address = request.address

    def _release(self, request: network_pb2.ReleaseAddress, result: Result) -> None:
        self.done.append(f"release {request.address}")
        given = self.allocated.get(request.static_address_pool_id, {})
        if given.get(request.address) == request.adapter_id:
            del given[request.address]
        result.reserved_address.adapter_id = request.adapter_id

    def _write(self, request: network_pb2.WriteFailoverAddress, result: Result) -> None:
        self.done.append(f"write {request.address}")
        self.failover[request.vm.host, request.device_id] = request
        result.failover_address.device_id = request.device_id
        result.failover_address.address = request.address
