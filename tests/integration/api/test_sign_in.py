"""Signing in: OAuth 2.0 client credentials, as azure-identity asks for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application

from coordinator.vaults.models import Vault
from tests.integration.api.programs import Program

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AC-2")]


def ask(program: Program, tenant: str | None = None, **changes: str) -> tuple[int, dict[str, Any]]:
    form = {
        "grant_type": "client_credentials",
        "client_id": program.client_id,
        "client_secret": program.client_secret,
        "scope": f"{program.server.url}/.default",
        **changes,
    }
    path = f"/{tenant or program.tenant_id}/oauth2/v2.0/token"
    answer = program.send_bare("POST", path, data=form, params={})
    return answer.status_code, answer.json()


def test_azure_identity_gets_a_token_that_opens_the_vault(program: Program, vault: Vault) -> None:
    found = program.site_recovery.replication_fabrics.list(*program.scope)
    assert list(found) == []


def test_a_token_is_a_bearer_token_for_an_hour(program: Program) -> None:
    status, body = ask(program)
    assert status == 200
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 3600


def test_id_and_secret_may_come_in_the_authorization_header(program: Program) -> None:
    answer = program.send_bare(
        "POST",
        f"/{program.tenant_id}/oauth2/v2.0/token",
        data={"grant_type": "client_credentials"},
        auth=(program.client_id, program.client_secret),
        params={},
    )
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_wrong_secret_is_refused_as_clients_expect(program: Program) -> None:
    status, body = ask(program, client_secret="wrong")
    assert status == 401
    assert body["error"] == "invalid_client"
    wrong = ClientSecretCredential(
        program.tenant_id,
        program.client_id,
        "wrong",
        authority=program.server.url,
        disable_instance_discovery=True,
        connection_verify=str(program.server.ca_file),
    )
    with wrong, pytest.raises(ClientAuthenticationError):
        wrong.get_token(f"{program.server.url}/.default")


def test_a_program_of_one_tenant_gets_no_token_of_another(program: Program) -> None:
    status, body = ask(program, tenant=str(uuid4()))
    assert (status, body["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": "nobody"}, "invalid_client"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"grant_type": "password"}, "invalid_request"),
        ({"client_id": "a\0b"}, "invalid_request"),
        ({"grant_type": ""}, "unsupported_grant_type"),
    ],
)
def test_other_requests_are_refused(program: Program, changes: dict[str, str], error: str) -> None:
    status, body = ask(program, **changes)
    assert status in {400, 401}
    assert body["error"] == error


def test_neither_secret_nor_token_is_in_the_database(program: Program) -> None:
    token = program.token
    application = Application.objects.get(client_id=program.client_id)
    assert program.client_secret not in application.client_secret
    stored = AccessToken.objects.get(application=application)
    assert stored.token == ""
    assert stored.token_checksum != token


def test_a_token_that_is_over_opens_nothing(program: Program, vault: Vault) -> None:
    assert program.send("GET", program.vault_path).status_code == 200
    AccessToken.objects.update(expires=timezone.now() - timedelta(seconds=1))
    answer = program.send("GET", program.vault_path)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "AuthenticationFailed"
    assert ask(program)[0] == 200
    # Only the new one is kept.
    assert AccessToken.objects.get().expires > timezone.now()


def test_a_removed_program_is_a_stranger_at_once(
    make_program: Callable[..., Program], program: Program, vault: Vault
) -> None:
    assert program.send("GET", program.vault_path).status_code == 200
    Application.objects.filter(client_id=program.client_id).delete()
    assert program.send("GET", program.vault_path).status_code == 401


def test_the_configuration_names_https_endpoints_of_the_tenant(program: Program) -> None:
    path = f"/{program.tenant_id}/v2.0/.well-known/openid-configuration"
    body = program.send_bare("GET", path, params={}).json()
    base = f"{program.server.url}/{program.tenant_id}"
    assert body["token_endpoint"] == f"{base}/oauth2/v2.0/token"
    assert body["authorization_endpoint"].startswith(base)


def test_a_token_endpoint_takes_posts_only(program: Program) -> None:
    answer = program.send_bare("GET", f"/{program.tenant_id}/oauth2/v2.0/token", params={})
    assert answer.status_code == 405
    assert answer.json()["error"]["code"] == "MethodNotAllowed"
