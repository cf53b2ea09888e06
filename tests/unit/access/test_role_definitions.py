"""The built-in roles are ASR's."""

from __future__ import annotations

from uuid import UUID

import pytest

from coordinator.access.rights import Grant, Rights
from coordinator.access.role_definitions import (
    CONTRIBUTOR,
    OPERATOR,
    OWNER,
    READER,
    ROLES,
    RoleDefinition,
    role_allows,
    role_of_name,
)

pytestmark = pytest.mark.spec("AC-1")
VAULTS = "Microsoft.RecoveryServices/vaults"
ITEMS = f"{VAULTS}/replicationFabrics/replicationProtectionContainers/replicationProtectedItems"
VAULT_ID = UUID("00000000-0000-0000-0000-000000000001")
OTHER_VAULT_ID = UUID("00000000-0000-0000-0000-000000000002")


@pytest.mark.parametrize(
    ("role", "role_id", "lines"),
    [
        (OWNER, "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", 1),
        # As many as Azure lists (definitions of 11 November 2021).
        (CONTRIBUTOR, "6670b86e-a3f7-4917-ac9b-5d6ab1be4567", 29),
        (OPERATOR, "494ae006-db33-4328-bf46-533a6560a3ca", 59),
        (READER, "dbaa88c4-0c30-4179-9fb3-46319faa6149", 32),
    ],
)
def test_a_role_has_azures_id_and_azures_rights_first(
    role: RoleDefinition, role_id: str, lines: int
) -> None:
    assert ROLES[UUID(role_id)] is role
    assert len(set(role.permissions[0].actions)) == lines
    assert role.permissions[0].not_actions == ()


@pytest.mark.parametrize(
    ("action", "who"),
    [
        (f"{VAULTS}/read", {OWNER, CONTRIBUTOR, OPERATOR, READER}),
        (f"{VAULTS}/write", {OWNER}),
        (f"{VAULTS}/delete", {OWNER}),
        (f"{VAULTS}/registrationKeys/action", {OWNER, CONTRIBUTOR}),
        (f"{VAULTS}/replicationFabrics/delete", {OWNER, CONTRIBUTOR}),
        (f"{VAULTS}/replicationFabrics/checkConsistency/action", {OWNER, CONTRIBUTOR, OPERATOR}),
        (f"{VAULTS}/replicationPolicies/write", {OWNER, CONTRIBUTOR}),
        (f"{VAULTS}/replicationRecoveryPlans/write", {OWNER, CONTRIBUTOR}),
        (
            f"{VAULTS}/replicationRecoveryPlans/plannedFailover/action",
            {OWNER, CONTRIBUTOR, OPERATOR},
        ),
        (f"{ITEMS}/write", {OWNER, CONTRIBUTOR}),
        (f"{ITEMS}/remove/action", {OWNER, CONTRIBUTOR}),
        (f"{ITEMS}/unplannedFailover/action", {OWNER, CONTRIBUTOR, OPERATOR}),
        (f"{ITEMS}/failoverCancel/action", {OWNER, CONTRIBUTOR, OPERATOR}),
        (f"{ITEMS}/abandonFailover/action", {OWNER, CONTRIBUTOR, OPERATOR}),
        (f"{ITEMS}/addDisks/action", {OWNER, CONTRIBUTOR}),
        (f"{VAULTS}/replicationJobs/resume/action", {OWNER, CONTRIBUTOR, OPERATOR}),
        (f"{VAULTS}/replicationJobs/read", {OWNER, CONTRIBUTOR, OPERATOR, READER}),
        (f"{VAULTS}/somethingNew/read", {OWNER}),
        ("Microsoft.Authorization/roleAssignments/read", {OWNER, CONTRIBUTOR, OPERATOR, READER}),
        ("Microsoft.Authorization/roleAssignments/write", {OWNER}),
        ("Microsoft.Authorization/roleAssignments/delete", {OWNER}),
    ],
)
def test_who_may_do_what(action: str, who: set[RoleDefinition]) -> None:
    assert {role for role in ROLES.values() if role.allows(action)} == who


def test_a_role_nobody_knows_allows_nothing() -> None:
    assert not role_allows(UUID(int=7), f"{VAULTS}/read")


def test_a_role_is_found_by_its_name_its_last_word_and_its_id() -> None:
    assert role_of_name("Site Recovery Operator") is OPERATOR
    assert role_of_name(" operator") is OPERATOR
    assert role_of_name(str(READER.id)) is READER
    assert role_of_name("OWNER") is OWNER
    assert role_of_name("administrator") is None


@pytest.mark.parametrize(
    ("grant", "where"),
    [
        (Grant(READER.id), {"subscription", "group", "vault", "other vault", "other group"}),
        (Grant(READER.id, "group-1"), {"group", "vault", "other vault"}),
        (Grant(READER.id, "", VAULT_ID), {"vault"}),
    ],
)
def test_a_grant_holds_where_it_was_given_and_below(grant: Grant, where: set[str]) -> None:
    rights = Rights((grant,))
    places: dict[str, tuple[str, UUID | None]] = {
        "subscription": ("", None),
        "group": ("Group-1", None),
        "vault": ("Group-1", VAULT_ID),
        "other vault": ("Group-1", OTHER_VAULT_ID),
        "other group": ("Group-2", OTHER_VAULT_ID),
    }
    found = {name for name, place in places.items() if rights.allow(f"{VAULTS}/read", *place)}
    assert found == where
    assert not any(rights.allow(f"{VAULTS}/delete", *place) for place in places.values())


def test_without_grants_nothing_is_allowed() -> None:
    assert not Rights(()).allow(f"{VAULTS}/read")
