"""What the engine may call of offline first copies, by the names its graphs use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from coordinator.jobs.registry import Finisher, RecordFunction
from coordinator.protection.offline import planner, records, watching

RECORDS: Mapping[str, RecordFunction] = {
    "protection.check_offline_paths": records.check_offline_paths,
    "protection.export_began": records.export_began,
    "protection.export_began_again": records.export_began_again,
    "protection.check_first_copy": records.check_first_copy,
    "protection.first_copy_imported": records.first_copy_imported,
}

FINISHERS: Mapping[str, Finisher] = {
    planner.IMPORT_SCENARIO: records.offline_job_finished,
    planner.EXPORT_SCENARIO: records.offline_job_finished,
}

TASKS: Mapping[str, Callable[..., None]] = {watching.FOLLOW_TASK: watching.follow_offline_copies}

PERIODIC: Mapping[str, timedelta] = {watching.FOLLOW_TASK: watching.FOLLOW_EVERY}
