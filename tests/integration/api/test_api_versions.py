"""Which versions of the API may be spoken, and how older clients follow operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.mgmt.recoveryservicessiterecovery import SiteRecoveryManagementClient
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.failures import Failure
from coordinator.vaults.models import Vault
from tests.integration.api.programs import Program
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, pair

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AP-1")]

OLD = {"api-version": "2018-07-10"}


@pytest.mark.parametrize("version", ["2018-07-10", "2021-02-10", "2025-08-01", "2026-11-01"])
def test_versions_of_microsofts_clients_are_spoken(
    program: Program, vault: Vault, version: str
) -> None:
    answer = program.send("GET", program.vault_path, params={"api-version": version})
    assert answer.status_code == 200


@pytest.mark.parametrize("version", ["2016-08-10", "x", "2099-01-01", "2025-08-01-preview"])
def test_another_version_is_refused_with_those_there_are(
    program: Program, vault: Vault, version: str
) -> None:
    answer = program.send("GET", program.vault_path, params={"api-version": version})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "InvalidApiVersionParameter"
    assert "2018-07-10" in error["message"]
    assert "2026-11-01" in error["message"]


def refresh(program: Program, sites: Sites, version: dict[str, str]) -> Mapping[str, str]:
    """The answer's headers, whose names are found in any case."""
    fabric = f"{program.vault_path}/replicationFabrics/{sites.shanghai.name}"
    path = f"{fabric}/replicationRecoveryServicesProviders/{sites.shanghai.name}/refreshProvider"
    answer = program.send("POST", path, params=version)
    assert answer.status_code == 202
    assert int(answer.headers["Retry-After"]) >= 0
    return answer.headers


def test_an_old_client_finds_the_status_in_the_job(
    program: Program, sites: Sites, engine: ScriptedEngine
) -> None:
    engine.hold()
    headers = refresh(program, sites, OLD)
    address = headers["Azure-AsyncOperation"].removeprefix(program.server.url)
    assert "/replicationJobs/" in address
    assert "api-version=2018-07-10" in address
    running = program.send("GET", address, params={})
    assert running.json()["status"] == "InProgress"
    assert running.headers["Retry-After"]
    assert running.json()["properties"]["scenarioName"] == "RefreshProvider"
    engine.fail_next(Failure("Broken", "It broke.", ("A cause.",), "Mend it."))
    engine.release()
    ended = running
    while "Retry-After" in ended.headers:
        ended = program.send("GET", address, params={})
    assert ended.json()["status"] == "Failed"
    assert ended.json()["error"]["code"] == "Broken"
    new = program.send("GET", address.partition("?")[0])
    assert "status" not in new.json()


def test_microsofts_client_works_in_both_styles(
    program: Program, sites: Sites, engine: ScriptedEngine
) -> None:
    assert (
        "/replicationOperationStatus/"
        in refresh(program, sites, {"api-version": "2021-02-10"})["Azure-AsyncOperation"]
    )
    pair(sites, timezone.now())
    for points, version in enumerate(("2018-07-10", "2025-08-01"), start=5):
        settings = asr.HyperVReplicaBluePolicyInput(recovery_points=points)
        change = asr.UpdatePolicyInput(
            properties=asr.UpdatePolicyInputProperties(replication_provider_settings=settings)
        )
        with SiteRecoveryManagementClient(
            program.credential,
            program.subscription_id,
            base_url=program.server.url,
            connection_verify=str(program.server.ca_file),
            api_version=version,
        ) as client:
            changed: Any = client.replication_policies.begin_update(
                *program.scope, "Policy-1", change
            ).result()
        assert changed.properties.provider_specific_details.recovery_points == points
