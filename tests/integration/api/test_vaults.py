"""Vaults and registration keys, with Microsoft's client for vaults."""

from __future__ import annotations

import json

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.recoveryservices.models import Sku
from azure.mgmt.recoveryservices.models import Vault as VaultModel

from coordinator.vaults.models import RegistrationKey, Vault
from tests.integration.api.programs import Program, error_of
from tests.integration.api.sites import Sites

pytestmark = pytest.mark.django_db(transaction=True)


def wanted() -> VaultModel:
    return VaultModel(location="shanghai", sku=Sku(name="RS0", tier="Standard"))


@pytest.mark.spec("VA-1")
def test_a_vault_is_made_read_listed_and_deleted(program: Program) -> None:
    vaults = program.recovery_services.vaults
    made = vaults.begin_create_or_update(*program.scope, wanted()).result()
    assert made.name == "Vault-1"
    assert made.location == "shanghai"
    assert made.id == program.vault_path
    again = vaults.begin_create_or_update(*program.scope, wanted()).result()
    assert again.id == made.id
    assert vaults.get(*program.scope).properties.provisioning_state == "Succeeded"
    assert [row.name for row in vaults.list_by_resource_group("group-1")] == ["Vault-1"]
    assert [row.name for row in vaults.list_by_subscription_id()] == ["Vault-1"]
    assert list(vaults.list_by_resource_group("group-2")) == []
    vaults.begin_delete(*program.scope).result()
    vaults.begin_delete(*program.scope).result()
    with pytest.raises(ResourceNotFoundError) as error:
        vaults.get(*program.scope)
    assert error_of(error.value)["code"] == "ResourceNotFound"


def test_a_new_vault_is_201_and_one_that_is_there_200(program: Program) -> None:
    for status in (201, 200):
        answer = program.send("PUT", program.vault_path, json={"location": "shanghai"})
        assert answer.status_code == status


def test_ids_may_be_written_in_any_case(program: Program, vault: Vault) -> None:
    path = program.vault_path
    shouted = path.replace("subscriptions", "Subscriptions").replace(
        "vaults/Vault-1", "VAULTS/VAULT-1"
    )
    shouted = shouted.replace("resourceGroups", "resourcegroups").replace("group-1", "GROUP-1")
    answer = program.send("GET", shouted)
    assert answer.status_code == 200
    assert answer.json()["id"] == path


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("1-begins-with-a-digit", {"location": "x"}, "InvalidVaultName"),
        ("Vault-2", {"location": "<script>"}, "InvalidLocation"),
        ("Vault-2", {}, "InvalidRequestContent"),
        ("Vault-2", [], "InvalidRequestContent"),
    ],
)
def test_values_that_are_not_allowed_are_refused(
    program: Program, name: str, body: object, code: str
) -> None:
    path = program.vault_path.replace("Vault-1", name)
    answer = program.send("PUT", path, json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["details"][0]["recommendedAction"]
    assert Vault.objects.count() == 0


@pytest.mark.spec("VA-5")
def test_a_vault_with_servers_is_not_deleted_and_the_refusal_names_them(
    program: Program, sites: Sites
) -> None:
    with pytest.raises(HttpResponseError) as error:
        program.recovery_services.vaults.begin_delete(*program.scope).result()
    assert error.value.status_code == 409
    assert "VMM-Shanghai" in error_of(error.value)["message"]
    assert Vault.objects.count() == 1


@pytest.mark.spec("VA-2", "VA-3")
def test_a_registration_key_is_given_out_once_listed_and_revoked(
    program: Program, vault: Vault
) -> None:
    keys = f"{program.vault_path}/registrationKeys"
    made = program.send("POST", keys, json={"properties": {"maxUses": 2}})
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    properties = made.json()["properties"]
    document = json.loads(properties["keyFile"])
    assert document["vault"] == "Vault-1"
    assert document["endpoint"] == "gateway.example:9444"
    assert document["ca_certificate"] == program.server.ca_file.read_text(encoding="ascii")
    assert (properties["state"], properties["maxUses"]) == ("Valid", 2)

    listed = program.send("GET", keys).json()["value"]
    assert [key["name"] for key in listed] == [document["key_id"]]
    read = program.send("GET", f"{keys}/{document['key_id']}")
    for answer in (json.dumps(listed), read.text):
        assert document["secret"] not in answer
        assert "keyFile" not in answer

    revoked = program.send("POST", f"{keys}/{document['key_id']}/revoke")
    assert revoked.json()["properties"]["state"] == "Revoked"
    assert RegistrationKey.objects.get().revoked_at is not None


def test_a_key_needs_no_body_and_refuses_silly_ones(program: Program, vault: Vault) -> None:
    keys = f"{program.vault_path}/registrationKeys"
    assert program.send("POST", keys).status_code == 201
    for uses in (0, -1, 100000, "many", None, True, "3", 1.0):
        answer = program.send("POST", keys, json={"properties": {"maxUses": uses}})
        assert answer.status_code == 400, uses
    assert program.send("POST", f"{keys}/nonsense/revoke").status_code == 404
    assert RegistrationKey.objects.count() == 1
