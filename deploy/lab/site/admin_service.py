"""The admin socket's requests: looking into a site from outside, and giving it faults."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from deploy.lab.site import disk, ledger
from deploy.lab.site.admin_faults import fault_requests
from deploy.lab.site.admin_hosts import host_requests
from deploy.lab.site.admin_machines import machine_of, machine_requests
from deploy.lab.site.admin_records import DigestStatus, LedgerStatus, MachineStatus, SiteStatus
from deploy.lab.site.admin_transfer import change_paths
from deploy.lab.site.certificates import CertificateStore
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.faults import Fault, FaultKind
from deploy.lab.site.json_codec import from_json
from deploy.lab.site.model import VMState
from deploy.lab.site.replicator import send_now
from deploy.lab.site.vm_replication import is_replica

if TYPE_CHECKING:
    from deploy.lab.site.json_lines import Request
    from deploy.lab.site.model import VirtualMachine
    from deploy.lab.site.site import Site


NO_POWER = "No power"  # shown of a machine whose host has crashed


class AdminService:
    """One method a request; the request's ``do`` names it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._known: dict[str, Callable[[Request], Awaitable[Any]]] = {
            "status": self._status,
            "machines": self._machines,
            "write": self._write,
            "ledger": self._ledger,
            "digest": self._digest,
            "effects": self._effects,
            "fault": self._fault,
            "clear_faults": self._clear_faults,
            "bandwidth": self._bandwidth,
            "disk_full": self._disk_full,
            "forget_certificates": self._forget_certificates,
            "cut": self._cut,
            "heal": self._heal,
            "replicate_now": self._replicate_now,
            "transfer_paths": self._transfer_paths,
            **machine_requests(site),
            **host_requests(site),
            **fault_requests(site),
        }

    async def handle(self, request: Request) -> Request:
        """``{"value": ...}``, or ``{"error": text}`` when the request makes no sense."""
        work = self._known.get(str(request.get("do")))
        if work is None:
            return {"error": f"unknown request {request.get('do')!r}"}
        try:
            return {"value": await work(request)}
        except HyperVError as error:
            return {"error": error.message}
        except (KeyError, TypeError, ValueError) as error:
            return {"error": f"bad request: {error}"}

    def _vm(self, request: Request) -> VirtualMachine:
        return machine_of(self._site, request)

    async def _status(self, request: Request) -> Any:
        del request
        site = self._site
        machines = site.virtual_machines
        return asdict(
            SiteStatus(
                site=site.name,
                fabric_name=site.vmm.server.name,
                speed=site.clock.speed,
                hosts=[host.fqdn for host in site.hosts],
                hosts_without_power=[host.fqdn for host in site.hosts if not host.powered],
                running=sum(vm.state is VMState.RUNNING for vm in machines),
                machines=len(machines),
                cut=site.links.is_cut(site.name),
                bandwidth_bytes_per_second=site.faults.bandwidth_bytes_per_second,
                full_hosts=sorted(site.faults.full_hosts),
                faults=len(site.faults.faults),
                sent_bytes=site.sent_bytes,
            )
        )

    def _powered(self) -> set[str]:
        return {host.fqdn for host in self._site.hosts if host.powered}

    async def _machines(self, request: Request) -> Any:
        del request
        return [asdict(self._machine(vm)) for vm in self._site.virtual_machines]

    def _machine(self, vm: VirtualMachine) -> MachineStatus:
        replication = vm.replication
        clouds = {cloud.id: cloud.name for cloud in self._site.vmm.clouds}
        last = replication.last_replication_time if replication else None
        return MachineStatus(
            site=self._site.name,
            host=vm.host_fqdn,
            vm_id=vm.vm_id,
            name=vm.name,
            cloud=clouds.get(vm.cloud_id or ""),
            state=vm.state.value if vm.host_fqdn in self._powered() else NO_POWER,
            replication_mode=replication.mode.value if replication else "None",
            replication_state=replication.state.value if replication else "Disabled",
            replication_health=self._site.replication_health(vm).value,
            copy_percent=replication.copy_percent if replication else None,
            last_replication_time=last.isoformat() if last else None,
            pending_bytes=self._site.pending_replication_bytes(vm),
            recovery_points=len(replication.recovery_points) if replication else 0,
        )

    async def _write(self, request: Request) -> int:
        """Have a running guest write now; answers the last sequence number."""
        vm = self._vm(request)
        guest = self._site.runtime(vm).guest
        if guest is None:
            raise ValueError(f"'{vm.name}' does not run at {self._site.name}")
        for _ in range(int(request.get("count", 1))):
            await guest.write_record()
        return guest.sequence

    async def _ledger(self, request: Request) -> Any:
        vm = self._vm(request)
        written, unix_time = self._site.witness(vm).last()
        files = list(self._site.all_disk_files(vm).values())
        runtime = self._site.runtime(vm)
        # As between two logs on a replica, between two bursts of the guest elsewhere.
        async with runtime.lock if is_replica(vm) else runtime.gate:
            readings = [await asyncio.to_thread(ledger.read, file) for file in files]
        reading = readings[0]
        return asdict(
            LedgerStatus(
                site=self._site.name,
                vm_id=vm.vm_id,
                name=vm.name,
                last_written=written,
                last_written_unix_time=unix_time,
                last_found=reading.last,
                count=reading.count,
                gaps=reading.gaps,
                boot_last_found=vm.boot_ledger_last,
                last_of_each_disk=[each.last for each in readings],
            )
        )

    async def _digest(self, request: Request) -> Any:
        vm = self._vm(request)
        files = self._site.all_disk_files(vm)
        async with self._site.runtime(vm).gate:
            digests = {each: await asyncio.to_thread(disk.digest, files[each]) for each in files}
        return asdict(
            DigestStatus(
                site=self._site.name,
                vm_id=vm.vm_id,
                name=vm.name,
                digests=digests,
                boot_digests=vm.boot_digests,
            )
        )

    async def _effects(self, request: Request) -> Any:
        del request
        return [asdict(effect) for effect in self._site.effects.read()]

    async def _fault(self, request: Request) -> None:
        fault = from_json(Fault, request["fault"])
        if fault.kind is FaultKind.STALL and fault.seconds <= 0:
            raise ValueError("a stall needs seconds")
        self._site.faults.add(fault)

    async def _clear_faults(self, request: Request) -> None:
        del request
        self._site.faults.clear()

    async def _bandwidth(self, request: Request) -> None:
        limit = request["bytes_per_second"]
        if limit is not None and int(limit) <= 0:
            raise ValueError("bytes_per_second must be positive")
        self._site.faults.bandwidth_bytes_per_second = None if limit is None else int(limit)

    async def _disk_full(self, request: Request) -> None:
        host = self._site.host(str(request["host"]))
        self._site.faults.set_full_host(host.fqdn, full=bool(request["full"]))

    async def _forget_certificates(self, request: Request) -> None:
        host = self._site.host(str(request["host"]))
        for certificate in CertificateStore(self._site.host_folder(host)).personal():
            await self._site.remove_certificate(host, certificate.thumbprint, None)

    async def _cut(self, request: Request) -> None:
        del request
        self._site.links.cut(self._site.name)

    async def _heal(self, request: Request) -> None:
        del request
        self._site.links.heal(self._site.name)

    async def _transfer_paths(self, request: Request) -> Any:
        return change_paths(self._site, request)

    async def _replicate_now(self, request: Request) -> None:
        send_now(self._site, self._vm(request))
