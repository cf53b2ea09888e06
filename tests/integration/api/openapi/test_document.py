"""The document of the API: kept in step, served, and whole."""

from __future__ import annotations

import re
from collections import Counter

import pytest
import requests
from ninja.constants import NOT_SET

from coordinator.api.openapi.document import document_of
from coordinator.api.urls import api
from coordinator.config.api_document import fresh
from tests.integration.api.openapi.document import DOCUMENT, KEPT, operations
from tests.integration.api.programs import Server

pytestmark = pytest.mark.spec("AP-1")


def test_the_kept_document_is_what_the_routes_make() -> None:
    assert KEPT.read_text("utf-8") == fresh(), "run python -m coordinator.config.api_document"


def test_every_route_tells_what_it_answers() -> None:
    silent = [
        f"{operation.view_func.__module__}.{operation.view_func.__name__}"
        for router in api._get_bound_routers()
        for view in router.path_operations.values()
        for operation in view.operations
        if NOT_SET in operation.response_models.values()
    ]
    assert silent == [], "give them response= (coordinator.api.responses)"


def test_every_route_is_in_the_document() -> None:
    routes = [
        (method, f"/{path.lstrip('/')}")
        for router in api._get_bound_routers()
        for path, view in router.path_operations.items()
        for operation in view.operations
        for method in operation.methods
    ]
    assert sorted(routes) == sorted((told.method, told.path) for told in operations())


def test_operations_have_names_of_their_own() -> None:
    counts = Counter(told.id for told in operations())
    assert [name for name, count in counts.items() if count > 1] == []
    assert [name for name in counts if not re.fullmatch(r"[A-Z]\w+_[A-Z]\w+", name)] == []


def test_every_operation_says_what_it_does_in_a_sentence() -> None:
    for told in operations():
        summary = told.body["summary"]
        assert summary[:1].isupper(), told
        assert 3 < len(summary) <= 160, told
        assert len(told.body["tags"]) == 1, told


def test_every_answer_and_every_error_has_a_body_or_says_that_it_has_none() -> None:
    for told in operations():
        for status, response in told.body["responses"].items():
            content = told.resolved(response).get("content")
            assert bool(content) == (status not in {"202", "204"}), (told, status)


def test_operations_that_go_on_name_the_headers_to_follow() -> None:
    begun = [
        told
        for told in operations()
        if "202" in told.body["responses"]
        # An action on a job is done with its answer.
        and told.method != "GET"
        and "/replicationJobs/{job_name}/" not in told.path
    ]
    assert len(begun) > 50
    for told in begun:
        headers = told.body["responses"]["202"]["headers"]
        assert {"Location", "Azure-AsyncOperation", "Retry-After"} <= set(headers), told


def test_errors_are_told_for_what_can_go_wrong() -> None:
    for told in operations():
        if told.id == "Exports_Get":
            continue
        statuses = set(told.body["responses"])
        assert {"400", "401", "500", "503"} <= statuses, told
        assert not told.in_vault or {"403", "404"} <= statuses, told


def test_nothing_is_in_the_document_that_is_not_used() -> None:
    text = KEPT.read_text("utf-8")
    for kind, parts in DOCUMENT["components"].items():
        if kind != "securitySchemes":
            unused = [name for name in parts if f'#/components/{kind}/{name}"' not in text]
            assert unused == [], kind


def test_two_documents_are_the_same() -> None:
    assert document_of(api) == document_of(api)


@pytest.mark.django_db
def test_the_document_is_served_to_everybody(server: Server) -> None:
    url = f"{server.url}/openapi.json"
    verify = str(server.ca_file)
    answer = requests.get(url, verify=verify, timeout=30)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.text == KEPT.read_text("utf-8")
    etag = answer.headers["ETag"]
    again = requests.get(url, verify=verify, timeout=30, headers={"If-None-Match": etag})
    assert (again.status_code, again.text) == (304, "")
    refused = requests.post(url, verify=verify, timeout=30)
    assert refused.status_code == 405
    assert refused.json()["error"]["code"] == "MethodNotAllowed"
