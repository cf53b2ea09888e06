"""The audit of a whole installation: servers that registered, what operators did, all verified."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.lab.control.stage import Stage
from tests.e2e.test_osr import osr, osr_json

pytestmark = pytest.mark.spec("EV-3")


def test_the_audit_tells_what_was_done_and_is_as_it_was_written(
    stage: Stage, tmp_path: Path
) -> None:
    action = "OpenSiteRecovery/agents/register/action"
    registered = osr_json(stage, "audit", "list", "--action", action)
    names = {record["properties"]["principalName"] for record in registered}
    assert names == {"VMM-Shanghai", "VMM-Beijing"}
    head = tmp_path / "head.json"
    assert osr(stage, "audit", "head", str(head)).returncode == 0
    osr_json(stage, "key", "create", "--file", str(tmp_path / "vault.key"))
    [newest] = osr_json(stage, "audit", "list", "--count", "1")
    assert newest["properties"]["action"].endswith("/registrationKeys/action")
    assert newest["properties"]["correlationId"]
    verified = osr(stage, "audit", "verify", "--head", str(head))
    assert verified.returncode == 0, verified.stderr
