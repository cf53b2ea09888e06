"""Names and numbers of the .NET enums that the lab's cmdlets take and give."""

from deploy.lab.invocation import EnumValue

_HYPER_V = "Microsoft.HyperV.PowerShell."
_VMM_REMOTING = "Microsoft.VirtualManager.Remoting."
_VMM = "Microsoft.VirtualManager.Utils."


def _counted(names: str, first: int = 0) -> dict[str, int]:
    return {name: number for number, name in enumerate(names.split(), first)}


# Short name -> (full type name, names with numbers). Numbers of VMState from 32783 up differ
# between module versions, so the lab shows those below only.
_ENUMERATIONS: dict[str, tuple[str, dict[str, int]]] = {
    "VMReplicationState": (
        _HYPER_V + "VMReplicationState",
        _counted(
            "Disabled ReadyForInitialReplication InitialReplicationInProgress"
            " WaitingForInitialReplication Replicating PreparedForFailover"
            " FailedOverWaitingCompletion FailedOver Suspended Error WaitingForStartResynchronize"
            " Resynchronizing ResynchronizeSuspended RecoveryInProgress FailbackInProgress"
            " FailbackComplete WaitingForUpdateCompletion UpdateError"
            " WaitingForRepurposeCompletion PreparedForSyncReplication"
            " PreparedForGroupReverseReplication FiredrillInProgress"
        ),
    ),
    "VMReplicationHealthState": (
        _HYPER_V + "VMReplicationHealthState",
        _counted("NotApplicable Normal Warning Critical"),
    ),
    "VMReplicationMode": (
        _HYPER_V + "VMReplicationMode",
        _counted("None Primary Replica TestReplica ExtendedReplica"),
    ),
    "VMReplicationRelationshipType": (
        _HYPER_V + "VMReplicationRelationshipType",
        _counted("Simple Extended"),
    ),
    "ReplicationAuthenticationType": (
        _HYPER_V + "ReplicationAuthenticationType",
        _counted("Kerberos Certificate", 1),
    ),
    "RecoveryAuthenticationType": (
        _HYPER_V + "RecoveryAuthenticationType",
        # 0 is a server whose type was never set.
        _counted("NotDefined Kerberos Certificate CertificateAndKerberos"),
    ),
    "VMReplicationType": (
        _HYPER_V + "VMReplicationType",
        _counted("None Regular ApplicationConsistent Planned"),
    ),
    "VMReplicationServerOperationalStatus": (
        _HYPER_V + "VMReplicationServerOperationalStatus",
        {"Unknown": 0, "Other": 1, "Ok": 2, "Degraded": 3, "Stressed": 4, "Error": 6},
    ),
    "SnapshotType": (
        _HYPER_V + "SnapshotType",
        {
            "Standard": 0,
            "Recovery": 1,
            "Planned": 2,
            "Missing": 5,
            "Replica": 6,
            "AppConsistentReplica": 7,
            "SyncedReplica": 8,
        },
    ),
    "VMState": (
        _HYPER_V + "VMState",
        {
            "Other": 1,
            "Running": 2,
            "Off": 3,
            "Stopping": 4,
            "Saved": 6,
            "Paused": 9,
            "Starting": 10,
            "Reset": 11,
            "Saving": 32773,
            "Pausing": 32776,
            "Resuming": 32777,
        },
    ),
    "VMHeartbeatStatus": (
        _HYPER_V + "VMHeartbeatStatus",
        _counted(
            "Unknown Disabled NoContact Error LostCommunication OkApplicationsUnknown"
            " OkApplicationsHealthy OkApplicationsCritical Paused"
        ),
    ),
    "VMOperationalStatus": (
        _HYPER_V + "VMOperationalStatus",
        {"Ok": 2, "Degraded": 3, "InService": 11, "StorageMigrationPhaseOne": 32778},
    ),
    "ControllerType": (_HYPER_V + "ControllerType", _counted("IDE SCSI PMEM")),
    "CheckpointType": (
        _HYPER_V + "CheckpointType",
        {"Disabled": 2, "Production": 3, "ProductionOnly": 4, "Standard": 5},
    ),
    "StartAction": (_HYPER_V + "StartAction", _counted("Nothing StartIfRunning Start", 2)),
    "StopAction": (_HYPER_V + "StopAction", _counted("TurnOff Save ShutDown", 2)),
    "VirtualMachineType": (
        _HYPER_V + "VirtualMachineType",
        {"RealizedVirtualMachine": 3, "PlannedVirtualMachine": 4},
    ),
    "ActionPreference": (
        "System.Management.Automation.ActionPreference",
        _counted("SilentlyContinue Stop Continue Inquire Ignore Suspend"),
    ),
    "VMComputerSystemState": (
        _VMM + "VMComputerSystemState",
        {
            "Running": 0,
            "PowerOff": 1,
            "PoweringOff": 2,
            "Saved": 3,
            "Saving": 4,
            "Restoring": 5,
            "Paused": 6,
            "Starting": 11,
            # The number is not publicly known; clients go by the name.
            "HostNotResponding": 221,
        },
    ),
    "VMDRState": (_VMM + "VMDRState", {"Disabled": 0}),
    "OverallState": (_VMM_REMOTING + "OverallState", {"OK": 0}),
    "Profile": (_VMM_REMOTING + "Profile", {"Administrator": 1}),
    "VirtualizationPlatform": (_VMM_REMOTING + "VirtualizationPlatform", {"HyperV": 2}),
}


def numbers(short_name: str) -> dict[str, int]:
    """Names and numbers of an enum; empty when the lab knows only its names."""
    return _ENUMERATIONS[short_name][1] if short_name in _ENUMERATIONS else {}


def enum_value(short_name: str, name: str) -> EnumValue:
    """A value by the name that .NET gives it.

    Raises:
        KeyError: The enum or the name does not exist.
    """
    full_name, values = _ENUMERATIONS[short_name]
    return EnumValue(full_name, name, values[name])


def parameter_value(short_name: str, name: str, position: int) -> EnumValue:
    """A value for a parameter; of an enum that the lab never gives back, the position counts."""
    full_name, values = _ENUMERATIONS.get(short_name, (short_name, {}))
    return EnumValue(full_name, name, values.get(name, position))
