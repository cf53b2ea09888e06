"""Carrying out steps: writing commands, calling record functions, looking at conditions."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import TypeVar, cast
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, transaction

from coordinator.failures import Failure, RefusedError
from coordinator.jobs.command_rows import NewCommand
from coordinator.jobs.inputs import (
    OutputMissingError,
    decode_inputs,
    outputs_in,
    resolve_inputs,
)
from coordinator.jobs.overdue_events import tell_overdue
from coordinator.jobs.patience import waits_for_provider
from coordinator.jobs.queues import PRIORITIES, QueueName
from coordinator.jobs.registry import (
    ConditionState,
    RecordCall,
    StepFailedError,
    Waiting,
)
from coordinator.jobs.run import Run
from coordinator.jobs.step_rows import StepRow
from coordinator.jobs.steps import StepKind
from coordinator.jobs.verbs import CommandCause, VerbError, build_command

log = structlog.get_logger(__name__)

Given = TypeVar("Given")

# The agent counts its PowerShell pipelines in the last four bytes of a command's id.
PIPELINE_BITS = 0xFFFFFFFF


def start_steps(run: Run, keys: Collection[str]) -> None:
    """Begins an attempt of each step; record functions end within it.

    Stops at the first step that fails: whether the others may still begin is decided anew.
    """
    run.load(keys)
    rows = [run.rows[key] for key in keys]
    # All results the inputs refer to, in one query.
    run.load({output.step for row in rows for output in outputs_in(decode_inputs(row.inputs))})
    for row in rows:
        run.begin(row)
        if row.kind not in {StepKind.COMMAND, StepKind.RECORD}:
            continue
        try:
            inputs = _inputs(run, row)
            if row.kind is StepKind.COMMAND:
                _write_command(run, row, inputs)
            else:
                run.succeed(row, _record(run, row, inputs))
        except StepFailedError as error:
            run.fail(row, error.failure, transient=error.transient)
            return


def look_at(run: Run, key: str) -> None:
    """Ends a WAIT step if its condition is met or can never be."""
    row = run.rows[key]
    run.load([key])
    try:
        inputs = _inputs(run, row)
        answer = _condition(run, row, inputs)
        if isinstance(answer, Waiting):
            run.looks[key] = answer.look_at
            run.tell(row, answer.activity)
        elif answer is ConditionState.MET:
            run.succeed(row, {})
    except StepFailedError as error:
        run.fail(row, error.failure, transient=error.transient)


def escalate(run: Run, key: str) -> None:
    """Has somebody told that nobody has come for a MANUAL step, which goes on waiting."""
    row = run.rows[key]
    run.load([key])
    run.put_off(row, None)
    log.warning("manual.overdue", job_id=str(run.job.id), step_key=row.key)
    tell_overdue(run.job, row, run.now)
    escalation = run.shared.registry.escalations.get(row.action)
    if escalation is None:
        return
    call = _call(run, row, _inputs(run, row))
    try:
        guarded(lambda: escalation(call), row.action)
    except StepFailedError as error:
        # The step must not end because nobody could be told.
        log.warning("manual.not_escalated", step_key=row.key, code=error.failure.code)


def guarded(call: Callable[[], Given], name: str) -> Given:
    """Calls a domain's function so that it happens wholly or not at all.

    Raises:
        StepFailedError: With the failure the function told of, or, when it broke, one that says so.
        OperationalError, InterfaceError: The database went away: the whole advance is repeated.
    """
    try:
        with transaction.atomic():
            return call()
    except (OperationalError, InterfaceError, StepFailedError):
        raise
    except RefusedError as error:
        raise StepFailedError(error.failure) from error
    except Exception as error:
        # A border: whatever breaks in there is this step's failure, or the job would never end.
        log.exception("function.broke", function=name)
        raise StepFailedError(_broken(name, error)) from error


def _inputs(run: Run, row: StepRow) -> Mapping[str, object]:
    inputs = decode_inputs(row.inputs)
    named = {output.step for output in outputs_in(inputs)}
    run.load(named)
    results = {key: run.rows[key].result for key in named}
    try:
        return cast("Mapping[str, object]", resolve_inputs(inputs, results))
    except OutputMissingError as error:
        raise StepFailedError(_unfit(row, str(error))) from error


def _write_command(run: Run, row: StepRow, inputs: Mapping[str, object]) -> None:
    if row.provider_id is None:
        raise StepFailedError(_unfit(row, "it names no provider"))
    command_id = UUID(int=run.shared.new_id().int & ~PIPELINE_BITS)
    time_limit = timedelta(seconds=row.time_limit_seconds)
    try:
        cause = CommandCause(run.job.id, row.key, run.job.correlation_id)
        body = build_command(command_id, cause, time_limit, (row.action, inputs))
    except VerbError as error:
        raise StepFailedError(_unfit(row, str(error))) from error
    if row.patience_seconds:
        run.tell(row, waits_for_provider(row.provider_id, run.now))
    run.shared.commands.append(
        NewCommand(
            command_id=command_id,
            vault_id=run.job.vault_id,
            provider_id=row.provider_id,
            step_id=row.id,
            root_id=run.root_id,
            verb=row.action,
            slot=row.slot,
            priority=PRIORITIES[QueueName(run.job.queue)],
            urgency=row.urgency,
            body=body,
            created_at=run.now,
        )
    )


def _record(run: Run, row: StepRow, inputs: Mapping[str, object]) -> Mapping[str, object]:
    function = run.shared.registry.records.get(row.action)
    if function is None:
        raise StepFailedError(_unknown_action(row))
    call = _call(run, row, inputs)

    def result_as_json() -> Mapping[str, object]:
        result = function(call)
        json.dumps(result)
        return result

    return guarded(result_as_json, row.action)


def _condition(run: Run, row: StepRow, inputs: Mapping[str, object]) -> ConditionState | Waiting:
    condition = run.shared.registry.conditions.get(row.action)
    if condition is None:
        raise StepFailedError(_unknown_action(row))
    call = _call(run, row, inputs)
    return guarded(lambda: condition(call), row.action)


def _call(run: Run, row: StepRow, inputs: Mapping[str, object]) -> RecordCall:
    return RecordCall(
        job_id=run.job.id,
        vault_id=run.job.vault_id,
        target_id=run.job.target_id,
        arguments=run.job.arguments,
        inputs=inputs,
        now=run.now,
        step_key=row.key,
    )


def _unknown_action(row: StepRow) -> Failure:
    return Failure(
        "ActionUnknown",
        f"The coordinator does not know the action {row.action!r} of step {row.key!r}.",
        ("The job was begun by a newer version of the coordinator than the one running it.",),
        "Run the same version of every coordinator process, then repeat the operation.",
    )


def _unfit(row: StepRow, detail: str) -> Failure:
    return Failure(
        "StepInputsUnfit",
        f"Step {row.key!r} could not begin: {detail}.",
        ("The provider left out something that the next step needs.",),
        "Compare the versions of provider and coordinator, then repeat the operation.",
    )


def _broken(name: str, error: Exception) -> Failure:
    return Failure(
        "InternalError",
        f"The coordinator's own function {name!r} broke with {type(error).__name__}.",
        ("A fault in the coordinator; its log has the details.",),
        "Keep the coordinator's log of this moment and report it; then repeat the operation.",
    )
