"""People sign in at an OpenID Connect provider: a real one, started from a package."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from django.contrib.auth.models import User

from coordinator.access.services import disable_person
from coordinator.config.stack import free_port
from coordinator.config.waiting import wait_for
from coordinator.vaults.models import Vault
from tests.integration.api.conftest import running_server
from tests.integration.api.people.browser import Browser
from tests.integration.api.people.conftest import Somebody
from tests.integration.api.programs import Program, Server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AC-2")]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a running OpenID Connect provider; anybody may sign in there as anybody."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]
    log = tmp_path_factory.mktemp("oidc") / "provider.log"
    environment = {**os.environ, "NO_COLOR": "1"}
    with (
        log.open("wb") as stream,
        subprocess.Popen(command, env=environment, stdout=stream, stderr=stream) as process,
    ):

        def answers() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"the provider ended: {log.read_text(encoding='utf-8')}")
            try:
                requests.get(f"{url}/.well-known/openid-configuration", timeout=5)
            except requests.ConnectionError:
                return False
            return True

        try:
            wait_for("the OpenID Connect provider", answers, limit_seconds=60)
            yield url
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def sso_server(
    provider: str,
    django_db_setup: None,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """An API process that has been told of the provider."""
    state = tmp_path_factory.mktemp("sso-state")
    secret = Path(state) / "oidc.secret"
    secret.write_text("the coordinator's secret at the provider\n", encoding="utf-8")
    with running_server(
        state,
        redis_url,
        OSR_OIDC_ISSUER=provider,
        OSR_OIDC_CLIENT_ID="open-site-recovery",
        OSR_OIDC_CLIENT_SECRET_FILE=str(secret),
        OSR_OIDC_NAME="Example Directory",
    ) as running:
        yield running


@pytest.fixture
def browser(sso_server: Server) -> Iterator[Browser]:
    opened = Browser(sso_server)
    yield opened
    opened.close()


def sign_in_at(
    browser: Browser, provider: str, subject: str, **claims: str | bool
) -> requests.Response:
    """Goes to the provider, signs in there, comes back; the answer to coming back."""
    requests.put(f"{provider}/users/{subject}", json=claims, timeout=30).raise_for_status()
    sent = browser.submit("/account/oidc/sso/login/", {}, page="/account/login/")
    assert sent.status_code == 302
    at_provider = sent.headers["Location"]
    assert at_provider.startswith(provider)
    assert "code_challenge" in at_provider
    back = requests.post(
        at_provider, data={"sub": subject}, allow_redirects=False, timeout=30
    ).headers["Location"]
    return browser.open(back)


def test_the_page_offers_the_provider_by_its_name(browser: Browser, program: Program) -> None:
    assert "Sign in with Example Directory" in browser.open("/account/login/").text


def test_somebody_who_was_invited_is_known_by_the_verified_address(
    browser: Browser, provider: str, ada: Somebody, program: Program, vault: Vault
) -> None:
    answer = sign_in_at(
        browser, provider, "ada-at-provider", email="Ada@Example.org", email_verified=True
    )
    assert (answer.status_code, answer.headers.get("Location")) == (302, "/account/")
    assert browser.call("GET", program.vault_path).json()["name"] == "Vault-1"
    browser.submit("/account/logout/", {}, page="/account/")
    # The provider's id is known by now: the address may change.
    sign_in_at(browser, provider, "ada-at-provider", email="new@example.org", email_verified=True)
    assert browser.call("GET", program.vault_path).status_code == 200
    disable_person("ada")
    assert browser.call("GET", program.vault_path).status_code == 401
    sign_in_at(browser, provider, "ada-at-provider", email="new@example.org", email_verified=True)
    assert browser.call("GET", program.vault_path).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "eve@example.org", "email_verified": True},
        {"email": "ada@example.org", "email_verified": False},
        {"email": "ada@example.org"},
        {},
    ],
    ids=["nobody-here", "not-verified", "not-said", "no-address"],
)
def test_strangers_stay_out(
    browser: Browser,
    provider: str,
    make_person: Callable[..., Somebody],
    program: Program,
    vault: Vault,
    claims: dict[str, str | bool],
) -> None:
    make_person()
    make_person("without", "")
    answer = sign_in_at(browser, provider, "eve", **claims)
    assert answer.status_code == 403
    assert "not known here" in answer.text
    assert browser.call("GET", program.vault_path).status_code == 401
    assert User.objects.count() == 2


def test_an_answer_nobody_asked_for_signs_nobody_in(
    browser: Browser, provider: str, ada: Somebody, program: Program, vault: Vault
) -> None:
    answer = browser.open("/account/oidc/sso/login/callback/?code=abc&state=made-up")
    assert answer.status_code < 500
    assert "Location" not in answer.headers
    assert browser.call("GET", program.vault_path).status_code == 401
