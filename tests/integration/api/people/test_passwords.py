"""People sign in with a password, and what they may then do with the API."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session

from coordinator.access.models import WrongGuesses
from coordinator.access.services import OWNER, disable_person, reset_password
from coordinator.vaults.models import Vault
from tests.integration.api.people.browser import Browser
from tests.integration.api.people.conftest import Somebody
from tests.integration.api.programs import Program, Server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AC-2")]

ARM_VAULTS = "/subscriptions/{}/providers/Microsoft.RecoveryServices/vaults"


def test_a_person_signs_in_and_reads_with_the_session(
    browser: Browser, ada: Somebody, program: Program, vault: Vault
) -> None:
    assert browser.call("GET", program.vault_path).status_code == 401
    page = browser.open("/account/login/")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    answer = browser.sign_in("ADA", ada.password)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/account/")
    assert "Signed in as ada" in browser.open("/account/").text
    assert browser.call("GET", program.vault_path).json()["name"] == "Vault-1"
    denied = browser.call(
        "DELETE", program.vault_path, headers={"X-CSRFToken": browser.csrf_token()}
    )
    assert denied.status_code == 403
    error = denied.json()["error"]
    assert error["code"] == "AuthorizationFailed"
    assert f"'ada' with object id '{ada.id}'" in error["message"]


def test_the_password_is_kept_as_argon2_and_the_cookie_is_for_tls_and_this_host_only(
    browser: Browser, ada: Somebody
) -> None:
    stored = User.objects.get(username="ada").password
    assert stored.startswith("argon2$argon2id$")
    answer = browser.sign_in("ada", ada.password)
    cookie = next(
        text
        for text in answer.raw.headers.getlist("Set-Cookie")
        if text.startswith("__Host-osr-session=")
    )
    words = {word.strip().lower() for word in cookie.split(";")[1:]}
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= words
    assert not any(word.startswith("domain") for word in words)


def test_a_change_by_a_session_needs_the_token_of_our_pages(
    browser: Browser, make_person: Callable[..., Somebody], program: Program, vault: Vault
) -> None:
    owner = make_person("owner", "", OWNER)
    browser.sign_in("owner", owner.password)
    token = browser.csrf_token()
    for headers in (
        {},
        {"X-CSRFToken": "made up"},
        {"X-CSRFToken": token, "Origin": "https://evil.example"},
        {"X-CSRFToken": token, "Referer": "https://evil.example/"},
    ):
        answer = browser.call("DELETE", program.vault_path, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "CsrfTokenInvalid")
    assert Vault.objects.filter(pk=vault.pk).exists()
    answer = browser.call("DELETE", program.vault_path, headers={"X-CSRFToken": token})
    assert answer.status_code in {200, 204}
    assert not Vault.objects.filter(pk=vault.pk).exists()


def test_a_form_made_elsewhere_signs_nobody_in(browser: Browser, ada: Somebody) -> None:
    browser.open("/account/login/")
    form = {"login": "ada", "password": ada.password}
    answer = browser.send("POST", "/account/login/", data=form)
    assert answer.status_code == 403
    assert not Session.objects.exists()


def test_guesses_lock_an_account_for_every_process_until_there_is_a_new_password(
    browser: Browser, ada: Somebody, server: Server
) -> None:
    for _ in range(9):
        answer = browser.sign_in("ada", "not the password")
        assert answer.status_code == 200
        assert "not the password" not in answer.text
    browser.sign_in(" Ada ", "wrong")
    locked = browser.sign_in("ada", ada.password)
    assert locked.status_code == 429
    assert 0 < int(locked.headers["Retry-After"]) <= 900
    # It is known in the database: another browser, another process would find it.
    row = WrongGuesses.objects.get()
    assert (row.subject, row.count) == ("Account", 0)
    assert "ada" not in row.who
    other = Browser(server)
    assert other.sign_in("ada", ada.password).status_code == 429
    # Others sign in meanwhile; nobody learns whether an account is there.
    for _ in range(10):
        browser.sign_in("nobody", "wrong")
    assert browser.sign_in("nobody", "wrong").status_code == 429
    password = reset_password("ada").reveal()
    assert browser.sign_in("ada", password).status_code == 302
    other.close()


def test_a_disabled_person_is_out_at_once(
    browser: Browser, ada: Somebody, program: Program, vault: Vault
) -> None:
    browser.sign_in("ada", ada.password)
    assert browser.call("GET", program.vault_path).status_code == 200
    disable_person("ada")
    assert browser.call("GET", program.vault_path).status_code == 401
    answer = browser.sign_in("ada", ada.password)
    assert not answer.headers.get("Location", "").startswith("/account/home")
    assert browser.call("GET", program.vault_path).status_code == 401


def test_a_new_password_ends_sessions_and_so_does_signing_out(
    browser: Browser, ada: Somebody, program: Program, vault: Vault
) -> None:
    browser.sign_in("ada", ada.password)
    password = reset_password("ada").reveal()
    assert browser.call("GET", program.vault_path).status_code == 401
    browser.sign_in("ada", password)
    assert browser.call("GET", program.vault_path).status_code == 200
    key = browser.session.cookies["__Host-osr-session"]
    browser.submit("/account/logout/", {}, page="/account/")
    assert browser.call("GET", program.vault_path).status_code == 401
    stolen = browser.call(
        "GET", program.vault_path, headers={"Cookie": f"__Host-osr-session={key}"}
    )
    assert stolen.status_code == 401


def test_a_person_changes_the_password_to_a_good_one(browser: Browser, ada: Somebody) -> None:
    browser.sign_in("ada", ada.password)
    for bad in ("short", "password1234"):
        form = {"oldpassword": ada.password, "password1": bad, "password2": bad}
        assert browser.submit("/account/password/", form).status_code == 200
    good = "a far better one"
    form = {"oldpassword": ada.password, "password1": good, "password2": good}
    assert browser.submit("/account/password/", form).status_code == 302
    assert browser.open("/account/").status_code == 200
    user = User.objects.get(username="ada")
    assert user.check_password(good)


def test_nobody_signs_up(browser: Browser, program: Program) -> None:
    page = browser.open("/account/signup/")
    assert "made by an administrator" in page.text
    assert User.objects.count() == 0


def test_a_session_is_of_one_subscription(
    browser: Browser, ada: Somebody, make_program: Callable[..., Program]
) -> None:
    stranger = make_program()
    browser.sign_in("ada", ada.password)
    answer = browser.call("GET", stranger.vault_path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ResourceNotFound")
    answer = browser.call("GET", ARM_VAULTS.format(stranger.subscription_id))
    assert answer.status_code == 404
