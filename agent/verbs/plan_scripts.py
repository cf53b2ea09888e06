"""Commands about scripts of recovery plans: run one once, look at some."""

from __future__ import annotations

import re

from opensiterecovery.provider.v1.script_pb2 import (
    PLAN_SCRIPT_OUTCOME_FAILED,
    PLAN_SCRIPT_OUTCOME_SUCCEEDED,
    PLAN_SCRIPT_OUTCOME_TIMED_OUT,
    PLAN_SCRIPT_OUTCOME_UNKNOWN,
    CheckPlanScripts,
    PlanScript,
    PlanScriptRun,
    PlanScripts,
    RunPlanScript,
)

from agent.failures import CommandError, failure
from agent.powershell.cmdlet import cmdlet, select
from agent.powershell.errors import PowerShellError, PowerShellTimeout
from agent.powershell.records import PSRecord
from agent.verbs.context import VerbContext
from agent.verbs.reader import answer_was_lost

LONGEST_SECONDS = 600
"""ASR's limit of a script."""

MOST_OUTPUT_BYTES = 64 * 1024
MOST_CONTEXT_BYTES = 4 * 1024 * 1024

_STARTING_SECONDS = 45.0
"""For starting the script's process and ending it by force, over and above the script's limit."""

_SHA256 = re.compile(r"[0-9a-f]{64}")

LOOK_PROPERTIES = ("Library", "Path", "Exists", "Readable", "Runnable", "Sha256", "Problem")
RUN_PROPERTIES = (
    "Sha256",
    "ExitCode",
    "TimedOut",
    "Succeeded",
    "Output",
    "ErrorOutput",
    "Cut",
)


async def run_plan_script(request: RunPlanScript, context: VerbContext) -> PlanScriptRun:
    """Runs a script of the library share on the VMM server, at most once.

    What a script does cannot be observed, so it is the one command that is not begun again: when
    an earlier run of the agent, or PowerShell under this one, ended while the script ran, the
    outcome is unknown, and the plan's rule decides.

    Raises:
        CommandError: It was not begun: the request is wrong, or the file is not in the share, not
            readable, not the one expected, or the server's execution policy does not let it run.

    Source: SPEC RP-2, RP-4.
    """
    limit_seconds = _limit_seconds(request)
    if context.resumed:
        return _unknown(request.path, "The agent was restarted while the script ran.")
    seen = (await _look(context, [request.path])).scripts[0]
    _refuse_unfit(seen, request.sha256)
    await context.tell(f"Running {request.path}")
    try:
        found = await context.powershell.run(
            cmdlet(
                "Invoke-OsrPlanScript",
                LibraryPath=context.script_library_path,
                VMMServer=context.vmm_server,
                Path=request.path,
                Context=request.context,
                TimeLimitSeconds=limit_seconds,
                Sha256=seen.sha256,
            ),
            select(*RUN_PROPERTIES),
            time_limit_seconds=min(context.action_seconds(), limit_seconds + _STARTING_SECONDS),
        )
    except PowerShellError as error:
        if answer_was_lost(error) or isinstance(error, PowerShellTimeout):
            return _unknown(request.path, f"PowerShell ended while the script ran: {error}")
        raise
    return _outcome(request.path, found[0]) if found else _unknown(request.path, "No answer.")


async def check_plan_scripts(request: CheckPlanScripts, context: VerbContext) -> PlanScripts:
    """Looks whether scripts are there and may be run, and at their hashes. Changes nothing.

    Raises:
        PowerShellError: The share could not be looked at.
    """
    return await _look(context, list(request.paths))


async def _look(context: VerbContext, paths: list[str]) -> PlanScripts:
    answer = PlanScripts(library=context.script_library_path)
    for path in paths:
        found = await context.reader.run(
            cmdlet(
                "Get-OsrPlanScript",
                LibraryPath=context.script_library_path,
                VMMServer=context.vmm_server,
                Path=path,
            ),
            select(*LOOK_PROPERTIES),
            time_limit_seconds=context.read_seconds(),
        )
        answer.library = found[0].text("Library")
        answer.scripts.append(
            PlanScript(
                path=path,
                exists=found[0].boolean("Exists"),
                readable=found[0].boolean("Readable"),
                runnable=found[0].boolean("Runnable"),
                sha256=(found[0].optional_text("Sha256") or "").lower(),
                problem=found[0].optional_text("Problem") or "",
            )
        )
    return answer


