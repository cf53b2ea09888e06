"""The comparison that all tests of the API make is one that can fail."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
import requests
from schemathesis.core.failures import FailureGroup
from schemathesis.openapi.checks import JsonSchemaError
from urllib3 import HTTPResponse

from tests.integration.api.openapi.checking import check

# One thing, or several.
WRONG = (JsonSchemaError, FailureGroup)
VAULT = (
    "/subscriptions/7b5c5b0e-54c7-4a0e-9d5c-2f0f5d0a2f11/resourceGroups/group-1"
    "/providers/Microsoft.RecoveryServices/vaults/Vault-1"
)
POINT = {
    "id": f"{VAULT}/x",
    "name": "point-1",
    "type": "Microsoft.RecoveryServices/x",
    "location": None,
    "properties": {
        "recoveryPointTime": "2026-01-01T00:00:00.000000Z",
        "recoveryPointType": "CrashConsistent",
        "providerSpecificDetails": {"instanceType": "HyperVReplica2012R2"},
    },
}
PATH = (
    f"{VAULT}/replicationFabrics/f/replicationProtectionContainers/c"
    "/replicationProtectedItems/i/recoveryPoints/point-1"
)


def answer(status: int, body: Mapping[str, object], path: str = PATH) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made._content = json.dumps(body).encode()
    made.headers["Content-Type"] = "application/json"
    made.raw = HTTPResponse(headers=dict(made.headers))
    url = f"https://osr.example{path}?api-version=2025-08-01"
    made.request = requests.Request("GET", url).prepare()
    made.url = url
    return made


def test_an_answer_as_the_document_has_it_is_right() -> None:
    check(answer(200, POINT))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {**POINT, "name": 5},
        {**POINT, "more": "than the document says"},
        {**POINT, "properties": {"recoveryPointTime": None}},
    ],
)
def test_another_is_not(body: Mapping[str, object]) -> None:
    with pytest.raises(WRONG):
        check(answer(200, body))


def test_an_error_has_arms_form() -> None:
    with pytest.raises(WRONG):
        check(answer(404, {"error": "not found"}))


def test_a_status_that_the_document_does_not_have_is_wrong() -> None:
    with pytest.raises(AssertionError, match="answers 418"):
        check(answer(418, {}))


def test_what_the_document_does_not_have_is_not_compared() -> None:
    check(answer(418, {}, "/somewhere"))
