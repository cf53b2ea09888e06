"""The replication part of a VM: settings, state, statistics, recovery points, log positions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class ReplicationMode(StrEnum):
    NONE = "None"
    PRIMARY = "Primary"
    REPLICA = "Replica"


class ReplicationState(StrEnum):
    """VMReplicationState of the Hyper-V module; those that the lab can reach."""

    DISABLED = "Disabled"
    READY_FOR_INITIAL_REPLICATION = "ReadyForInitialReplication"
    INITIAL_REPLICATION_IN_PROGRESS = "InitialReplicationInProgress"
    WAITING_FOR_INITIAL_REPLICATION = "WaitingForInitialReplication"
    REPLICATING = "Replicating"
    PREPARED_FOR_FAILOVER = "PreparedForFailover"
    FAILED_OVER_WAITING_COMPLETION = "FailedOverWaitingCompletion"
    FAILED_OVER = "FailedOver"
    SUSPENDED = "Suspended"
    ERROR = "Error"
    WAITING_FOR_START_RESYNCHRONIZE = "WaitingForStartResynchronize"
    RESYNCHRONIZING = "Resynchronizing"
    RESYNCHRONIZE_SUSPENDED = "ResynchronizeSuspended"
    RECOVERY_IN_PROGRESS = "RecoveryInProgress"
    WAITING_FOR_UPDATE_COMPLETION = "WaitingForUpdateCompletion"
    UPDATE_ERROR = "UpdateError"


class ReplicationHealth(StrEnum):
    NOT_APPLICABLE = "NotApplicable"
    NORMAL = "Normal"
    WARNING = "Warning"
    CRITICAL = "Critical"


class ReplicationType(StrEnum):
    """VMReplicationType: what the last log (or the point failed over to) was."""

    NONE = "None"
    REGULAR = "Regular"
    APPLICATION_CONSISTENT = "ApplicationConsistent"
    PLANNED = "Planned"


class SnapshotType(StrEnum):
    REPLICA = "Replica"
    APP_CONSISTENT_REPLICA = "AppConsistentReplica"


class Authentication(StrEnum):
    """ReplicationAuthenticationType of one VM's relationship."""

    KERBEROS = "Kerberos"
    CERTIFICATE = "Certificate"


@dataclass(kw_only=True)
class RecoveryPoint:
    """A point on the replica: the disks as they were after the log with this sequence number."""

    id: str
    name: str
    type: SnapshotType
    created: datetime
    sequence: int


@dataclass(kw_only=True)
class ReplicationStatistics:
    """Counters since monitoring_start; sums are kept so that averages can be told."""

    monitoring_start: datetime | None = None
    successes: int = 0
    misses: int = 0
    errors: int = 0
    application_consistent_failures: int = 0
    initial_size_bytes: int = 0
    sum_size_bytes: int = 0
    maximum_size_bytes: int = 0
    sum_latency_seconds: float = 0.0
    maximum_latency_seconds: float = 0.0

    @property
    def average_size_bytes(self) -> int:
        return self.sum_size_bytes // self.successes if self.successes else 0

    @property
    def average_latency_seconds(self) -> float | None:
        return self.sum_latency_seconds / self.successes if self.successes else None


@dataclass(kw_only=True)
class LogPosition:
    """Where the change logs of a VM stand.

    ``sequence`` is the number of the log that is sent next (primary); ``applied`` of the last one
    applied (replica). ``tracking`` says that writes go to .hrl files; ``damaged`` that a log was
    lost, so only a resynchronisation helps. ``planned_sequence`` is the last log of a planned
    failover. ``failures`` counts failed sends since the last success. ``copy_exists`` says that
    the replica was made of a machine with disks to compare with (-UseBackup); ``stored`` is the
    last log that a replica keeps until its offline first copy is imported.
    """

    sequence: int = 1
    applied: int = 0
    tracking: bool = False
    damaged: bool = False
    planned_sequence: int | None = None
    failures: int = 0
    initial_done: bool = False
    compare_at_initial: bool = False
    copy_exists: bool = False
    stored: int = 0


@dataclass(kw_only=True)
class OfflineExport:
    """A first copy that goes to a folder below ``path`` instead of over the network."""

    path: str
    folder: str
    finished: bool = False


@dataclass(kw_only=True)
class Replication:
    """One VM's replication as Get-VMReplication and Measure-VMReplication tell it."""

    mode: ReplicationMode
    state: ReplicationState
    relationship_id: str
    primary_server: str
    replica_server: str
    current_replica_server: str = ""
    allowed_primary_server: str = ""
    trust_group: str = ""
    relationship: str = "Simple"
    port: int = 0
    authentication: Authentication = Authentication.CERTIFICATE
    certificate_thumbprint: str = ""
    compression: bool = True
    bypass_proxy: bool = False
    replicate_kvp_items: bool = True
    frequency_seconds: int = 300
    recovery_history: int = 0
    vss_hours: int = 0
    auto_resync_enabled: bool = False
    auto_resync_start: timedelta = timedelta(hours=18, minutes=30)
    auto_resync_end: timedelta = timedelta(hours=6)
    initial_replication_start_time: datetime | None = None
    resynchronize_start_time: datetime | None = None
    last_replication_time: datetime | None = None
    last_applied_log_time: datetime | None = None
    last_vss_time: datetime | None = None
    last_replication_type: ReplicationType = ReplicationType.NONE
    failed_over_type: ReplicationType = ReplicationType.NONE
    excluded_disk_ids: list[str] = field(default_factory=list)
    statistics: ReplicationStatistics = field(default_factory=ReplicationStatistics)
    copy_percent: int | None = None
    last_error: str = ""
    recovery_points: list[RecoveryPoint] = field(default_factory=list)
    test_vm_id: str | None = None
    last_test_failover: datetime | None = None
    log: LogPosition = field(default_factory=LogPosition)
    export: OfflineExport | None = None
    pending_relationship_id: str | None = None


@dataclass(kw_only=True)
class ReplicationSettings:
    """Parameters of Enable-, Set- -Reverse and Set-VMReplication; None means not given."""

    replica_server: str | None = None
    port: int | None = None
    authentication: Authentication | None = None
    certificate_thumbprint: str | None = None
    compression: bool | None = None
    bypass_proxy: bool | None = None
    replicate_kvp_items: bool | None = None
    frequency_seconds: int | None = None
    recovery_history: int | None = None
    vss_hours: int | None = None
    disable_vss: bool = False
    auto_resync_enabled: bool | None = None
    auto_resync_start: timedelta | None = None
    auto_resync_end: timedelta | None = None
    excluded_disk_paths: list[str] = field(default_factory=list)
    replicated_disk_paths: list[str] = field(default_factory=list)
    as_replica: bool = False
    allowed_primary_server: str | None = None


@dataclass(kw_only=True)
class ReplicationServerChanges:
    """Parameters of Set-VMReplicationServer; None means leave as it is."""

    enabled: bool | None = None
    authentication: str | None = None
    allow_any_server: bool | None = None
    certificate_thumbprint: str | None = None
    default_storage_location: str | None = None
    kerberos_port: int | None = None
    certificate_port: int | None = None
    monitoring_interval: timedelta | None = None
    monitoring_start: timedelta | None = None
