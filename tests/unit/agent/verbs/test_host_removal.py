"""What a pairing configured on a host goes, and what others configured stays."""

from __future__ import annotations

from typing import Any

import pytest
from opensiterecovery.provider.v1.command_pb2 import RemoveHostReplication

from agent.verbs.host_removal import remove_host_replication
from tests.unit.agent.fake_hyperv import FakeHyperV, FakeMachine
from tests.unit.agent.verbs.conftest import SHANGHAI, VM_ID, MakeContext

pytestmark = pytest.mark.spec("PA-4")

THUMBPRINT = "AB" * 20
REQUEST = RemoveHostReplication(
    host=SHANGHAI, trust_group="osr-1", disable=True, certificate_thumbprint=THUMBPRINT
)


def entry(primary: str, trust_group: str) -> dict[str, Any]:
    return {
        "AllowedPrimaryServer": primary,
        "ReplicaStorageLocation": "D:\\Replica",
        "TrustGroup": trust_group,
    }


@pytest.fixture
def paired(hyperv: FakeHyperV) -> FakeHyperV:
    host = hyperv.hosts[SHANGHAI]
    host.server |= {
        "ReplicationEnabled": True,
        "AllowedAuthenticationType": "Certificate",
        "CertificateThumbprint": THUMBPRINT,
    }
    host.certificates[THUMBPRINT] = {"Thumbprint": THUMBPRINT, "NotAfter": None}
    host.entries = {"a.test": entry("a.test", "osr-1"), "b.test": entry("b.test", "osr-1")}
    return hyperv


async def test_a_pairing_removed_twice_is_removed_once(
    paired: FakeHyperV, context: MakeContext
) -> None:
    for _ in range(2):
        found = await remove_host_replication(REQUEST, context())
        assert not found.replication_enabled
        assert list(found.authorizations) == []
    assert sorted(name for name, _ in paired.effects) == [
        "authorization.removed",
        "authorization.removed",
        "certificate.removed",
        "server.set",
    ]


async def test_a_certificate_that_a_machine_replicates_by_stays(
    paired: FakeHyperV, context: MakeContext
) -> None:
    """Removed, it would stop a replication that this pairing has nothing to do with."""
    used = FakeMachine(VM_ID, "App", mode="Primary", replication_state="Replicating")
    used.certificate_thumbprint = THUMBPRINT.lower()
    paired.add(SHANGHAI, used)
    found = await remove_host_replication(REQUEST, context())
    assert not found.replication_enabled
    assert THUMBPRINT in paired.hosts[SHANGHAI].certificates
    used.mode = "None"
    await remove_host_replication(REQUEST, context())
    assert THUMBPRINT not in paired.hosts[SHANGHAI].certificates


async def test_the_host_goes_on_for_entries_that_somebody_else_made(
    paired: FakeHyperV, context: MakeContext
) -> None:
    paired.hosts[SHANGHAI].entries["c.test"] = entry("c.test", "by hand")
    found = await remove_host_replication(REQUEST, context())
    assert [each.allowed_primary_server for each in found.authorizations] == ["c.test"]
    assert found.replication_enabled
    assert THUMBPRINT in paired.hosts[SHANGHAI].certificates


async def test_the_host_goes_on_for_another_pairing(
    paired: FakeHyperV, context: MakeContext
) -> None:
    request = RemoveHostReplication(
        host=SHANGHAI, trust_group="osr-1", kept_primary_servers=["B.test"]
    )
    found = await remove_host_replication(request, context())
    assert [each.allowed_primary_server for each in found.authorizations] == ["b.test"]
    assert found.replication_enabled


async def test_a_host_open_to_everybody_stays_open(
    paired: FakeHyperV, context: MakeContext
) -> None:
    paired.hosts[SHANGHAI].server["ReplicationAllowedFromAnyServer"] = True
    assert (await remove_host_replication(REQUEST, context())).replication_enabled


async def test_a_host_that_was_never_configured_needs_nothing(
    hyperv: FakeHyperV, context: MakeContext
) -> None:
    await remove_host_replication(REQUEST, context())
    assert hyperv.effects == []
