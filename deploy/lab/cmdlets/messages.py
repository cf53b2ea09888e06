"""Texts of the errors that cmdlets raise themselves, in one place to be replaced by real ones."""

from deploy.lab.site.errors import HyperVError

_HYPER_V = "Microsoft.HyperV.PowerShell.VirtualizationException"
_VMM = "Microsoft.VirtualManager.Utils.CarmineException"
_CIM = "Microsoft.Management.Infrastructure.CimException"

# Key -> (error id, category, exception type, text). Of the entries for VMM only 1604 and its form
# are publicly known; the others are the lab's.
_TABLE: dict[str, tuple[str, str, str, str]] = {
    "no_hyper_v_role": (
        "ObjectNotFound",
        "ObjectNotFound",
        _HYPER_V,
        (
            "Hyper-V encountered an error trying to access an object on computer '{target}'"
            " because the object was not found. The object might have been deleted, or you might"
            " not have permission to perform the task. Verify that the Virtual Machine Management"
            " service on the computer is running."
        ),
    ),
    "not_replicating": (
        "InvalidState",
        "InvalidOperation",
        _HYPER_V,
        "Replication is not enabled for virtual machine '{target}'.",
    ),
    "snapshot_not_found": (
        "InvalidParameter",
        "InvalidArgument",
        _HYPER_V,
        'Hyper-V was unable to find a checkpoint with id "{target}".',
    ),
    "adapter_not_found": (
        "InvalidParameter",
        "InvalidArgument",
        _HYPER_V,
        'Hyper-V was unable to find a network adapter with name "{target}".',
    ),
    "switch_not_found": (
        "InvalidParameter",
        "InvalidArgument",
        _HYPER_V,
        'Hyper-V was unable to find a virtual switch with name "{target}".',
    ),
    "thumbprint_needs_certificate": (
        "InvalidParameter",
        "InvalidArgument",
        _HYPER_V,
        (
            "CertificateThumbprint can be specified only if certificate-based authentication is"
            " used."
        ),
    ),
    "not_emulated": (
        "LabParameterMissing",
        "NotImplemented",
        _HYPER_V,
        "The lab does not emulate {target}.",
    ),
    "server_refused": (
        "1604",
        "ReadError",
        _VMM,
        (
            "You cannot access VMM management server {target}. Contact the Virtual Machine Manager"
            " administrator to verify that your account is a member of a valid user role and then"
            " try the operation again. (Error ID: 1604)"
        ),
    ),
    "vmm_server_mismatch": (
        "LabServerMismatch",
        "InvalidArgument",
        _VMM,
        "There is no connection to a VMM management server named '{target}'.",
    ),
    "vmm_object_gone": (
        "LabObjectGone",
        "ObjectNotFound",
        _VMM,
        "VMM cannot find the object '{target}' in its database.",
    ),
    "dr_protection_refused": (
        "LabDRProtectionRefused",
        "InvalidOperation",
        _VMM,
        "The protection of the virtual machine '{target}' cannot be changed so.",
    ),
    "vm_is_running": (
        "LabVirtualMachineRunning",
        "InvalidOperation",
        _VMM,
        "The virtual machine '{target}' must be stopped before it can be removed.",
    ),
    "cluster_unreachable": (
        "Get-Cluster",
        "ConnectionError",
        "Microsoft.FailoverClusters.PowerShell.ClusterCmdletException",
        (
            "Check the spelling of the cluster name. Otherwise, there might be a problem with your"
            " network. Make sure the cluster nodes are turned on and connected to the network or"
            " contact your network administrator. The RPC server is unavailable ({target})"
        ),
    ),
    "cluster_object_not_found": (
        "Get-ClusterObject",
        "ObjectNotFound",
        "Microsoft.FailoverClusters.PowerShell.ClusterCmdletException",
        "Unable to find {target}. The system cannot find the object specified.",
    ),
    "hot_fix_not_found": (
        "GetHotFixNoEntriesFound",
        "ObjectNotFound",
        "System.ArgumentException",
        (
            "Cannot find the requested hotfix on the '{target}' computer. Verify the input and run"
            " the command again."
        ),
    ),
    "firewall_is_remote": (
        "CmdletizationQuery_NotFound",
        "ObjectNotFound",
        _CIM,
        "No MSFT_NetFirewallRule objects found with property '{target}'.",
    ),
}


def refusal(key: str, target: str = "") -> HyperVError:
    """The error of the table with its target filled in."""
    error_id, category, exception_type, text = _TABLE[key]
    return HyperVError(error_id, category, text.format(target=target), exception_type, target)
