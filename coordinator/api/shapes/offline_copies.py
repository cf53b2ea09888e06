"""What an item's offline first copy is waiting for, in answers; ASR has nothing of it."""

from __future__ import annotations

from typing_extensions import TypedDict

from coordinator.api.shapes.envelope import Time, written_time
from coordinator.protection.models import OfflineCopy, ProtectedItem
from coordinator.protection.queries import copy_facts
from coordinator.protection.rules import Stage, stage_of, waits_for


class OfflineProblem(TypedDict):
    code: str
    message: str
    recommendedAction: str


class OfflineProgress(TypedDict):
    """How a first copy that is carried there stands. Beyond ASR's model."""

    stage: str
    waitsFor: str
    exportPath: str
    importPath: str
    folder: str | None
    exportedBytes: int
    exportedFiles: int
    arrivedBytes: int
    arrivedFiles: int
    exports: int
    beganTime: Time
    problem: OfflineProblem | None


def offline_copy_of(item: ProtectedItem) -> OfflineCopy | None:
    """The item's offline first copy while it is not imported."""
    copy: OfflineCopy | None = getattr(item, "offline_copy", None)
    return None if copy is None or copy.imported_at is not None else copy


def offline_progress(item: ProtectedItem, *, importing: bool) -> OfflineProgress | None:
    """Stage, paths, figures and what is waited for; None for any other first copy."""
    copy = offline_copy_of(item)
    if copy is None:
        return None
    facts = copy_facts(copy, importing=importing)
    return {
        "stage": stage_of(facts).value,
        "waitsFor": waits_for(facts),
        "exportPath": copy.export_path,
        "importPath": copy.import_path,
        "folder": copy.exported_folder or None,
        "exportedBytes": copy.exported_bytes,
        "exportedFiles": copy.exported_files,
        "arrivedBytes": copy.arrived_bytes,
        "arrivedFiles": copy.arrived_files,
        "exports": copy.exports,
        "beganTime": written_time(copy.began_at),
        "problem": None
        if copy.problem is None
        else {
            "code": copy.problem["code"],
            "message": copy.problem["message"],
            "recommendedAction": copy.problem["recommended_action"],
        },
    }


def offline_waits_for(item: ProtectedItem) -> str:
    """What the offline first copy waits for, a sentence; empty for any other."""
    copy = offline_copy_of(item)
    return "" if copy is None else waits_for(copy_facts(copy))


def offline_percent(item: ProtectedItem) -> int | None:
    """How much of the import is done; None when none runs, or the copy is not an offline one."""
    copy = offline_copy_of(item)
    if copy is None:
        return None
    facts = copy_facts(copy)
    return facts.import_percent if stage_of(facts) is Stage.IMPORTING else None
