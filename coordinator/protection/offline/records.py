"""What the engine calls of offline first copies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast
from uuid import UUID

from coordinator.fabrics.models import Host
from coordinator.failures import Failure
from coordinator.jobs.registry import FinishedJob, RecordCall, StepFailedError
from coordinator.jobs.states import JobState
from coordinator.protection.models import OfflineCopy, ProtectedItem
from coordinator.protection.offline.facts import exported
from coordinator.protection.offline.path_rules import (
    PathFacts,
    check_paths,
    one_failure,
    path_facts,
)
from coordinator.protection.offline.rules import FolderFacts

CLEARED = {
    "exported_folder": "",
    "exported_files": 0,
    "exported_bytes": 0,
    "exported_settled": False,
    "arrived_folder": "",
    "arrived_files": 0,
    "arrived_bytes": 0,
    "arrived_settled": False,
    "problem": None,
    "imported_at": None,
}


def check_offline_paths(call: RecordCall) -> Mapping[str, object]:
    """Refuses to begin while a path, a right or a delegation is missing. Source: SPEC OF-2."""
    item = ProtectedItem.objects.select_related("pairing").get(id=str(call.arguments["item_id"]))
    fabrics = [item.pairing.primary_fabric_id, item.pairing.recovery_fabric_id]
    hosts = Host.objects.filter(fabric_id__in=fabrics, gone_at=None).values_list("name", flat=True)
    failures = check_paths(_facts(call, "export"), _facts(call, "import"), set(hosts))
    if failures:
        raise StepFailedError(one_failure(failures))
    return {}


def export_began(call: RecordCall) -> Mapping[str, object]:
    """The export runs; from now on the agents look for its folder at both paths."""
    OfflineCopy.objects.update_or_create(
        item_id=UUID(str(call.arguments["item_id"])),
        defaults={
            **CLEARED,
            "export_path": str(call.inputs["export_path"]),
            "import_path": str(call.inputs["import_path"]),
            "exports": 1,
            "began_at": call.now,
        },
    )
    return {}


def export_began_again(call: RecordCall) -> Mapping[str, object]:
    """What was seen of the former export means nothing any more."""
    _begin_again(_copy(call.arguments), call.now)
    return {}


def check_first_copy(call: RecordCall) -> Mapping[str, object]:
    """Compares the folder that was carried with what was exported; gives its whole path."""
    copy = _copy(call.arguments)
    path, folder = str(call.inputs["path"]), str(call.inputs["folder"])
    there = FolderFacts(folder, int(str(call.inputs["files"])), int(str(call.inputs["size_bytes"])))
    failure = _unfit(copy, path, there)
    if failure is not None:
        raise StepFailedError(failure)
    return {"folder": path.rstrip("\\") + "\\" + folder}


def first_copy_imported(call: RecordCall) -> Mapping[str, object]:
    """The replica replicates; finalizing follows when the primary has been seen to do so too."""
    copy = _copy(call.arguments)
    copy.imported_at, copy.problem = call.now, None
    copy.save(update_fields=["imported_at", "problem"])
    return {}


def offline_job_finished(job: FinishedJob) -> None:
    """A failure is kept with the copy, so that the same thing is not tried again by itself."""
    if job.state is JobState.SUCCEEDED:
        return
    failure = job.failures[0] if job.failures else None
    OfflineCopy.objects.filter(item_id=UUID(str(job.arguments["item_id"]))).update(
        problem={
            "code": "" if failure is None else failure.code,
            "message": "" if failure is None else failure.message,
            "recommended_action": "" if failure is None else failure.recommended_action,
        }
    )


def _begin_again(copy: OfflineCopy, now: datetime) -> None:
    for name, value in CLEARED.items():
        setattr(copy, name, value)
    copy.exports += 1
    copy.began_at = now
    copy.save()


def _copy(arguments: Mapping[str, object]) -> OfflineCopy:
    return OfflineCopy.objects.select_related("item").get(item_id=UUID(str(arguments["item_id"])))


def _facts(call: RecordCall, name: str) -> PathFacts:
    return path_facts(cast("Mapping[str, object]", call.inputs[name]))


def _unfit(copy: OfflineCopy, path: str, there: FolderFacts) -> Failure | None:
    """Why the folder at the import path cannot be imported; None when it is as it was exported."""
    out = exported(copy)
    name = copy.item.friendly_name
    if not there.name:
        return Failure(
            "FirstCopyNotThere",
            f"There is no exported folder of {name} at {path} on {copy.item.recovery_host}.",
            ("It has not been carried yet, or to another place.",),
            f"Carry the folder {out.name or f'{name}_<VMGUID>'} from {copy.export_path} on "
            f"{copy.item.primary_host} to {path}, with its name; the import begins by itself.",
        )
    if out.name and not out.is_same_as(there):
        return Failure(
            "FirstCopyIncomplete",
            f"The folder {there.name} at {path} has {there.files} files with {there.size_bytes} "
            f"bytes; {out.files} files with {out.size_bytes} bytes were exported.",
            ("It is still being copied, or a file was left out.", "It is of an earlier export."),
            f"Copy the whole folder from {copy.export_path} again, then repeat the import.",
        )
    return None
