"""Two hosts in a few lines: enough Hyper-V for verbs to act on, and to misbehave on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import pkcs12

from agent.powershell.cmdlet import Cmdlet
from agent.powershell.errors import (
    PowerShellGone,
    PowerShellTimeout,
)
from agent.powershell.records import PSRecord
from tests.unit.agent.fake_failover import (
    FailoverCmdlets,
    Objects,
    failure,
    text_of_test_machine,
)

__all__ = [
    "FakeHost",
    "FakeHyperV",
    "FakeMachine",
    "Objects",
    "failure",
    "gone",
    "timed_out",
]


@dataclass
class FakeMachine:
    """One side of a virtual machine."""

    vm_id: UUID
    name: str
    state: str = "Running"
    mode: str = "None"
    replication_state: str = "Disabled"
    replica_server: str = ""
    frequency_seconds: int = 0
    initial_start: Any = None
    # Oldest first.
    recovery_points: list[UUID] = field(default_factory=list)
    consistent_points: list[UUID] = field(default_factory=list)
    known_to_vmm: bool = True
    dr_protection_required: bool = False
    certificate_thumbprint: str = ""
    # Of a replica that is being tested.
    test_vm_id: UUID | None = None


@dataclass
class FakeHost:
    """One Hyper-V host."""

    fqdn: str
    machines: dict[UUID, FakeMachine] = field(default_factory=dict)
    server: dict[str, Any] = field(
        default_factory=lambda: {
            "ReplicationEnabled": False,
            "AllowedAuthenticationType": None,
            "KerberosAuthenticationPort": 80,
            "CertificateAuthenticationPort": 443,
            "CertificateThumbprint": None,
            "DefaultStorageLocation": None,
            "ReplicationAllowedFromAnyServer": False,
            "OperationalStatus": ["Ok"],
        }
    )
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    certificates: dict[str, dict[str, Any]] = field(default_factory=dict)
    open_ports: set[int] = field(default_factory=set)


@dataclass
class Trouble:
    """What happens to a cmdlet instead of its answer."""

    error: Exception
    after_the_effect: bool
    times: int = 1


class FakeHyperV(FailoverCmdlets):
    """Implements the PowerShell interface. `effects` holds each change, `pipelines` each call."""

    def __init__(self, *fqdns: str) -> None:
        self.hosts = {fqdn: FakeHost(fqdn) for fqdn in fqdns}
        self.effects: list[tuple[str, str]] = []
        self.pipelines: list[tuple[Cmdlet, ...]] = []
        self._troubles: dict[str, list[Trouble]] = {}
        self.transitions: dict[str, Callable[[FakeMachine], None]] = {}

    def add(self, fqdn: str, machine: FakeMachine) -> FakeMachine:
        self.hosts[fqdn].machines[machine.vm_id] = machine
        return machine

    def trouble(
        self, name: str, error: Exception, *, after_the_effect: bool = False, times: int = 1
    ) -> None:
        self._troubles.setdefault(name, []).append(Trouble(error, after_the_effect, times))

    def ran(self, name: str) -> list[Cmdlet]:
        """Every call of a cmdlet."""
        return [step for pipeline in self.pipelines for step in pipeline if step.name == name]

    async def run(self, *pipeline: Cmdlet, time_limit_seconds: float) -> list[PSRecord]:
        assert time_limit_seconds > 0
        self.pipelines.append(pipeline)
        objects: Objects = [{}]
        for step in pipeline:
            objects = self._step(step, objects)
        return [
            PSRecord({k: v for k, v in each.items() if not k.startswith("_")}) for each in objects
        ]

    def _step(self, step: Cmdlet, objects: Objects) -> Objects:
        trouble = self._next_trouble(step.name)
        if trouble is not None and not trouble.after_the_effect:
            raise trouble.error
        handler = getattr(self, "_" + step.name.replace("-", "_").lower())
        produced: Objects = handler(step.parameters, objects)
        if trouble is not None:
            raise trouble.error
        return produced

    def _next_trouble(self, name: str) -> Trouble | None:
        waiting = self._troubles.get(name)
        if not waiting:
            return None
        waiting[0].times -= 1
        return waiting[0] if waiting[0].times > 0 else waiting.pop(0)

    def _effect(self, name: str, target: object) -> None:
        self.effects.append((name, str(target)))

    def _host(self, parameters: Mapping[str, Any], cmdlet: str) -> FakeHost:
        host = self.hosts.get(parameters["ComputerName"])
        if host is None:
            raise failure("ObjectNotFound", "ObjectNotFound", cmdlet)
        return host

    # ---- reading -------------------------------------------------------------------------------

    def _select_object(self, parameters: Mapping[str, Any], objects: Objects) -> Objects:
        wanted = parameters["Property"]
        return [
            {name: each.get(name) for name in wanted}
            | {k: v for k, v in each.items() if k.startswith("_")}
            for each in objects
        ]

    def _get_vm(self, parameters: Mapping[str, Any], _: Objects) -> Objects:
        host = self._host(parameters, "Get-VM")
        machine = host.machines.get(parameters["Id"])
        if machine is None:
            raise failure("InvalidParameter", "InvalidArgument", "Get-VM")
        return [self._vm(host, machine)]

    def _vm(self, host: FakeHost, machine: FakeMachine) -> dict[str, Any]:
        if machine.state in self.transitions:
            self.transitions[machine.state](machine)
        if machine.replication_state in self.transitions:
            self.transitions[machine.replication_state](machine)
        return {
            "_machine": machine,
            "_host": host,
            "Id": machine.vm_id,
            "Name": machine.name,
            "State": machine.state,
            "Generation": 2,
            "ReplicationMode": machine.mode,
            "ReplicationState": machine.replication_state,
        }

    def _get_vmharddiskdrive(self, _: Mapping[str, Any], objects: Objects) -> Objects:
        return [{"Path": f"D:\\VMs\\{each['Name']}.vhdx"} for each in objects]

    def _get_vmreplication(self, parameters: Mapping[str, Any], objects: Objects) -> Objects:
        if "ComputerName" in parameters:
            host = self._host(parameters, "Get-VMReplication")
            objects = [self._vm(host, each) for each in host.machines.values()]
            objects = [each for each in objects if each["_machine"].mode != "None"]
        return [
            {
                "VMName": each["Name"],
                "CertificateThumbprint": each["_machine"].certificate_thumbprint,
                "VMId": each["Id"],
                "ReplicationMode": each["_machine"].mode,
                "ReplicationState": each["_machine"].replication_state,
                "ReplicationHealth": "Normal",
                "ReplicationRelationshipType": "Simple",
                "PrimaryServerName": "",
                "ReplicaServerName": each["_machine"].replica_server,
                "ReplicationFrequencySec": each["_machine"].frequency_seconds,
                "InitialReplicationStartTime": each["_machine"].initial_start,
                "TestVirtualMachine": text_of_test_machine(each["_machine"]),
            }
            for each in objects
        ]

    def _measure_vmreplication(self, _: Mapping[str, Any], objects: Objects) -> Objects:
        return [{"VMId": each["Id"], "ReplicationRelationshipType": "Simple"} for each in objects]

    def _get_vmsnapshot(self, parameters: Mapping[str, Any], objects: Objects) -> Objects:
        if "Id" in parameters:
            host = self._host(parameters, "Get-VMSnapshot")
            machines = [
                (host, machine)
                for machine in host.machines.values()
                if parameters["Id"] in machine.recovery_points
            ]
            if not machines:
                raise failure("ObjectNotFound", "ObjectNotFound", "Get-VMSnapshot")
        else:
            machines = [(each["_host"], each["_machine"]) for each in objects]
        return [
            {
                "_machine": machine,
                "_host": host,
                "Id": point,
                "VMId": machine.vm_id,
                "SnapshotType": (
                    "AppConsistentReplica" if point in machine.consistent_points else "Replica"
                ),
                "CreationTime": datetime(2026, 1, 1, hour, tzinfo=UTC),
            }
            for host, machine in machines
            for hour, point in enumerate(machine.recovery_points)
        ]

    def _get_vmhost(self, parameters: Mapping[str, Any], _: Objects) -> Objects:
        host = self._host(parameters, "Get-VMHost")
        return [{"Name": host.fqdn, "VirtualHardDiskPath": "D:\\VHD"}]

    def _get_vmreplicationserver(self, parameters: Mapping[str, Any], _: Objects) -> Objects:
        return [dict(self._host(parameters, "Get-VMReplicationServer").server)]

    def _get_vmreplicationauthorizationentry(
        self, parameters: Mapping[str, Any], _: Objects
    ) -> Objects:
        return [dict(entry) for entry in self._host(parameters, "").entries.values()]

    def _get_osrreplicationcertificate(self, parameters: Mapping[str, Any], _: Objects) -> Objects:
        return [dict(found) for found in self._host(parameters, "").certificates.values()]

    def _test_vmreplicationconnection(self, parameters: Mapping[str, Any], _: Objects) -> Objects:
        self._host(parameters, "Test-VMReplicationConnection")
        return [{}]

    def _get_scvmmserver(self, _: Mapping[str, Any], __: Objects) -> Objects:
        return [
            {
                "FullyQualifiedDomainName": "vmm.contoso.test",
                "ProductVersion": "10.22.1287.0",
                "DatabaseServerName": "sql.contoso.test",
                "DatabaseInstanceName": "VMM",
                "DatabaseName": "VirtualManagerDB",
            }
        ]

    def _get_scvmhost(self, parameters: Mapping[str, Any], _: Objects) -> Objects:
        found = self.hosts.get(parameters["ComputerName"])
        return [] if found is None else [{"ID": found.fqdn}]

    # ---- changing ------------------------------------------------------------------------------

    def _read_scvirtualmachine(self, _: Mapping[str, Any], objects: Objects) -> Objects:
        self._effect("host.refreshed", objects[0]["ID"])
        for machine in self.hosts[objects[0]["ID"]].machines.values():
            machine.known_to_vmm = True
        return []

    def _start_vm(self, _: Mapping[str, Any], objects: Objects) -> Objects:
        for each in objects:
            machine = each["_machine"]
            if machine.state == "Running":
                raise failure("InvalidState", "InvalidOperation", "Start-VM")
            machine.state = "Starting" if "Starting" in self.transitions else "Running"
            self._effect("vm.started", machine.vm_id)
        return []

    def _stop_vm(self, parameters: Mapping[str, Any], objects: Objects) -> Objects:
        for each in objects:
            machine = each["_machine"]
            if machine.state in {"Off", "Saved"}:
                raise failure("InvalidState", "InvalidOperation", "Stop-VM")
            machine.state = "Off"
            self._effect(
                "vm.turned_off" if parameters.get("TurnOff") else "vm.stopped", machine.vm_id
            )
        return []

    def _remove_vmsavedstate(self, _: Mapping[str, Any], objects: Objects) -> Objects:
        for each in objects:
            machine = each["_machine"]
            if machine.state != "Saved":
                raise failure("InvalidState", "InvalidOperation", "Remove-VMSavedState")
            machine.state = "Off"
            self._effect("vm.saved_state_removed", machine.vm_id)
        return []

    def _enable_vmreplication(self, parameters: Mapping[str, Any], objects: Objects) -> Objects:
        machine = objects[0]["_machine"]
        if machine.mode != "None":
            raise failure("InvalidState", "InvalidOperation", "Enable-VMReplication")
        machine.mode, machine.replication_state = "Primary", "ReadyForInitialReplication"
        machine.replica_server = parameters["ReplicaServerName"]
        machine.frequency_seconds = parameters["ReplicationFrequencySec"]
        self._effect("replication.enabled", machine.vm_id)
        return []

    def _start_vminitialreplication(
        self, parameters: Mapping[str, Any], objects: Objects
    ) -> Objects:
        machine = objects[0]["_machine"]
        machine.initial_start = parameters.get("InitialReplicationStartTime")
        if machine.initial_start is None:
            machine.replication_state = "InitialReplicationInProgress"
        self._effect("initial_replication.started", machine.vm_id)
        return []

    def _stop_vminitialreplication(self, _: Mapping[str, Any], objects: Objects) -> Objects:
        machine = objects[0]["_machine"]
        if machine.replication_state != "InitialReplicationInProgress":
            raise failure("InvalidState", "InvalidOperation", "Stop-VMInitialReplication")
        machine.replication_state = "ReadyForInitialReplication"
        self._effect("copy.stopped", machine.vm_id)
        return []

    def _remove_vmreplication(self, _: Mapping[str, Any], objects: Objects) -> Objects:
        machine = objects[0]["_machine"]
        if machine.mode == "None" or machine.replication_state == "InitialReplicationInProgress":
            raise failure("InvalidState", "InvalidOperation", "Remove-VMReplication")
        machine.mode, machine.replication_state = "None", "Disabled"
        self._effect("replication.removed", machine.vm_id)
        return []

    def _get_scvirtualmachine(self, parameters: Mapping[str, Any], objects: Objects) -> Objects:
        known = [
            self._in_vmm(host, machine)
            for host in self.hosts.values()
            for machine in host.machines.values()
            if machine.known_to_vmm
        ]
        if "ID" in parameters:
            return [each for each in known if each["ID"] == parameters["ID"]]
        if parameters.get("All"):
            return known
        return [each for each in known if each["HostName"] == objects[0]["ID"]]

    def _in_vmm(self, host: FakeHost, machine: FakeMachine) -> dict[str, Any]:
        return {
            "_machine": machine,
            "_host": host,
            # Another than Hyper-V's, and another on each host.
            "ID": uuid5(machine.vm_id, host.fqdn),
            "VMId": str(machine.vm_id).upper(),
            "HostName": host.fqdn,
            "IsRecoveryVM": machine.mode == "Replica",
            "IsDRProtectionRequired": machine.dr_protection_required,
        }

    def _set_scvirtualmachine(self, parameters: Mapping[str, Any], objects: Objects) -> Objects:
        assert parameters["ClearDRProtection"] is True
        for each in objects:
            machine = each["_machine"]
            machine.dr_protection_required = False
            self._effect("vm.dr_protection_cleared", machine.vm_id)
        return []

    def _remove_scvirtualmachine(self, parameters: Mapping[str, Any], objects: Objects) -> Objects:
        assert "Force" not in parameters, "would only forget the machine"
        for each in objects:
            del each["_host"].machines[each["_machine"].vm_id]
            self._effect("vm.removed", each["_host"].fqdn)
        return []

    def _remove_vmreplicationauthorizationentry(
        self, parameters: Mapping[str, Any], _: Objects
    ) -> Objects:
        name = parameters["AllowedPrimaryServer"].casefold()
        del self._host(parameters, "").entries[name]
        self._effect("authorization.removed", name)
        return []

    def _remove_osrreplicationcertificate(
        self, parameters: Mapping[str, Any], _: Objects
    ) -> Objects:
        del self._host(parameters, "").certificates[parameters["Thumbprint"]]
        self._effect("certificate.removed", parameters["Thumbprint"])
        return []

    def _set_vmreplicationserver(self, parameters: Mapping[str, Any], _: Objects) -> Objects:
        host = self._host(parameters, "Set-VMReplicationServer")
        control = {"ComputerName", "Force", "Confirm"}
        changes = {k: v for k, v in parameters.items() if k not in control}
        assert changes
        assert set(changes) <= set(host.server)
        host.server.update(changes)
        self._effect("server.set", host.fqdn)
        return []

    def _new_vmreplicationauthorizationentry(
        self, parameters: Mapping[str, Any], _: Objects
    ) -> Objects:
        host = self._host(parameters, "")
        name = parameters["AllowedPrimaryServer"].casefold()
        if name in host.entries:
            raise failure("ObjectExists", "ResourceExists", "New-VMReplicationAuthorizationEntry")
        host.entries[name] = _entry(parameters)
        self._effect("authorization.added", name)
        return []

    def _set_vmreplicationauthorizationentry(
        self, parameters: Mapping[str, Any], _: Objects
    ) -> Objects:
        host = self._host(parameters, "")
        name = parameters["AllowedPrimaryServer"].casefold()
        assert name in host.entries
        host.entries[name] = _entry(parameters)
        self._effect("authorization.changed", name)
        return []

    def _enable_osrreplicationfirewallrule(
        self, parameters: Mapping[str, Any], _: Objects
    ) -> Objects:
        host = self._host(parameters, "")
        if parameters["Port"] not in host.open_ports:
            host.open_ports.add(parameters["Port"])
            self._effect("firewall.opened", host.fqdn)
        return []

    def _install_osrreplicationcertificate(
        self, parameters: Mapping[str, Any], _: Objects
    ) -> Objects:
        host = self._host(parameters, "")
        key, certificate, _others = pkcs12.load_key_and_certificates(
            parameters["Pfx"], parameters["Password"].reveal().encode()
        )
        assert key is not None
        assert certificate is not None
        thumbprint = certificate.fingerprint(hashes.SHA1()).hex().upper()
        host.certificates[thumbprint] = {
            "Thumbprint": thumbprint,
            "NotAfter": certificate.not_valid_after_utc,
        }
        self._effect("certificate.installed", thumbprint)
        return []


def gone() -> PowerShellGone:
    return PowerShellGone("the process was killed")


def timed_out() -> PowerShellTimeout:
    return PowerShellTimeout("Get-VM | Start-VMFailover", 1.0)


def _entry(parameters: Mapping[str, Any]) -> dict[str, Any]:
    names = ("AllowedPrimaryServer", "ReplicaStorageLocation", "TrustGroup")
    return {name: parameters[name] for name in names}
