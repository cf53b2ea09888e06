"""Roles over the wire: told at once and when one changes; what is held is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from opensiterecovery.provider.v1.role_pb2 import (
    ROLE_ACTIVE,
    ROLE_HELD,
    ROLE_REPLICA,
    HeldAdapter,
    HeldCopy,
    RoleReport,
)

from coordinator.events.models import Event
from coordinator.fabrics.models import Fabric
from coordinator.gateway.settings import GatewaySettings
from coordinator.protection.models import MachineRole, ProtectedItem
from tests.integration.gateway.agents import Agent, Session
from tests.integration.gateway.conftest import Site
from tests.integration.gateway.test_reports import MACHINE, protect

pytestmark = pytest.mark.spec("FO-7")


@pytest.fixture
def settings() -> GatewaySettings:
    return replace(GatewaySettings(), round_seconds=0.1, role_seconds=0.1)


async def protected(site: Site, shanghai: Agent) -> Agent:
    beijing = await site.register("VMM-Beijing")
    await site.run(
        lambda: protect(
            Fabric.objects.get(pk=shanghai.fabric_id), Fabric.objects.get(pk=beijing.fabric_id)
        )
    )
    await site.run(
        lambda: ProtectedItem.objects.update(
            primary_host="hv1.shanghai.example.com", recovery_host="hv1.beijing.example.com"
        )
    )
    return beijing


async def told(session: Session) -> list[tuple[str, str, int, int]]:
    message = await session.next("role_assignments")
    return [
        (each.vm_id, each.location, each.epoch, each.role)
        for each in message.role_assignments.assignments
    ]


async def test_roles_are_told_when_a_session_begins_and_when_they_change(
    site: Site, shanghai: Agent
) -> None:
    beijing = await protected(site, shanghai)
    async with shanghai.session() as primary, beijing.session() as recovery:
        assert await told(primary) == [(MACHINE, "Primary", 1, ROLE_ACTIVE)]
        assert await told(recovery) == [(MACHINE, "Recovery", 1, ROLE_REPLICA)]
        await site.run(
            lambda: ProtectedItem.objects.update(
                active_location="Recovery",
                failover_type="Unplanned",
                role_epoch=2,
                state="UnplannedFailoverCommitPendingStatesBegin",
            )
        )
        assert await told(primary) == [(MACHINE, "Primary", 2, ROLE_HELD)]
        assert await told(recovery) == [(MACHINE, "Recovery", 2, ROLE_ACTIVE)]


async def test_a_server_without_protected_machines_is_told_so(site: Site, shanghai: Agent) -> None:
    async with shanghai.session() as session:
        assert await told(session) == []


async def test_what_is_held_is_kept_and_raised(site: Site, shanghai: Agent) -> None:
    await protected(site, shanghai)
    item_id = await site.run(lambda: str(ProtectedItem.objects.get().id))
    await site.run(
        lambda: ProtectedItem.objects.update(
            active_location="Recovery", failover_type="Unplanned", role_epoch=2
        )
    )
    copy = HeldCopy(
        item_id=item_id,
        location="Primary",
        epoch=2,
        held=True,
        adapters=[HeldAdapter(adapter_id="A", name="N", switch_name="S")],
    )
    async with shanghai.session() as session:
        await session.say(role_report=RoleReport(copies=[copy]))
        await site.until(lambda: Event.objects.filter(cleared_at=None).exists())
        kept = await site.run(lambda: MachineRole.objects.get().held)
        assert kept == {"location": "Primary", "epoch": 2, "adapters": [["A", "N", "S"]]}
        await session.say(role_report=RoleReport())
        await site.until(lambda: not Event.objects.filter(cleared_at=None).exists())
        assert await site.run(lambda: MachineRole.objects.get().held) is None
