"""`osr server refresh`, `osr server check` and `osr vm show`, as a process of its own."""

from __future__ import annotations

import pytest
from django.utils import timezone

from coordinator.fabrics.models import Provider, VirtualMachine
from tests.integration.api.programs import Program
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, pair

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("UI-2")]


@pytest.mark.spec("DI-2", "DI-4")
def test_a_server_is_refreshed_and_checked(
    program: Program, sites: Sites, engine: ScriptedEngine
) -> None:
    del engine
    Provider.objects.update(capabilities=["refresh_fabric"])
    refreshed = program.osr("server", "refresh", "VMM-Shanghai")
    assert refreshed.returncode == 0, refreshed.stderr
    assert "Refresh server of VMM-Shanghai succeeded" in refreshed.stdout
    checked = program.osr("server", "check", sites.shanghai.friendly_name)
    assert checked.returncode == 0, checked.stderr
    assert "GoldVM1: HostDiffers: In the vault: on hv1. On premises: on hv2." in checked.stdout
    assert "mappings: MappedNetworkMissing: In the vault: the mapping map" in checked.stdout


@pytest.mark.spec("DI-3")
def test_a_machine_is_shown_with_every_reason(program: Program, sites: Sites) -> None:
    pair(sites, timezone.now())
    machine = VirtualMachine.objects.get(name="GoldVM2")
    machine.details |= {
        "fibre_channel": True,
        "encrypted": True,
        "integration_services_detected": False,
        "replication": {
            "mode": "Primary",
            "state": "Replicating",
            "primary_server": "hv1",
            "replica_server": "hv9",
        },
    }
    machine.save()
    shown = program.osr("vm", "show", "goldvm2", "--cloud", "GoldCloud1")
    assert shown.returncode == 0, shown.stderr
    words = " ".join(shown.stdout.split())
    assert "FibreChannelAdapter:" in words
    assert "EncryptedVirtualMachine:" in words
    assert "Primary, Replicating: hv1 -> hv9" in words
    assert "No integration services were detected" in words
    assert program.osr("vm", "show", "nobody").returncode == 5
