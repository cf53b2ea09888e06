"""A vault's tags, and changes that are made from an old state of it."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.recoveryservices.models import PatchVault, Sku
from azure.mgmt.recoveryservices.models import Vault as VaultModel

from coordinator.vaults.models import Vault
from tests.integration.api.programs import Program, error_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AP-1", "VA-1")]


def test_a_vault_is_made_with_tags_and_given_others(program: Program) -> None:
    vaults = program.recovery_services.vaults
    wanted = VaultModel(
        location="here", sku=Sku(name="RS0", tier="Standard"), tags={"site": "Shanghai"}
    )
    made = vaults.begin_create_or_update(*program.scope, wanted).result()
    assert made.tags == {"site": "Shanghai"}
    changed = vaults.begin_update(*program.scope, PatchVault(tags={"owner": "Li"})).result()
    assert changed.tags == {"owner": "Li"}
    assert changed.etag != made.etag
    same = vaults.begin_update(*program.scope, PatchVault(tags={"owner": "Li"})).result()
    assert same.etag == changed.etag
    left = vaults.begin_update(*program.scope, PatchVault()).result()
    assert left.tags == {"owner": "Li"}
    assert vaults.get(*program.scope).tags == {"owner": "Li"}
    assert [each.tags for each in vaults.list_by_subscription_id()] == [{"owner": "Li"}]


def test_a_vault_does_not_move_and_must_be_there(program: Program, vault: Vault) -> None:
    vaults = program.recovery_services.vaults
    assert vaults.begin_update(*program.scope, PatchVault(location="here")).result().tags == {}
    with pytest.raises(ResourceExistsError) as refused:
        vaults.begin_update(*program.scope, PatchVault(location="there")).result()
    assert error_of(refused.value)["code"] == "VaultLocationConflict"
    with pytest.raises(ResourceNotFoundError):
        vaults.begin_update(program.resource_group, "No-Vault", PatchVault()).result()


@pytest.mark.parametrize(
    "tags",
    [
        {"a/b": "x"},
        {"": "x"},
        {"x" * 513: "x"},
        {"x": "y" * 257},
        {f"tag-{number}": "x" for number in range(51)},
        {"site": "x", "SITE": "y"},
    ],
    ids=["slash", "empty", "long-name", "long-value", "many", "case"],
)
def test_tags_that_resource_manager_refuses_are_refused(
    program: Program, vault: Vault, tags: dict[str, str]
) -> None:
    with pytest.raises(HttpResponseError) as refused:
        program.recovery_services.vaults.begin_update(
            *program.scope, PatchVault(tags=tags)
        ).result()
    error = error_of(refused.value)
    assert (error["code"], error["target"]) == ("InvalidTag", "tags")
    vault.refresh_from_db()
    assert (vault.tags, vault.revision) == ({}, 1)


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_a_change_made_from_an_old_state_is_refused(
    program: Program, vault: Vault, method: str
) -> None:
    seen = program.send("GET", program.vault_path).json()["etag"]
    program.send("PATCH", program.vault_path, json={"tags": {"a": "b"}})
    body = None if method == "DELETE" else {"location": "here", "tags": {"c": "d"}}
    late = program.send(method, program.vault_path, json=body, headers={"If-Match": seen})
    assert late.status_code == 412
    assert late.json()["error"]["code"] == "PreconditionFailed"
    assert program.send("GET", program.vault_path).json()["tags"] == {"a": "b"}
    for match in (program.send("GET", program.vault_path).json()["etag"], "*"):
        answer = program.send(method, program.vault_path, json=body, headers={"If-Match": match})
        assert answer.status_code in {200, 204}
