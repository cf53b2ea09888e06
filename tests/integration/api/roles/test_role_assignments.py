"""Roles given and taken back with Microsoft's own client, and what keeps them in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from azure.core.exceptions import AzureError, HttpResponseError
from django.utils import timezone

from coordinator.access.models import RoleAssignment, ServicePrincipal
from coordinator.access.services import CONTRIBUTOR, OPERATOR, OWNER, READER, RoleDefinition
from coordinator.vaults.models import Vault
from tests.integration.api.programs import Program, error_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AC-1")]


@pytest.fixture
def other(program: Program, make_program: Callable[..., Program]) -> Program:
    """A program of the same subscription that may do nothing yet."""
    return make_program(UUID(program.subscription_id), role=None)


def principal_id(program: Program) -> str:
    return str(ServicePrincipal.objects.get(application__client_id=program.client_id).id)


def body(role: RoleDefinition, program: Program) -> dict[str, Any]:
    definition = (
        f"/subscriptions/{program.subscription_id}"
        f"/providers/Microsoft.Authorization/roleDefinitions/{role.id}"
    )
    return {"properties": {"roleDefinitionId": definition, "principalId": principal_id(program)}}


def give(giver: Program, scope: str, role: RoleDefinition, to: Program) -> Any:
    return giver.authorization.role_assignments.create(scope, str(uuid4()), body(role, to))


def subscription(program: Program) -> str:
    return f"/subscriptions/{program.subscription_id}"


def names(program: Program) -> list[str]:
    return [vault.name for vault in program.recovery_services.vaults.list_by_subscription_id()]


def code_of(raised: pytest.ExceptionInfo[HttpResponseError]) -> tuple[int | None, str]:
    return raised.value.status_code, error_of(raised.value)["code"]


def test_the_definitions_are_azures(program: Program, vault: Vault) -> None:
    found: dict[str, Any] = {}
    for scope in ("", subscription(program), program.vault_path):
        found = {
            role.role_name: role for role in program.authorization.role_definitions.list(scope)
        }
        assert set(found) == {
            "Owner",
            "Site Recovery Contributor",
            "Site Recovery Operator",
            "Site Recovery Reader",
        }
    operator = found["Site Recovery Operator"]
    assert operator.name == "494ae006-db33-4328-bf46-533a6560a3ca"
    assert operator.role_type == "BuiltInRole"
    assert len(operator.permissions[0].actions) == 59
    got = program.authorization.role_definitions.get(program.vault_path, operator.name)
    assert got.as_dict() == operator.as_dict()
    by_id = program.authorization.role_definitions.get_by_id(operator.id)
    assert by_id.role_name == "Site Recovery Operator"
    only = program.authorization.role_definitions.list(
        subscription(program), filter="roleName eq 'Owner'"
    )
    assert [role.role_name for role in only] == ["Owner"]


def test_a_role_counts_from_the_next_request_on_until_it_is_taken_back(
    program: Program, other: Program, vault: Vault
) -> None:
    plans = "/replicationRecoveryPlans"
    denied = other.send("GET", program.vault_path + plans)
    assert denied.status_code == 403
    error = denied.json()["error"]
    assert error["code"] == "AuthorizationFailed"
    for part in (
        principal_id(other),
        "Microsoft.RecoveryServices/vaults/replicationRecoveryPlans/read",
        program.vault_path + plans,
    ):
        assert part in error["message"]
    assert names(other) == []

    made = give(program, program.vault_path, READER, other)
    assert (made.principal_type, made.scope) == ("ServicePrincipal", program.vault_path)
    assert other.send("GET", program.vault_path + plans).status_code == 200
    assert names(other) == ["Vault-1"]
    assert other.send("DELETE", program.vault_path).status_code == 403

    removed = program.authorization.role_assignments.delete(program.vault_path, made.name)
    assert removed.id == made.id
    assert other.send("GET", program.vault_path + plans).status_code == 403
    assert program.authorization.role_assignments.delete_by_id(made.id) is None


@pytest.mark.parametrize(
    ("place", "seen"),
    [
        ("subscription", ["Vault-1", "Vault-2", "Vault-3"]),
        ("group", ["Vault-1", "Vault-2"]),
        ("vault", ["Vault-1"]),
    ],
)
def test_a_role_holds_where_it_was_given_and_below(
    program: Program, other: Program, vault: Vault, place: str, seen: list[str]
) -> None:
    for name, group in (("Vault-2", "Group-1"), ("Vault-3", "group-2")):
        Vault.objects.create(
            subscription_id=vault.subscription_id,
            resource_group=group,
            name=name,
            location="here",
            created_at=timezone.now(),
        )
    scopes = {
        "subscription": subscription(program),
        "group": f"{subscription(program)}/resourceGroups/GROUP-1",
        "vault": program.vault_path.replace("resourceGroups", "resourcegroups"),
    }
    made = give(program, scopes[place], OPERATOR, other)
    assert names(other) == seen
    got = program.authorization.role_assignments.get(scopes[place], made.name)
    assert got.role_definition_id.endswith(str(OPERATOR.id))
    assert program.authorization.role_assignments.get_by_id(made.id).name == made.name


def test_lists_have_what_counts_at_a_place(program: Program, other: Program, vault: Vault) -> None:
    client = program.authorization.role_assignments
    in_vault = give(program, program.vault_path, READER, other).name
    [own] = client.list_for_subscription(filter="atScope()")
    assert own.role_definition_id.endswith(str(OWNER.id))
    everywhere = [own.name, in_vault]
    assert [row.name for row in client.list_for_subscription()] == everywhere
    assert [row.name for row in client.list_for_resource_group("group-1")] == everywhere
    assert [row.name for row in client.list_for_resource_group("group-2")] == [own.name]
    resource = ("group-1", "Microsoft.RecoveryServices", "vaults", "Vault-1")
    assert [row.name for row in client.list_for_resource(*resource)] == everywhere
    for wanted in (
        f"principalId eq '{principal_id(other)}'",
        f"assignedTo('{principal_id(other)}')",
        f"atScope() and principalId eq {principal_id(other)}",
    ):
        rows = client.list_for_scope(program.vault_path, filter=wanted)
        assert [row.name for row in rows] == [in_vault], wanted
    with pytest.raises(HttpResponseError) as raised:
        list(client.list_for_subscription(filter="createdBy eq 'me'"))
    assert code_of(raised) == (400, "InvalidFilter")


@pytest.mark.parametrize("role", [CONTRIBUTOR, OPERATOR, READER], ids=lambda role: role.name)
def test_only_an_owner_gives_and_takes_roles(
    program: Program, other: Program, vault: Vault, role: RoleDefinition
) -> None:
    made = give(program, program.vault_path, role, other)
    listed = other.authorization.role_assignments.list_for_scope(program.vault_path)
    assert made.name in {row.name for row in listed}
    with pytest.raises(HttpResponseError) as raised:
        give(other, program.vault_path, READER, other)
    assert code_of(raised) == (403, "AuthorizationFailed")
    with pytest.raises(HttpResponseError) as raised:
        other.authorization.role_assignments.delete(program.vault_path, made.name)
    assert code_of(raised) == (403, "AuthorizationFailed")


def test_an_owner_of_a_vault_gives_roles_in_it_and_nowhere_else(
    program: Program, other: Program, vault: Vault
) -> None:
    give(program, program.vault_path, OWNER, other)
    third = ServicePrincipal.objects.get(application__client_id=program.client_id)
    give(other, program.vault_path, READER, program)
    with pytest.raises(HttpResponseError) as raised:
        give(other, subscription(program), READER, other)
    assert code_of(raised) == (403, "AuthorizationFailed")
    # The role given above is not one of the vault, so it cannot be taken back there.
    above = RoleAssignment.objects.get(principal_id=third.id, vault=None)
    gone = other.authorization.role_assignments.delete(program.vault_path, str(above.id))
    assert gone is None
    assert RoleAssignment.objects.filter(pk=above.pk).exists()


def test_the_last_owner_of_a_subscription_stays(
    program: Program, other: Program, vault: Vault
) -> None:
    client = program.authorization.role_assignments
    [own] = client.list_for_subscription(filter="atScope()")
    # An owner of a vault is no owner of the subscription.
    give(program, program.vault_path, OWNER, other)
    with pytest.raises(HttpResponseError) as raised:
        client.delete_by_id(own.id)
    assert code_of(raised) == (409, "LastOwnerCannotBeRemoved")
    second = give(program, subscription(program), OWNER, other)
    client.delete_by_id(own.id)
    with pytest.raises(HttpResponseError) as raised:
        other.authorization.role_assignments.delete_by_id(second.id)
    assert code_of(raised) == (409, "LastOwnerCannotBeRemoved")


def test_giving_the_same_again_is_no_second_role(
    program: Program, other: Program, vault: Vault
) -> None:
    client = program.authorization.role_assignments
    name = str(uuid4())
    path = f"{program.vault_path}/providers/Microsoft.Authorization/roleAssignments/{name}"
    first = program.send("PUT", path, json=body(READER, other))
    again = program.send("PUT", path, json=body(READER, other))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    with pytest.raises(HttpResponseError) as raised:
        give(program, program.vault_path, READER, other)
    assert code_of(raised) == (409, "RoleAssignmentExists")
    with pytest.raises(HttpResponseError) as raised:
        client.create(program.vault_path, name, body(OWNER, other))
    assert code_of(raised) == (409, "RoleAssignmentUpdateNotPermitted")


def test_what_cannot_be_given_is_refused(
    program: Program, make_program: Callable[..., Program], vault: Vault
) -> None:
    stranger = make_program()
    good = body(READER, program)["properties"]
    role = good["roleDefinitionId"].replace(str(READER.id), str(uuid4()))
    for changes, code in (
        ({"roleDefinitionId": role}, "RoleDefinitionDoesNotExist"),
        ({"roleDefinitionId": "Reader"}, "InvalidRequestContent"),
        ({"principalId": str(uuid4())}, "PrincipalNotFound"),
        ({"principalId": principal_id(stranger)}, "PrincipalNotFound"),
        ({"principalId": "somebody"}, "InvalidRequestContent"),
        ({"condition": "@Resource[x] eq 1"}, "RoleAssignmentConditionNotSupported"),
    ):
        with pytest.raises(AzureError) as raised:
            program.authorization.role_assignments.create(
                program.vault_path, str(uuid4()), {"properties": {**good, **changes}}
            )
        assert error_of(raised.value)["code"] == code
    with pytest.raises(AzureError) as raised:
        program.authorization.role_assignments.create(
            program.vault_path, "my-role", {"properties": good}
        )
    assert error_of(raised.value)["code"] == "InvalidRequestContent"


def test_a_vault_made_anew_has_no_roles_of_the_one_before(
    program: Program, other: Program, vault: Vault
) -> None:
    give(program, program.vault_path, OWNER, other)
    program.recovery_services.vaults.begin_delete(*program.scope).result()
    program.send("PUT", program.vault_path, json={"location": "here"})
    assert program.send("GET", program.vault_path).status_code == 200
    assert other.send("GET", program.vault_path).status_code == 403
