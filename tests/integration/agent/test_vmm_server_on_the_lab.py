"""What registration asks VMM, against the lab."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.powershell.errors import PowerShellFailure
from agent.powershell.pool import PowerShellPool
from agent.vmm_server import read_vmm_server
from tests.integration.agent.failover_stage import EAST, WEST, Stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path, 0)
    await made.open()
    yield made
    await made.close()


@pytest.mark.spec("EN-7")
async def test_vmm_says_who_it_is_and_the_same_each_time(stage: Stage) -> None:
    found = []
    for host in (EAST, EAST, WEST):
        pool = PowerShellPool(stage.agents[host].shells.start)
        found.append(await read_vmm_server(pool, "localhost"))
        await pool.close()
    assert found[0] == found[1]
    assert found[0].fqdn == "vmm-east.contoso.com"
    assert found[0].product_version
    assert found[0].installation_id != found[2].installation_id


async def test_another_vmm_server_is_not_this_one(stage: Stage) -> None:
    pool = PowerShellPool(stage.agents[EAST].shells.start)
    with pytest.raises(PowerShellFailure):
        await read_vmm_server(pool, "vmm-nowhere.contoso.com")
    await pool.close()
