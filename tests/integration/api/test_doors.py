"""Every route is behind the door, and a vault is a wall."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from django.urls import get_resolver
from django.utils import timezone

from coordinator.vaults.models import Vault
from tests.integration.api.programs import Program
from tests.integration.api.sites import Sites, pair, protect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AC-3")]


def routes() -> Iterator[tuple[str, str]]:
    """Method and address of every route of the API, names replaced by x."""
    for resolver in get_resolver("coordinator.api.urls").url_patterns:
        for pattern in getattr(resolver, "url_patterns", []):
            route = str(pattern.pattern)
            if not route.startswith("subscriptions"):
                continue
            path = "/" + re.sub(r"<[^>]+>", "x", route)
            view = pattern.callback
            for cell in view.__closure__ or ():
                for operation in getattr(cell.cell_contents, "operations", []):
                    for method in operation.methods:
                        yield method, path


ROUTES = sorted(set(routes()))


def test_the_routes_of_the_story_are_there() -> None:
    assert len(ROUTES) > 30
    assert any(path.endswith("/plannedFailover") for _, path in ROUTES)


def test_every_route_refuses_who_has_no_token_or_a_wrong_one(program: Program) -> None:
    for method, path in ROUTES:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp4"}):
            answer = program.send_bare(method, path, headers=headers)
            assert answer.status_code == 401, (method, path, headers)
            assert answer.json()["error"]["code"] == "AuthenticationFailed"
            assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_every_route_in_a_vault_hides_the_vaults_of_others(
    make_program: Callable[..., Program], program: Program, vault: Vault
) -> None:
    stranger = make_program()
    for method, path in ROUTES:
        if "/vaults/" not in path or (method, path.count("/")) == ("DELETE", 8):
            continue
        tail = path.partition("/vaults/x")[2]
        body = (
            {"location": "here", "properties": {}} if method in {"PUT", "POST", "PATCH"} else None
        )
        answer = stranger.send(method, program.vault_path + tail, json=body)
        if answer.status_code == 400 and body is not None:
            # The body is read before the vault is looked for; nothing of the vault is told.
            assert answer.json()["error"]["code"] == "InvalidRequestContent"
            continue
        assert answer.status_code == 404, (method, path, answer.text)
        assert answer.json()["error"]["code"] == "ResourceNotFound"


def test_another_subscriptions_vault_cannot_be_made_or_deleted(
    make_program: Callable[..., Program], program: Program, vault: Vault
) -> None:
    stranger = make_program()
    made = stranger.send(
        "PUT", program.vault_path.replace("Vault-1", "Vault-9"), json={"location": "x"}
    )
    assert made.status_code == 404
    assert stranger.send("DELETE", program.vault_path).status_code == 404
    assert [row.name for row in Vault.objects.all()] == ["Vault-1"]
    listed = stranger.send(
        "GET",
        f"/subscriptions/{program.subscription_id}/providers/Microsoft.RecoveryServices/vaults",
    )
    assert listed.status_code == 404
    assert listed.json()["error"]["code"] == "SubscriptionNotFound"


def test_objects_of_one_vault_are_not_in_another_of_the_same_subscription(
    make_program: Callable[..., Program], program: Program, sites: Sites
) -> None:
    now = timezone.now()
    protect(pair(sites, now), sites.machines[0], now)
    Vault.objects.create(
        subscription_id=program.subscription_id,
        resource_group="group-1",
        name="Vault-2",
        location="here",
        created_at=now,
    )
    fabrics = f"replicationFabrics/{sites.shanghai.name}"
    other = program.vault_path.replace("Vault-1", "Vault-2")
    container = f"{fabrics}/replicationProtectionContainers/{sites.gold1.external_id}"
    for tail in (
        fabrics,
        container,
        f"{container}/replicationProtectedItems/{sites.machines[0].external_id}",
        "replicationPolicies/Policy-1",
        f"replicationJobs/{uuid4()}",
    ):
        assert program.send("GET", f"{other}/{tail}").status_code == 404, tail
    for tail in (
        "replicationFabrics",
        "replicationRecoveryServicesProviders",
        "replicationProtectionContainers",
        "replicationProtectionContainerMappings",
        "replicationProtectedItems",
        "replicationPolicies",
        "replicationJobs",
        "replicationEvents",
        "registrationKeys",
    ):
        assert program.send("GET", f"{other}/{tail}").json()["value"] == [], tail


def test_an_id_of_another_vault_in_a_body_is_refused(program: Program, sites: Sites) -> None:
    pair(sites, timezone.now())
    container = (
        f"replicationFabrics/{sites.shanghai.name}"
        f"/replicationProtectionContainers/{sites.gold1.external_id}"
    )
    other = program.vault_path.replace("Vault-1", "Vault-2")
    machine = f"{other}/{container}/replicationProtectableItems/{sites.machines[0].external_id}"
    answer = program.send(
        "PUT",
        f"{program.vault_path}/{container}/replicationProtectedItems/item-1",
        json={"properties": {"protectableItemId": machine}},
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["target"] == "protectableItemId"
