"""The audit of the gateway: servers that register, and callers who are turned away."""

from __future__ import annotations

import grpc
import pytest

from coordinator.events.models import AuditRecord
from tests.integration.fabrics.servers import VmmServerToRegister
from tests.integration.gateway.conftest import Site

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("EV-3")]


async def test_a_server_that_registers_is_in_its_vaults_audit(site: Site) -> None:
    agent = await site.register("VMM-Shanghai")
    [record] = await site.run(
        lambda: list(AuditRecord.objects.filter(chain__vault_id=site.vault.id))
    )
    assert record.action == "OpenSiteRecovery/agents/register/action"
    assert (record.principal_type, record.principal_id) == ("Agent", str(agent.provider_id))
    assert record.outcome == "Succeeded"
    assert record.resource.startswith(f"/subscriptions/{site.vault.subscription_id}/")
    assert record.details["certificate"]


@pytest.mark.spec("AC-3")
async def test_a_server_without_a_good_key_is_in_the_installations_audit(site: Site) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await site.door.register(VmmServerToRegister("VMM-X").request(b"no key"))
    [record] = await site.run(lambda: list(AuditRecord.objects.filter(chain__vault_id=None)))
    assert (record.outcome, record.principal_type) == ("Denied", "Agent")
    assert record.code
