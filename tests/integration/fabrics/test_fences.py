"""An inventory counts only while its session is the newest; what is kept goes with the server."""

from __future__ import annotations

from datetime import datetime

import pytest
from opensiterecovery.provider.v1 import inventory_pb2 as wire

from coordinator.fabrics.inventory import InventoryOutcome
from coordinator.fabrics.models import (
    Cloud,
    Fabric,
    FabricObject,
    Host,
    Provider,
    SettledMachine,
    VirtualMachine,
)
from coordinator.fabrics.services import (
    ProviderIdentity,
    SessionOpening,
    SessionRef,
    apply_inventory,
    open_session,
    register_provider,
    settle_machine,
    unregister_provider,
)
from coordinator.vaults.models import Vault
from coordinator.vaults.services import Authority
from tests.integration.fabrics.servers import VmmServerToRegister, make_key_file

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(vault: Vault, authority: Authority, now: datetime) -> Provider:
    request = VmmServerToRegister("VMM-Shanghai").request(make_key_file(vault, authority, now))
    return register_provider(request, authority, now).provider


def begin(provider: Provider, now: datetime) -> SessionRef:
    serial = provider.certificate_serial
    opened = open_session(provider.id, SessionOpening(serial, "gateway-1", "0.1.0"), now)
    identity = ProviderIdentity(provider.id, provider.vault_id, provider.fabric_id, serial)
    return SessionRef(identity, opened.fence)


def whole(revision: int) -> wire.InventoryUpdate:
    item = wire.VirtualMachine(id="vm-1", vm_id="id-1", name="GoldVM1")
    return wire.InventoryUpdate(
        revision=revision,
        changed=[
            wire.InventoryObject(cloud=wire.Cloud(id="cloud-1", name="GoldCloud1")),
            wire.InventoryObject(host=wire.Host(id="host-1", fqdn="hv1.example.com")),
            wire.InventoryObject(virtual_machine=item),
            wire.InventoryObject(vm_network=wire.VmNetwork(id="net-1", name="Net")),
        ],
        last_part=True,
    )


@pytest.mark.spec("DI-2")
def test_what_a_superseded_session_saw_is_not_applied(provider: Provider, now: datetime) -> None:
    older, newer = begin(provider, now), begin(provider, now)
    outcome = apply_inventory(provider.fabric_id, [whole(5)], now, older)
    assert outcome is InventoryOutcome.SUPERSEDED
    assert not Cloud.objects.exists()
    outcome = apply_inventory(provider.fabric_id, [whole(6)], now, newer)
    assert outcome is InventoryOutcome.STORED
    assert Fabric.objects.get().inventory_revision == 6


@pytest.mark.spec("DI-2")
def test_nor_what_comes_after_the_server_was_unregistered(
    provider: Provider, now: datetime
) -> None:
    session = begin(provider, now)
    unregister_provider(provider.id, now)
    outcome = apply_inventory(provider.fabric_id, [whole(5)], now, session)
    assert outcome is InventoryOutcome.SUPERSEDED


@pytest.mark.spec("PV-1")
def test_what_is_kept_about_a_server_goes_when_it_is_unregistered(
    provider: Provider, now: datetime
) -> None:
    apply_inventory(provider.fabric_id, [whole(5)], now, begin(provider, now))
    settle_machine("00000000-0000-0000-0000-000000000001", {provider.fabric_id: now}, now)
    unregister_provider(provider.id, now)
    for table in (Cloud, Host, VirtualMachine, FabricObject, SettledMachine):
        assert not table.objects.exists()
    fabric = Fabric.objects.get()
    assert (fabric.vmm_fqdn, fabric.vmm_product_version) == ("", "")
    assert "Shanghai" not in fabric.friendly_name
    assert (fabric.inventory_revision, fabric.inventory_at) == (0, None)


@pytest.mark.spec("DI-1")
def test_an_agent_is_told_whether_only_chosen_clouds_may_be_told_of(
    provider: Provider, now: datetime
) -> None:
    opening = SessionOpening(provider.certificate_serial, "gateway-1", "0.1.0")
    assert not open_session(provider.id, opening, now).chosen_clouds_only
    Fabric.objects.update(synchronize_all_clouds=False)
    assert open_session(provider.id, opening, now).chosen_clouds_only
