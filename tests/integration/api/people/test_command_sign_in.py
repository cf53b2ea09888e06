"""A person's token for the `osr` command: authorization code with PKCE."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import pytest
import requests

from coordinator.access.services import disable_person
from coordinator.vaults.models import Vault
from tests.integration.api.people.browser import Browser
from tests.integration.api.people.conftest import Somebody
from tests.integration.api.programs import Program

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AC-2")]

VERIFIER = "a-verifier-of-enough-characters-for-the-rule-of-43"
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
)
# The command listens where there is room.
REDIRECT = "http://127.0.0.1:49152/callback"


def authorize(browser: Browser, tenant: str, **changes: str) -> requests.Response:
    asked = {
        "response_type": "code",
        "client_id": "osr",
        "redirect_uri": REDIRECT,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "scope": "default",
        "state": "a state",
        **changes,
    }
    query = urlencode({name: value for name, value in asked.items() if value})
    return browser.open(f"/{tenant}/oauth2/v2.0/authorize?{query}")


def code_of(answer: requests.Response) -> str:
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(REDIRECT)
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert query["state"] == ["a state"]
    return query["code"][0]


def exchange(
    program: Program, code: str, tenant: str | None = None, **changes: str
) -> tuple[int, dict[str, Any]]:
    form = {
        "grant_type": "authorization_code",
        "client_id": "osr",
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
        **changes,
    }
    path = f"/{tenant or program.tenant_id}/oauth2/v2.0/token"
    answer = program.send_bare("POST", path, data=form, params={})
    return answer.status_code, answer.json()


def read_vault(program: Program, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return program.send_bare("GET", program.vault_path, headers=headers).status_code


def test_the_command_gets_a_token_that_may_what_the_person_may(
    browser: Browser, ada: Somebody, program: Program, vault: Vault
) -> None:
    sent = authorize(browser, ada.tenant_id)
    assert sent.status_code == 302
    login = urlsplit(sent.headers["Location"])
    assert login.path == "/account/login/"
    back = browser.sign_in("ada", ada.password, parse_qs(login.query)["next"][0])
    code = code_of(browser.open(back.headers["Location"]))
    status, tokens = exchange(program, code)
    assert status == 200
    assert tokens["token_type"] == "Bearer"
    assert read_vault(program, tokens["access_token"]) == 200
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert program.send_bare("DELETE", program.vault_path, headers=headers).status_code == 403

    status, renewed = exchange(
        program, "", grant_type="refresh_token", refresh_token=tokens["refresh_token"]
    )
    assert status == 200
    assert read_vault(program, renewed["access_token"]) == 200
    disable_person("ada")
    assert read_vault(program, renewed["access_token"]) == 401
    status, answer = exchange(
        program, "", grant_type="refresh_token", refresh_token=renewed["refresh_token"]
    )
    assert (status, answer["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "another-verifier-of-enough-characters-for-the-rule"},
        {"code_verifier": ""},
        {"redirect_uri": "http://127.0.0.1:49152/elsewhere"},
        {"client_id": "nobody"},
    ],
    ids=["wrong-verifier", "no-verifier", "other-address", "other-client"],
)
def test_a_code_is_of_no_use_to_others(
    browser: Browser, ada: Somebody, program: Program, changes: dict[str, str]
) -> None:
    browser.sign_in("ada", ada.password)
    status, answer = exchange(program, code_of(authorize(browser, ada.tenant_id)), **changes)
    assert status in {400, 401}
    assert "access_token" not in answer


def test_a_code_is_good_once_and_at_its_tenant(
    browser: Browser, ada: Somebody, program: Program
) -> None:
    browser.sign_in("ada", ada.password)
    code = code_of(authorize(browser, ada.tenant_id))
    status, answer = exchange(program, code, tenant=str(uuid4()))
    assert (status, answer["error"]) == (400, "invalid_grant")
    code = code_of(authorize(browser, ada.tenant_id))
    assert exchange(program, code)[0] == 200
    assert exchange(program, code)[0] == 400


def test_codes_are_given_with_pkce_and_to_the_command_alone(
    browser: Browser, ada: Somebody, program: Program, make_program: Callable[..., Program]
) -> None:
    browser.sign_in("ada", ada.password)
    for changes in (
        {"code_challenge": "", "code_challenge_method": ""},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1.evil.example/callback"},
        {"client_id": "nobody"},
        {"client_id": program.client_id},
        {"response_type": "token"},
        {"scope": "everything"},
    ):
        answer = authorize(browser, ada.tenant_id, **changes)
        assert "code=" not in answer.headers.get("Location", ""), changes
        assert "access_token" not in answer.headers.get("Location", ""), changes
        assert answer.status_code < 500
    other_tenant = authorize(browser, str(uuid4()))
    assert other_tenant.status_code == 403
