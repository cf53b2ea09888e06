"""Secrets and tokens of programs: several, ending, renewed, guessed, altered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential
from django.utils import timezone
from oauth2_provider.models import AccessToken

from coordinator.access.guessing import LIMITS, Subject
from coordinator.access.models import ClientSecret, ServicePrincipal, WrongGuesses
from coordinator.access.services import rotate_secret
from coordinator.vaults.models import Vault
from tests.integration.api.programs import Program

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AC-2")]


def ask(program: Program, secret: str, tenant: str | None = None) -> requests.Response:
    form = {
        "grant_type": "client_credentials",
        "client_id": program.client_id,
        "client_secret": secret,
        "scope": f"{program.server.url}/.default",
    }
    path = f"/{tenant or program.tenant_id}/oauth2/v2.0/token"
    return program.send_bare("POST", path, data=form, params={})


def read_vault(program: Program, token: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    answer = program.send_bare("GET", program.vault_path, headers=headers)
    return answer.status_code, answer.json()


def test_a_new_secret_is_good_beside_the_old_one_until_that_is_over(program: Program) -> None:
    now = timezone.now()
    _, new = rotate_secret(program.client_id, now, overlap=timedelta(hours=1))
    old = program.client_secret
    assert [ask(program, secret).status_code for secret in (old, new.reveal())] == [200, 200]
    ends = [row.expires_at - now for row in ClientSecret.objects.order_by("expires_at")]
    assert ends == [timedelta(hours=1), timedelta(days=730)]
    # An hour later.
    ClientSecret.objects.filter(expires_at__lt=now + timedelta(days=1)).update(expires_at=now)
    assert [ask(program, secret).status_code for secret in (old, new.reveal())] == [401, 200]
    rotate_secret(program.client_id, timezone.now())
    assert ClientSecret.objects.count() == 2


def test_a_secret_that_became_known_is_over_at_once(program: Program) -> None:
    _, new = rotate_secret(program.client_id, timezone.now(), overlap=timedelta())
    assert ask(program, program.client_secret).status_code == 401
    assert ask(program, new.reveal()).status_code == 200


def test_neither_secret_is_in_the_database(program: Program) -> None:
    _, new = rotate_secret(program.client_id, timezone.now())
    stored = list(ClientSecret.objects.values_list("secret_hash", flat=True))
    assert len(stored) == 2
    for text in stored:
        assert text.startswith("sha256$")
        assert program.client_secret not in text
        assert new.reveal() not in text


def test_a_secret_of_one_program_opens_no_other(
    program: Program, make_program: Callable[..., Program]
) -> None:
    other = make_program(UUID(program.subscription_id))
    assert ask(program, other.client_secret).status_code == 401


@pytest.mark.parametrize(
    "alter",
    [
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token + "A",
        lambda token: token[1:],
        lambda token: token.swapcase(),
        lambda token: f"{token}.{token}",
        lambda _: "a" * 10_000,
        lambda _: "\u00e9".encode().decode("latin-1"),
    ],
    ids=["one-character", "longer", "shorter", "other-case", "twice", "huge", "not-ascii"],
)
def test_a_token_that_was_altered_opens_nothing(
    program: Program, vault: Vault, alter: Callable[[str], str]
) -> None:
    token = program.token
    assert read_vault(program, token)[0] == 200
    status, body = read_vault(program, alter(token))
    assert (status, body["error"]["code"]) == (401, "AuthenticationFailed")


def test_a_token_that_is_over_opens_nothing(program: Program, vault: Vault) -> None:
    token = program.token
    AccessToken.objects.update(expires=timezone.now())
    assert read_vault(program, token)[0] == 401


def test_a_token_of_another_tenant_finds_no_vault(
    program: Program, make_program: Callable[..., Program], vault: Vault
) -> None:
    stranger = make_program()
    status, body = read_vault(program, stranger.token)
    assert (status, body["error"]["code"]) == (404, "ResourceNotFound")


def test_a_token_goes_with_its_program(program: Program, vault: Vault) -> None:
    token = program.token
    ServicePrincipal.objects.get(application__client_id=program.client_id).application.delete()
    assert read_vault(program, token)[0] == 401
    assert not ClientSecret.objects.exists()


def test_guesses_of_a_secret_end_without_microsofts_client_going_on_by_itself(
    program: Program, make_program: Callable[..., Program]
) -> None:
    for _ in range(LIMITS[Subject.PROGRAM]):
        assert ask(program, "wrong").status_code == 401
    locked = ask(program, program.client_secret)
    assert locked.status_code == 429
    assert locked.json()["error"] == "temporarily_unavailable"
    # With it, the client would wait and repeat the request by itself.
    assert "Retry-After" not in locked.headers
    credential = ClientSecretCredential(
        program.tenant_id,
        program.client_id,
        program.client_secret,
        authority=program.server.url,
        disable_instance_discovery=True,
        connection_verify=str(program.server.ca_file),
    )
    with credential, pytest.raises(ClientAuthenticationError, match="Too many wrong secrets"):
        credential.get_token(f"{program.server.url}/.default")
    # Another program at the same address is none the worse for it.
    other = make_program()
    assert ask(other, other.client_secret).status_code == 200
    WrongGuesses.objects.update(locked_until=timezone.now())
    assert ask(program, program.client_secret).status_code == 200


def test_wrong_tenants_and_unknown_programs_count_as_guesses(program: Program) -> None:
    assert ask(program, program.client_secret, tenant=str(uuid4())).status_code == 401
    assert WrongGuesses.objects.get().count == 1
