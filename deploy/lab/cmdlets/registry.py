"""Which function carries out which cmdlet, and how its outcome becomes a result."""

from collections.abc import Awaitable, Callable

import structlog

from deploy.lab.cmdlets import (
    cim,
    failover_clusters,
    firewall,
    hot_fixes,
    hyperv_failover,
    hyperv_failover_addresses,
    hyperv_host,
    hyperv_network,
    hyperv_replication,
    hyperv_replication_server,
    hyperv_storage,
    hyperv_vm,
    hyperv_vm_settings,
    net_qos,
    osr_module,
    osr_plan_scripts,
    osr_transfer,
    vmm_addresses,
    vmm_clouds,
    vmm_hosts,
    vmm_network_adapters,
    vmm_network_changes,
    vmm_networks,
    vmm_storage,
    vmm_virtual_machines,
)
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.written import StopCmdletError, Written
from deploy.lab.invocation import ErrorRecord, Invocation, InvocationResult
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.site import Site

log = structlog.get_logger(__name__)

Cmdlet = Callable[[Site, Invocation, Written], Awaitable[None]]

CMDLETS: dict[str, Cmdlet] = {
    "Get-VM": hyperv_vm.get_vm,
    "Start-VM": hyperv_vm.start_vm,
    "Stop-VM": hyperv_vm.stop_vm,
    "Remove-VMSavedState": hyperv_vm.remove_vm_saved_state,
    "Set-VM": hyperv_vm_settings.set_vm,
    "Get-CimInstance": cim.get_cim_instance,
    "Get-VMHardDiskDrive": hyperv_vm.get_vm_hard_disk_drive,
    "Get-VMSnapshot": hyperv_vm.get_vm_snapshot,
    "Get-VMReplication": hyperv_replication.get_vm_replication,
    "Measure-VMReplication": hyperv_replication.measure_vm_replication,
    "Enable-VMReplication": hyperv_replication.enable_vm_replication,
    "Set-VMReplication": hyperv_replication.set_vm_replication,
    "Start-VMInitialReplication": hyperv_replication.start_vm_initial_replication,
    "Import-VMInitialReplication": hyperv_replication.import_vm_initial_replication,
    "Stop-VMInitialReplication": hyperv_replication.stop_vm_initial_replication,
    "Suspend-VMReplication": hyperv_replication.suspend_vm_replication,
    "Resume-VMReplication": hyperv_replication.resume_vm_replication,
    "Remove-VMReplication": hyperv_replication.remove_vm_replication,
    "Reset-VMReplicationStatistics": hyperv_replication.reset_vm_replication_statistics,
    "Start-VMFailover": hyperv_failover.start_vm_failover,
    "Stop-VMFailover": hyperv_failover.stop_vm_failover,
    "Complete-VMFailover": hyperv_failover.complete_vm_failover,
    "Get-VMReplicationServer": hyperv_replication_server.get_vm_replication_server,
    "Set-VMReplicationServer": hyperv_replication_server.set_vm_replication_server,
    "New-VMReplicationAuthorizationEntry": (
        hyperv_replication_server.new_vm_replication_authorization_entry
    ),
    "Get-VMReplicationAuthorizationEntry": (
        hyperv_replication_server.get_vm_replication_authorization_entry
    ),
    "Set-VMReplicationAuthorizationEntry": (
        hyperv_replication_server.set_vm_replication_authorization_entry
    ),
    "Remove-VMReplicationAuthorizationEntry": (
        hyperv_replication_server.remove_vm_replication_authorization_entry
    ),
    "Test-VMReplicationConnection": hyperv_replication_server.test_vm_replication_connection,
    "Get-VMHost": hyperv_host.get_vm_host,
    "Get-VMNetworkAdapter": hyperv_network.get_vm_network_adapter,
    "Connect-VMNetworkAdapter": hyperv_network.connect_vm_network_adapter,
    "Disconnect-VMNetworkAdapter": hyperv_network.disconnect_vm_network_adapter,
    "Move-VMStorage": hyperv_storage.move_vm_storage,
    "Get-NetQosPolicy": net_qos.get_net_qos_policy,
    "New-NetQosPolicy": net_qos.new_net_qos_policy,
    "Set-NetQosPolicy": net_qos.set_net_qos_policy,
    "Remove-NetQosPolicy": net_qos.remove_net_qos_policy,
    "Get-NetFirewallRule": firewall.net_firewall_rule,
    "Enable-NetFirewallRule": firewall.net_firewall_rule,
    "Install-OsrReplicationCertificate": osr_module.install_osr_replication_certificate,
    "Get-OsrReplicationCertificate": osr_module.get_osr_replication_certificate,
    "Remove-OsrReplicationCertificate": osr_module.remove_osr_replication_certificate,
    "Enable-OsrReplicationFirewallRule": osr_module.enable_osr_replication_firewall_rule,
    "Install-OsrReplicationRoot": osr_module.install_osr_replication_root,
    "Remove-OsrReplicationFirewallRule": osr_module.remove_osr_replication_firewall_rule,
    "Get-ClusterGroup": failover_clusters.get_cluster_group,
    "Get-ClusterResource": failover_clusters.get_cluster_resource,
    "Get-ClusterParameter": failover_clusters.get_cluster_parameter,
    "Get-HotFix": hot_fixes.get_hot_fix,
    "Test-OsrReplicationPath": osr_transfer.test_osr_replication_path,
    "Grant-OsrReplicationPath": osr_transfer.grant_osr_replication_path,
    "Get-OsrDelegation": osr_transfer.get_osr_delegation,
    "Get-OsrInitialReplication": osr_transfer.get_osr_initial_replication,
    "Get-OsrPlanScript": osr_plan_scripts.get_osr_plan_script,
    "Invoke-OsrPlanScript": osr_plan_scripts.invoke_osr_plan_script,
    "Get-SCVMMServer": vmm_clouds.get_scvmm_server,
    "Get-SCCloud": vmm_clouds.get_sc_cloud,
    "Get-SCCapabilityProfile": vmm_clouds.get_sc_capability_profile,
    "Get-SCVMHostGroup": vmm_clouds.get_scvm_host_group,
    "Get-SCVMHost": vmm_hosts.get_scvm_host,
    "Get-SCVMHostCluster": vmm_hosts.get_scvm_host_cluster,
    "Read-SCVMHost": vmm_hosts.read_scvm_host,
    "Get-SCVirtualMachine": vmm_virtual_machines.get_sc_virtual_machine,
    "Read-SCVirtualMachine": vmm_virtual_machines.read_sc_virtual_machine,
    "Set-SCVirtualMachine": vmm_virtual_machines.set_sc_virtual_machine,
    "Remove-SCVirtualMachine": vmm_virtual_machines.remove_sc_virtual_machine,
    "Get-SCVirtualHardDisk": vmm_virtual_machines.get_sc_virtual_hard_disk,
    "Get-SCVirtualNetworkAdapter": vmm_virtual_machines.get_sc_virtual_network_adapter,
    "Set-SCVirtualNetworkAdapter": vmm_network_adapters.set_sc_virtual_network_adapter,
    "Connect-OsrVirtualNetworkAdapter": (vmm_network_adapters.connect_osr_virtual_network_adapter),
    "Get-SCIPAddress": vmm_addresses.get_sc_ip_address,
    "Revoke-SCIPAddress": vmm_addresses.revoke_sc_ip_address,
    "Grant-OsrIPAddress": vmm_addresses.grant_osr_ip_address,
    "New-OsrVMNetwork": vmm_network_changes.new_osr_vm_network,
    "New-OsrVMSubnet": vmm_network_changes.new_osr_vm_subnet,
    "New-OsrStaticIPAddressPool": vmm_network_changes.new_osr_static_ip_address_pool,
    "Remove-SCVMNetwork": vmm_network_changes.remove_scvm_network,
    "Remove-SCVMSubnet": vmm_network_changes.remove_scvm_subnet,
    "Remove-SCStaticIPAddressPool": vmm_network_changes.remove_sc_static_ip_address_pool,
    "Get-SCVMHostNetworkAdapter": vmm_networks.get_scvm_host_network_adapter,
    "Get-SCLogicalNetworkDefinition": vmm_networks.get_sc_logical_network_definition,
    "Get-VMNetworkAdapterFailoverConfiguration": (
        hyperv_failover_addresses.get_failover_configuration
    ),
    "Set-VMNetworkAdapterFailoverConfiguration": (
        hyperv_failover_addresses.set_failover_configuration
    ),
    "Get-SCVMNetwork": vmm_networks.get_scvm_network,
    "Get-SCVMSubnet": vmm_networks.get_scvm_subnet,
    "Get-SCLogicalNetwork": vmm_networks.get_sc_logical_network,
    "Get-SCStaticIPAddressPool": vmm_networks.get_sc_static_ip_address_pool,
    "Get-SCStorageClassification": vmm_storage.get_sc_storage_classification,
    "Get-SCStorageFileShare": vmm_storage.get_sc_storage_file_share,
    "Get-SCStorageVolume": vmm_storage.get_sc_storage_volume,
}


def _defect(call: Invocation, error: Exception) -> ErrorRecord:
    return ErrorRecord(
        error_id="LabDefect",
        category="NotSpecified",
        message=f"The lab failed in {call.cmdlet}: {type(error).__name__}: {error}",
        exception_type="System.Management.Automation.RuntimeException",
        activity=call.cmdlet,
        terminating=True,
    )


async def run_cmdlet(site: Site, call: Invocation) -> InvocationResult:
    """Carries out one bound cmdlet; every failure is an error record in the result."""
    written = Written(call)
    cmdlet = CMDLETS.get(call.cmdlet)
    try:
        if cmdlet is None:
            written.error(refusal("not_emulated", f"the cmdlet {call.cmdlet}"))
        else:
            await cmdlet(site, call, written)
    except StopCmdletError:
        return written.result()
    except HyperVError as error:
        return _with(written, error)
    except Exception as error:
        log.exception("cmdlet.failed", cmdlet=call.cmdlet, command_id=call.command_id)
        result = written.result()
        return InvocationResult(result.output, (*result.errors, _defect(call, error)))
    return written.result()


def _with(written: Written, error: HyperVError) -> InvocationResult:
    try:
        written.error(error)
    except StopCmdletError:
        return written.result()
    return written.result()
