"""The verb that has the whole fabric looked at."""

from __future__ import annotations

from dataclasses import replace

import pytest
from opensiterecovery.provider.v1.inventory_pb2 import FabricRefreshed, RefreshFabric

from agent.verbs.context import VerbContext
from agent.verbs.fabric import refresh_fabric
from tests.unit.agent.verbs.conftest import MakeContext

pytestmark = pytest.mark.spec("DI-2", "DI-4")


@pytest.mark.parametrize("everything", [True, False])
async def test_it_answers_when_the_coordinator_has_what_was_seen(
    context: MakeContext, everything: bool
) -> None:
    asked: list[bool] = []

    async def refresh(*, everything: bool) -> FabricRefreshed:
        asked.append(everything)
        return FabricRefreshed(inventory_revision=9, unread_hosts=["hv9"])

    with_fabric: VerbContext = replace(context(), refresh=refresh)
    answer = await refresh_fabric(RefreshFabric(everything=everything), with_fabric)
    assert (answer.inventory_revision, list(answer.unread_hosts)) == (9, ["hv9"])
    assert asked == [everything]


async def test_an_agent_that_watches_nothing_says_so(context: MakeContext) -> None:
    with pytest.raises(LookupError):
        await refresh_fabric(RefreshFabric(), context())
