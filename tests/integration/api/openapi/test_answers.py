"""Every operation of the document, asked in many ways: the answers are what the document says.

The same requests each time: Hypothesis derives them from the document, not from chance. Each
operation is asked in a vault of its own, so none depends on what another has changed; what is begun
is not carried out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from django.db import connections
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from pytest_django import DjangoDbBlocker
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from coordinator.api.paths import VAULT
from tests.integration.api.bad_input.example import Example
from tests.integration.api.bad_input.examples import EXAMPLES
from tests.integration.api.openapi.document import Told, operations, strict
from tests.integration.api.openapi.places import Callers, Place, make_callers, make_place
from tests.integration.api.programs import Server

pytestmark = [pytest.mark.django_db, pytest.mark.spec("AP-1", "AP-2")]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(strict())
OPERATIONS = list(operations())
# How often an operation is asked as the document says and otherwise; and one that is only refused.
GOOD, BAD, REFUSED = 4, 4, 1
TIMEOUT_SECONDS = 60
# Nothing of the kind is there: what they tell of begins with a request.
NOT_THERE = frozenset({"Exports_Get"})
# It takes a time that must be soon, which no example can have.
TOO_FAR = frozenset({"ReplicationProtectedItems_Resynchronize"})
VERSION = {"api-version": "2025-08-01"}


@pytest.fixture(scope="module")
def callers(
    server: Server, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Callers]:
    with django_db_blocker.unblock():
        made = make_callers(server, timezone.now())
        yield made
        made.close()
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture(scope="module")
def beside(callers: Callers) -> Iterator[ThreadPoolExecutor]:
    """A thread with a database connection of its own: none of its changes is in a transaction of a
    test, so the API's process sees them.
    """
    with ThreadPoolExecutor(1) as executor:
        yield executor
        executor.submit(connections.close_all).result()


@pytest.fixture(scope="module")
def furnished(callers: Callers, beside: ThreadPoolExecutor) -> Callable[[Told], Place]:
    """Gives each operation a vault: one for all that change nothing, a new one for another."""

    def make() -> Place:
        return beside.submit(make_place, callers, timezone.now()).result()

    unchanged = make()

    def give(told: Told) -> Place:
        return make() if told.applies and told.method != "GET" else unchanged

    return give


def _operation(told: Told) -> Any:
    return SCHEMA.find_operation_by_id(told.id)


def _asked(callers: Callers, case: Case[Any], session: Any = None) -> Any:
    """Sends a request and compares the answer with the document."""
    answer = case.call(
        base_url=callers.server.url,
        session=session or callers.owner,
        verify=str(callers.server.ca_file),
        timeout=TIMEOUT_SECONDS,
    )
    case.validate_response(answer, checks=CHECKS)
    return answer


def _examples(told: Told) -> list[Example]:
    """The requests that others are made bad from: these are good."""
    tail = told.path.removeprefix(VAULT)
    pattern = re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", tail))
    return [
        each
        for each in EXAMPLES
        if told.in_vault and each.method == told.method and pattern.fullmatch(each.path)
    ]


def _case(told: Told, place: Place, **parts: Any) -> Case[Any]:
    names = place.names_for(told.path)
    needs_server = "/recoveryNetworks" in told.path
    made: Case[Any] = _operation(told).Case(
        path_parameters={name: names.get(name, "nothing") for name in told.path_names},
        query=VERSION | ({"recoveryFabricName": place.texts["beijing"]} if needs_server else {}),
        **parts,
    )
    return made


def _with_names_of(example: Example, told: Told, place: Place) -> dict[str, str]:
    """The names in the address of an example."""
    address = str(place.fill(f"{{vault}}{example.path}"))
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", told.path)
    found = re.fullmatch(pattern, address)
    assert found is not None
    return found.groupdict()


@pytest.mark.parametrize("told", [each for each in OPERATIONS if each.applies], ids=lambda t: t.id)
def test_good_requests_are_answered_as_the_document_says(
    callers: Callers, furnished: Callable[[Told], Place], told: Told
) -> None:
    if told.method == "GET":
        answer = _asked(callers, _case(told, furnished(told)))
        expected = {403} if told.id in NOT_THERE else {200, 202}
        assert answer.status_code in expected, answer.text
        return
    for example in _examples(told):
        place = furnished(told)
        case = _case(told, place, body=place.fill(example.body), media_type="application/json")
        case.path_parameters.update(_with_names_of(example, told, place))
        answer = _asked(callers, case)
        # What the examples' machine or plan is not ready for is a conflict.
        expected = {400} if told.id in TOO_FAR else {200, 201, 202, 204, 409}
        assert answer.status_code in expected, (example.name, answer.text)
    if not told.body.get("requestBody", {}).get("required"):
        answer = _asked(callers, _case(told, furnished(told)))
        assert answer.status_code < 300 or answer.status_code == 409, answer.text


@pytest.mark.parametrize("told", OPERATIONS, ids=lambda told: told.id)
def test_whatever_is_asked_the_answer_is_as_the_document_says(
    callers: Callers, furnished: Callable[[Told], Place], told: Told
) -> None:
    place = furnished(told)
    operation = _operation(told)
    names = place.names_for(told.path)
    known = {name: names.get(name, "nothing") for name in told.path_names}
    vault = {name: known[name] for name in known if name in {"subscription_id", "vault_name"}}
    good, bad = (GOOD, BAD) if told.applies else (REFUSED, REFUSED)
    for mode, path_parameters, count in (
        (GenerationMode.POSITIVE, known, good),
        (GenerationMode.POSITIVE, {**vault, "resource_group": "group-1"}, REFUSED),
        (GenerationMode.NEGATIVE, known, bad),
    ):
        fixed = {name: path_parameters[name] for name in known if name in path_parameters}

        @settings(
            max_examples=count,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(
            operation.as_strategy(mode, feedback=NO_FEEDBACK, path_parameters=fixed, query=VERSION)
        )
        def ask(case: Case[Any]) -> None:
            _asked(callers, case)

        ask()


def test_readers_and_strangers_are_answered_as_the_document_says(
    callers: Callers, furnished: Callable[[Told], Place]
) -> None:
    place = furnished(OPERATIONS[0])
    for told in OPERATIONS:
        case = _case(told, place)
        # What each role may is another test's to say (roles/test_matrix.py).
        read = _asked(callers, case, callers.reader)
        assert read.status_code in {200, 202, 400, 403}, (told.id, read.text)
        unknown = _asked(callers, case, callers.stranger)
        assert unknown.status_code == (403 if told.id in NOT_THERE else 401), told.id
