"""Addresses and ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.api import paths
from coordinator.api.paths import VaultId, canonical_path, names_in, resource_type

VAULT = VaultId("5d8c6a3e-0000-4000-8000-000000000001", "group-1", "Vault-1")
SEGMENT = st.text(
    st.characters(exclude_characters="/{}", exclude_categories=["Cs"]), min_size=1, max_size=20
)


def test_fixed_words_are_understood_in_any_case_and_names_are_left_alone() -> None:
    given_path = (
        "/Subscriptions/AbC/resourcegroups/RG/PROVIDERS/microsoft.recoveryservices/VAULTS/Vaults"
        "/replicationfabrics/ReplicationFabrics/REPROTECT"
    )
    assert canonical_path(given_path) == (
        "/subscriptions/AbC/resourceGroups/RG/providers/Microsoft.RecoveryServices/vaults/Vaults"
        "/replicationFabrics/ReplicationFabrics/reProtect"
    )


@given(SEGMENT, SEGMENT)
def test_an_id_gives_back_the_names_it_was_made_of(fabric: str, container: str) -> None:
    resource_id = VAULT.child(paths.CONTAINER, fabric_name=fabric, container_name=container)
    names = names_in(paths.CONTAINER, resource_id)
    assert names is not None
    assert (names["fabric_name"], names["container_name"]) == (fabric, container)
    assert names["vault_name"] == "Vault-1"


@given(SEGMENT, SEGMENT)
def test_the_case_of_fixed_words_in_an_id_does_not_matter(fabric: str, container: str) -> None:
    resource_id = VAULT.child(paths.CONTAINER, fabric_name=fabric, container_name=container)
    shouted = "/".join(
        word.upper() if index % 2 else word for index, word in enumerate(resource_id.split("/"))
    )
    assert names_in(paths.CONTAINER, shouted) == names_in(paths.CONTAINER, resource_id)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "GoldCloud1",
        "/subscriptions/1",
        VAULT.id,
        VAULT.child(paths.POLICY, policy_name="p"),
        VAULT.child(paths.CONTAINER, fabric_name="f", container_name=""),
        VAULT.child(paths.CONTAINER, fabric_name="f", container_name="c") + "/x/y",
    ],
)
def test_what_is_no_id_of_the_kind_is_not_taken_apart(wrong: str) -> None:
    assert names_in(paths.CONTAINER, wrong) is None


def test_the_type_of_a_resource_is_the_words_of_its_id() -> None:
    item = VAULT.child(paths.PROTECTED_ITEM, fabric_name="f", container_name="c", item_name="i")
    assert resource_type(item) == (
        "Microsoft.RecoveryServices/vaults/replicationFabrics/replicationProtectionContainers"
        "/replicationProtectedItems"
    )
    assert resource_type(VAULT.id) == "Microsoft.RecoveryServices/vaults"
