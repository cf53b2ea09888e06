"""Every route x every role x one's own vault, another vault, another tenant's vault."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
import requests
from django.utils import timezone

from coordinator.access.models import ServicePrincipal
from coordinator.access.services import Scope, assign_role
from coordinator.vaults.models import Vault
from tests.integration.api.programs import Program
from tests.integration.api.roles.expected import AZURE, OWNER, may
from tests.integration.api.roles.routes import ROUTES, Route

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AC-1", "AC-3")]

# Lists that have for everybody what they may read, and what is for whoever signed in.
FOR_ALL = {
    "GET /subscriptions/providers/Microsoft.RecoveryServices/vaults",
    "GET /subscriptions/resourceGroups/providers/Microsoft.RecoveryServices/vaults",
    "GET /subscriptions/resourceGroups/providers/Microsoft.RecoveryServices/operations",
}
# Signed in is enough; there is no api-version, so nothing is carried out.
LET_THROUGH = {"MissingApiVersionParameter", "InvalidRequestContent"}


@pytest.fixture
def vaults(program: Program) -> list[Vault]:
    """Two vaults of the program's subscription."""
    return [
        Vault.objects.create(
            subscription_id=UUID(program.subscription_id),
            resource_group="group-1",
            name=name,
            location="here",
            created_at=timezone.now(),
        )
        for name in ("Vault-1", "Vault-2")
    ]


class Asker:
    """Asks as one program, on one connection."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {program.token}"

    def ask(self, route: Route, subscription_id: str, vault: str) -> tuple[int, str]:
        """Status and error code of a request that is not carried out even if it is let through."""
        url = f"{self._program.server.url}{route.path(subscription_id, vault)}"
        ca_file = str(self._program.server.ca_file)
        answer = self._session.request(route.method, url, json={}, timeout=60, verify=ca_file)
        return answer.status_code, answer.json()["error"]["code"]

    def close(self) -> None:
        self._session.close()


def through(answer: tuple[int, str]) -> bool:
    return answer[0] == 400 and answer[1] in LET_THROUGH


def test_the_api_has_all_its_routes_here() -> None:
    assert len(ROUTES) > 150
    assert sum(route.in_vault for route in ROUTES) > 140


@pytest.mark.parametrize("role", [*AZURE, None], ids=lambda role: str(role).replace(" ", "-"))
def test_each_role_may_do_in_its_vault_what_azure_says_and_nothing_elsewhere(
    role: str | None,
    program: Program,
    make_program: Callable[..., Program],
    vaults: list[Vault],
) -> None:
    stranger = make_program()
    limited = make_program(UUID(program.subscription_id), role=None)
    if role is not None:
        principal = ServicePrincipal.objects.get(application__client_id=limited.client_id)
        assign_role(
            Scope(principal.subscription_id, vault=vaults[0]),
            UUID(AZURE[role]["id"]),
            principal.id,
            by="tests",
            now=timezone.now(),
        )
    asker, other = Asker(limited), Asker(stranger)
    wrong: list[tuple[object, ...]] = []
    for route in ROUTES:
        own = asker.ask(route, program.subscription_id, "Vault-1")
        if route.in_vault:
            allowed = role is not None and may(role, route)
            beside = asker.ask(route, program.subscription_id, "Vault-2")
            absent = asker.ask(route, program.subscription_id, "Vault-3")
            if beside != (403, "AuthorizationFailed") or absent != beside:
                wrong.append((route.key, "beside", beside, absent))
        else:
            allowed = "<subscription_id>" not in route.pattern or route.key in FOR_ALL
        if not (through(own) if allowed else own == (403, "AuthorizationFailed")):
            wrong.append((route.key, "own", allowed, own))
        if role == OWNER and "<subscription_id>" in route.pattern:
            code = "ResourceNotFound" if route.in_vault else "SubscriptionNotFound"
            foreign = other.ask(route, program.subscription_id, "Vault-1")
            if foreign != (404, code):
                wrong.append((route.key, "foreign", foreign))
    asker.close()
    other.close()
    assert not wrong, "\n".join(map(str, wrong))
