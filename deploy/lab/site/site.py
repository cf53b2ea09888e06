"""The operations of a simulated site that cmdlets and the admin socket call."""

from __future__ import annotations

from datetime import datetime

from deploy.lab.site import (
    authorization,
    certificates,
    connection_test,
    failover,
    first_copy_import,
    guest_control,
    health,
    initial_replication,
    relationships,
    replication_servers,
    resynchronization,
    reverse,
    test_failover,
)
from deploy.lab.site.core import SiteCore
from deploy.lab.site.model import AuthorizationEntry, Host, VirtualMachine
from deploy.lab.site.replication_model import (
    Authentication,
    RecoveryPoint,
    ReplicationHealth,
    ReplicationServerChanges,
    ReplicationSettings,
)


class Site(SiteCore):
    """One VMM server, its hosts and VMs.

    Every operation raises HyperVError when Hyper-V would write an error record. Operations that
    change something take the id of the command that caused them, for the effects journal.
    """

    # Virtual machines

    async def start_vm(self, host: Host, vm: VirtualMachine, command_id: str | None) -> None:
        """Boot the guest. A VM that runs already stays as it is, and nothing is journalled."""
        await guest_control.start_vm(self, host, vm, command_id)

    async def stop_vm(
        self,
        host: Host,
        vm: VirtualMachine,
        command_id: str | None,
        *,
        turn_off: bool = False,
        force: bool = False,
    ) -> None:
        """Shut the guest down in order, or pull its plug. A VM that is off stays as it is."""
        del force  # only suppresses a question of the cmdlet; a guest of the lab never refuses
        await guest_control.stop_vm(self, host, vm, command_id, turn_off=turn_off)

    async def remove_saved_state(
        self, host: Host, vm: VirtualMachine, command_id: str | None
    ) -> None:
        """Remove-VMSavedState: what was in memory is lost, and the VM is off."""
        await guest_control.remove_saved_state(self, host, vm, command_id)

    # Replication of one VM

    async def enable_replication(
        self,
        host: Host,
        vm: VirtualMachine,
        settings: ReplicationSettings,
        command_id: str | None,
    ) -> None:
        """Enable-VMReplication; with settings.as_replica its AsReplica set."""
        await relationships.enable(self, host, vm, settings, command_id)

    async def set_replication(
        self,
        host: Host,
        vm: VirtualMachine,
        settings: ReplicationSettings,
        command_id: str | None,
    ) -> None:
        """Set-VMReplication without -Reverse; with settings.as_replica its AsReplica form."""
        await relationships.change(self, host, vm, settings, command_id)

    async def reverse_replication(
        self,
        host: Host,
        vm: VirtualMachine,
        settings: ReplicationSettings,
        command_id: str | None,
    ) -> None:
        """Set-VMReplication -Reverse, run on the failed-over replica."""
        await reverse.reverse(self, host, vm, settings, command_id)

    async def remove_replication(
        self, host: Host, vm: VirtualMachine, command_id: str | None
    ) -> None:
        await relationships.remove(self, host, vm, command_id)

    async def start_initial_replication(
        self,
        host: Host,
        vm: VirtualMachine,
        command_id: str | None,
        start_time: datetime | None = None,
        *,
        destination_path: str | None = None,
        use_backup: bool = False,
    ) -> None:
        """Start-VMInitialReplication; returns when the copy or the export has begun."""
        await initial_replication.start(
            self,
            host,
            vm,
            command_id,
            start_time,
            destination_path=destination_path,
            use_backup=use_backup,
        )

    async def import_initial_replication(
        self, host: Host, vm: VirtualMachine, path: str, command_id: str | None
    ) -> None:
        """Import-VMInitialReplication; returns when the replica replicates."""
        await first_copy_import.import_copy(self, host, vm, path, command_id)

    async def stop_initial_replication(
        self, host: Host, vm: VirtualMachine, command_id: str | None
    ) -> None:
        await initial_replication.stop(self, host, vm, command_id)

    async def suspend_replication(
        self, host: Host, vm: VirtualMachine, command_id: str | None
    ) -> None:
        await relationships.suspend(self, host, vm, command_id)

    async def resume_replication(
        self,
        host: Host,
        vm: VirtualMachine,
        command_id: str | None,
        how: resynchronization.Resumption | None = None,
        *,
        resynchronize: bool = False,
    ) -> None:
        plain = resynchronization.Resumption(resynchronize=resynchronize)
        await resynchronization.resume(self, host, vm, command_id, how or plain)

    async def stop_resynchronization(
        self, host: Host, vm: VirtualMachine, command_id: str | None
    ) -> None:
        """Stop-VMReplication."""
        await resynchronization.stop(self, host, vm, command_id)

    async def reset_statistics(
        self, host: Host, vm: VirtualMachine, command_id: str | None
    ) -> None:
        await relationships.reset_statistics(self, host, vm, command_id)

    # Failover

    async def prepare_failover(
        self, host: Host, vm: VirtualMachine, command_id: str | None
    ) -> None:
        """Start-VMFailover -Prepare on the primary: sends the rest and locks the VM."""
        await failover.prepare(self, host, vm, command_id)

    async def start_failover(
        self,
        host: Host,
        vm: VirtualMachine,
        command_id: str | None,
        recovery_point_id: str | None = None,
    ) -> None:
        """Start-VMFailover on the replica, to the latest point or the one named."""
        await failover.start(self, host, vm, command_id, recovery_point_id)

    async def cancel_failover(self, host: Host, vm: VirtualMachine, command_id: str | None) -> None:
        """Stop-VMFailover on the prepared primary, the failed-over replica, or the tested one."""
        if test_failover.find_test_machine(self, vm) is not None:
            await test_failover.stop(self, host, vm, command_id)
        else:
            await failover.cancel(self, host, vm, command_id)

    async def start_test_failover(
        self,
        host: Host,
        vm: VirtualMachine,
        command_id: str | None,
        recovery_point_id: str | None = None,
    ) -> VirtualMachine:
        """Start-VMFailover -AsTest on the replica; gives the test virtual machine."""
        return await test_failover.start(self, host, vm, command_id, recovery_point_id)

    def test_machine(self, vm: VirtualMachine) -> VirtualMachine | None:
        """The test virtual machine of a replica."""
        return test_failover.find_test_machine(self, vm)

    async def complete_failover(
        self, host: Host, vm: VirtualMachine, command_id: str | None
    ) -> None:
        await failover.complete(self, host, vm, command_id)

    def recovery_points(self, vm: VirtualMachine) -> tuple[RecoveryPoint, ...]:
        """Recovery points of a replica VM, oldest first; empty for any other VM."""
        return tuple(vm.replication.recovery_points) if vm.replication else ()

    def replication_health(self, vm: VirtualMachine) -> ReplicationHealth:
        return health.health_of(vm.replication, self.now_at(vm.host_fqdn), self.clock.speed)

    def replication_health_details(self, vm: VirtualMachine) -> tuple[str, ...]:
        """Why the health is not Normal; empty when it is."""
        return health.details_of(vm.replication, self.now_at(vm.host_fqdn), self.clock.speed)

    def pending_replication_bytes(self, vm: VirtualMachine) -> int:
        """Size of all logs not yet sent."""
        return self.tracker(vm).pending_bytes()

    # Hosts

    async def set_replication_server(
        self, host: Host, changes: ReplicationServerChanges, command_id: str | None
    ) -> None:
        await replication_servers.change(self, host, changes, command_id)

    async def add_authorization_entry(
        self, host: Host, entry: AuthorizationEntry, command_id: str | None
    ) -> None:
        await authorization.add(self, host, entry, command_id)

    async def set_authorization_entry(
        self,
        host: Host,
        allowed_primary_server: str,
        replica_storage_location: str | None,
        trust_group: str | None,
        command_id: str | None,
    ) -> AuthorizationEntry:
        return await authorization.change(
            self, host, (allowed_primary_server, replica_storage_location, trust_group), command_id
        )

    async def remove_authorization_entry(
        self, host: Host, allowed_primary_server: str, command_id: str | None
    ) -> None:
        await authorization.remove(self, host, allowed_primary_server, command_id)

    async def install_certificate(
        self, host: Host, pfx: bytes, password: str, root_der: bytes, command_id: str | None
    ) -> str:
        """Import-PfxCertificate into My and the root into Root.

        Returns:
            The thumbprint: SHA-1 of the certificate, 40 upper case hex digits.

        Idempotent: a certificate that is there already stays, and nothing is journalled.
        """
        thumbprint = certificates.install(self, host, (pfx, password, root_der), command_id)
        await self.listeners.refresh(self, host)
        return thumbprint

    async def install_root_certificate(
        self, host: Host, der: bytes, command_id: str | None
    ) -> None:
        """The certificate into Root. Idempotent."""
        certificates.install_root(self, host, der, command_id)
        await self.listeners.refresh(self, host)

    def certificates(self, host: Host) -> tuple[certificates.HostCertificate, ...]:
        """The personal certificates of the host (LocalMachine, My)."""
        return certificates.CertificateStore(self.host_folder(host)).personal()

    async def remove_certificate(self, host: Host, thumbprint: str, command_id: str | None) -> None:
        certificates.remove(self, host, thumbprint, command_id)
        await self.listeners.refresh(self, host)

    async def test_replication_connection(
        self,
        host: Host,
        replica_server: str,
        port: int,
        authentication: Authentication,
        thumbprint: str,
    ) -> None:
        """Raises HyperVError when the replica server cannot be used with these parameters."""
        await connection_test.test(self, host, replica_server, port, (authentication, thumbprint))

    async def set_firewall_rule(
        self, host: Host, rule: str, enabled: bool, command_id: str | None
    ) -> None:
        """Enable or disable a rule by its name or display name."""
        await replication_servers.set_firewall_rule(self, host, rule, command_id, enabled=enabled)

    async def open_firewall_port(self, host: Host, port: int, command_id: str | None) -> None:
        """A rule of its own for a port that the built-in rules do not cover. Idempotent."""
        await replication_servers.open_firewall_port(self, host, port, command_id)

    async def remove_firewall_rule(self, host: Host, port: int, command_id: str | None) -> None:
        """Removes what open_firewall_port made. Idempotent."""
        await replication_servers.remove_firewall_rule(self, host, port, command_id)

    # VMM's database

    def refresh_virtual_machines(self, host: Host | None = None) -> None:
        """What VMM's refresher does: it gets to know VMs that appeared on the hosts."""
        for vm in self.virtual_machines:
            if (host is None or vm.host_fqdn == host.fqdn) and not vm.known_to_vmm:
                vm.known_to_vmm = True
                self.save_vm(vm)
