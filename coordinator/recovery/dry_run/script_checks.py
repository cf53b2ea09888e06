"""Whether the scripts of a run could be run as they lie in their library shares: pure (RP-6)."""

from __future__ import annotations

from collections.abc import Iterator

from coordinator.failures import Failure
from coordinator.recovery.dry_run.facts import (
    SCRIPT,
    Finding,
    RunFacts,
    ScriptFacts,
    SeenScript,
    Severity,
)


def check_scripts(facts: RunFacts) -> Iterator[Finding]:
    """What is found about scripts.

    One whose failure stops the run is an error, one that may fail a warning.
    """
    for script in facts.scripts:
        failure, severity = _failure(script)
        if failure is not None:
            yield Finding(
                severity=severity, failure=failure, object_type=SCRIPT, object_name=script.name
            )


def _failure(script: ScriptFacts) -> tuple[Failure | None, Severity]:
    if script.seen is None:
        return _not_looked_at(script), Severity.INFORMATION
    severity = Severity.ERROR if script.stops else Severity.WARNING
    return _obstacle(script, script.seen) or _changed(script, script.seen), severity


def _not_looked_at(script: ScriptFacts) -> Failure:
    return Failure(
        "PlanScriptNotLookedAt",
        f"Whether {script.path} is there has not been looked at.",
        (
            "Scripts are in the library share, which only its server sees.",
            "The plan has been changed since its servers were looked at.",
            f"The provider of {script.server or 'that server'} was not connected then.",
        ),
        "Have the servers looked at (osr plan check does, unless --known), then check again.",
    )


def _obstacle(script: ScriptFacts, seen: SeenScript) -> Failure | None:
    where = f"{script.path} of {script.server}" if script.server else script.path
    if not seen.exists:
        return Failure(
            "PlanScriptNotFound",
            f"The script {where} is not there: {seen.problem}",
            (
                "The file is not at this place in the library share of that server.",
                "The share is another than the provider knows (script_library_path).",
            ),
            "Put the script into the share, or correct the path in the plan.",
        )
    if not seen.readable:
        return Failure(
            "PlanScriptNotReadable",
            f"The script {where} cannot be read: {seen.problem}",
            ("The account of the provider may not read the file or the share.",),
            "Let the provider's account read the share.",
        )
    if seen.runnable is False:
        return Failure(
            "PlanScriptNotAllowed",
            f"The script {where} may not be run: {seen.problem}",
            (
                "The server's execution policy does not let scripts run as this one is.",
                "The file was downloaded, or is in a share that Windows counts as Internet.",
            ),
            "Sign the script, take the mark of the download off it (Unblock-File), or change "
            "the execution policy.",
        )
    return None


def _changed(script: ScriptFacts, seen: SeenScript) -> Failure | None:
    if not script.sha256 or script.sha256 == seen.sha256:
        return None
    return Failure(
        "PlanScriptChanged",
        f"The script {script.path} is not the one the plan wants: its SHA-256 is {seen.sha256} "
        f"and not {script.sha256}.",
        ("Somebody changed the file, or another one was put in its place.",),
        "Look at the change. If it is wanted, give the plan's action the new hash.",
    )
