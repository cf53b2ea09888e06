"""Hosts that replicate, as far as the coordinator can tell: answers commands from their state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from opensiterecovery.provider.v1 import (
    bandwidth_pb2,
    command_pb2,
    failure_pb2,
    host_pb2,
    inventory_pb2,
    replication_pb2,
    script_pb2,
    storage_pb2,
    test_failover_pb2,
)

from tests.integration.protection.fake_failover import failover_verbs
from tests.integration.protection.fake_first_copies import FakePaths, first_copy_verbs
from tests.integration.protection.fake_networks import FakeNetworks
from tests.integration.protection.fake_running import change_disks, running_verbs, tell_disks
from tests.integration.protection.fake_scripts import script_verbs
from tests.integration.protection.fake_tests import drill_verbs

Result = command_pb2.CommandResult


@dataclass
class Copy:
    """A machine on one host."""

    vm_state: str = "Off"
    mode: str = "None"
    state: str = "Disabled"
    replica_server: str = ""
    certificate_thumbprint: str = ""
    settings: dict[str, object] = field(default_factory=dict)
    # Of a replica: those it can be taken to, and the newest moment it holds.
    points: list[replication_pb2.RecoveryPoint] = field(default_factory=list)
    replicated_at: datetime | None = None
    # Of its test virtual machine.
    test_vm_id: str = ""


@dataclass
class FakeHyperV:
    """All hosts of both sites.

    Attributes:
        copies: By (host, vm id).
        servers: What each host was configured with.
        effects: What changed, in order, as "effect host".
        broken: Verbs that fail, with the failure; taken out by whoever mends it.
    """

    copies: dict[tuple[str, str], Copy] = field(default_factory=dict)
    servers: dict[str, command_pb2.HostReplication] = field(default_factory=dict)
    certificates: dict[str, list[x509.Certificate]] = field(default_factory=dict)
    effects: list[str] = field(default_factory=list)
    broken: dict[str, failure_pb2.Failure] = field(default_factory=dict)
    # By machine: each disk's path, and whether it replicates.
    disks: dict[str, dict[str, bool]] = field(default_factory=dict)
    networks: FakeNetworks = field(default_factory=FakeNetworks)
    paths: FakePaths = field(default_factory=FakePaths)
    open_ports: dict[str, set[int]] = field(default_factory=dict)
    # Hosts that do not answer.
    unreachable: set[str] = field(default_factory=set)
    # What a look at the fabric leads to, and whom it did not reach.
    inventory_revision: int = 0
    # By host: bits a second by port, as the provider set them; hosts that refuse.
    bandwidth: dict[str, dict[int, int]] = field(default_factory=dict)
    refusing_hosts: set[str] = field(default_factory=set)
    unread_hosts: list[str] = field(default_factory=list)
    # By path how a plan's script ends, if not well; what scripts were told.
    failing_scripts: dict[str, script_pb2.PlanScriptOutcome.ValueType] = field(default_factory=dict)
    script_contexts: list[dict[str, object]] = field(default_factory=list)
    # Networks made for tests, by name.
    test_networks: dict[str, test_failover_pb2.CreateTestNetwork] = field(default_factory=dict)

    def answer(self, command: command_pb2.Command, result: Result) -> None:
        """Carries the command out and fills in its result."""
        verb = command.WhichOneof("verb")
        assert verb is not None
        if verb in self.broken:
            result.failure.CopyFrom(self.broken[verb])
            return
        if getattr(getattr(command, verb), "host", "") in self.unreachable:
            result.failure.CopyFrom(broken("HostNotReachable"))
            return
        verbs: dict[str, Callable[..., None]] = {
            **first_copy_verbs(self),
            **running_verbs(self),
            **failover_verbs(self),
            **script_verbs(self),
            **drill_verbs(self),
            "read_host_replication": self._read_host,
            "prepare_host_certificate": self._request_certificate,
            "install_host_certificate": self._install_certificate,
            "configure_replication_server": self._configure,
            "read_virtual_machine": self._read_machine,
            "test_replication_connection": self._test_connection,
            "enable_replication": self._enable,
            "start_initial_replication": self._start_copy,
            "read_replication": self._read,
            "stop_virtual_machine": self._stop,
            "start_virtual_machine": self._start,
            "refresh_host": self._refresh,
            "remove_replication": self._remove_replication,
            "delete_replica": self._delete_replica,
            "clear_dr_protection": self._clear_mark,
            "remove_host_replication": self._remove_host,
            **self.networks.verbs(),
            "remove_host_certificates": self._remove_certificates,
            "change_replication": self._change_replication,
            "refresh_fabric": self._refresh_fabric,
            "move_replica_storage": self._move_storage,
            "set_bandwidth_limit": self._set_bandwidth,
        }
        verbs[verb](getattr(command, verb), result)

    def _refresh_fabric(self, request: inventory_pb2.RefreshFabric, result: Result) -> None:
        result.fabric_refreshed.inventory_revision = self.inventory_revision
        result.fabric_refreshed.unread_hosts.extend(self.unread_hosts)
        for pool_id in request.static_address_pool_ids:
            pool = result.fabric_refreshed.pools.add(static_address_pool_id=pool_id)
            for address, adapter in self.networks.allocated.get(pool_id, {}).items():
                pool.addresses.add(address=address, adapter_id=adapter)

    def _move_storage(self, request: storage_pb2.MoveReplicaStorage, result: Result) -> None:
        assert self.copies[request.vm.host, request.vm.vm_id].mode == "Replica"
        assert self.copies[request.vm.host, request.vm.vm_id].state != "Replicating"
        paths = [f"{disk.storage_location}\\{disk.file_name}" for disk in request.disks]
        if paths:
            self.effects.append(f"storage.moved {request.vm.host}")
        result.replica_storage.vm_id = request.vm.vm_id
        result.replica_storage.host = request.vm.host
        result.replica_storage.disk_paths.extend(paths)

    def _set_bandwidth(self, request: bandwidth_pb2.SetBandwidthLimit, result: Result) -> None:
        if request.host in self.refusing_hosts:
            result.failure.CopyFrom(failure_pb2.Failure(code="Refused", message="No."))
            return
        self.effects.append(f"bandwidth.set {request.host}")
        self.bandwidth[request.host] = {
            limit.port: limit.bits_per_second for limit in request.limits
        }
        result.bandwidth_limit.host = request.host
        result.bandwidth_limit.limits.extend(request.limits)

    def finish_copy(self, vm_id: str) -> None:
        """The first copy of a machine ends on both sides."""
        for (_, known), copy in self.copies.items():
            if known == vm_id and copy.mode != "None":
                copy.state = "Replicating"

    def report(
        self, vm_id: str, host: str, seen_at: datetime, points: int = 0
    ) -> replication_pb2.ReplicationState:
        """What the provider reports about a machine on a host."""
        copy = self.copies[host, vm_id]
        state = replication_pb2.ReplicationState(
            vm_id=vm_id,
            host=host.upper(),
            mode=copy.mode,
            state=copy.state,
            health="Normal" if copy.state == "Replicating" else "Warning",
            vm_state=copy.vm_state,
            frequency_seconds=30,
            successful_replications=10,
        )
        if copy.state == "Replicating":
            state.last_replication_time.FromDatetime(seen_at - timedelta(seconds=20))
        if copy.mode == "Primary":
            tell_disks(self, state)
        for number in range(points):
            point = state.recovery_points.add(
                id=f"{vm_id}-{number}",
                type="AppConsistentReplica" if number % 2 else "Replica",
            )
            point.created_at.FromDatetime(seen_at - timedelta(hours=points - number))
        if points:
            copy.points = list(state.recovery_points)
        if copy.state == "Replicating":
            copy.replicated_at = seen_at - timedelta(seconds=20)
        return state

    def _server(self, host: str) -> command_pb2.HostReplication:
        return self.servers.setdefault(
            host,
            command_pb2.HostReplication(
                host=host, operational_status="Ok", virtual_hard_disk_path=r"C:\Hyper-V\Disks"
            ),
        )

    def _read_host(self, request: command_pb2.ReadHostReplication, result: Result) -> None:
        result.host_replication.CopyFrom(self._server(request.host))

    def _request_certificate(
        self, request: command_pb2.PrepareHostCertificate, result: Result
    ) -> None:
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        key = ec.generate_private_key(ec.SECP256R1())
        der = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
        result.host_certificate_request.host = request.host
        result.host_certificate_request.certificate_request = der

    def _install_certificate(
        self, request: command_pb2.InstallHostCertificate, result: Result
    ) -> None:
        certificate = x509.load_der_x509_certificate(request.certificate)
        issuer = x509.load_der_x509_certificate(request.issuer)
        certificate.verify_directly_issued_by(issuer)
        self.certificates.setdefault(request.host, []).append(certificate)
        self.effects.append(f"certificate.installed {request.host}")
        result.host_certificate.host = request.host
        result.host_certificate.thumbprint = thumbprint_of(certificate)
        result.host_certificate.not_after.FromDatetime(certificate.not_valid_after_utc)

    def _configure(self, request: command_pb2.ConfigureReplicationServer, result: Result) -> None:
        server = self._server(request.host)
        server.replication_enabled = True
        server.authentication_type = request.authentication_type
        server.port = request.port
        server.certificate_thumbprint = request.certificate_thumbprint
        server.default_storage_location = request.default_storage_location
        # As on Windows, entries of others stay.
        self._authorize(server, request.authorizations)
        for node in request.nodes or [request.host]:
            self.open_ports.setdefault(node, set()).add(request.port)
        self.effects.append(f"server.configured {request.host}")
        result.host_replication.CopyFrom(server)

    def _copy(self, vm: command_pb2.VirtualMachineRef) -> Copy:
        return self.copies[vm.host, vm.vm_id]

    def _read_machine(self, request: command_pb2.ReadVirtualMachine, result: Result) -> None:
        self._machine(request.vm, result)

    def _machine(self, vm: command_pb2.VirtualMachineRef, result: Result) -> None:
        copy = self._copy(vm)
        result.virtual_machine.vm_id = vm.vm_id
        result.virtual_machine.host = vm.host
        result.virtual_machine.state = copy.vm_state
        result.virtual_machine.replication_mode = copy.mode

    def _test_connection(
        self, request: command_pb2.TestReplicationConnection, result: Result
    ) -> None:
        server = self.servers[request.replica_server]
        assert server.replication_enabled
        assert server.port == request.port
        assert request.certificate_thumbprint == self.servers[request.host].certificate_thumbprint
        allowed = {entry.allowed_primary_server for entry in server.authorizations}
        assert request.host in allowed
        result.replication_connection.host = request.host

    def tell(self, vm: command_pb2.VirtualMachineRef, result: Result) -> None:
        """Fills in how the replication of a machine stands on a host."""
        copy = self._copy(vm)
        result.replication.vm_id = vm.vm_id
        result.replication.host = vm.host
        result.replication.mode = copy.mode
        result.replication.state = copy.state
        result.replication.vm_state = copy.vm_state
        result.replication.test_vm_id = copy.test_vm_id
        result.replication.test_vm_name = "Machine - Test" if copy.test_vm_id else ""
        result.replication.recovery_points.extend(copy.points)
        if copy.replicated_at is not None:
            result.replication.last_replication_time.FromDatetime(copy.replicated_at)

    def _enable(self, request: command_pb2.EnableReplication, result: Result) -> None:
        copy = self._copy(request.vm)
        if copy.mode == "None":
            copy.mode, copy.state = "Primary", "ReadyForInitialReplication"
            copy.replica_server = request.replica_server
            copy.certificate_thumbprint = request.certificate_thumbprint
            self.copies[request.replica_server, request.vm.vm_id] = Copy(
                mode="Replica", state="WaitingForInitialReplication"
            )
            self.effects.append(f"replication.enabled {request.vm.host}")
        assert copy.replica_server == request.replica_server
        self.tell(request.vm, result)

    def _start_copy(self, request: command_pb2.StartInitialReplication, result: Result) -> None:
        copy = self._copy(request.vm)
        if copy.state == "ReadyForInitialReplication":
            copy.state = "InitialReplicationInProgress"
            self.effects.append(f"copy.started {request.vm.host}")
        self.tell(request.vm, result)

    def _read(self, request: command_pb2.ReadReplication, result: Result) -> None:
        self.tell(request.vm, result)

    def _stop(self, request: command_pb2.StopVirtualMachine, result: Result) -> None:
        self._power(request.vm, "Off", result)

    def _start(self, request: command_pb2.StartVirtualMachine, result: Result) -> None:
        if request.former_state in {"", "Running"}:
            assert self._copy(request.vm).state != "PreparedForFailover"
            self._power(request.vm, "Running", result)
        self._machine(request.vm, result)

    def _power(self, vm: command_pb2.VirtualMachineRef, state: str, result: Result) -> None:
        copy = self._copy(vm)
        if copy.vm_state != state:
            copy.vm_state = state
            self.effects.append(f"vm.{state.lower()} {vm.host}")
        self._machine(vm, result)

    def _remove_replication(self, request: command_pb2.RemoveReplication, result: Result) -> None:
        copy = self.copies.get((request.vm.host, request.vm.vm_id))
        result.replication.vm_id = request.vm.vm_id
        result.replication.host = request.vm.host
        result.replication.mode = "None"
        if copy is None:
            return
        result.replication.vm_state = copy.vm_state
        assert copy.state != "FailedOverWaitingCompletion"
        if copy.mode != "None":
            copy.mode, copy.state, copy.replica_server = "None", "Disabled", ""
            self.effects.append(f"replication.removed {request.vm.host}")

    def _clear_mark(self, request: command_pb2.ClearDrProtection, result: Result) -> None:
        self.effects.append(f"mark.cleared {request.vm.host}")
        result.dr_protection.host = request.vm.host

    def _delete_replica(self, request: command_pb2.DeleteReplica, result: Result) -> None:
        copy = self.copies.pop((request.vm.host, request.vm.vm_id), None)
        if copy is not None:
            assert (copy.vm_state, copy.mode) == ("Off", "None")
            self.effects.append(f"vm.removed {request.vm.host}")
        result.replica_deleted.host = request.vm.host

    def _authorize(
        self,
        server: command_pb2.HostReplication,
        entries: Iterable[command_pb2.ReplicationAuthorization],
    ) -> None:
        known = {entry.allowed_primary_server: entry for entry in server.authorizations}
        for entry in entries:
            if entry.allowed_primary_server in known:
                known[entry.allowed_primary_server].CopyFrom(entry)
            else:
                server.authorizations.append(entry)

    def _remove_host(self, request: command_pb2.RemoveHostReplication, result: Result) -> None:
        server = self._server(request.host)
        groups = {request.trust_group, *request.trust_groups}
        kept = {entry.allowed_primary_server for entry in request.kept_authorizations}
        kept |= set(request.kept_primary_servers)
        left = [
            entry
            for entry in server.authorizations
            if entry.trust_group not in groups or entry.allowed_primary_server in kept
        ]
        if len(left) < len(server.authorizations):
            self.effects.append(f"authorizations.removed {request.host}")
        del server.authorizations[:]
        server.authorizations.extend(left)
        self._authorize(server, request.kept_authorizations)
        if request.disable and not left:
            server.replication_enabled = False
            gone = {request.certificate_thumbprint, *request.superseded_thumbprints}
            for node in request.nodes or [request.host]:
                self._drop(node, gone)
                self.open_ports.get(node, set()).discard(request.closed_port)
        result.host_replication.CopyFrom(server)

    def _remove_certificates(
        self, request: host_pb2.RemoveHostCertificates, result: Result
    ) -> None:
        used = {
            copy.certificate_thumbprint
            for (host, _), copy in self.copies.items()
            if host == request.host and copy.mode != "None"
        }
        used.add(self._server(request.host).certificate_thumbprint)
        if used & set(request.thumbprints):
            result.failure.CopyFrom(broken("CertificateInUse"))
            return
        self._drop(request.host, set(request.thumbprints))
        self.effects.append(f"certificates.removed {request.host}")
        result.host_certificates_removed.host = request.host

    def _drop(self, host: str, thumbprints: set[str]) -> None:
        self.certificates[host] = [
            certificate
            for certificate in self.certificates.get(host, [])
            if thumbprint_of(certificate) not in thumbprints
        ]

    def _change_replication(
        self, request: replication_pb2.ChangeReplication, result: Result
    ) -> None:
        copy = self._copy(request.vm)
        if copy.mode != "Primary":
            result.failure.CopyFrom(broken("ReplicationNotReady"))
            return
        if request.HasField("certificate_thumbprint"):
            copy.certificate_thumbprint = request.certificate_thumbprint
        present = {descriptor.name for descriptor, _ in request.ListFields()} - {"vm"}
        for name in present:
            copy.settings[name] = getattr(request, name)
        change_disks(self, request)
        self.effects.append(f"replication.changed {request.vm.host}")
        self.tell(request.vm, result)

    def _refresh(self, request: command_pb2.RefreshHost, result: Result) -> None:
        self.effects.append(f"host.refreshed {request.host}")
        result.host_refreshed.host = request.host


def thumbprint_of(certificate: x509.Certificate) -> str:
    """As Windows names certificates."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()


def broken(code: str = "HostBroke") -> failure_pb2.Failure:
    """A failure that trying again does not mend."""
    return failure_pb2.Failure(
        code=code, message="It broke.", possible_causes=["A fault."], recommended_action="Mend it."
    )


START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
