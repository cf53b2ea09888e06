"""What the audit keeps of bodies: names, a digest, never a value."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from coordinator.api.audited_bodies import MOST_NAMES, changed_fields, digest

pytestmark = pytest.mark.spec("EV-3")


def test_fields_are_named_with_dots_and_without_values() -> None:
    body = {"properties": {"policyId": "/p", "machines": [{"name": "a"}, {"id": 1}], "none": None}}
    names = changed_fields(json.dumps(body).encode())
    assert names == (
        "properties.machines.id",
        "properties.machines.name",
        "properties.none",
        "properties.policyId",
    )


@pytest.mark.parametrize("body", [b"", b"no json", b"[1, 2]", b'"text"', b"\xff", b"[" * 100_000])
def test_what_is_no_object_has_no_fields(body: bytes) -> None:
    assert changed_fields(body) == ()


def test_a_body_of_very_many_fields_is_not_listed_in_full() -> None:
    body = {f"name{number}": 1 for number in range(1000)}
    assert len(changed_fields(json.dumps(body).encode())) == MOST_NAMES


def test_names_can_be_stored_whatever_they_are() -> None:
    [name] = changed_fields(b'{"a\\u0000\\ud800' + b"x" * 1000 + b'": 1}')
    assert "\0" not in name
    assert name.encode()
    assert len(name) <= 128


def test_a_digest_is_of_the_body_as_it_came() -> None:
    body = b'{"tags": {"a": "b"}}'
    assert digest(body, changed_fields(body)) == sha256(body).hexdigest()
    assert digest(b"", ()) == ""


def test_a_body_with_a_secret_has_no_digest_to_guess_it_by() -> None:
    for name in ("secret", "properties.clientSecret", "Password", "accessToken"):
        assert digest(b"{}", (name,)) == ""
