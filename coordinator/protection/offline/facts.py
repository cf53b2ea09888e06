"""An offline first copy's row and what its hosts said last, as the rules look at it."""

from __future__ import annotations

from coordinator.protection.copy_line.rules import DOUBTFUL_FOR
from coordinator.protection.models import OfflineCopy, ReplicationSide
from coordinator.protection.offline.rules import BROKEN_OFF, CopyFacts, FolderFacts
from coordinator.protection.states import ActiveLocation


def exported(copy: OfflineCopy) -> FolderFacts:
    """The folder at the export path."""
    return FolderFacts(
        copy.exported_folder, copy.exported_files, copy.exported_bytes, copy.exported_settled
    )


def arrived(copy: OfflineCopy) -> FolderFacts:
    """The folder at the import path."""
    return FolderFacts(
        copy.arrived_folder, copy.arrived_files, copy.arrived_bytes, copy.arrived_settled
    )


def copy_facts(copy: OfflineCopy, *, importing: bool = False) -> CopyFacts:
    """All that the stage follows from; reads the item's sides unless they were prefetched.

    Args:
        copy: With its item.
        importing: A job imports it now.
    """
    item = copy.item
    primary, replica = item.side(ActiveLocation.PRIMARY), item.side(ActiveLocation.RECOVERY)
    seen = None if primary is None else primary.wire()
    there = None if replica is None else replica.wire()
    return CopyFacts(
        export_path=copy.export_path,
        import_path=copy.import_path,
        primary_host=item.primary_host,
        recovery_host=item.recovery_host,
        primary_state="" if primary is None or _is_old(copy, primary) else primary.state,
        percent=seen.copy_percent if seen is not None and seen.HasField("copy_percent") else None,
        replica_state="Replicating" if copy.imported_at else "" if there is None else there.state,
        import_percent=(
            there.copy_percent if there is not None and there.HasField("copy_percent") else None
        ),
        exported=exported(copy),
        arrived=arrived(copy),
        exports=copy.exports,
        importing=importing,
        failed=copy.problem is not None,
    )


def _is_old(copy: OfflineCopy, primary: ReplicationSide) -> bool:
    """Whether what speaks against the export may have been seen before it began."""
    return primary.state in BROKEN_OFF and primary.observed_at - copy.began_at <= DOUBTFUL_FOR