def _limit_seconds(request: RunPlanScript) -> int:
    """The script's own limit in whole seconds.

    Raises:
        CommandError: The request is one no coordinator of ours makes.
    """
    seconds = request.script_time_limit.seconds
    sound = (
        1 <= seconds <= LONGEST_SECONDS
        and bool(request.path)
        and len(request.context.encode()) <= MOST_CONTEXT_BYTES
        and (not request.sha256 or _SHA256.fullmatch(request.sha256) is not None)
    )
    if sound:
        return seconds
    raise CommandError(
        failure(
            "PlanScriptRequestWrong",
            f"The command to run {request.path or 'a script without a path'} is not sound.",
            [
                f"A script may run 1 to {LONGEST_SECONDS} seconds; {seconds} are asked for.",
                "The path is empty, the hash is no SHA-256, or the context is too long.",
            ],
            "Save the recovery plan's action again, then run the plan.",
        )
    )


def _refuse_unfit(seen: PlanScript, sha256: str) -> None:
    if not seen.exists or not seen.readable:
        raise CommandError(
            failure(
                "PlanScriptNotFound" if not seen.exists else "PlanScriptNotReadable",
                f"The script {seen.path} cannot be run: {seen.problem}",
                [
                    "The file is not at this place in the library share of this side's VMM server.",
                    "The share is another than the agent knows (script_library_path).",
                    "The account of the agent may not read the share.",
                ],
                "Put the script into the share, or correct the path in the recovery plan. Then run"
                " the plan again.",
            )
        )
    if sha256 and seen.sha256 != sha256:
        raise CommandError(
            failure(
                "PlanScriptChanged",
                f"The script {seen.path} is not the one that was checked: its SHA-256 is"
                f" {seen.sha256} and not {sha256}.",
                ["Somebody changed the file since it was checked."],
                "Look at the change. If it is wanted, give the action of the plan the new hash.",
            )
        )
    if not seen.runnable:
        raise CommandError(
            failure(
                "PlanScriptNotAllowed",
                f"The script {seen.path} may not be run: {seen.problem}",
                [
                    "The execution policy of the VMM server is stricter than when it was tried.",
                    "The file was downloaded, or is in a share that Windows counts as Internet.",
                ],
                "Sign the script, take the mark of the download off it (Unblock-File), or change"
                " the execution policy. Then run the plan again.",
            )
        )


def _unknown(path: str, why: str) -> PlanScriptRun:
    return PlanScriptRun(
        path=path,
        outcome=PLAN_SCRIPT_OUTCOME_UNKNOWN,
        error_output=f"{why} Whether the script did its work is unknown; it is not run again.",
    )


def _outcome(path: str, record: PSRecord) -> PlanScriptRun:
    output, output_cut = _cut(record.optional_text("Output") or "")
    error_output, error_cut = _cut(record.optional_text("ErrorOutput") or "")
    outcome = PLAN_SCRIPT_OUTCOME_FAILED
    if record.boolean("TimedOut"):
        outcome = PLAN_SCRIPT_OUTCOME_TIMED_OUT
    elif record.boolean("Succeeded"):
        outcome = PLAN_SCRIPT_OUTCOME_SUCCEEDED
    answer = PlanScriptRun(
        path=path,
        outcome=outcome,
        output=output,
        error_output=error_output,
        cut=record.boolean("Cut") or output_cut or error_cut,
        sha256=(record.optional_text("Sha256") or "").lower(),
    )
    if (code := record.optional_integer("ExitCode")) is not None:
        answer.exit_code = code
    return answer


def _cut(text: str) -> tuple[str, bool]:
    """The first of the text, and whether something was cut off; no half characters."""
    encoded = text.encode("utf-8", errors="replace")
    if len(encoded) <= MOST_OUTPUT_BYTES:
        return encoded.decode(), False
    return encoded[:MOST_OUTPUT_BYTES].decode(errors="ignore"), True
