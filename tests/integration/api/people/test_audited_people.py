"""The audit of people who sign in, and of a flood of those who do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from coordinator.events.audit.coalescing import OF_AN_ADDRESS
from coordinator.events.models import AuditRecord
from coordinator.vaults.models import Vault
from tests.integration.api.conftest import running_server
from tests.integration.api.people.browser import Browser
from tests.integration.api.people.conftest import Somebody
from tests.integration.api.programs import Program, Server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("EV-3")]


@pytest.fixture
def fresh_server(
    django_db_setup: None, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """An API process that has denied nobody anything of late."""
    with running_server(tmp_path_factory.mktemp("state"), redis_url) as running:
        yield running


def told() -> list[AuditRecord]:
    """Of the installation; tokens are left out: every program of a test has one."""
    found = AuditRecord.objects.filter(chain__vault_id=None).order_by("sequence")
    return [
        record for record in found if record.outcome != "Succeeded" or "/tok" not in record.action
    ]


def test_people_who_sign_in_out_and_change_their_password_are_told_of(
    make_person: Callable[..., Somebody], fresh_server: Server
) -> None:
    ada = make_person()
    browser = Browser(fresh_server)
    assert browser.sign_in("ada", "wrong password").status_code == 200
    assert browser.sign_in("my pass phrase", "x").status_code == 200
    assert browser.sign_in("ada", ada.password).status_code == 302
    new = "a new pass phrase of some length"
    form = {"oldpassword": ada.password, "password1": new, "password2": new}
    assert browser.submit("/account/password/", form).status_code == 302
    assert browser.submit("/account/logout/", {}).status_code == 302
    browser.close()
    people = [
        (record.action.split("/")[2], record.outcome, record.principal_name) for record in told()
    ]
    assert people == [
        ("signIn", "Denied", ""),
        ("signIn", "Denied", ""),
        ("signIn", "Succeeded", "ada"),
        ("changePassword", "Succeeded", "ada"),
        ("signOut", "Succeeded", "ada"),
    ]
    # What was typed as a name is kept only when it is somebody's.
    assert [record.details for record in told()[:2]] == [{"claimed": "ada"}, {}]
    everything = "".join(str(record.entry) for record in told())
    for secret in ("wrong password", "my pass phrase", ada.password, new):
        assert secret not in everything
    assert told()[2].principal_id == str(ada.id)
    assert told()[2].address == "127.0.0.1"


@pytest.mark.spec("AC-3")
def test_denials_of_nobody_knows_whom_are_told_of_but_fill_no_disk(
    program: Program, vault: Vault, fresh_server: Server, tmp_path: Path
) -> None:
    asked = replace(program, server=fresh_server, folder=tmp_path / "asked")
    wrong_secret = {
        "grant_type": "client_credentials",
        "client_id": program.client_id,
        "client_secret": "wrong",
    }
    path = f"/{program.tenant_id}/oauth2/v2.0/token"
    assert asked.send_bare("POST", path, data=wrong_secret, params={}).status_code == 401
    wrong_token = {"Authorization": "Bearer wrong"}
    with requests.Session() as session:
        for _ in range(200):
            answer = session.delete(
                f"{fresh_server.url}{program.vault_path}",
                headers=wrong_token,
                verify=str(fresh_server.ca_file),
                timeout=60,
            )
            assert answer.status_code == 401
    first, *others = told()
    assert (first.action, first.outcome) == ("OpenSiteRecovery/tokens/issue/action", "Denied")
    assert first.details == {"claimed": program.client_id}
    assert (first.status, first.code) == (401, "invalid_client")
    # A minute may have passed: then there is a summary, and some more of their own.
    assert OF_AN_ADDRESS - 1 <= len(others) <= 4 * OF_AN_ADDRESS
    assert others[0].code == "AuthenticationFailed"
    assert others[0].resource == program.vault_path
    # The vault's own audit cannot be written to by strangers.
    assert not AuditRecord.objects.filter(chain__vault_id=vault.id).exists()
