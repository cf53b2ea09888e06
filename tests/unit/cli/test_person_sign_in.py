"""Signing in: the address, what comes back, and who brings it."""

from __future__ import annotations

import base64
import hashlib
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from coordinator.cli.connection import Connection, Secret
from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.person_sign_in import (
    CallbackListener,
    code_of,
    new_attempt,
    sign_in_address,
)

pytestmark = pytest.mark.spec("UI-2", "AC-2")

PERSON = Connection("https://o:1", "https://o:1", "tenant", "", Secret(""), "s", "g", "v", "")


def test_the_address_asks_for_a_code_with_pkce() -> None:
    attempt = new_attempt(4711)
    address = urlsplit(sign_in_address(PERSON, attempt))
    assert address.path == "/tenant/oauth2/v2.0/authorize"
    query = {name: value for name, [value] in parse_qs(address.query).items()}
    digest = hashlib.sha256(attempt.verifier.encode()).digest()
    assert query["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert query["code_challenge_method"] == "S256"
    assert query["redirect_uri"] == "http://127.0.0.1:4711/callback"
    assert query["state"] == attempt.state
    assert attempt.verifier not in sign_in_address(PERSON, attempt)
    assert new_attempt(4711).verifier != attempt.verifier


def test_the_code_is_taken_from_what_the_browser_was_sent_to() -> None:
    attempt = new_attempt(1)
    for start in (attempt.redirect, "/callback", " http://127.0.0.1:1/callback"):
        assert code_of(f"{start}?code=abc&state={attempt.state}\n", attempt) == "abc"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "no code"),
        ("?code=abc", "no code"),
        ("?code=abc&state=another", "no code"),
        ("?state={state}", "no code"),
        ("?error=access_denied&state={state}", "access_denied"),
    ],
)
def test_a_code_of_another_attempt_is_refused(query: str, words: str) -> None:
    attempt = new_attempt(1)
    with pytest.raises(CommandError, match=words) as raised:
        code_of(f"/callback{query.format(state=attempt.state)}", attempt)
    assert raised.value.exit_code is ExitCode.NOT_CONNECTED


def test_the_browser_is_waited_for_and_strangers_are_not() -> None:
    listener = CallbackListener()
    base = f"http://127.0.0.1:{listener.port}"
    answers: list[int] = []

    def browse() -> None:
        with requests.Session() as session:
            session.trust_env = False
            answers.extend(
                session.get(f"{base}{path}", timeout=30).status_code
                for path in ("/favicon.ico", "/callback?code=abc&state=x")
            )

    browser = Thread(target=browse)
    browser.start()
    try:
        assert listener.wait(30) == "/callback?code=abc&state=x"
        browser.join(30)
    finally:
        listener.close()
    assert answers == [404, 200]


def test_nobody_comes() -> None:
    listener = CallbackListener()
    try:
        assert listener.wait(0.01) == ""
    finally:
        listener.close()
