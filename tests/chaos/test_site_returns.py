"""Sites die and come back while machines fail over; a long campaign is `tests/chaos/run`."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.chaos.returning.campaign import IDLE_ROUNDS, ReturnCampaign, ReturnVerdict
from tests.chaos.returning.stage import ReturnStage

# Set by `tests/chaos/run --scenario return`.
ROUNDS = int(os.environ.get("OSR_CHAOS_ROUNDS", "1"))
SEED = int(os.environ.get("OSR_CHAOS_SEED", "7"))
JSON = os.environ.get("OSR_CHAOS_JSON", "")
MACHINES = ["Web1", "Web2", "Data1", "Data2"]


@pytest.mark.spec("FO-7")
@pytest.mark.timeout(240 + 480 * ROUNDS)
@pytest.mark.django_db(transaction=True)
async def test_whatever_dies_and_returns_no_machine_ever_runs_twice(tmp_path: Path) -> None:
    stage = ReturnStage(tmp_path, MACHINES)
    try:
        await stage.open()
        verdict = await ReturnCampaign(stage, SEED, print).run(ROUNDS)
    finally:
        await stage.close()
    document = json.dumps(verdict.as_json(), indent=2, default=str)
    if JSON:
        await asyncio.to_thread(Path(JSON).write_text, document, encoding="utf-8")
    assert verdict.ok, document
    assert verdict.kills
    assert verdict.operations


def test_a_campaign_in_which_everything_is_refused_is_not_well() -> None:
    verdict, found = ReturnVerdict(), []
    for begun in (1, *[0] * (IDLE_ROUNDS + 1), 1):
        before = verdict.operations.total()
        verdict.operations["planned"] += begun
        verdict.round_ended(before)
        found.append(verdict.ok)
    assert found == [True, *[True] * IDLE_ROUNDS, False, True]
