"""Whatever comes in, the answer is JSON in ARM's form."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator.vaults.models import Vault
from tests.integration.api.programs import Program

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.spec("AP-2")
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nothing",
        "/subscriptions",
        "/providers/Microsoft.RecoveryServices/nothing",
    ],
)
def test_an_address_nobody_serves_is_an_arm_error(program: Program, path: str) -> None:
    answer = program.send("GET", path)
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error["code"] == "InvalidResourceType"
    assert error["details"][0]["activityId"] == answer.headers["x-ms-request-id"]


@pytest.mark.spec("AP-2")
@pytest.mark.parametrize(
    "tail",
    [
        "/replicationvCenters",
        "/replicationFabrics/f/replicationProtectionContainers/c/replicationMigrationItems",
        "/REPLICATIONAPPLIANCES",
        "/usages",
    ],
)
def test_operations_of_other_scenarios_are_arm_errors(
    program: Program, vault: Vault, tail: str
) -> None:
    answer = program.send("GET", program.vault_path + tail)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "OperationNotSupported"


def test_a_method_a_resource_does_not_have_is_an_arm_error(program: Program, vault: Vault) -> None:
    answer = program.send("PATCH", f"{program.vault_path}/replicationJobs/x", json={})
    assert answer.status_code == 405
    assert answer.json()["error"]["code"] == "MethodNotAllowed"


def test_the_api_version_is_required(program: Program, vault: Vault) -> None:
    answer = program.send("GET", program.vault_path, params={})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "MissingApiVersionParameter"


def test_a_host_name_that_is_not_ours_is_an_arm_error(program: Program, vault: Vault) -> None:
    answer = program.send("GET", program.vault_path, headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/json"


def test_a_body_too_long_is_refused(program: Program, vault: Vault) -> None:
    path = f"{program.vault_path}/replicationPolicies/p"
    answer = program.send("PUT", path, data=b'{"properties": "' + b"x" * 2_000_000 + b'"}')
    assert 400 <= answer.status_code < 500
    assert "error" in answer.json()


def test_no_refusal_invites_the_client_to_repeat_it(program: Program, vault: Vault) -> None:
    answer = program.send("PUT", f"{program.vault_path}/replicationPolicies/p", json={})
    assert answer.status_code == 400
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"])
def test_texts_that_cannot_be_stored_are_refused(program: Program, vault: Vault, text: str) -> None:
    tail = "replicationFabrics/f/replicationProtectionContainers/c/replicationProtectedItems/i"
    item = f"{program.vault_path}/replicationFabrics/f/replicationProtectionContainers/c"
    body = {"properties": {"protectableItemId": f"{item}/replicationProtectableItems/{text}"}}
    answer = program.send("PUT", f"{program.vault_path}/{tail}", data=json.dumps(body))
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "InvalidRequestContent"


def test_a_body_nested_too_deeply_is_refused(program: Program, vault: Vault) -> None:
    body = b'{"properties": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    answer = program.send("PUT", f"{program.vault_path}/replicationPolicies/p", data=body)
    assert answer.status_code == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner),
    max_leaves=8,
)
CONTAINER = "replicationFabrics/f/replicationProtectionContainers/c"
TAILS = st.sampled_from(
    [
        "replicationPolicies/p",
        f"{CONTAINER}/replicationProtectionContainerMappings/m",
        f"{CONTAINER}/replicationProtectedItems/i",
    ]
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(TAILS, JSON, JSON)
def test_no_body_makes_the_service_fail(
    program: Program, vault: Vault, tail: str, properties: object, details: object
) -> None:
    for body in (
        properties,
        {"properties": properties},
        {"properties": {"providerSpecificInput": details, "policyId": "x"}},
        {"properties": {"protectableItemId": details, "targetProtectionContainerId": properties}},
    ):
        answer = program.send("PUT", f"{program.vault_path}/{tail}", data=json.dumps(body))
        assert answer.status_code in {400, 404}, (body, answer.text)
        assert answer.json()["error"]["code"]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_no_address_makes_the_service_fail(program: Program, vault: Vault, name: str) -> None:
    from urllib.parse import quote  # noqa: PLC0415 - one test's

    answer = program.send(
        "GET",
        f"{program.vault_path}/replicationPolicies/{quote(name, safe='')}",
        params={"api-version": "x", "$filter": name, "$skipToken": name},
    )
    assert answer.status_code in {400, 404, 200}, answer.text
    assert answer.headers["Content-Type"].startswith("application/json")
