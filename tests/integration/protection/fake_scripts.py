"""What a fake VMM server does with the scripts of recovery plans."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from opensiterecovery.provider.v1 import command_pb2, script_pb2

if TYPE_CHECKING:
    from tests.integration.protection.fake_hyperv import FakeHyperV

Result = command_pb2.CommandResult
SUCCEEDED = script_pb2.PLAN_SCRIPT_OUTCOME_SUCCEEDED
FAILED = script_pb2.PLAN_SCRIPT_OUTCOME_FAILED
UNKNOWN = script_pb2.PLAN_SCRIPT_OUTCOME_UNKNOWN


def script_verbs(hyperv: FakeHyperV) -> Mapping[str, Callable[..., None]]:
    """The verbs, by name; a script is its file's name and fails if it is in `failing_scripts`."""

    def run(request: script_pb2.RunPlanScript, result: Result) -> None:
        context = json.loads(request.context)
        hyperv.effects.append(f"script.run {request.path}")
        hyperv.script_contexts.append(context)
        ran = result.plan_script_run
        ran.path, ran.sha256, ran.output = request.path, "0" * 64, "It says: 上海"
        ran.outcome = hyperv.failing_scripts.get(request.path, SUCCEEDED)
        if ran.outcome != SUCCEEDED:
            ran.error_output = "no DNS"

    return {"run_plan_script": run}
