"""Every operation of Microsoft's clients is carried out, or refused in ARM's words."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.paging import ItemPaged

from coordinator.api.inapplicable_operations import OPERATIONS
from coordinator.vaults.models import Vault
from tests.integration.api.programs import Program, error_of
from tests.integration.api.sdk_operations import (
    PAGE,
    SITE_RECOVERY,
    Operation,
    operations,
    page_with,
    shown_by,
    stated,
    table,
)

INAPPLICABLE = [each for each in operations() if stated().get(each.words) is False]


def test_the_table_has_every_operation_of_the_packages_and_no_other() -> None:
    assert sorted(each.words for each in operations()) == sorted(stated())


@pytest.mark.spec("AP-1")
def test_every_operation_that_applies_is_shown_by_a_test() -> None:
    tests = shown_by()
    missing = [name for name, applies in stated().items() if applies and not tests.get(name)]
    assert missing == []


def test_the_documentation_has_the_table() -> None:
    assert PAGE.read_text("utf-8") == page_with(table())


@pytest.mark.spec("AP-2")
@pytest.mark.django_db(transaction=True)
def test_operations_that_do_not_apply_are_refused_with_cause_and_remedy(
    program: Program, vault: Vault
) -> None:
    reasons = set()
    for operation in INAPPLICABLE:
        with pytest.raises(HttpResponseError) as raised:
            _call(program, operation)
        assert raised.value.status_code == 400, operation
        error = error_of(raised.value)
        assert error["code"] == "OperationNotSupported", operation
        assert error["message"]
        detail = error["details"][0]
        assert detail["possibleCauses"]
        assert detail["recommendedAction"]
        reasons.add(detail["recommendedAction"])
    assert reasons == {each.reason.action for each in OPERATIONS}


@pytest.mark.spec("AP-2", "AC-3")
@pytest.mark.django_db(transaction=True)
def test_what_does_not_apply_tells_nothing_of_vaults_that_are_not_there(program: Program) -> None:
    client = program.site_recovery
    with pytest.raises(HttpResponseError) as raised:
        list(client.replicationv_centers.list(program.resource_group, "No-Vault"))
    assert error_of(raised.value)["code"] == "ResourceNotFound"


def _call(program: Program, operation: Operation) -> None:
    client = (
        program.site_recovery if operation.package == SITE_RECOVERY else program.recovery_services
    )
    method = operation.of(client)
    answer = method(*_arguments(program, method))
    if isinstance(answer, ItemPaged):
        list(answer)


def _arguments(program: Program, method: Any) -> Iterator[object]:
    """The vault's own names; what else is wanted is made up, and no body has anything in it."""
    known = {
        "resource_group_name": program.resource_group,
        "resource_name": program.vault,
        "vault_name": program.vault,
    }
    for name, parameter in inspect.signature(method).parameters.items():
        wanted = parameter.default is inspect.Parameter.empty
        if wanted and parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            is_text = parameter.annotation in {str, "str"}
            yield known.get(name, "x") if is_text else {}
