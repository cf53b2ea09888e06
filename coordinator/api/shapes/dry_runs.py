"""Dry runs in answers."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import TypedDict

from coordinator.api.shapes.envelope import Time, written_time
from coordinator.protection.states import ActiveLocation
from coordinator.recovery.dry_run.facts import Finding, ScriptFacts
from coordinator.recovery.dry_run.forecast import Forecast
from coordinator.recovery.dry_run.services import DryRun


class DryRunFinding(TypedDict):
    """Something that people should know before they run it."""

    severity: str
    code: str
    message: str
    possibleCauses: list[str]
    recommendedAction: str
    objectType: str
    objectName: str


class DryRunScript(TypedDict):
    """A script that would be run, as it was seen last; null: not looked at."""

    actionName: str
    path: str
    place: str
    server: str
    expectedSha256: str | None
    sha256: str | None
    exists: bool | None
    readable: bool | None
    runnable: bool | None
    problem: str
    lookedAtTime: Time | None


class ForecastGroup(TypedDict):
    key: str
    taskName: str
    beginsSeconds: float
    endsSeconds: float


class ForecastStep(TypedDict):
    """A step that the end of the run depends on."""

    machine: str
    step: str
    taskName: str
    host: str
    beginsSeconds: float
    seconds: float
    waitedFor: str


class ForecastShape(TypedDict):
    """How long a run would take if all goes well."""

    seconds: float
    lowSeconds: float
    highSeconds: float
    manualActions: int
    groups: list[ForecastGroup]
    criticalPath: list[ForecastStep]


class DryRunAnswer(TypedDict):
    """What was found, and how long it would take. Beyond ASR's model."""

    checks: list[DryRunFinding]
    scripts: list[DryRunScript]
    lookedAt: dict[str, Time | None]
    forecast: ForecastShape | None


def dry_run_answer(found: DryRun) -> DryRunAnswer:
    """What was found, errors first, and how long the run would take."""
    forecast = found.forecast
    return {
        "checks": [_finding(each) for each in found.findings],
        "scripts": [_script(each) for each in found.scripts],
        "lookedAt": {
            side.lower(): written_time(found.looked_at.get(side)) for side in ActiveLocation
        },
        "forecast": None if forecast is None else _forecast(forecast, found.machine_names),
    }


def _finding(found: Finding) -> DryRunFinding:
    failure = found.failure
    return {
        "severity": str(found.severity),
        "code": failure.code,
        "message": failure.message,
        "possibleCauses": list(failure.possible_causes),
        "recommendedAction": failure.recommended_action,
        "objectType": found.object_type,
        "objectName": found.object_name,
    }


def _script(script: ScriptFacts) -> DryRunScript:
    seen = script.seen
    return {
        "actionName": script.name,
        "path": f"\\{script.path}",
        "place": script.place,
        "server": script.server,
        "expectedSha256": script.sha256 or None,
        "sha256": None if seen is None else seen.sha256 or None,
        "exists": None if seen is None else seen.exists,
        "readable": None if seen is None else seen.readable,
        "runnable": None if seen is None else seen.runnable,
        "problem": "" if seen is None else seen.problem,
        "lookedAtTime": None if seen is None else written_time(seen.looked_at),
    }


def _forecast(forecast: Forecast, names: Mapping[str, str]) -> ForecastShape:
    return {
        "seconds": round(forecast.seconds, 1),
        "lowSeconds": round(forecast.low_seconds, 1),
        "highSeconds": round(forecast.high_seconds, 1),
        "manualActions": forecast.manual_actions,
        "groups": [
            {
                "key": phase.key,
                "taskName": phase.task,
                "beginsSeconds": round(phase.begins_seconds, 1),
                "endsSeconds": round(phase.ends_seconds, 1),
            }
            for phase in forecast.phases
        ],
        "criticalPath": [
            {
                "machine": names.get(part.machine, ""),
                "step": part.step,
                "taskName": part.task,
                "host": part.host_slot.removeprefix("host:"),
                "beginsSeconds": round(part.begins_seconds, 1),
                "seconds": round(part.seconds, 1),
                "waitedFor": str(part.waited_for),
            }
            for part in forecast.critical_path
        ],
    }
