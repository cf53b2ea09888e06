"""What fake hosts do about offline first copies, existing copies and replications to take over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opensiterecovery.provider.v1 import command_pb2, first_copy_pb2, replication_pb2

if TYPE_CHECKING:
    from tests.integration.protection.fake_hyperv import FakeHyperV

Result = command_pb2.CommandResult
FULL = "FullControl"


@dataclass
class FakePaths:
    """Paths of both sites.

    Attributes:
        folders: Exported folders by path: name, files, bytes.
        missing: Paths that are not there.
        untrusted: Hosts that are trusted for no delegation.
        granted: Accounts that were given a path.
    """

    folders: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    untrusted: set[str] = field(default_factory=set)
    granted: list[tuple[str, str]] = field(default_factory=list)

    def carry(self, source: str, target: str) -> None:
        self.folders[target] = self.folders[source]

    def told(self, vm_id: str, host: str, path: str) -> first_copy_pb2.FirstCopyFolder:
        """What the agent tells after its second look."""
        name, files, size_bytes = self.folders.get(path, ("", 0, 0))
        return first_copy_pb2.FirstCopyFolder(
            vm_id=vm_id,
            host=host,
            path=path,
            folder=name,
            files=files,
            size_bytes=size_bytes,
            settled=bool(name),
        )


def first_copy_verbs(hyperv: FakeHyperV) -> Mapping[str, Callable[..., None]]:
    """The verbs by the names of the wire."""
    fake = _FirstCopies(hyperv)
    return {
        "check_replication_path": fake.check,
        "grant_replication_path": fake.grant,
        "export_initial_replication": fake.export,
        "stop_initial_replication": fake.stop,
        "read_first_copy": fake.read,
        "import_initial_replication": fake.import_,
        "enable_as_replica": fake.as_replica,
        "set_allowed_primary_server": fake.allow,
        "resume_replication": fake.resume,
    }


class _FirstCopies:
    def __init__(self, hyperv: FakeHyperV) -> None:
        self._hyperv = hyperv

    def _path(self, host: str, path: str, result: Result) -> None:
        paths = self._hyperv.paths
        server = path.strip("\\").partition("\\")[0]
        answer = result.replication_path
        answer.host, answer.path, answer.file_server = host, path, server
        answer.exists = path not in paths.missing
        answer.protocol_transition = True
        if host not in paths.untrusted:
            answer.delegated_services.extend(["cifs/FilesSh", "cifs/FilesBj"])
        for role, account in (("VmmService", "C\\vmm"), ("RunAs", "C\\hosts")):
            answer.access.add(
                role=role,
                account=account,
                ntfs=FULL,
                share_permission=FULL,
                local_groups=["Administrators"],
            )

    def check(self, request: first_copy_pb2.CheckReplicationPath, result: Result) -> None:
        self._path(request.host, request.path, result)

    def grant(self, request: first_copy_pb2.GrantReplicationPath, result: Result) -> None:
        self._hyperv.paths.granted.append((request.host, request.path))
        self._path(request.host, request.path, result)

    def export(self, request: first_copy_pb2.ExportInitialReplication, result: Result) -> None:
        copy = self._hyperv.copies[request.vm.host, request.vm.vm_id]
        if copy.state == "ReadyForInitialReplication":
            copy.state = "InitialReplicationInProgress"
            self._hyperv.effects.append(f"export.started {request.vm.host}")
        self._replication(request.vm, result)

    def stop(self, request: first_copy_pb2.StopInitialReplication, result: Result) -> None:
        self._hyperv.copies[request.vm.host, request.vm.vm_id].state = "ReadyForInitialReplication"
        self._replication(request.vm, result)

    def read(self, request: first_copy_pb2.ReadFirstCopy, result: Result) -> None:
        told = self._hyperv.paths.told(request.vm.vm_id, request.vm.host, request.path)
        result.first_copy.CopyFrom(told)

    def import_(self, request: first_copy_pb2.ImportInitialReplication, result: Result) -> None:
        copy = self._hyperv.copies[request.vm.host, request.vm.vm_id]
        path, _, name = request.folder.rpartition("\\")
        assert self._hyperv.paths.folders[path][0] == name
        assert (copy.mode, copy.state) == ("Replica", "WaitingForInitialReplication")
        copy.state = "Replicating"
        self._hyperv.effects.append(f"copy.imported {request.vm.host}")
        self._replication(request.vm, result)

    def as_replica(self, request: first_copy_pb2.EnableAsReplica, result: Result) -> None:
        copy = self._hyperv.copies[request.vm.host, request.vm.vm_id]
        copy.mode, copy.state = "Replica", "WaitingForInitialReplication"
        self._hyperv.effects.append(f"replica.made {request.vm.host}")
        self._replication(request.vm, result)

    def allow(self, request: first_copy_pb2.SetAllowedPrimaryServer, result: Result) -> None:
        assert self._hyperv.copies[request.vm.host, request.vm.vm_id].mode == "Replica"
        self._hyperv.effects.append(f"replica.allows {request.allowed_primary_server}")
        self._replication(request.vm, result)

    def resume(self, request: replication_pb2.ResumeReplication, result: Result) -> None:
        self._replication(request.vm, result)

    def _replication(self, vm: command_pb2.VirtualMachineRef, result: Result) -> None:
        copy = self._hyperv.copies[vm.host, vm.vm_id]
        result.replication.vm_id, result.replication.host = vm.vm_id, vm.host
        result.replication.mode, result.replication.state = copy.mode, copy.state
