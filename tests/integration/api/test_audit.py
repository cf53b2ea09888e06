"""The audit through the API: every change with its change, every denial, and reading it."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.urls import get_resolver
from django.utils import timezone

from coordinator.access.services import CONTRIBUTOR, OPERATOR, READER
from coordinator.events.models import AuditRecord
from coordinator.jobs.models import Job
from coordinator.protection.models import Policy
from coordinator.vaults.models import Vault
from tests.integration.api.programs import API_VERSION, Program
from tests.integration.api.sites import Sites, pair

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("EV-3")]

ARM = "Microsoft.RecoveryServices/vaults"


def of_vault(vault: Vault) -> list[AuditRecord]:
    return list(AuditRecord.objects.filter(chain__vault_id=vault.id).order_by("sequence"))


def of_installation() -> list[AuditRecord]:
    """Tokens are left out: every program of a test has one."""
    found = AuditRecord.objects.filter(chain__vault_id=None).order_by("sequence")
    return [record for record in found if "/tokens/" not in record.action]


def test_every_route_that_changes_something_is_audited() -> None:
    """The recorder is in what makes a route of a function; so each must be made by it."""
    bare = []
    for resolver in get_resolver("coordinator.api.urls").url_patterns:
        for pattern in getattr(resolver, "url_patterns", []):
            for cell in getattr(pattern.callback, "__closure__", None) or ():
                for operation in getattr(cell.cell_contents, "operations", []):
                    audited = getattr(operation.view_func, "audited", False)
                    if set(operation.methods) != {"GET"} and not audited:
                        bare.append((operation.methods, str(pattern.pattern)))
    assert bare == []


def test_a_change_is_told_with_who_what_and_where(program: Program) -> None:
    body = json.dumps({"location": "here", "tags": {"owner": "ada"}})
    answer = program.send(
        "PUT",
        program.vault_path,
        data=body,
        headers={"Content-Type": "application/json", "x-ms-client-request-id": "mine"},
    )
    assert answer.status_code == 201
    vault = Vault.objects.get()
    [record] = of_vault(vault)
    assert (record.action, record.outcome, record.status) == (f"{ARM}/write", "Succeeded", 201)
    assert record.principal_name == "tests"
    assert record.principal_type == "ServicePrincipal"
    assert record.address == "127.0.0.1"
    assert record.resource == program.vault_path
    assert record.changed_fields == ["location", "tags.owner"]
    assert record.body_hash == sha256(body.encode()).hexdigest()
    assert record.activity_id == answer.headers["x-ms-request-id"]
    assert record.correlation_id == answer.headers["x-ms-correlation-request-id"]
    assert record.client_request_id == "mine"
    assert "ada" not in json.dumps(record.changed_fields)


def test_reading_is_not_told_of(program: Program, vault: Vault) -> None:
    for path in ("", "/replicationPolicies", "/replicationJobs", "/auditRecords"):
        assert program.send("GET", program.vault_path + path).status_code == 200
    assert of_vault(vault) == []


def test_the_chain_of_a_vault_outlives_it_and_a_new_one_begins_anew(program: Program) -> None:
    def put() -> None:
        answer = program.send("PUT", program.vault_path, json={"location": "here"})
        assert answer.status_code == 201

    put()
    first = Vault.objects.get()
    assert program.send("DELETE", program.vault_path).status_code == 204
    put()
    assert [record.action for record in of_vault(first)] == [f"{ARM}/write", f"{ARM}/delete"]
    assert len(of_vault(Vault.objects.get())) == 1


def test_a_change_that_is_refused_changes_nothing_and_is_told_of(
    program: Program, vault: Vault
) -> None:
    path = f"{program.vault_path}/replicationPolicies/p"
    answer = program.send("PUT", path, json={"properties": {"providerSpecificInput": {}}})
    assert answer.status_code == 400
    [record] = of_vault(vault)
    code = answer.json()["error"]["code"]
    assert (record.outcome, record.status, record.code) == ("Refused", 400, code)
    assert record.action == f"{ARM}/replicationPolicies/write"
    assert not Policy.objects.exists()


def test_an_operation_that_goes_on_names_its_job(program: Program, vault: Vault) -> None:
    answer = program.send("POST", f"{program.vault_path}/replicationJobs/export", json={})
    assert answer.status_code == 202
    [record] = of_vault(vault)
    assert record.outcome == "Accepted"
    assert record.job == str(Job.objects.get().id)
    assert record.action == f"{ARM}/replicationJobs/export/action"
    assert record.resource == f"{program.vault_path}/replicationJobs"


def test_what_is_done_in_several_transactions_is_told_before_and_after(
    program: Program, sites: Sites, vault: Vault
) -> None:
    pair(sites, timezone.now())
    container = (
        f"{program.vault_path}/replicationFabrics/{sites.shanghai.name}"
        f"/replicationProtectionContainers/{sites.gold1.external_id}"
    )
    machines = [
        {"protectableItemId": f"{container}/replicationProtectableItems/{machine.external_id}"}
        for machine in sites.machines
    ]
    body = {"properties": {"machines": machines}}
    answer = program.send("POST", f"{container}/enableProtection", json=body)
    assert answer.status_code == 200
    begun, done = of_vault(vault)
    assert (begun.outcome, done.outcome) == ("Begun", "Succeeded")
    assert begun.activity_id == done.activity_id
    assert begun.changed_fields == ["properties.machines.protectableItemId"]


def test_a_secret_that_is_given_out_is_not_in_the_audit(program: Program, vault: Vault) -> None:
    answer = program.send("POST", f"{program.vault_path}/registrationKeys", json={})
    assert answer.status_code == 201
    key_file = answer.json()["properties"]["keyFile"]
    [record] = of_vault(vault)
    assert record.action == f"{ARM}/registrationKeys/action"
    told = json.dumps([str(getattr(record, field.name)) for field in record._meta.concrete_fields])
    assert json.loads(key_file).get("secret", key_file) not in told


@pytest.mark.spec("AC-3")
def test_a_denial_in_ones_own_vault_is_in_its_audit(
    make_program: Callable[..., Program], program: Program, vault: Vault
) -> None:
    reader = make_program(UUID(program.subscription_id), role=READER)
    assert reader.send("DELETE", program.vault_path).status_code == 403
    assert reader.send("GET", f"{program.vault_path}/auditRecords").status_code == 403
    first, second = of_vault(vault)
    assert (first.outcome, first.code) == ("Denied", "AuthorizationFailed")
    assert (first.action, first.status) == (f"{ARM}/delete", 403)
    assert second.action == f"{ARM}/auditRecords/read"
    assert first.principal_id == second.principal_id != ""
    assert Vault.objects.filter(pk=vault.pk).exists()


@pytest.mark.spec("AC-3")
def test_a_stranger_who_asks_for_a_vault_is_in_the_installations_audit(
    make_program: Callable[..., Program], program: Program, vault: Vault
) -> None:
    stranger = make_program()
    assert stranger.send("GET", program.vault_path).status_code == 404
    assert stranger.send("PUT", f"{program.vault_path}/replicationPolicies/p").status_code == 404
    assert of_vault(vault) == []
    read, write = of_installation()
    assert (read.outcome, read.status, read.code) == ("Denied", 404, "ResourceNotFound")
    assert (write.outcome, write.action) == ("Denied", f"{ARM}/replicationPolicies/write")
    assert read.principal_id == write.principal_id != ""


def test_roles_that_are_given_are_told_of(program: Program, vault: Vault) -> None:
    path = f"{program.vault_path}/providers/Microsoft.Authorization/roleAssignments/{uuid4()}"
    answer = program.send(
        "PUT", path, json={"properties": {}}, params={"api-version": "2022-04-01"}
    )
    assert answer.status_code == 400
    [record] = of_vault(vault)
    assert record.action == "Microsoft.Authorization/roleAssignments/write"
    assert record.resource == path


def test_only_an_owner_reads_the_audit(
    make_program: Callable[..., Program], program: Program, vault: Vault
) -> None:
    for role in (CONTRIBUTOR, OPERATOR, READER):
        limited = make_program(UUID(program.subscription_id), role=role)
        for method, path in (
            ("GET", "/auditRecords"),
            ("GET", "/auditRecords/1"),
            ("GET", "/auditHead"),
            ("POST", "/auditRecords/export"),
        ):
            assert limited.send(method, program.vault_path + path).status_code == 403
    assert program.send("GET", f"{program.vault_path}/auditHead").status_code == 200


def changes(program: Program, count: int) -> None:
    for number in range(count):
        answer = program.send("PATCH", program.vault_path, json={"tags": {"n": str(number)}})
        assert answer.status_code == 200


def listed(program: Program, filter_text: str = "", **parameters: str) -> list[dict[str, Any]]:
    answer = program.send(
        "GET",
        f"{program.vault_path}/auditRecords",
        params={**API_VERSION, **({"$filter": filter_text} if filter_text else {}), **parameters},
    )
    assert answer.status_code == 200, answer.text
    return [record["properties"] for record in answer.json()["value"]]


def test_records_are_listed_newest_first_in_pages(program: Program, vault: Vault) -> None:
    changes(program, 5)
    assert [record["sequence"] for record in listed(program)] == [5, 4, 3, 2, 1]
    first = program.send(
        "GET", f"{program.vault_path}/auditRecords", params={**API_VERSION, "$take": "2"}
    ).json()
    assert len(first["value"]) == 2
    assert first["value"][0]["id"] == f"{program.vault_path}/auditRecords/5"
    assert first["value"][0]["type"] == f"{ARM}/auditRecords"
    after = program.send("GET", first["nextLink"].removeprefix(program.server.url), params={})
    assert [record["name"] for record in after.json()["value"]] == ["3", "2"]
    one = program.send("GET", f"{program.vault_path}/auditRecords/3").json()
    assert one["properties"]["sequence"] == 3


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("principalName eq 'TESTS'", 3),
        ("action eq 'Microsoft.RecoveryServices/vaults/write'", 3),
        ("outcome eq 'succeeded' and status eq '200'", 3),
        ("outcome eq 'Denied'", 0),
        ("startTime eq '2020-01-01' and endTime eq '2020-01-02'", 0),
        ("startTime eq '2020-01-01T00:00:00Z'", 3),
        ("job eq 'none'", 0),
    ],
)
def test_records_are_filtered(program: Program, vault: Vault, text: str, count: int) -> None:
    changes(program, 3)
    assert len(listed(program, text)) == count


@pytest.mark.parametrize(
    "text", ["outcome eq 'Maybe'", "status eq 'abc'", "status eq '²²²'", "hash eq '1'", "since"]
)
def test_other_filters_are_refused(program: Program, vault: Vault, text: str) -> None:
    answer = program.send(
        "GET", f"{program.vault_path}/auditRecords", params={**API_VERSION, "$filter": text}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "InvalidFilter"


@pytest.mark.parametrize("name", ["7", "0", "x", "-1", "9" * 30, "²"])
def test_a_record_that_is_not_there_is_not_found(program: Program, vault: Vault, name: str) -> None:
    assert program.send("GET", f"{program.vault_path}/auditRecords/{name}").status_code == 404


def test_a_token_is_told_of_and_who_has_it(program: Program) -> None:
    assert program.token
    [record] = AuditRecord.objects.filter(chain__vault_id=None)
    assert record.action == "OpenSiteRecovery/tokens/issue/action"
    assert record.principal_name == "tests"
    assert record.resource == f"/{program.tenant_id}/oauth2/v2.0"
    assert program.client_secret not in str(record.entry)
    assert program.token not in str(record.entry)
