"""What the admin socket tells: typed records that both ends share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MachineStatus:
    """One copy of a VM; replication fields are "None", "Disabled", "NotApplicable" without any."""

    site: str
    host: str
    vm_id: str
    name: str
    cloud: str | None
    state: str
    replication_mode: str
    replication_state: str
    replication_health: str
    copy_percent: int | None
    last_replication_time: str | None
    pending_bytes: int
    recovery_points: int


@dataclass(frozen=True, kw_only=True)
class HostStatus:
    """One host; clouds are those whose host groups have it."""

    site: str
    host: str
    windows_server: str
    cluster: str | None
    clouds: list[str]
    powered: bool
    clock_skew_seconds: float
    machines: int
    replication_server: str


@dataclass(frozen=True, kw_only=True)
class LedgerStatus:
    """The ledger of one copy of a VM.

    Attributes:
        last_written: What the guest at this site last wrote, by its witness; 0 if it never ran.
        last_written_unix_time: When that was.
        last_found: Highest record on this site's disk.
        count: Whole records on the disk (the ring holds 16,384).
        gaps: Missing numbers between the lowest and the highest.
        boot_last_found: Highest record at the last boot, before the guest wrote; None if none.
        last_of_each_disk: Highest record on each disk, as at one moment: all the same on a replica
            that is whole. Disks added later begin with their first record.
    """

    site: str
    vm_id: str
    name: str
    last_written: int
    last_written_unix_time: float
    last_found: int
    count: int
    gaps: int
    boot_last_found: int | None
    last_of_each_disk: list[int]


@dataclass(frozen=True, kw_only=True)
class DigestStatus:
    """SHA-256 of each disk, by disk id, in the VM's order; ids are equal on both sites."""

    site: str
    vm_id: str
    name: str
    digests: dict[str, str]
    boot_digests: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class SiteStatus:
    """A site as it is now; sent_bytes is what its primaries sent, as sent, since it booted."""

    site: str
    fabric_name: str
    speed: float
    hosts: list[str]
    hosts_without_power: list[str]
    running: int
    machines: int
    cut: bool
    bandwidth_bytes_per_second: int | None
    full_hosts: list[str]
    faults: int
    sent_bytes: int


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Something that is wrong now because the lab was told so.

    Attributes:
        site: Where; empty for what lies between sites.
        kind: A word of `labctl fault set`.
        target: Of what.
        detail: How, for people.
    """

    site: str
    kind: str
    target: str
    detail: str = ""
