"""Offline first copies through the API: what they wait for, import, export again."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from django.utils import timezone
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState

from coordinator.jobs.models import Job
from coordinator.protection.models import OfflineCopy, ProtectedItem, ReplicationSide
from coordinator.protection.states import ProtectionState
from tests.integration.api.programs import Program, error_of
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, pair, protect
from tests.integration.api.test_operations import where

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("OF-1", "AP-1")]

FOLDER = {"folder": "GoldVM1_1", "files": 3, "bytes": 700, "settled": True}


@pytest.fixture
def item(sites: Sites) -> ProtectedItem:
    """Its export is whole, nothing has arrived."""
    now = timezone.now()
    made = protect(pair(sites, now), sites.machines[0], now, ProtectionState.INITIAL_REPLICATION)
    ReplicationSide.objects.create(
        item=made,
        location="Primary",
        mode="Primary",
        state="InitialReplicationInProgress",
        observed=ReplicationState(
            mode="Primary", state="InitialReplicationInProgress"
        ).SerializeToString(),
        observed_at=now,
        rpo_span=0,
    )
    OfflineCopy.objects.create(
        item=made,
        export_path=r"\\Files\Out",
        import_path=r"\\Files2\In",
        began_at=now,
        **{f"exported_{name}": value for name, value in FOLDER.items()},
    )
    return made


def send(program: Program, sites: Sites, item: ProtectedItem, operation: str, body: object) -> None:
    group, vault, fabric, cloud = where(program, sites)
    path = (
        f"/subscriptions/{program.subscription_id}/resourceGroups/{group}/providers/"
        f"Microsoft.RecoveryServices/vaults/{vault}/replicationFabrics/{fabric}/"
        f"replicationProtectionContainers/{cloud}/replicationProtectedItems/{item.name}/{operation}"
    )
    request = HttpRequest("POST", path, params={"api-version": "2025-08-01"}, json=body)
    program.site_recovery.send_request(request).raise_for_status()


def test_an_item_says_what_its_first_copy_waits_for(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    items = program.site_recovery.replication_protected_items
    details = items.get(*where(program, sites), item.name).properties.provider_specific_details
    told = details["offlineInitialReplication"]
    assert told["stage"] == "WaitingForData"
    assert told["waitsFor"].startswith(r"Carry the folder GoldVM1_1 (700 bytes in 3 files)")
    assert (told["exportPath"], told["importPath"]) == (r"\\Files\Out", r"\\Files2\In")
    assert told["problem"] is None
    OfflineCopy.objects.update(imported_at=timezone.now())
    details = items.get(*where(program, sites), item.name).properties.provider_specific_details
    assert details["offlineInitialReplication"] is None


def test_an_import_is_begun_also_from_another_path(
    program: Program, sites: Sites, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    engine.hold()
    send(
        program,
        sites,
        item,
        "importInitialReplication",
        {"properties": {"importPath": r"\\Files2\Other"}},
    )
    job = Job.objects.get(scenario="ImportInitialReplication")
    assert job.target_name == item.friendly_name
    assert job.steps.get(key="check/read").inputs["path"] == r"\\Files2\Other"


@pytest.mark.parametrize(
    ("operation", "body", "code"),
    [
        (
            "importInitialReplication",
            {"properties": {"importPath": "relative"}},
            "InvalidImportPath",
        ),
        ("exportInitialReplication", None, "OperationNotAllowed"),
    ],
)
def test_what_makes_no_sense_is_refused(
    program: Program, sites: Sites, item: ProtectedItem, operation: str, body: object, code: str
) -> None:
    with pytest.raises(HttpResponseError) as refused:
        send(program, sites, item, operation, body)
    error = error_of(refused.value)
    assert error["code"] == code
    assert not Job.objects.exists()


def test_osr_imports_and_says_how_it_ended(
    program: Program, sites: Sites, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    done = program.osr("protect", "import", "GoldVM1")
    assert done.returncode == 0, done.stderr
    assert "Import the first copy of GoldVM1 succeeded" in done.stdout
    again = program.osr("protect", "export", "GoldVM1")
    assert again.returncode != 0
    assert "OperationNotAllowed" in again.stderr
