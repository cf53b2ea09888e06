"""Where an offline first copy stands, what it waits for, and what may follow: pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# States of a primary whose export did not come to its end.
BROKEN_OFF = frozenset({"Error", "ReadyForInitialReplication"})
IN_PROGRESS = "InitialReplicationInProgress"
# The export is begun by itself so often; then somebody must look.
MOST_EXPORTS = 3


class Stage(StrEnum):
    """Where an offline first copy stands."""

    EXPORTING = "Exporting"
    # The export ended before its time: the host restarted, storage was full, somebody stopped it.
    EXPORT_BROKEN_OFF = "ExportBrokenOff"
    # The export is whole; people carry the folder.
    WAITING_FOR_DATA = "WaitingForData"
    # The folder is at the import path, in part.
    ARRIVING = "Arriving"
    # It is there as it was exported.
    READY_TO_IMPORT = "ReadyToImport"
    IMPORTING = "Importing"
    IMPORTED = "Imported"


@dataclass(frozen=True)
class FolderFacts:
    """The exported folder of a machine at one of its two places; an empty name: it is not there."""

    name: str = ""
    files: int = 0
    size_bytes: int = 0
    settled: bool = False

    def is_same_as(self, other: FolderFacts) -> bool:
        return (self.files, self.size_bytes) == (other.files, other.size_bytes)


@dataclass(frozen=True, kw_only=True)
class CopyFacts:
    """All that the stage follows from.

    Attributes:
        primary_state: VMReplicationState of the primary as last seen; empty before it was.
        percent: Of the export, or of the import, while one runs.
        replica_state: Of the replica.
        importing: A job imports it.
    """

    export_path: str
    import_path: str
    primary_host: str
    recovery_host: str
    primary_state: str
    percent: int | None
    replica_state: str
    import_percent: int | None
    exported: FolderFacts
    arrived: FolderFacts
    exports: int = 1
    importing: bool = False
    failed: bool = False


def stage_of(facts: CopyFacts) -> Stage:
    """Where it stands.

    An export counts as whole once Hyper-V shows no task for it and its folder does not change any
    more; the state between export and import is the same as during the export.
    """
    if facts.replica_state == "Replicating":
        return Stage.IMPORTED
    if facts.importing or facts.import_percent is not None:
        return Stage.IMPORTING
    if facts.primary_state in BROKEN_OFF:
        return Stage.EXPORT_BROKEN_OFF
    if facts.percent is not None or not (facts.exported.name and facts.exported.settled):
        return Stage.EXPORTING
    return _on_the_way(facts)


def _on_the_way(facts: CopyFacts) -> Stage:
    """Of an export that is whole."""
    if not facts.arrived.name:
        return Stage.WAITING_FOR_DATA
    complete = facts.arrived.settled and facts.arrived.is_same_as(facts.exported)
    return Stage.READY_TO_IMPORT if complete else Stage.ARRIVING


def waits_for(facts: CopyFacts) -> str:
    """What the first copy waits for, a sentence for people. Source: SPEC OF-1."""
    words = {
        Stage.EXPORTING: _exporting,
        Stage.EXPORT_BROKEN_OFF: _broken_off,
        Stage.WAITING_FOR_DATA: _waiting,
        Stage.ARRIVING: _arriving,
        Stage.READY_TO_IMPORT: _ready,
        Stage.IMPORTING: _importing,
    }.get(stage_of(facts))
    return "" if words is None else words(facts)


def _exporting(facts: CopyFacts) -> str:
    percent = "" if facts.percent is None else f" ({facts.percent} %)"
    return f"The first copy is being exported to {facts.export_path}{percent}."


def _waiting(facts: CopyFacts) -> str:
    out = facts.exported
    return (
        f"Carry the folder {out.name} ({out.size_bytes} bytes in {out.files} files) from "
        f"{facts.export_path} to {facts.import_path}."
    )


def _arriving(facts: CopyFacts) -> str:
    out, there = facts.exported, facts.arrived
    return (
        f"The folder {there.name} at {facts.import_path} has {there.files} of {out.files} files "
        f"and {there.size_bytes} of {out.size_bytes} bytes."
    )


def _ready(facts: CopyFacts) -> str:
    if facts.failed:
        return "The import failed; repeat it after removing the cause."
    return f"The folder {facts.arrived.name} is complete at {facts.import_path}; the import begins."


def _importing(facts: CopyFacts) -> str:
    percent = "" if facts.import_percent is None else f" ({facts.import_percent} %)"
    return f"The first copy is being imported on {facts.recovery_host}{percent}."


def _broken_off(facts: CopyFacts) -> str:
    begun = f"The export to {facts.export_path} was broken off ({facts.primary_state})"
    if facts.exports < MOST_EXPORTS and not facts.failed:
        return f"{begun}; it begins again."
    return f"{begun}; see to {facts.primary_host} and to the path, then begin the export again."


def imports_by_itself(facts: CopyFacts) -> bool:
    """Whether the import may begin without anybody asking for it.

    Not after a failure: then something of the folder must change, or somebody must ask.
    """
    return stage_of(facts) is Stage.READY_TO_IMPORT and not facts.failed


def exports_by_itself(facts: CopyFacts) -> bool:
    """Whether an export that was broken off may begin again without anybody asking for it."""
    return (
        stage_of(facts) is Stage.EXPORT_BROKEN_OFF
        and facts.exports < MOST_EXPORTS
        and not facts.failed
    )
