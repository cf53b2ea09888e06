"""The graphs that import an offline first copy, and that begin its export again."""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.jobs.steps import Graph, Output, StepKind, StepSpec, TaskSpec

# No recording shows ASR's names of them.
IMPORT_SCENARIO = "ImportInitialReplication"
IMPORT_FRIENDLY_NAME = "Import the first copy"
EXPORT_SCENARIO = "ExportInitialReplication"
EXPORT_FRIENDLY_NAME = "Export the first copy again"

CHECK = "ImportInitialReplicationPrerequisitesCheck"
IMPORT = "ImportInitialReplication"
EXPORT = "VmStartInitialReplication"
UPDATE = "UpdateDraState"

# Terabytes from a slow disk; it goes on when asked again.
IMPORT_SECONDS = 3 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class OfflineSnapshot:
    """One side of the item, and the path on it."""

    provider_id: str
    vm_id: str
    host: str
    path: str

    @property
    def machine(self) -> dict[str, object]:
        return {"vm_id": self.vm_id, "host": self.host}


def plan_import(recovery: OfflineSnapshot) -> Graph:
    """Looks for the folder, compares it with what was exported, imports it. Source: SPEC OF-1."""
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Looking for the exported data"),
            TaskSpec(IMPORT, "Importing the first copy"),
            TaskSpec(UPDATE, "Updating the provider states"),
        ),
        steps=(
            StepSpec(
                key="check/read",
                task=CHECK,
                kind=StepKind.COMMAND,
                action="read_first_copy",
                provider=recovery.provider_id,
                inputs={"vm": recovery.machine, "path": recovery.path},
                time_limit_seconds=300,
            ),
            StepSpec(
                key="check/folder",
                task=CHECK,
                kind=StepKind.RECORD,
                action="protection.check_first_copy",
                inputs={
                    "path": recovery.path,
                    "folder": Output("check/read", "folder"),
                    "files": Output("check/read", "files"),
                    "size_bytes": Output("check/read", "size_bytes"),
                },
                after=("check/read",),
            ),
            StepSpec(
                key="check/right",
                task=CHECK,
                kind=StepKind.COMMAND,
                action="grant_replication_path",
                provider=recovery.provider_id,
                inputs={"host": recovery.host, "path": recovery.path},
                after=("check/folder",),
                time_limit_seconds=300,
            ),
            StepSpec(
                key="import/copy",
                task=IMPORT,
                kind=StepKind.COMMAND,
                action="import_initial_replication",
                provider=recovery.provider_id,
                inputs={"vm": recovery.machine, "folder": Output("check/folder", "folder")},
                after=("check/right",),
                time_limit_seconds=IMPORT_SECONDS,
            ),
            StepSpec(
                key="update/record",
                task=UPDATE,
                kind=StepKind.RECORD,
                action="protection.first_copy_imported",
                after=("import/copy",),
            ),
        ),
    )


def plan_export_again(primary: OfflineSnapshot) -> Graph:
    """Gives up what is left of the export that was broken off, and begins anew."""
    return Graph(
        tasks=(
            TaskSpec(EXPORT, "Exporting the first copy"),
            TaskSpec(UPDATE, "Updating the provider states"),
        ),
        steps=(
            StepSpec(
                key="export/stop",
                task=EXPORT,
                kind=StepKind.COMMAND,
                action="stop_initial_replication",
                provider=primary.provider_id,
                inputs={"vm": primary.machine},
                time_limit_seconds=300,
            ),
            StepSpec(
                key="export/right",
                task=EXPORT,
                kind=StepKind.COMMAND,
                action="grant_replication_path",
                provider=primary.provider_id,
                inputs={"host": primary.host, "path": primary.path},
                after=("export/stop",),
                time_limit_seconds=300,
            ),
            StepSpec(
                key="export/start",
                task=EXPORT,
                kind=StepKind.COMMAND,
                action="export_initial_replication",
                provider=primary.provider_id,
                inputs={"vm": primary.machine, "export_path": primary.path},
                after=("export/right",),
                time_limit_seconds=900,
            ),
            StepSpec(
                key="update/record",
                task=UPDATE,
                kind=StepKind.RECORD,
                action="protection.export_began_again",
                after=("export/start",),
            ),
        ),
    )
