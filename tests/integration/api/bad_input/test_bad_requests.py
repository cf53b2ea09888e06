"""What is wrong with a request as a whole: its version, its length, what it says it is."""

from __future__ import annotations

import json

import pytest

from tests.integration.api.bad_input.example import Example
from tests.integration.api.bad_input.examples import EXAMPLES
from tests.integration.api.bad_input.scene import Scene, fingerprint

pytestmark = [pytest.mark.django_db, pytest.mark.spec("AP-1", "AP-2")]

OTHER_TYPES = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
    "application/octet-stream",
    "application/jsonp",
    "json",
)
JSON_TYPES = (
    "application/json",
    "application/json; charset=utf-8",
    "APPLICATION/JSON",
    "application/merge-patch+json",
)
TAGS = {"tags": {"site": "Shanghai"}}
LONGER_THAN_ANY = 5 * 1024 * 1024


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_route_with_a_body_reads_no_other_type_of_it(scene: Scene, example: Example) -> None:
    before = fingerprint()
    path, body = scene.path(example.path), json.dumps(scene.fill(example.body))
    for content_type in OTHER_TYPES:
        answer = scene.program.send(
            example.method, path, data=body, headers={"Content-Type": content_type}
        )
        assert answer.status_code == 415, (content_type, answer.text)
        error = answer.json()["error"]
        assert (error["code"], error["target"]) == ("UnsupportedMediaType", "Content-Type")
    assert fingerprint() == before


@pytest.mark.parametrize("content_type", JSON_TYPES)
def test_json_is_known_by_all_its_names(scene: Scene, content_type: str) -> None:
    answer = scene.program.send(
        "PATCH", scene.path(""), data=json.dumps(TAGS), headers={"Content-Type": content_type}
    )
    assert answer.status_code == 200, answer.text


def test_a_type_is_not_looked_at_before_the_caller(scene: Scene) -> None:
    answer = scene.program.send_bare(
        "PATCH", scene.path(""), data="x", headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 401


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_route_with_a_body_refuses_a_huge_one(scene: Scene, example: Example) -> None:
    before = fingerprint()
    answer = scene.program.send(
        example.method, scene.path(example.path), json={"properties": "x" * LONGER_THAN_ANY}
    )
    assert answer.status_code == 413, answer.text
    assert answer.json()["error"]["code"] == "RequestEntityTooLarge"
    assert fingerprint() == before


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
@pytest.mark.parametrize(
    ("version", "code"),
    [
        (None, "MissingApiVersionParameter"),
        ("", "MissingApiVersionParameter"),
        ("2015-01-01", "InvalidApiVersionParameter"),
        ("2025-08-01-preview", "InvalidApiVersionParameter"),
    ],
)
def test_nothing_is_changed_in_a_version_nobody_speaks(
    scene: Scene, example: Example, version: str | None, code: str
) -> None:
    before = fingerprint()
    answer = scene.program.send(
        example.method,
        scene.path(example.path),
        json=scene.fill(example.body),
        params={} if version is None else {"api-version": version},
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == code
    assert fingerprint() == before


@pytest.mark.parametrize(
    "body", ["", "{", "[1, 2", '{"properties": NaN}', '{"properties": {}} x', "\ufeff{}", "\xff"]
)
def test_what_is_no_json_is_refused(scene: Scene, body: str) -> None:
    answer = scene.program.send(
        "PUT",
        scene.path("/replicationPolicies/another"),
        data=body.encode("latin-1", "replace"),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "InvalidRequestContent"


@pytest.mark.parametrize(
    "name",
    [
        "%2e%2e",
        "%252e",
        "a%2Fb",
        "%00",
        "%ff%fe",
        "' OR 1=1--",
        "x" * 2000,
        "\u202ename",
        "{fabric_name}",
        "*",
    ],
)
@pytest.mark.parametrize(
    "collection",
    [
        "/replicationFabrics/",
        "/replicationPolicies/",
        "/replicationJobs/",
        "/replicationEvents/",
        "/replicationRecoveryPlans/",
        "/registrationKeys/",
        "/replicationOperationStatus/",
        "/replicationFabrics/{shanghai}/replicationProtectionContainers/",
        (
            "/replicationFabrics/{shanghai}/replicationProtectionContainers/{gold1}"
            "/replicationProtectedItems/"
        ),
        "/providers/Microsoft.Authorization/roleAssignments/",
    ],
)
def test_malformed_ids_are_of_nothing(scene: Scene, collection: str, name: str) -> None:
    answer = scene.program.send("GET", scene.path(collection) + name)
    assert answer.status_code in {400, 404}, answer.text
    assert answer.json()["error"]["code"] in {"NotFound", "InvalidUri", "InvalidResourceType"}
